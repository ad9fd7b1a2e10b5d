//! [`Threshold`]: the confidence below which a prediction is reported as uncertain.

use serde::{Deserialize, Serialize};

use super::{Evaluation, Saved, fitted};
use crate::common::{Error, Place, Result};
use crate::data::FaceData;
use crate::model::weights::{CERTAINTY, REFIT};
use crate::train::RunFolder;

/// The confidence below which a prediction is reported as uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// 0 (no prediction is uncertain) to 1 (all are, except those of confidence 1).
    uncertain_below: f32,
    /// The required share of correct predictions among the others, 0 to 1.
    right: f64,
    /// The share of the validation images whose prediction is not uncertain, 0 to 1.
    answered: f64,
}

impl Default for Threshold {
    /// No prediction is uncertain.
    fn default() -> Self {
        Self { uncertain_below: 0.0, right: 0.0, answered: 1.0 }
    }
}

impl Threshold {
    /// The usual share of correct predictions for [`Threshold::fit`]: 75 %.
    pub const RIGHT: f64 = 0.75;

    /// Fits the lowest confidence for which the share `right` (0 to 1) of the predictions with this confidence or
    /// more is correct: selective classification (Geifman and El-Yaniv, 2017), by the empirical risk. Fit it on
    /// validation images, at the temperature of later predictions.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share outside 0 to 1.
    pub fn fit(validation: &Evaluation, right: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&right) {
            return Err(Error::setting("share of correct predictions", right, "0 to 1"));
        }
        let mut predictions: Vec<(f32, bool)> = validation
            .rows()
            .map(|(_, label, predicted, confidence)| (confidence, predicted == label))
            .collect();
        predictions.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let mut fitted = Self { uncertain_below: 1.0, right, answered: 0.0 };
        let mut hits = 0usize;
        for (rank, (confidence, hit)) in predictions.iter().enumerate() {
            hits += usize::from(*hit);
            // Images of equal confidence are on the same side of the threshold.
            if predictions.get(rank + 1).is_some_and(|(next, _)| next == confidence) {
                continue;
            }
            if hits as f64 >= right * (rank + 1) as f64 {
                fitted.uncertain_below = *confidence;
                fitted.answered = (rank + 1) as f64 / predictions.len() as f64;
            }
        }
        if fitted.answered == 1.0 {
            fitted.uncertain_below = 0.0;
        }
        Ok(fitted)
    }

    /// The confidence below which a prediction is uncertain, 0 to 1.
    pub fn uncertain_below(&self) -> f32 {
        self.uncertain_below
    }

    /// Whether a prediction of this confidence is uncertain.
    pub fn is_uncertain(&self, confidence: f32) -> bool {
        confidence < self.uncertain_below
    }

    /// Saves it in a run's folder as `certainty.toml`, for the run's current best weights, if the run was trained
    /// on `data`, on whose held-back images it was fitted. For other images, and for pretrained weights, nothing is
    /// written.
    ///
    /// # Errors
    /// [`Error::Io`] if there are no weights, or the file can't be written.
    pub fn save(&self, run: &RunFolder, data: &FaceData) -> Result<Saved> {
        fitted::save(run, data, CERTAINTY, self)
    }

    /// Writes it to a folder for the weights in it, whatever their training data.
    pub(crate) fn write(&self, run: &RunFolder) -> Result<()> {
        fitted::write(run, CERTAINTY, self)
    }

    /// The threshold that [`Threshold::save`] saved for a run's best weights; without one, or if it was saved for
    /// other weights, no prediction is uncertain.
    ///
    /// # Errors
    /// [`Error::File`] if the file has another content, or the weights may be damaged.
    pub fn of_run(run: &RunFolder) -> Result<Self> {
        let kept = fitted::of_run::<Self>(run, CERTAINTY)?.unwrap_or_default();
        if (0.0..=1.0).contains(&kept.uncertain_below) {
            return Ok(kept);
        }
        let problem = format!("{} is not on 0 to 1", kept.uncertain_below);
        let place = Place::Key("uncertain_below".into());
        Err(Error::file_at(run.path().join(CERTAINTY), place, problem, REFIT))
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.uncertain_below == 0.0 {
            return write!(f, "no prediction counts as uncertain");
        }
        let below = 100.0 * self.uncertain_below;
        write!(f, "predictions below {below:.1} % confidence are uncertain: ")?;
        if self.answered == 0.0 {
            return write!(f, "on validation, all are");
        }
        let (rest, right) = (100.0 * self.answered, 100.0 * self.right);
        write!(f, "on validation, {rest:.0} % are not, and {right:.0} % of these are correct")
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::model::{SeedCnn, weights};

    /// One image a prediction: its confidence, and whether it is correct.
    fn evaluation(answers: &[(f32, bool)]) -> Evaluation {
        let probs = answers.iter().map(|(confidence, _)| {
            let rest = (1.0 - confidence) / 6.0;
            let mut row = [rest; 7];
            row[3] = *confidence;
            row
        });
        let labels = answers.iter().map(|(_, right)| if *right { 3 } else { 4 }).collect();
        Evaluation::from_probs(labels, probs.collect(), "").unwrap()
    }

    #[test]
    fn the_threshold_leaves_as_many_answers_as_it_can() {
        let answers =
            [(0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.5, false), (0.4, false)];
        let fitted = Threshold::fit(&evaluation(&answers), 0.75).unwrap();
        // 1, 1, 2/3, 3/4, 3/5, 1/2 of the answers down to each are right.
        assert_eq!((fitted.uncertain_below, fitted.answered), (0.6, 4.0 / 6.0));
        assert!(fitted.is_uncertain(0.59) && !fitted.is_uncertain(0.6));
        let none = Threshold::fit(&evaluation(&answers), 0.5).unwrap();
        assert_eq!((none.uncertain_below, none.answered), (0.0, 1.0));
        let all = Threshold::fit(&evaluation(&[(0.9, false), (0.5, false)]), 0.75).unwrap();
        assert_eq!((all.uncertain_below, all.answered), (1.0, 0.0));
        assert!(all.to_string().ends_with("are uncertain: on validation, all are"), "{all}");
        // Half of those with 0.7 are wrong: they go together.
        let equal = [(0.9, true), (0.7, true), (0.7, false)];
        assert_eq!(Threshold::fit(&evaluation(&equal), 0.75).unwrap().uncertain_below, 0.9);
        assert!(Threshold::fit(&evaluation(&answers), 1.5).is_err());
    }

    #[test]
    fn it_is_kept_with_the_weights() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        weights::save(&SeedCnn::new(Device::Cpu, 1).unwrap(), run.weights()).unwrap();
        assert_eq!(Threshold::of_run(&run).unwrap(), Threshold::default());
        let kept = Threshold { uncertain_below: 0.5, right: 0.75, answered: 0.5 };
        kept.write(&run).unwrap();
        assert_eq!(Threshold::of_run(&run).unwrap(), kept);
        weights::save(&SeedCnn::new(Device::Cpu, 2).unwrap(), run.weights()).unwrap();
        assert_eq!(Threshold::of_run(&run).unwrap(), Threshold::default());
    }
}
