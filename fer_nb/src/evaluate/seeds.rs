//! [`Spread`]: the results of one recipe with several seeds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Evaluation;
use crate::common::{Error, Result};

/// Mean and spread of a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The number of values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n - 1 in the denominator; 0 for one value.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of one or more values.
    ///
    /// # Errors
    /// [`Error::Input`] without values, or for values that are not finite.
    pub fn of(values: &[f64]) -> Result<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            let found = format!("{values:?}");
            return Err(Error::input("values", found, "one or more finite numbers"));
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Ok(Self {
            n,
            mean,
            sd: (squares / n.saturating_sub(1).max(1) as f64).sqrt(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, mean, sd, min, max } = self;
        match n {
            1 => write!(f, "{mean:.4} (one seed)"),
            _ => write!(f, "{mean:.4} ± {sd:.4} ({n} seeds, {min:.4}–{max:.4})"),
        }
    }
}

/// The spread of accuracy, macro F1 and balanced accuracy over runs that differ only in their seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedSpread {
    /// Of the share of correct predictions.
    pub accuracy: Spread,
    /// Of the plain mean of the classes' F1.
    pub macro_f1: Spread,
    /// Of the mean recall of the classes that have images.
    pub balanced_accuracy: Spread,
}

impl SeedSpread {
    /// The spread over one evaluation for each seed.
    ///
    /// # Errors
    /// [`Error::Input`] without evaluations.
    pub fn of(evaluations: &[Evaluation]) -> Result<Self> {
        let spread = |score: fn(&Evaluation) -> f64| {
            Spread::of(&evaluations.iter().map(score).collect::<Vec<_>>())
        };
        Ok(Self {
            accuracy: spread(|evaluation| evaluation.accuracy().value)?,
            macro_f1: spread(|evaluation| evaluation.classification_report().macro_avg().f1)?,
            balanced_accuracy: spread(Evaluation::balanced_accuracy)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn the_deviation_is_the_samples() {
        // numpy: std([0.61, 0.63, 0.62], ddof=1)
        let spread = Spread::of(&[0.61, 0.63, 0.62]).unwrap();
        assert!((spread.mean - 0.62).abs() < 1e-12 && (spread.sd - 0.01).abs() < 1e-12);
        assert_eq!(spread.to_string(), "0.6200 ± 0.0100 (3 seeds, 0.6100–0.6300)");
        assert_eq!(Spread::of(&[0.5]).unwrap().to_string(), "0.5000 (one seed)");
        assert!(Spread::of(&[]).is_err() && Spread::of(&[f64::NAN]).is_err());
    }

    #[test]
    fn every_score_is_spread() {
        let runs = [with_predictions(&[(0, 0), (1, 1)]), with_predictions(&[(0, 0), (1, 0)])];
        let spread = SeedSpread::of(&runs).unwrap();
        assert_eq!((spread.accuracy.min, spread.accuracy.max), (0.5, 1.0));
        assert_eq!(spread.balanced_accuracy.mean, 0.75);
    }
}
