//! Single images with what the network makes of them.

use crate::common::Result;
use crate::emotion::Emotion;
use crate::plot::axis::percent;
use crate::plot::canvas::{Align, Canvas, MARGIN, Type, WIDTH};
use crate::plot::figure::Plot;
use crate::plot::palette::{MUTED, class_color, tint};
use crate::plot::picture::PictureBackend;

/// How many images a figure holds.
pub const MOST: usize = 6;

/// One image and its probabilities.
#[derive(Debug, Clone)]
pub struct PredictedFace {
    /// Gray, u8 [48 × 48].
    pub pixels: Vec<u8>,
    /// By class index, 0 to 1.
    pub probs: [f32; Emotion::COUNT],
    /// The label, where it is known.
    pub truth: Option<Emotion>,
}

impl PredictedFace {
    /// The most probable class and its probability; `None` where all are NaN.
    pub fn predicted(&self) -> Option<(Emotion, f32)> {
        let known = Emotion::ALL.into_iter().zip(self.probs).filter(|(_, p)| !p.is_nan());
        // The first of equals, as argmax has it.
        known.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

/// Up to six images, each beside a bar for every class.
#[derive(Debug, Clone)]
pub struct PredictionsPlot {
    /// Where the images came from.
    pub subject: String,
    pub faces: Vec<PredictedFace>,
}

impl Plot for PredictionsPlot {
    fn title(&self) -> String {
        format!("Predictions, {}", self.subject)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let left_out = self.faces.len().saturating_sub(MOST);
        let subtitle = match left_out {
            0 => String::new(),
            n => format!("the first {MOST} of {}", n + MOST),
        };
        canvas.title(&self.title(), &subtitle)?;
        let faces = self.faces.get(..MOST).unwrap_or(&self.faces);
        if faces.is_empty() {
            return canvas.nothing("There are no images to predict.");
        }
        let columns = match faces.len() {
            0..=3 => 1,
            4 => 2,
            _ => 3,
        };
        let rows = faces.len().div_ceil(columns);
        let (top, gap) = (180.0, 44.0);
        let width = (f64::from(WIDTH) - 2.0 * MARGIN + gap) / columns as f64;
        let height = (1060.0 - top) / rows as f64;
        for (place, face) in faces.iter().enumerate() {
            let corner = (
                MARGIN + width * (place % columns) as f64,
                top + height * (place / columns) as f64,
            );
            draw_face(canvas, face, corner, (width - gap, height - 24.0))?;
        }
        Ok(())
    }
}

fn draw_face<DB: PictureBackend>(
    canvas: &Canvas<'_, DB>,
    face: &PredictedFace,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) -> Result<()> {
    let side = (height - 100.0).min(width * 0.38);
    let size = (side / 7.5).min(34.0).min(width / 20.0);
    let predicted = face.predicted();
    let words = match predicted {
        Some((emotion, p)) => format!("{emotion}, {}", percent(f64::from(p), 0)),
        None => "no prediction".to_string(),
    };
    let (words, kind) = canvas.fit(&words, width, Type::new(38.0).bold())?;
    canvas.text(&words, (left, top + 34.0), kind)?;
    let verdict = match (face.truth, predicted) {
        (Some(truth), Some((emotion, _))) if truth == emotion => "right".to_string(),
        (Some(truth), _) => format!("wrong: labelled {truth}"),
        (None, _) => String::new(),
    };
    if !verdict.is_empty() {
        canvas.text(&verdict, (left, top + 74.0), Type::new(28.0).color(MUTED))?;
    }
    let top = top + 92.0;
    canvas.face((left, top), side, &face.pixels)?;

    let names = canvas.width_of("surprise", Type::new(size).bold())? + size * 0.5;
    let numbers = canvas.width_of("100 %", Type::new(size).bold())? + size * 0.4;
    let start = left + side + size * 0.8 + names;
    let room = left + width - start - numbers;
    let pitch = side / Emotion::COUNT as f64;
    for (emotion, p) in Emotion::ALL.into_iter().zip(face.probs) {
        let middle = top + pitch * (emotion.index() as f64 + 0.5);
        let best = predicted.is_some_and(|(best, _)| best == emotion);
        let kind = Type { bold: best, ..Type::new(size) };
        canvas.label(emotion.name(), (start - size * 0.5, middle), kind.align(Align::Right))?;
        let share = if p.is_finite() { f64::from(p).clamp(0.0, 1.0) } else { 0.0 };
        let (upper, lower) = (middle - pitch * 0.34, middle + pitch * 0.34);
        let color = class_color(emotion);
        canvas.rect((start, upper), (start + room, lower), tint(color, 0.12))?;
        canvas.rect((start, upper), (start + (room * share).max(3.0), lower), color)?;
        let words = percent(f64::from(p), 0);
        canvas.label(&words, (left + width, middle), kind.align(Align::Right))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;
    use crate::plot::Figure;

    fn face(probs: [f32; 7]) -> PredictedFace {
        PredictedFace { pixels: vec![128; PIXELS], probs, truth: Some(Emotion::Sad) }
    }

    fn figure(faces: Vec<PredictedFace>) -> Figure {
        Figure::new(PredictionsPlot { subject: "made-up sample".into(), faces }).unwrap()
    }

    #[test]
    fn any_number_of_faces_is_drawn() {
        for count in 0..=8 {
            let figure = figure(vec![face([0.05, 0.05, 0.1, 0.6, 0.1, 0.05, 0.05]); count]);
            assert_eq!(figure.svg().matches("<image").count(), count.min(MOST));
            assert_eq!(figure.svg().contains("no images"), count == 0);
            assert_eq!(figure.svg().contains("the first 6 of"), count > MOST);
            assert_eq!(figure.svg().contains("wrong: labelled sad"), count > 0);
        }
        assert!(figure(vec![face([1.0 / 7.0; 7])]).png(1).is_ok());
    }

    #[test]
    fn the_most_probable_class_is_named() {
        assert_eq!(
            face([0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]).predicted(),
            Some((Emotion::Angry, 0.5))
        );
        assert_eq!(face([f32::NAN; 7]).predicted(), None);
        let mut probs = [0.1; 7];
        probs[0] = f32::NAN;
        probs[6] = 0.4;
        assert_eq!(face(probs).predicted(), Some((Emotion::Surprise, 0.4)));
        assert!(figure(vec![face([f32::NAN; 7])]).svg().contains("no prediction"));
    }
}
