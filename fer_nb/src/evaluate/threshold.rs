//! [`Threshold`]: below which confidence an answer is none.

use serde::{Deserialize, Serialize};

use super::{Evaluation, fitted};
use crate::common::{Error, Result};
use crate::train::RunFolder;

/// Where a run keeps it.
const FILE: &str = "certainty.toml";

/// The confidence from which a network's answers can be acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// An answer of less confidence is "uncertain": 0 (none is) to 1 (all are but the surest).
    pub uncertain_below: f32,
    /// The share of right answers that was asked for among those that are left, 0 to 1.
    pub right: f64,
    /// The share of the validation images that get one of those, 0 to 1.
    pub answered: f64,
}

impl Default for Threshold {
    /// Takes every answer.
    fn default() -> Self {
        Self { uncertain_below: 0.0, right: 0.0, answered: 1.0 }
    }
}

impl Threshold {
    /// What [`Threshold::fit`] is asked for where nobody says otherwise: three of four right.
    pub const RIGHT: f64 = 0.75;

    /// The lowest confidence at which the answers of that confidence or more are right in a share of
    /// `right` (0 to 1) of the cases: selective classification (Geifman and El-Yaniv, 2017), by the
    /// empirical risk. Fit it on validation images, at the temperature that will be used.
    ///
    /// # Errors
    /// [`Error::Setting`] where the share is out of range, or there is no image.
    pub fn fit(validation: &Evaluation, right: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&right) || validation.labels.is_empty() {
            let value = format!("{right} of {} images", validation.labels.len());
            return Err(Error::setting("right answers", value, "0 to 1, of one image or more"));
        }
        let mut answers: Vec<(f32, bool)> = (0..validation.labels.len())
            .filter_map(|index| {
                let predicted = *validation.predictions.get(index)?;
                let confidence = *validation.probs.get(index)?.get(usize::from(predicted))?;
                Some((confidence, predicted == *validation.labels.get(index)?))
            })
            .collect();
        answers.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let mut fitted = Self { uncertain_below: 1.0, right, answered: 0.0 };
        let mut hits = 0usize;
        for (rank, (confidence, hit)) in answers.iter().enumerate() {
            hits += usize::from(*hit);
            // Images of equal confidence are taken or left together.
            if answers.get(rank + 1).is_some_and(|(next, _)| next == confidence) {
                continue;
            }
            if hits as f64 >= right * (rank + 1) as f64 {
                fitted.uncertain_below = *confidence;
                fitted.answered = (rank + 1) as f64 / answers.len() as f64;
            }
        }
        if fitted.answered == 1.0 {
            fitted.uncertain_below = 0.0;
        }
        Ok(fitted)
    }

    /// Whether an answer of this confidence is none.
    pub fn is_uncertain(&self, confidence: f32) -> bool {
        confidence < self.uncertain_below
    }

    /// Keeps it in a run's folder, as `certainty.toml`, for the run's best weights as they are now.
    ///
    /// # Errors
    /// Where there are no weights, or the file can't be written.
    pub fn save(&self, run: &RunFolder) -> Result<()> {
        fitted::save(run, FILE, self)
    }

    /// What [`Threshold::save`] kept for a run's best weights; every answer counts where it kept
    /// nothing, or for other weights.
    ///
    /// # Errors
    /// Where the file holds something else.
    pub fn of_run(run: &RunFolder) -> Result<Self> {
        let kept = fitted::of_run::<Self>(run, FILE)?.unwrap_or_default();
        match (0.0..=1.0).contains(&kept.uncertain_below) {
            true => Ok(kept),
            false => Err(Error::setting("uncertain_below", kept.uncertain_below, "0 to 1")),
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.uncertain_below == 0.0 {
            return write!(f, "no answer counts as uncertain");
        }
        write!(
            f,
            "answers below {:.1} % confidence are uncertain: ",
            100.0 * self.uncertain_below
        )?;
        if self.answered == 0.0 {
            return write!(f, "no validation image gets another");
        }
        write!(
            f,
            "{:.0} % of the validation images get another, right in {:.0} %",
            100.0 * self.answered,
            100.0 * self.right
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One image an answer: its confidence, and whether it is right.
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
        assert!(all.to_string().ends_with("uncertain: no validation image gets another"), "{all}");
        // Half of those with 0.7 are wrong: they go together.
        let equal = [(0.9, true), (0.7, true), (0.7, false)];
        assert_eq!(Threshold::fit(&evaluation(&equal), 0.75).unwrap().uncertain_below, 0.9);
        assert!(Threshold::fit(&evaluation(&answers), 1.5).is_err());
    }

    #[test]
    fn it_is_kept_with_the_weights() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        std::fs::write(run.weights(), "some").unwrap();
        assert_eq!(Threshold::of_run(&run).unwrap(), Threshold::default());
        let kept = Threshold { uncertain_below: 0.5, right: 0.75, answered: 0.5 };
        kept.save(&run).unwrap();
        assert_eq!(Threshold::of_run(&run).unwrap(), kept);
        std::fs::write(run.weights(), "others").unwrap();
        assert_eq!(Threshold::of_run(&run).unwrap(), Threshold::default());
    }
}
