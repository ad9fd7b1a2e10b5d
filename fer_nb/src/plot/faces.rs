//! Faces in rows, each with two lines below it.

use crate::common::Result;
use crate::plot::canvas::{Canvas, MARGIN, Type};
use crate::plot::palette::MUTED;
use crate::plot::style::WIDTH;

/// The maximum number of faces in a figure.
pub(super) const MOST: usize = 12;

/// One face.
#[derive(Debug, Clone)]
pub(super) struct CaptionedFace {
    /// One picture, or several side by side: u8 [48 × 48], or [48 × 48 × 3].
    pub(super) pictures: Vec<Vec<u8>>,
    /// The prediction, and a remark about it.
    pub(super) lines: [String; 2],
}

/// Up to twelve faces below the headline; further ones are omitted.
pub(super) fn draw(canvas: &mut Canvas, subtitle: &str, faces: &[CaptionedFace]) -> Result<()> {
    canvas.headline(subtitle)?;
    let faces = faces.get(..MOST).unwrap_or(faces);
    if faces.is_empty() {
        return canvas.nothing("There are no images.");
    }
    let wide = faces.iter().map(|face| face.pictures.len()).max().unwrap_or(1).max(1);
    let most = if wide == 1 { 6 } else { 4 };
    let rows = faces.len().div_ceil(most);
    let columns = faces.len().div_ceil(rows).max(if rows == 1 { 3 } else { 1 });
    let (top, bottom, gap, text) = (186.0, 1050.0, 40.0, 92.0);
    let width = (f64::from(WIDTH) - 2.0 * MARGIN + gap) / columns as f64;
    let height = (bottom - top) / rows as f64;
    let inner = 10.0;
    let room = (width - gap - inner * (wide - 1) as f64) / wide as f64;
    let side = room.min(height - text - 30.0).min(420.0);
    for (place, face) in faces.iter().enumerate() {
        let left = MARGIN + width * (place % columns) as f64;
        let top = top + height * (place / columns) as f64;
        for (index, pixels) in face.pictures.iter().enumerate() {
            canvas.face((left + (side + inner) * index as f64, top), side, pixels)?;
        }
        let kinds = [Type::new(31.0).bold(), Type::new(26.0).color(MUTED)];
        for ((line, kind), y) in face.lines.iter().zip(kinds).zip([42.0, 82.0]) {
            let (line, kind) = canvas.fit(line, width - gap, kind)?;
            canvas.text(&line, (left, top + side + y), kind);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;
    use crate::plot::Figure;

    #[test]
    fn any_number_of_faces_is_drawn() {
        for count in [0, 1, 5, 7, 12, 20] {
            for pictures in [1, 2] {
                let face = CaptionedFace {
                    pictures: vec![vec![100; PIXELS]; pictures],
                    lines: ["surprise, 100 %".into(), "label disgust, loss 12.34".into()],
                };
                let faces = vec![face; count];
                let figure = Figure::draw("Faces", |canvas| draw(canvas, "some", &faces)).unwrap();
                let drawn = figure.svg().matches("<image").count();
                assert_eq!(drawn, count.min(MOST) * pictures);
                assert_eq!(figure.svg().contains("no images"), count == 0);
            }
        }
    }
}
