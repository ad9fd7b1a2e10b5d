//! [`McNemar`]: tests whether two networks differ by more than chance.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Evaluation;
use crate::common::text::plural;
use crate::common::{Error, Result};

/// McNemar's test of two networks on the same images (McNemar, "Note on the Sampling Error of the Difference
/// Between Correlated Proportions or Percentages", 1947), exact: if both were equally good, each would be equally
/// likely to be correct on an image that only one of them predicts correctly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Images that only the first predicts correctly.
    pub only_first: u64,
    /// Images that only the second predicts correctly.
    pub only_second: u64,
    /// The probability of a difference at least as large for equally good networks, two-sided; 0 to 1.
    pub p_value: f64,
}

impl McNemar {
    /// The test of the numbers of images that only one of the two predicts correctly.
    fn new(only_first: u64, only_second: u64) -> Self {
        Self { only_first, only_second, p_value: sign_test(only_first, only_second) }
    }
}

impl fmt::Display for McNemar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { only_first, only_second, p_value } = self;
        write!(
            f,
            "only the first is right {only_first} times, only the second {only_second} times, "
        )?;
        match *p_value < 0.001 {
            true => f.write_str("p < 0.001 (McNemar, exact)"),
            false => write!(f, "p = {p_value:.3} (McNemar, exact)"),
        }
    }
}

impl Evaluation {
    /// McNemar's test of this evaluation (the first) and `other`, on the same images in the same order.
    ///
    /// # Errors
    /// [`Error::Input`] if their labels differ.
    pub fn mcnemar(&self, other: &Evaluation) -> Result<McNemar> {
        if self.labels() != other.labels() {
            let found = format!("{} and {} others", plural(self.len(), "image"), other.len());
            return Err(Error::input("evaluations", found, "the same images in the same order"));
        }
        let (mut only_first, mut only_second) = (0, 0);
        for ((_, label, one, _), two) in self.rows().zip(other.predictions()) {
            only_first += u64::from(one == label && *two != label);
            only_second += u64::from(one != label && *two == label);
        }
        Ok(McNemar::new(only_first, only_second))
    }
}

/// Two-sided binomial test with probability 1/2: twice the smaller tail, 1 at most.
fn sign_test(one: u64, other: u64) -> f64 {
    let total = one + other;
    // ln of the binomial coefficient over 2^total, computed from k to k + 1 by the ratio.
    let mut log_term = -(total as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=one.min(other) {
        tail += log_term.exp();
        log_term += ((total - k) as f64 / (k + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn p_values_are_scipys() {
        // SciPy 1.17: binomtest(k, n, 0.5).pvalue
        for (one, other, expected) in [
            (0, 0, 1.0),
            (0, 5, 0.0625),
            (3, 3, 1.0),
            (10, 20, 0.098_737_146_705_389_02),
            (300, 360, 0.021_572_348_231_971_09),
        ] {
            let found = McNemar::new(one, other).p_value;
            assert!((found - expected).abs() < 1e-9, "{one} {other}: {found}");
            assert_eq!(found, McNemar::new(other, one).p_value);
        }
        assert!(McNemar::new(0, 3000).p_value < 1e-300);
    }

    #[test]
    fn only_images_that_one_has_right_count() {
        let one = with_predictions(&[(0, 0), (1, 1), (2, 2), (3, 4)]);
        let other = with_predictions(&[(0, 0), (1, 2), (2, 2), (3, 3)]);
        let test = one.mcnemar(&other).unwrap();
        assert_eq!((test.only_first, test.only_second), (1, 1));
        assert!(test.to_string().ends_with("p = 1.000 (McNemar, exact)"), "{test}");
        let others = with_predictions(&[(0, 0)]);
        assert!(matches!(one.mcnemar(&others), Err(Error::Input { .. })));
    }
}
