//! The parts of a face on which a prediction is based.

use polars::prelude::df;

use crate::common::Result;
use crate::common::text::percent;
use crate::data::column;
use crate::evaluate::Attention;
use crate::plot::faces::{self, CaptionedFace};
use crate::plot::figure::Figure;

/// Up to twelve faces, each next to a copy on which orange marks the areas that support the predicted class;
/// `subject` is the source of the faces.
///
/// # Errors
/// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
pub fn attention(subject: impl AsRef<str>, faces: &[Attention]) -> Result<Figure> {
    let shown = faces.get(..faces::MOST).unwrap_or(faces);
    let data = df!(
        "true" => column(shown, |face| face.truth.map(|truth| truth.name())),
        "predicted" => column(shown, |face| face.predicted.name()),
        "confidence" => column(shown, |face| face.confidence),
    )?;
    let faces: Vec<_> = shown
        .iter()
        .map(|face| {
            let verdict = match face.truth {
                Some(truth) if truth == face.predicted => "right".to_string(),
                Some(truth) => format!("labelled {truth}"),
                None => String::new(),
            };
            let predicted = face.predicted;
            CaptionedFace {
                pictures: vec![face.pixels.clone(), overlay(&face.pixels, &face.map)],
                lines: [
                    format!("{predicted}, {}", percent(f64::from(face.confidence), 0)),
                    verdict,
                ],
            }
        })
        .collect();
    let figure =
        Figure::draw(format!("Where the network looks, {}", subject.as_ref()), |canvas| {
            let subtitle = "Grad-CAM: orange areas support the predicted class";
            faces::draw(canvas, subtitle, &faces)
        })?;
    Ok(figure.of_data(data))
}

/// A gray picture with a map of 0 to 1 over it in orange: red, green and blue, [48 × 48 × 3].
fn overlay(pixels: &[u8], map: &[f32]) -> Vec<u8> {
    const ORANGE: [f32; 3] = [230.0, 110.0, 0.0];
    let mix = |(gray, share): (&u8, &f32)| {
        // A third of the face stays visible at the maximum of the map.
        let share = share.clamp(0.0, 1.0) * 0.65;
        ORANGE.map(|channel| (f32::from(*gray) * (1.0 - share) + channel * share).round() as u8)
    };
    pixels.iter().zip(map).flat_map(mix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;
    use crate::emotion::Emotion;

    #[test]
    fn each_face_is_beside_its_map() {
        let face = |truth| Attention {
            pixels: vec![100; PIXELS],
            map: vec![1.0; PIXELS],
            predicted: Emotion::Fear,
            confidence: 0.5,
            truth,
        };
        let faces = [face(Some(Emotion::Fear)), face(Some(Emotion::Sad)), face(None)];
        let figure = attention("made-up sample", &faces).unwrap();
        assert_eq!(figure.svg().matches("<image").count(), 6);
        for part in ["fear, 50 %", "right", "labelled sad", "made-up sample"] {
            assert!(figure.svg().contains(part), "{part}");
        }
    }
}
