//! The figures that results give of themselves.

use tch::{Device, Kind};

use crate::common::{Error, Result};
use crate::data::{Audit, Augmentation, ClassDistribution, Dataset, PIXELS};
use crate::deploy::Prediction;
use crate::emotion::Emotion;
use crate::evaluate::{
    Accuracy, Attention, ClassificationReport, ConfusionMatrix, Evaluation, Temperature,
    original as published,
};
use crate::plot::audit::{AuditPlot, Finding};
use crate::plot::axis::{percent, thousands};
use crate::plot::confusion::ConfusionPlot;
use crate::plot::curves::{CurrentEpoch, CurvePoint, CurvesPlot};
use crate::plot::distribution::DistributionPlot;
use crate::plot::f1::F1Plot;
use crate::plot::faces::{CaptionedFace, FacesPlot, MOST};
use crate::plot::figure::Figure;
use crate::plot::grid::{GridPlot, GridRow};
use crate::plot::predictions::{PredictedFace, PredictionsPlot};
use crate::plot::range_test::RangeTestPlot;
use crate::plot::reliability::ReliabilityPlot;
use crate::plot::roc::RocPlot;
use crate::train::{History, RangeTest};

/// How many random views of a face the preview of an augmentation shows.
const VIEWS: usize = 9;

impl ClassDistribution {
    /// Bars: images in each class, in train, validation and test.
    pub fn figure(&self) -> Result<Figure> {
        let splits = self.splits.iter().map(|(name, counts)| ((*name).to_string(), *counts));
        Figure::new(DistributionPlot {
            origin: self.origin.title().into(),
            splits: splits.collect(),
        })
    }
}

impl Dataset {
    /// A row of faces for each class: `per_class` of them, spread evenly over the class's images.
    ///
    /// # Errors
    /// [`Error::Setting`] where `per_class` is not 1 to 40.
    pub fn sample_grid(&self, per_class: usize) -> Result<Figure> {
        if !(1..=40).contains(&per_class) {
            return Err(Error::setting("per_class", per_class, "1 to 40 images a class"));
        }
        let rows = Emotion::ALL.into_iter().map(|class| {
            let faces: Vec<&[u8]> =
                self.iter().filter(|(_, label)| *label == class).map(|(face, _)| face).collect();
            let count = per_class.min(faces.len());
            let spread = (0..count).filter_map(|i| faces.get(i * faces.len() / count.max(1)));
            GridRow { class, faces: spread.map(|face| face.to_vec()).collect() }
        });
        Figure::new(GridPlot {
            title: format!("Samples of each class, {}", self.origin().title()),
            subtitle: format!("out of {} images", thousands(self.len() as u64)),
            rows: rows.collect(),
            heads: Vec::new(),
        })
    }
}

/// What an augmentation does: the first face of each class, and nine random views of each, drawn
/// from `seed`. The same values that training sees, rounded to 256 grays.
///
/// # Errors
/// [`Error::Setting`] where the augmentation is out of its ranges.
pub fn augmentation_preview(
    data: &Dataset,
    augmentation: &Augmentation,
    seed: u64,
) -> Result<Figure> {
    augmentation.validate()?;
    let data = data.take_per_class(1)?;
    let mut rows: Vec<GridRow> =
        data.iter().map(|(face, class)| GridRow { class, faces: vec![face.to_vec()] }).collect();
    if !data.is_empty() {
        let images =
            data.images_tensor(Device::Cpu)?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
        for view in 0..VIEWS {
            let views = augmentation.apply(&images, seed.wrapping_add(view as u64))?;
            let grays = views.f_mul_scalar(255.0)?.f_round()?.f_to_kind(Kind::Uint8)?;
            let mut pixels = vec![0u8; rows.len() * PIXELS];
            let count = pixels.len();
            grays.f_contiguous()?.f_copy_data_u8(&mut pixels, count)?;
            for (row, face) in rows.iter_mut().zip(pixels.chunks_exact(PIXELS)) {
                row.faces.push(face.to_vec());
            }
        }
    }
    rows.sort_by_key(|row| row.class);
    Figure::new(GridPlot {
        title: format!("Augmentation, {}", data.origin().title()),
        subtitle: describe(augmentation),
        rows,
        heads: vec![(0, "original".into()), (1, "random views of it".into())],
    })
}

/// An augmentation in a line, without what it leaves alone.
fn describe(augmentation: &Augmentation) -> String {
    let Augmentation {
        rotation,
        width_shift,
        height_shift,
        zoom,
        horizontal_flip,
        brightness,
        contrast,
        erasing,
    } = augmentation;
    let percent = |value: f64| (value * 1000.0).round() / 10.0;
    let mut parts = Vec::new();
    if *rotation != 0.0 {
        parts.push(format!("rotation ±{rotation}°"));
    }
    for (name, value) in
        [("horizontal shift", width_shift), ("vertical shift", height_shift), ("zoom", zoom)]
    {
        if *value != 0.0 {
            parts.push(format!("{name} ±{} %", percent(*value)));
        }
    }
    if *horizontal_flip {
        parts.push("horizontal flip".into());
    }
    for (name, value) in [("brightness", brightness), ("contrast", contrast)] {
        if *value != 0.0 {
            parts.push(format!("{name} ±{} %", percent(*value)));
        }
    }
    if *erasing != 0.0 {
        parts.push(format!("a rectangle erased in {} %", percent(*erasing)));
    }
    if parts.is_empty() { "no changes".into() } else { parts.join(", ") }
}

impl RangeTest {
    /// Loss against learning rate, the steepest fall marked.
    pub fn figure(&self) -> Result<Figure> {
        Figure::new(RangeTestPlot {
            origin: self.title.clone(),
            points: self.points.clone(),
            suggestion: self.suggestion(),
        })
    }
}

impl History {
    /// Loss and accuracy over the epochs, training against validation, the best epoch marked.
    pub fn curves(&self) -> Result<Figure> {
        curves(self, None, "No epoch has been recorded.")
    }
}

/// [`History::curves`] of a training that runs, with the epoch that it is in.
pub(crate) fn curves_while_training(
    history: &History,
    current: Option<CurrentEpoch>,
) -> Result<Figure> {
    curves(history, current, "Waiting for the first epoch.")
}

fn curves(history: &History, current: Option<CurrentEpoch>, nothing: &str) -> Result<Figure> {
    let epochs = history.epochs.iter().map(|record| CurvePoint {
        epoch: record.epoch,
        loss: record.loss,
        accuracy: record.accuracy,
        val_loss: record.val_loss,
        val_accuracy: record.val_accuracy,
    });
    Figure::new(CurvesPlot {
        origin: history.title.clone(),
        epochs: epochs.collect(),
        stopped: history.stopped.clone(),
        current,
        nothing: nothing.into(),
    })
}

impl ConfusionMatrix {
    /// The matrix with counts and shares of the true class, which give the colours; beside it the
    /// accuracy and what is confused most.
    pub fn figure(&self) -> Result<Figure> {
        let Accuracy { low, high, .. } = Accuracy::new(self.correct(), self.total());
        Figure::new(ConfusionPlot {
            subject: self.title().into(),
            counts: *self.counts(),
            interval: Some((low, high)),
        })
    }
}

impl ClassificationReport {
    /// F1 of each class and their mean, beside the original's, which are of FER2013's test images
    /// whatever ours are of.
    pub fn f1_figure(&self) -> Result<Figure> {
        Figure::new(F1Plot {
            subject: self.title().into(),
            ours: self.classes().map(|scores| scores.f1),
            original: published().f1(),
            original_name: "original (Keras, on FER2013)".into(),
        })
    }
}

impl Audit {
    /// Bars: copies, leaks, contradictions and flat images.
    pub fn figure(&self) -> Result<Figure> {
        let images = self.images as u64;
        let finding = |name: &str, meaning: &str, count: usize, of: Option<&str>| Finding {
            name: name.into(),
            meaning: meaning.into(),
            count: count as u64,
            of: of.map(|what| (images, what.to_string())),
        };
        let findings = vec![
            finding(
                "exact copies",
                "the same 48 × 48 pixels as another image",
                self.copies,
                Some("all images"),
            ),
            finding(
                "test images also in train or validation",
                "the network may have learnt their answer",
                self.test_in_train,
                None,
            ),
            finding(
                "validation images also in train",
                "make val_loss look better than it is",
                self.validation_in_train,
                None,
            ),
            finding(
                "groups of copies that disagree",
                "the same face under more than one label",
                self.disagreeing_groups,
                None,
            ),
            finding("flat images", "one gray, and no face", self.flat, Some("all images")),
        ];
        Figure::new(AuditPlot { origin: self.origin.title().into(), images, findings })
    }
}

impl Prediction {
    /// The image (u8 [48 × 48]) beside the probabilities; `subject` says where it came from.
    pub fn figure(&self, pixels: &[u8], subject: impl Into<String>) -> Result<Figure> {
        predictions(subject, [(pixels.to_vec(), *self, None)])
    }
}

/// Up to six images (u8 [48 × 48] each) beside their probabilities, and whether the prediction is
/// right where the label is known; `subject` says where they came from.
pub fn predictions(
    subject: impl Into<String>,
    faces: impl IntoIterator<Item = (Vec<u8>, Prediction, Option<Emotion>)>,
) -> Result<Figure> {
    let faces = faces.into_iter().map(|(pixels, prediction, truth)| PredictedFace {
        pixels,
        probs: *prediction.probs(),
        truth,
    });
    Figure::new(PredictionsPlot { subject: subject.into(), faces: faces.collect() })
}

impl Evaluation {
    /// Up to six of the evaluated images with their probabilities and labels. `data` is the set
    /// that was evaluated, `indices` are places in it.
    ///
    /// # Errors
    /// [`Error::Setting`] where `data` has another number of images, or an index is past the end.
    pub fn images_figure(&self, data: &Dataset, indices: &[usize]) -> Result<Figure> {
        if data.len() != self.probs().len() {
            let expected = format!("the {} images that were evaluated", self.probs().len());
            return Err(Error::setting("data", format!("{} images", data.len()), expected));
        }
        let faces =
            indices.iter().map(|index| match (data.image(*index), self.probs().get(*index)) {
                (Some(pixels), Some(probs)) => Ok(PredictedFace {
                    pixels: pixels.to_vec(),
                    probs: *probs,
                    truth: data.label(*index),
                }),
                _ => Err(Error::setting("index", index, format!("below {}", data.len()))),
            });
        Figure::new(PredictionsPlot {
            subject: self.title().into(),
            faces: faces.collect::<Result<_>>()?,
        })
    }
}

impl Evaluation {
    /// Accuracy against confidence, as it is and, unless it is 1, at this temperature, which was
    /// fitted on other images.
    pub fn reliability_figure(&self, temperature: Temperature) -> Result<Figure> {
        let after = match temperature == Temperature::default() {
            true => None,
            false => {
                let calibration = self.at_temperature(temperature)?.calibration();
                Some((temperature.value(), calibration))
            }
        };
        let subject = self.title().into();
        Figure::new(ReliabilityPlot { subject, before: self.calibration(), after })
    }

    /// The ROC curve of each class against the rest.
    pub fn roc_figure(&self) -> Result<Figure> {
        Figure::new(RocPlot { subject: self.title().into(), classes: self.roc() })
    }

    /// The twelve images with the highest loss, or fewer, with prediction and label. `data` is the set
    /// that was evaluated.
    ///
    /// # Errors
    /// [`Error::Setting`] where `data` has another number of images.
    pub fn top_losses_figure(&self, data: &Dataset) -> Result<Figure> {
        if data.len() != self.probs().len() {
            let expected = format!("the {} images that were evaluated", self.probs().len());
            return Err(Error::setting("data", format!("{} images", data.len()), expected));
        }
        let faces = self.top_losses(MOST).into_iter().filter_map(|index| {
            let (pixels, probs) = (data.image(index)?, self.probs().get(index)?);
            let truth = data.label(index)?;
            let predicted = usize::from(*self.predictions().get(index)?);
            let sure = f64::from(*probs.get(predicted)?);
            let loss = -f64::from(*probs.get(truth.index())?).max(1e-7).ln();
            let predicted = Emotion::from_index(predicted)?;
            Some(CaptionedFace {
                pictures: vec![pixels.to_vec()],
                lines: [
                    format!("{predicted}, {}", percent(sure, 0)),
                    format!("label {truth}, loss {loss:.1}"),
                ],
            })
        });
        Figure::new(FacesPlot {
            title: format!("Highest losses, {}", self.title()),
            subtitle: format!("out of {} images", thousands(self.len() as u64)),
            faces: faces.collect(),
        })
    }
}

/// Faces beside what in them speaks for the class that is predicted, up to twelve; `subject` says where
/// they came from.
pub fn attention(subject: impl AsRef<str>, faces: &[Attention]) -> Result<Figure> {
    let faces = faces.iter().map(|face| {
        let predicted = format!("{}, {}", face.predicted, percent(f64::from(face.confidence), 0));
        let verdict = match face.truth {
            Some(truth) if truth == face.predicted => "right".to_string(),
            Some(truth) => format!("labelled {truth}"),
            None => String::new(),
        };
        CaptionedFace {
            pictures: vec![face.pixels.clone(), overlay(&face.pixels, &face.map)],
            lines: [predicted, verdict],
        }
    });
    Figure::new(FacesPlot {
        title: format!("Where the network looks, {}", subject.as_ref()),
        subtitle: "Grad-CAM: what is orange speaks for the class that is predicted".into(),
        faces: faces.collect(),
    })
}

/// A gray picture with a map of 0 to 1 over it in orange: red, green and blue, [48 × 48 × 3].
fn overlay(pixels: &[u8], map: &[f32]) -> Vec<u8> {
    const ORANGE: [f32; 3] = [230.0, 110.0, 0.0];
    let mix = |(gray, share): (&u8, &f32)| {
        // Half of the face stays visible where the map is strongest.
        let share = share.clamp(0.0, 1.0) * 0.65;
        ORANGE.map(|channel| (f32::from(*gray) * (1.0 - share) + channel * share).round() as u8)
    };
    pixels.iter().zip(map).flat_map(mix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::train::EpochRecord;

    fn sample() -> FaceData {
        FaceData::sample(SampleConfig::default()).unwrap().take(6).unwrap()
    }

    fn has(figure: &Figure, parts: &[&str]) {
        for part in parts {
            assert!(figure.svg().contains(part), "{part} in {}", figure.title());
        }
    }

    #[test]
    fn data_shows_itself() {
        let data = sample();
        has(&data.class_distribution().figure().unwrap(), &["made-up sample", "validation"]);
        let grid = data.train.sample_grid(3).unwrap();
        has(&grid, &["made-up sample", "surprise"]);
        assert_eq!(grid.svg().matches("<image").count(), 21);
        assert!(matches!(data.train.sample_grid(0), Err(Error::Setting { .. })));
        assert!(data.train.select(&[]).unwrap().sample_grid(3).is_ok());
        has(&data.audit().unwrap().figure().unwrap(), &["made-up sample", "exact copies"]);
    }

    #[test]
    fn a_preview_without_augmentation_repeats_the_face() {
        let data = sample();
        let figure = augmentation_preview(&data.train, &Augmentation::none(), 1).unwrap();
        has(&figure, &["no changes", "made-up sample"]);
        let pictures: Vec<&str> =
            figure.svg().lines().filter(|line| line.starts_with("<image")).collect();
        assert_eq!(pictures.len(), 7 * (VIEWS + 1));
        for row in pictures.chunks(VIEWS + 1) {
            let data: Vec<_> = row.iter().filter_map(|line| line.split("base64,").nth(1)).collect();
            assert!(data.windows(2).all(|pair| pair[0] == pair[1]));
        }
        let figure = augmentation_preview(&data.train, &Augmentation::default(), 1).unwrap();
        has(&figure, &["rotation ±10°, horizontal shift ±10 %, vertical shift ±10 %, zoom ±10 %"]);
        let none = data.train.select(&[]).unwrap();
        assert!(augmentation_preview(&none, &Augmentation::default(), 1).is_ok());
        let wrong = Augmentation { zoom: 2.0, ..Augmentation::default() };
        assert!(augmentation_preview(&data.train, &wrong, 1).is_err());
    }

    #[test]
    fn results_show_themselves() {
        let record = EpochRecord {
            epoch: 1,
            loss: 1.5,
            accuracy: 0.4,
            val_loss: 1.4,
            val_accuracy: 0.45,
            learning_rate: 1e-3,
            seconds: 1.0,
        };
        let history =
            History { epochs: vec![record], title: "made-up sample".into(), ..Default::default() };
        has(&history.curves().unwrap(), &["made-up sample", "best epoch 1: 1.400"]);
        assert!(History::default().curves().is_ok());

        let pairs = (0..7).map(|class| (class, class / 2));
        let matrix = ConfusionMatrix::from_pairs(pairs, "made-up sample");
        has(&matrix.figure().unwrap(), &["made-up sample", "1 of 7 right", "95 % interval"]);
        let figure = matrix.report().f1_figure().unwrap();
        has(&figure, &["made-up sample", "original (Keras, on FER2013)"]);
    }

    #[test]
    fn predictions_show_their_images() {
        let data = sample().test.take_per_class(1).unwrap();
        let labels: Vec<u8> = data.iter().map(|(_, class)| class.index() as u8).collect();
        let mut probs = [0.0; 7];
        probs[3] = 1.0;
        let evaluation =
            Evaluation::new(labels, vec![probs; data.len()], 1.0, "made-up sample").unwrap();
        has(
            &evaluation.images_figure(&data, &[0, 3]).unwrap(),
            &["wrong: labelled", "happy, 100 %"],
        );
        assert!(evaluation.images_figure(&data, &[7]).is_err());
        assert!(evaluation.images_figure(&data.select(&[0]).unwrap(), &[0]).is_err());
        let prediction = Prediction::from_probs(probs).unwrap();
        assert!(prediction.figure(&[0; PIXELS], "made-up sample").is_ok());
        assert!(matches!(prediction.figure(&[0; 5], "x"), Err(Error::Figure { .. })));
    }
}
