//! Faces in rows and columns: samples of each class.

use crate::common::text::plural;
use crate::common::{Error, Result};
use crate::data::Dataset;
use crate::emotion::Emotion;
use crate::plot::canvas::{Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, class_color};
use crate::plot::style::WIDTH;

impl Dataset {
    /// A row of faces for each class: `per_class` of them, spread evenly over the class's images.
    ///
    /// # Errors
    /// [`Error::Input`] if `per_class` is not 1 to 40.
    pub fn sample_grid(&self, per_class: usize) -> Result<Figure> {
        if !(1..=40).contains(&per_class) {
            return Err(Error::input("per_class", per_class, "1 to 40 images a class"));
        }
        let mut shown = Vec::new();
        let rows = Emotion::ALL.map(|class| {
            let faces: Vec<(usize, &[u8])> = self
                .iter()
                .enumerate()
                .filter(|(_, (_, label))| *label == class)
                .map(|(place, (face, _))| (place, face))
                .collect();
            let count = per_class.min(faces.len());
            let spread = (0..count).filter_map(|i| faces.get(i * faces.len() / count.max(1)));
            let (places, faces): (Vec<usize>, _) =
                spread.map(|(place, face)| (*place, face.to_vec())).unzip();
            shown.extend(places);
            GridRow { class, faces }
        });
        let figure =
            Figure::draw(format!("Samples of each class, {}", self.origin().title()), |canvas| {
                canvas.headline(&format!("out of {}", plural(self.len(), "image")))?;
                draw(canvas, &rows, &[])
            })?;
        Ok(figure.of_data(self.select(&shown)?.table()?))
    }
}

/// One row of faces.
#[derive(Debug, Clone)]
pub(super) struct GridRow {
    pub(super) class: Emotion,
    /// Gray pictures, u8 [48 × 48] each.
    pub(super) faces: Vec<Vec<u8>>,
}

/// Rows of faces with the class before each, and headings above columns, each with the column at which it starts. A
/// gap precedes every heading except the first column's.
pub(super) fn draw(canvas: &mut Canvas, rows: &[GridRow], heads: &[(usize, &str)]) -> Result<()> {
    // The space before a column for the gaps of the headings up to it.
    let gaps = |column: usize| {
        40.0 * heads.iter().filter(|(start, _)| (1..=column).contains(start)).count() as f64
    };
    let columns = rows.iter().map(|row| row.faces.len()).max().unwrap_or(0);
    if columns == 0 {
        return canvas.nothing("There are no images to show.");
    }
    let top = if heads.is_empty() { 176.0 } else { 214.0 };
    let left = MARGIN + 210.0;
    let room = f64::from(WIDTH) - MARGIN - left - gaps(columns);
    let pitch = ((1068.0 - top) / rows.len() as f64).min(room / columns as f64).min(400.0);
    // A multiple of half an image's width, if this changes the size little: then every pixel of the image covers
    // whole pixels of the picture at twice the size.
    let halves = pitch * 0.95 / 24.0;
    let side = 24.0 * if halves.fract() < 0.3 { halves.floor() } else { halves };
    // Few columns are spread, but not so far that a row no longer looks like one.
    let across = (room / columns as f64).min(side * 1.3);
    let at = |column: usize| left + across * column as f64 + gaps(column);

    for (start, head) in heads {
        canvas.text(head, (at(*start), top - 14.0), Type::new(28.0).color(MUTED));
    }
    for (place, row) in rows.iter().enumerate() {
        let y = top + pitch * place as f64;
        let size = (pitch * 0.35).min(34.0);
        canvas.label(row.class.name(), (MARGIN, y + side / 2.0), Type::new(size).bold());
        let color = class_color(row.class);
        canvas.rect((left - 20.0, y), (left - 12.0, y + side), color);
        if row.faces.is_empty() {
            let kind = Type::new(size).color(MUTED);
            canvas.label("no image", (left + 10.0, y + side / 2.0), kind);
        }
        for (column, face) in row.faces.iter().enumerate() {
            canvas.face((at(column), y), side, face)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, PIXELS, SampleConfig};

    fn rows(rows: usize, columns: usize) -> Vec<GridRow> {
        let face: Vec<u8> = (0..PIXELS).map(|i| (i % 251) as u8).collect();
        let rows = Emotion::ALL.into_iter().take(rows);
        rows.map(|class| GridRow { class, faces: vec![face.clone(); columns] }).collect()
    }

    fn figure(rows: &[GridRow]) -> Result<Figure> {
        let heads = [(0, "original"), (1, "augmented")];
        Figure::draw("Samples, made-up sample", |canvas| draw(canvas, rows, &heads))
    }

    #[test]
    fn each_class_has_its_samples() {
        let config = SampleConfig { seed: 1, train: 700, test: 35 };
        let data = FaceData::sample(config).unwrap().take(6).unwrap().train;
        let grid = data.sample_grid(3).unwrap();
        assert!(grid.svg().contains("made-up sample") && grid.svg().contains("surprise"));
        assert_eq!(grid.svg().matches("<image").count(), 21);
        assert!(matches!(data.sample_grid(0), Err(Error::Input { .. })));
        assert!(data.select(&[]).unwrap().sample_grid(3).is_ok());
    }

    #[test]
    fn any_number_of_faces_fits() {
        for (height, columns) in [(7, 10), (7, 1), (1, 1), (7, 40), (0, 0), (7, 0)] {
            let figure = figure(&rows(height, columns)).unwrap();
            assert_eq!(figure.svg().matches("<image").count(), height * columns);
            let font = figure.svg().find("</style>").unwrap_or_default();
            assert!(figure.svg().len() - font < 20_000 + 3_500 * height * columns);
            assert!(font < 25_000, "{font}");
        }
    }

    #[test]
    fn pixels_are_sharp_in_a_png() {
        let mut rows = rows(7, 10);
        rows.iter_mut().flat_map(|row| &mut row.faces).for_each(|face| face.fill(200));
        let png = figure(&rows).unwrap().png(1).unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        assert!(image.pixels().filter(|p| p.0 == [200; 3]).count() > 70 * 100 * 100);
    }

    #[test]
    fn a_picture_of_another_size_is_an_error() {
        let mut rows = rows(1, 1);
        rows[0].faces[0].pop();
        assert!(matches!(figure(&rows), Err(Error::Figure { .. })));
    }
}
