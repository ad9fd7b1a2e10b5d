//! [`Calibration`]: confidence compared with accuracy; [`Temperature`] scales the confidence.

use serde::{Deserialize, Serialize};

use super::probs::{Row, softmax};
use super::{Accuracy, Evaluation, Saved, fitted};
use crate::common::{Error, Place, Result};
use crate::data::FaceData;
use crate::emotion::Emotion;
use crate::model::weights::{REFIT, TEMPERATURE};
use crate::train::RunFolder;

/// The number of equally wide ranges of confidence.
const BINS: usize = 15;

/// The images whose confidence lies in one range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Upper end of the range, inclusive; the lower end is that of the previous bin.
    pub high: f64,
    /// Mean confidence, 0 to 1; 0 without images.
    pub confidence: f64,
    /// The share of correct predictions, with its interval.
    pub accuracy: Accuracy,
}

/// Confidence compared with accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The bins in ascending order of confidence.
    pub bins: Vec<Bin>,
    /// The expected calibration error: the mean distance between confidence and accuracy, each bin
    /// weighted by its images (Guo et al., "On Calibration of Modern Neural Networks", 2017, with 15
    /// bins). 0 is perfect.
    pub ece: f64,
}

impl Evaluation {
    /// Confidence compared with accuracy in 15 bins.
    pub fn calibration(&self) -> Calibration {
        let mut counts = [(0u64, 0u64, 0.0f64); BINS];
        for (_, label, predicted, confidence) in self.rows() {
            let confidence = f64::from(confidence).clamp(0.0, 1.0);
            let place = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            if let Some((total, correct, sum)) = counts.get_mut(place) {
                *total += 1;
                *correct += u64::from(label == predicted);
                *sum += confidence;
            }
        }
        let bins: Vec<Bin> = counts
            .iter()
            .enumerate()
            .map(|(index, (total, correct, sum))| Bin {
                high: (index + 1) as f64 / BINS as f64,
                confidence: sum / (*total).max(1) as f64,
                accuracy: Accuracy::new(*correct, *total),
            })
            .collect();
        let distance =
            |bin: &Bin| bin.accuracy.total as f64 * (bin.confidence - bin.accuracy.value).abs();
        let ece = bins.iter().map(distance).sum::<f64>() / self.len().max(1) as f64;
        Calibration { bins, ece }
    }

    /// The same predictions at another temperature: every probability is raised to the power of 1 / T, and all are
    /// divided by their sum, which is equivalent to dividing the logits by T. The loss is that of the new
    /// probabilities.
    ///
    /// # Errors
    /// As [`Evaluation::from_probs`].
    pub fn at_temperature(&self, temperature: Temperature) -> Result<Evaluation> {
        self.with_probs(self.probs().iter().map(|row| temperature.apply(row)).collect())
    }
}

/// A number above 0 by which logits are divided before softmax, so that confidence matches accuracy (temperature
/// scaling; Guo et al., 2017): above 1 for an overconfident network; 1 changes nothing. It changes no predicted
/// class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    temperature: f64,
}

impl Default for Temperature {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Temperature {
    /// A temperature above 0.
    ///
    /// # Errors
    /// [`Error::Setting`] for another number.
    pub fn new(temperature: f64) -> Result<Self> {
        match temperature.is_finite() && temperature > 0.0 {
            true => Ok(Self { temperature }),
            false => Err(Error::setting("temperature", temperature, "a number above 0")),
        }
    }

    /// The value, above 0.
    pub fn value(self) -> f64 {
        self.temperature
    }

    /// Fits the temperature, 0.05 to 20, at which these predictions have the lowest cross-entropy. Fit it on
    /// validation images and use it on others. The cross-entropy has one minimum in 1 / T, which bisection finds to
    /// four digits.
    pub fn fit(validation: &Evaluation) -> Self {
        // ln p equals the logits except for a constant, which softmax removes.
        let rows: Vec<(usize, [f64; Emotion::COUNT])> = validation
            .labels()
            .iter()
            .zip(validation.probs())
            .map(|(label, row)| (usize::from(*label), row.map(logit)))
            .collect();
        // The derivative of the mean cross-entropy by 1 / T: the mean of Σ p · z - z of the label.
        let slope = |inverse: f64| -> f64 {
            rows.iter()
                .map(|(label, logits)| {
                    let weights = logits.map(|logit| (logit * inverse).exp());
                    let sum: f64 = weights.iter().sum();
                    let mean: f64 =
                        weights.iter().zip(logits).map(|(w, z)| w * z).sum::<f64>() / sum;
                    mean - logits.get(*label).copied().unwrap_or_default()
                })
                .sum()
        };
        let (mut low, mut high) = (1.0f64 / 20.0, 20.0f64);
        while high / low > 1.00001 {
            let middle = (low * high).sqrt();
            if slope(middle) > 0.0 { high = middle } else { low = middle }
        }
        Self { temperature: 1.0 / (low * high).sqrt() }
    }

    /// Probabilities at this temperature.
    pub(crate) fn apply(self, probs: &Row) -> Row {
        if self.temperature == 1.0 {
            return *probs;
        }
        softmax(&probs.map(|p| (logit(p) / self.temperature) as f32))
    }

    /// Saves it in a run's folder as `temperature.toml`, for the run's current best weights, if the run was trained
    /// on `data`, on whose held-back images it was fitted. For other images, and for pretrained weights, nothing is
    /// written.
    ///
    /// # Errors
    /// [`Error::Io`] if there are no weights, or the file can't be written.
    pub fn save(&self, run: &RunFolder, data: &FaceData) -> Result<Saved> {
        fitted::save(run, data, TEMPERATURE, self)
    }

    /// Writes it to a folder for the weights in it, whatever their training data.
    pub(crate) fn write(&self, run: &RunFolder) -> Result<()> {
        fitted::write(run, TEMPERATURE, self)
    }

    /// The temperature that [`Temperature::save`] saved for a run's best weights; 1 if none was saved, or if it was
    /// saved for other weights.
    ///
    /// # Errors
    /// [`Error::File`] if the file has another content, or the weights may be damaged: the temperature was saved
    /// for others, and they have no checksum.
    pub fn of_run(run: &RunFolder) -> Result<Self> {
        let kept = fitted::of_run::<Self>(run, TEMPERATURE)?.unwrap_or_default();
        Self::new(kept.temperature).map_err(|_| {
            let problem = format!("{} is not a number above 0", kept.temperature);
            let place = Place::Key("temperature".into());
            Error::file_at(run.path().join(TEMPERATURE), place, problem, REFIT)
        })
    }
}

/// ln p; a probability of 0 is replaced by the smallest f32.
fn logit(p: f32) -> f64 {
    f64::from(p.max(f32::MIN_POSITIVE)).ln()
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::model::{SeedCnn, weights};

    /// 200 images whose logits are `scale` times what they should be.
    fn overconfident(scale: f32) -> Evaluation {
        let logits: Vec<[f32; 7]> = (0..200)
            .map(|i| {
                let mut row = [0.0; 7];
                row[i % 7] = scale * (1.0 + (i % 5) as f32 * 0.3);
                row
            })
            .collect();
        // Right as often as softmax of 1 to 2.2 says on the whole: about half the time.
        let labels = (0..200).map(|i| if i % 9 < 4 { i % 7 } else { (i + 1) % 7 } as u8).collect();
        Evaluation::from_logits(labels, &logits, "made-up sample").unwrap()
    }

    #[test]
    fn the_error_is_the_weighted_distance() {
        let row = |p: f32| [p, 1.0 - p, 0.0, 0.0, 0.0, 0.0, 0.0];
        let probs = vec![row(0.9), row(0.9), row(0.6), row(0.6)];
        let evaluation = Evaluation::from_probs(vec![0, 1, 0, 0], probs, "").unwrap();
        let calibration = evaluation.calibration();
        // Two of 0.9 with one right, two of 0.6 with both right.
        assert!((calibration.ece - (0.5 * 0.4 + 0.5 * 0.4)).abs() < 1e-6);
        let filled: Vec<_> = calibration.bins.iter().filter(|bin| bin.accuracy.total > 0).collect();
        assert_eq!(filled.len(), 2);
        assert_eq!((filled[0].accuracy.correct, filled[1].accuracy.correct), (2, 1));
        assert!((filled[0].high - 9.0 / 15.0).abs() < 1e-12 || filled[0].high > 0.6);
    }

    #[test]
    fn a_temperature_takes_a_scale_back() {
        let (plain, sharp) = (overconfident(1.0), overconfident(3.0));
        let (one, three) = (Temperature::fit(&plain), Temperature::fit(&sharp));
        assert!((three.temperature / one.temperature - 3.0).abs() < 1e-3, "{three:?} {one:?}");
        let cooled = sharp.at_temperature(three).unwrap();
        assert!(cooled.loss() < sharp.loss() && cooled.calibration().ece < sharp.calibration().ece);
        assert_eq!(cooled.predictions(), sharp.predictions());
        // No temperature nearby has a lower loss.
        for factor in [0.98, 1.02] {
            let near = Temperature { temperature: three.temperature * factor };
            assert!(sharp.at_temperature(near).unwrap().loss() > cooled.loss());
        }
    }

    #[test]
    fn extremes_end_at_the_bounds() {
        let row = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let right = Evaluation::from_probs(vec![0, 0], vec![row; 2], "").unwrap();
        assert!(Temperature::fit(&right).temperature < 0.06);
        let wrong = Evaluation::from_probs(vec![1, 1], vec![row; 2], "").unwrap();
        assert!(Temperature::fit(&wrong).temperature > 19.0);
        assert!(wrong.at_temperature(Temperature::fit(&wrong)).unwrap().loss().is_finite());
    }

    #[test]
    fn it_is_kept_for_the_weights_that_it_was_fitted_for() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let temperature = Temperature { temperature: 1.374 };
        assert!(temperature.write(&run).is_err(), "there are no weights");
        weights::save(&SeedCnn::new(Device::Cpu, 1).unwrap(), run.weights()).unwrap();
        assert_eq!(Temperature::of_run(&run).unwrap(), Temperature::default());
        temperature.write(&run).unwrap();
        assert_eq!(Temperature::of_run(&run).unwrap(), temperature);
        // A run that was retrained: whole weights, and others.
        weights::save(&SeedCnn::new(Device::Cpu, 2).unwrap(), run.weights()).unwrap();
        assert_eq!(Temperature::of_run(&run).unwrap(), Temperature::default());
        std::fs::write(run.path().join(TEMPERATURE), "heat = 1.0").unwrap();
        assert!(matches!(Temperature::of_run(&run), Err(Error::File { .. })));
        let negative = Temperature { temperature: -1.0 };
        negative.write(&run).unwrap();
        let refused = Temperature::of_run(&run);
        assert!(matches!(refused, Err(Error::File { place: Place::Key(_), .. })), "{refused:?}");
    }
}
