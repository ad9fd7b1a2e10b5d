//! Single images with their predictions.

use polars::prelude::{Column, df};

use crate::common::text::{percent, plural};
use crate::common::{Error, Result};
use crate::data::{Dataset, column};
use crate::deploy::Prediction;
use crate::emotion::Emotion;
use crate::evaluate::Evaluation;
use crate::plot::canvas::{Align, Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, class_color, tint};
use crate::plot::style::WIDTH;

/// The maximum number of images in a figure.
const MOST: usize = 6;

/// An image, u8 [48 × 48], its prediction and, if it is known, its label.
type Face = (Vec<u8>, Prediction, Option<Emotion>);

impl Prediction {
    /// The image, u8 [48 × 48], next to its probabilities; `subject` is the source of the image.
    ///
    /// # Errors
    /// [`Error::Figure`] for an image of another size.
    pub fn figure(&self, pixels: &[u8], subject: impl Into<String>) -> Result<Figure> {
        figure(subject.into(), &[(pixels.to_vec(), *self, None)])
    }
}

/// Up to six images, u8 [48 × 48] each, next to their probabilities, and, if the label is known, whether the
/// prediction is correct; `subject` is the source of the images.
///
/// # Errors
/// [`Error::Figure`] for an image of another size.
pub fn predictions(
    subject: impl Into<String>,
    faces: impl IntoIterator<Item = (Vec<u8>, Prediction, Option<Emotion>)>,
) -> Result<Figure> {
    figure(subject.into(), &faces.into_iter().collect::<Vec<_>>())
}

impl Evaluation {
    /// Up to six of the evaluated images with their probabilities and labels. `data` is the evaluated data set,
    /// `indices` are indices into it.
    ///
    /// # Errors
    /// [`Error::Input`] if `data` has another number of images, or an index is past the end.
    pub fn images_figure(&self, data: &Dataset, indices: &[usize]) -> Result<Figure> {
        check_data(self, data)?;
        let face = |index: &usize| match (data.image(*index), self.probs().get(*index)) {
            (Some(pixels), Some(probs)) => {
                Ok((pixels.to_vec(), Prediction::from_probs(*probs)?, data.label(*index)))
            }
            _ => Err(Error::input("index", index, format!("below {}", data.len()))),
        };
        let faces = indices.iter().map(face).collect::<Result<Vec<_>>>()?;
        figure(self.title().into(), &faces)
    }
}

/// Whether `data` can be the evaluated data set.
pub(super) fn check_data(evaluation: &Evaluation, data: &Dataset) -> Result<()> {
    if data.len() == evaluation.len() {
        return Ok(());
    }
    let expected = format!("the {} that were evaluated", plural(evaluation.len(), "image"));
    Err(Error::input("data", plural(data.len(), "image"), expected))
}

fn figure(subject: String, faces: &[Face]) -> Result<Figure> {
    let shown = faces.get(..MOST).unwrap_or(faces);
    let mut data = df!(
        "true" => column(shown, |(_, _, truth)| truth.map(|truth| truth.name())),
        "predicted" => column(shown, |(_, prediction, _)| prediction.emotion().name()),
    )?;
    for emotion in Emotion::ALL {
        let of = |(_, prediction, _): &Face| {
            prediction.probs().get(emotion.index()).copied().unwrap_or_default()
        };
        let name = format!("prob_{emotion}");
        data.with_column(Column::new(name.into(), column(shown, of)))?;
    }
    let figure = Figure::draw(format!("Predictions, {subject}"), |canvas| draw(canvas, faces))?;
    Ok(figure.of_data(data))
}

fn draw(canvas: &mut Canvas, faces: &[Face]) -> Result<()> {
    let left_out = faces.len().saturating_sub(MOST);
    let subtitle = match left_out {
        0 => String::new(),
        n => format!("the first {MOST} of {}", n + MOST),
    };
    canvas.headline(&subtitle)?;
    let faces = faces.get(..MOST).unwrap_or(faces);
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
        let corner =
            (MARGIN + width * (place % columns) as f64, top + height * (place / columns) as f64);
        draw_face(canvas, face, corner, (width - gap, height - 24.0))?;
    }
    Ok(())
}

fn draw_face(
    canvas: &mut Canvas,
    (pixels, prediction, truth): &Face,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) -> Result<()> {
    let side = (height - 100.0).min(width * 0.38);
    let size = (side / 7.5).min(34.0).min(width / 20.0);
    let (predicted, probs) = (prediction.emotion(), prediction.probs());
    let words = format!("{predicted}, {}", percent(f64::from(prediction.confidence()), 0));
    let (words, kind) = canvas.fit(&words, width, Type::new(38.0).bold())?;
    canvas.text(&words, (left, top + 34.0), kind);
    if let Some(truth) = truth {
        let verdict = match *truth == predicted {
            true => "right".to_string(),
            false => format!("wrong: labelled {truth}"),
        };
        canvas.text(&verdict, (left, top + 74.0), Type::new(28.0).color(MUTED));
    }
    let top = top + 92.0;
    canvas.face((left, top), side, pixels)?;

    let names = canvas.width_of("surprise", Type::new(size).bold())? + size * 0.5;
    let numbers = canvas.width_of("100 %", Type::new(size).bold())? + size * 0.4;
    let start = left + side + size * 0.8 + names;
    let room = left + width - start - numbers;
    let pitch = side / Emotion::COUNT as f64;
    for (emotion, p) in Emotion::ALL.into_iter().zip(*probs) {
        let middle = top + pitch * (emotion.index() as f64 + 0.5);
        let kind = Type { bold: emotion == predicted, ..Type::new(size) };
        canvas.label(emotion.name(), (start - size * 0.5, middle), kind.align(Align::Right));
        let share = f64::from(p).clamp(0.0, 1.0);
        let (upper, lower) = (middle - pitch * 0.34, middle + pitch * 0.34);
        let color = class_color(emotion);
        canvas.rect((start, upper), (start + room, lower), tint(color, 0.12));
        canvas.rect((start, upper), (start + (room * share).max(3.0), lower), color);
        let words = percent(share, 0);
        canvas.label(&words, (left + width, middle), kind.align(Align::Right));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, PIXELS, SampleConfig};

    const PROBS: [f32; 7] = [0.05, 0.05, 0.1, 0.6, 0.1, 0.05, 0.05];

    #[test]
    fn any_number_of_faces_is_drawn() {
        let prediction = Prediction::from_probs(PROBS).unwrap();
        for count in 0..=8 {
            let face = (vec![128; PIXELS], prediction, Some(Emotion::Sad));
            let figure = predictions("made-up sample", vec![face; count]).unwrap();
            assert_eq!(figure.svg().matches("<image").count(), count.min(MOST));
            assert_eq!(figure.svg().contains("no images"), count == 0);
            assert_eq!(figure.svg().contains("the first 6 of"), count > MOST);
            assert_eq!(figure.svg().contains("wrong: labelled sad"), count > 0);
        }
        assert!(prediction.figure(&[0; PIXELS], "made-up sample").unwrap().png(1).is_ok());
        assert!(matches!(prediction.figure(&[0; 5], "x"), Err(Error::Figure { .. })));
    }

    #[test]
    fn evaluated_images_have_their_labels() {
        let config = SampleConfig { seed: 1, train: 70, test: 35 };
        let data = FaceData::sample(config).unwrap().take(6).unwrap().test;
        let data = data.take_per_class(1).unwrap();
        let labels: Vec<u8> = data.iter().map(|(_, class)| class.index() as u8).collect();
        let title = "made-up sample";
        let evaluation = Evaluation::new(labels, vec![PROBS; data.len()], 1.0, title).unwrap();
        let figure = evaluation.images_figure(&data, &[0, 3]).unwrap();
        for part in ["wrong: labelled", "happy, 60 %", title] {
            assert!(figure.svg().contains(part), "{part}");
        }
        let input = |result| matches!(result, Err(Error::Input { .. }));
        assert!(input(evaluation.images_figure(&data, &[7])));
        let one = data.select(&[0]).unwrap();
        assert!(input(evaluation.images_figure(&one, &[0])));
        assert!(input(evaluation.top_losses_figure(&one)));
        let losses = evaluation.top_losses_figure(&data).unwrap();
        assert_eq!(losses.svg().matches("<image").count(), data.len());
    }
}
