//! [`Intervals`]: the variation of a score with the choice of test images.

use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ConfusionMatrix, Evaluation};
use crate::common::random::derive;
use crate::common::{Error, Result};
use crate::emotion::Emotion;

/// A score with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The score of all images.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} (95 % interval {:.3}–{:.3})", self.value, self.low, self.high)
    }
}

/// Scores with 95 % intervals from the bootstrap: the images are resampled with replacement, and the middle 95 % of
/// the scores are the interval (the percentile method; Efron, "Bootstrap Methods: Another Look at the Jackknife",
/// 1979). Retraining with another seed adds further variation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// The share of correct predictions.
    pub accuracy: Interval,
    /// The plain mean of the F1 of the classes that have images.
    pub macro_f1: Interval,
    /// The plain mean of the recall of the classes that have images.
    pub balanced_accuracy: Interval,
    /// The number of resamples.
    pub resamples: usize,
}

impl Evaluation {
    /// The mean recall of the classes that have images, 0 to 1; scikit-learn's
    /// `balanced_accuracy_score`.
    pub fn balanced_accuracy(&self) -> f64 {
        balanced_accuracy(&self.confusion_matrix())
    }

    /// 95 % intervals from `resamples` resamples, 100 or more; 1,000 are common. The same `seed` gives
    /// the same intervals.
    ///
    /// # Errors
    /// [`Error::Setting`] for fewer than 100.
    pub fn bootstrap(&self, resamples: usize, seed: u64) -> Result<Intervals> {
        if resamples < 100 {
            return Err(Error::setting("resamples", resamples, "100 or more"));
        }
        let pairs: Vec<(u8, u8)> =
            self.labels().iter().copied().zip(self.predictions().iter().copied()).collect();
        let matrix = self.confusion_matrix();
        // A resample may have no image of a rare class; the average is over the same classes anyway.
        let classes = matrix.classes();
        let drawn: Vec<[f64; 3]> = (0..resamples)
            .into_par_iter()
            .map(|index| {
                let mut rng = StdRng::seed_from_u64(derive(seed, index));
                let draws = (0..pairs.len())
                    .filter_map(|_| pairs.get(rng.random_range(0..pairs.len().max(1))).copied());
                scores(&ConfusionMatrix::from_pairs(draws, ""), &classes)
            })
            .collect();
        let values = scores(&matrix, &classes);
        let interval = |score: usize| {
            let mut sorted: Vec<f64> =
                drawn.iter().filter_map(|scores| scores.get(score).copied()).collect();
            sorted.sort_by(f64::total_cmp);
            let value = values.get(score).copied().unwrap_or_default();
            Interval { value, low: quantile(&sorted, 0.025), high: quantile(&sorted, 0.975) }
        };
        Ok(Intervals {
            accuracy: interval(0),
            macro_f1: interval(1),
            balanced_accuracy: interval(2),
            resamples,
        })
    }
}

/// Accuracy, macro F1 over these classes, and balanced accuracy.
fn scores(matrix: &ConfusionMatrix, classes: &[Emotion]) -> [f64; 3] {
    let report = matrix.report_over(classes);
    [report.accuracy(), report.macro_avg().f1, balanced_accuracy(matrix)]
}

fn balanced_accuracy(matrix: &ConfusionMatrix) -> f64 {
    let report = matrix.report();
    let recalls: Vec<f64> = report.present().map(|(_, scores)| scores.recall).collect();
    recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
}

/// The value below which a share of sorted values lies, with linear interpolation, as numpy's `quantile`.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or_default();
    let (low, high) = (at(place.floor() as usize), at(place.ceil() as usize));
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn a_binomials_interval_is_found() {
        // 300 of 500 right: the normal approximation gives 0.6 ± 0.0429.
        let pairs: Vec<(u8, u8)> = (0..500).map(|i| (3, if i < 300 { 3 } else { 4 })).collect();
        let evaluation = with_predictions(&pairs);
        let found = evaluation.bootstrap(2000, 1).unwrap();
        assert_eq!(found.accuracy.value, 0.6);
        assert!((found.accuracy.low - 0.557).abs() < 0.006, "{found:?}");
        assert!((found.accuracy.high - 0.643).abs() < 0.006, "{found:?}");
        assert_eq!(found, evaluation.bootstrap(2000, 1).unwrap());
        assert_ne!(found, evaluation.bootstrap(2000, 2).unwrap());
        assert!(evaluation.bootstrap(99, 1).is_err());
    }

    #[test]
    fn balanced_accuracy_is_scikit_learns() {
        // balanced_accuracy_score([0, 0, 0, 3, 3, 5], [0, 0, 1, 3, 0, 5]) = 0.7222…
        let pairs = [(0, 0), (0, 0), (0, 1), (3, 3), (3, 0), (5, 5)];
        let value = with_predictions(&pairs).balanced_accuracy();
        assert!((value - 0.722_222_222).abs() < 1e-9, "{value}");
    }

    #[test]
    fn quantiles_are_numpys() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert!((quantile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert!((quantile(&sorted, 0.975) - 7.7).abs() < 1e-12);
    }
}
