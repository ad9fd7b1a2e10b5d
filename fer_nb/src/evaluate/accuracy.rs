//! [`Accuracy`]: the share of correct predictions, with its interval.

use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the standard normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// The share of correctly predicted images, with its 95 % interval.
///
/// The interval is Wilson's score interval (E. B. Wilson, "Probable Inference, the Law of
/// Succession, and Statistical Inference", JASA 22, 1927), with p the share, n the images and
/// z = 1.96:
///
/// > (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)
///
/// It covers the random choice of test images; retraining with another seed adds further variation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Images predicted correctly.
    pub correct: u64,
    /// All images.
    pub total: u64,
    /// `correct / total`, 0 to 1; 0 without images.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

impl Accuracy {
    /// The accuracy of `correct` correct predictions out of `total`. Without images the interval is 0
    /// to 1.
    pub(crate) fn new(correct: u64, total: u64) -> Self {
        if total == 0 {
            return Self { correct, total, value: 0.0, low: 0.0, high: 1.0 };
        }
        let n = total as f64;
        let p = (correct as f64 / n).min(1.0);
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        // At the ends the formula gives 0 and 1, except for rounding.
        let low = if correct == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if correct >= total { 1.0 } else { (centre + half).min(1.0) };
        Self { correct, total, value: p, low, high }
    }
}

impl std::fmt::Display for Accuracy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value, low, high, total, .. } = self;
        write!(f, "{value:.4} (95 % interval {low:.3}–{high:.3}, n = {total})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // SciPy 1.17: binomtest(4273, 7178).proportion_ci(method="wilson")
        let accuracy = Accuracy::new(4273, 7178);
        assert!((accuracy.low - 0.583_888_2).abs() < 1e-7, "{accuracy:?}");
        assert!((accuracy.high - 0.606_592_2).abs() < 1e-7, "{accuracy:?}");
        assert_eq!(accuracy.to_string(), "0.5953 (95 % interval 0.584–0.607, n = 7178)");
    }

    #[test]
    fn the_ends_stay_on_the_scale() {
        let none = Accuracy::new(0, 10);
        assert_eq!((none.value, none.low), (0.0, 0.0));
        assert!((none.high - 0.277_532_80).abs() < 1e-7);
        let all = Accuracy::new(10, 10);
        assert_eq!((all.value, all.high), (1.0, 1.0));
        assert!((all.low - 0.722_467_20).abs() < 1e-7);
        let nothing = Accuracy::new(0, 0);
        assert_eq!((nothing.value, nothing.low, nothing.high), (0.0, 0.0, 1.0));
    }
}
