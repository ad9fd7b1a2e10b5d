//! The accuracy lost between two evaluations of the same images.

use super::{Evaluation, Interval, McNemar};
use crate::common::Result;
use crate::evaluate::accuracy::Z;

impl Evaluation {
    /// The accuracy of this evaluation minus that of `other`, on the same images in the same order, with its 95 %
    /// interval; -1 to 1, above 0 if `other` is worse.
    ///
    /// The interval uses the pairing: images that both predict correctly, or neither, do not widen it. It is Wald's
    /// with one image added to each kind of disagreement (Bonett and Price, "Adjusted Wald Confidence Interval for
    /// a Difference of Binomial Proportions Based on Paired Data", Journal of Educational and Behavioral Statistics
    /// 37, 2012). With b images that only this evaluation predicts correctly, c that only `other` does, n images, p
    /// = (b + 1)/(n + 2) and q = (c + 1)/(n + 2):
    ///
    /// > p − q ± z·√((p + q − (p − q)²)/(n + 2))
    ///
    /// # Errors
    /// As [`Evaluation::mcnemar`].
    pub fn accuracy_lost(&self, other: &Evaluation) -> Result<Interval> {
        Ok(lost(self.mcnemar(other)?, self.len()))
    }
}

/// The difference of two accuracies on `n` images, from the counts of McNemar's test.
fn lost(McNemar { only_first, only_second, .. }: McNemar, n: usize) -> Interval {
    let (b, c, n) = (only_first as f64, only_second as f64, n as f64);
    let (p, q) = ((b + 1.0) / (n + 2.0), (c + 1.0) / (n + 2.0));
    let half = Z * ((p + q - (p - q).powi(2)) / (n + 2.0)).sqrt();
    Interval { value: (b - c) / n, low: (p - q - half).max(-1.0), high: (p - q + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::common::Error;
    use crate::evaluate::fixtures::with_predictions;

    /// One prediction of class 0 for each image of class 0: correct or not.
    fn evaluation(hits: impl Iterator<Item = bool>) -> Evaluation {
        with_predictions(&hits.map(|hit| (0, u8::from(!hit))).collect::<Vec<_>>())
    }

    #[test]
    fn equal_predictions_lose_nothing_and_the_sign_is_the_others() {
        let (one, other) =
            (evaluation((0..400).map(|i| i < 300)), evaluation((0..400).map(|i| i < 260)));
        let found = one.accuracy_lost(&other).unwrap();
        assert_eq!(found.value, 0.1);
        // By hand: p = 41/402, q = 1/402.
        assert!((found.low - 0.069_440).abs() < 1e-5, "{found:?}");
        assert!((found.high - 0.129_565).abs() < 1e-5, "{found:?}");
        let back = other.accuracy_lost(&one).unwrap();
        assert_eq!([back.value, back.low, back.high], [-found.value, -found.high, -found.low]);
        let same = one.accuracy_lost(&one).unwrap();
        assert_eq!(same.value, 0.0);
        assert!(same.low < 0.0 && same.high < 0.01, "{same:?}");
        let fewer = evaluation([true].into_iter());
        assert!(matches!(one.accuracy_lost(&fewer), Err(Error::Input { .. })));
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_true_difference() {
        // Of 100 images, the first evaluation alone has 20 % right, the second alone 5 %.
        let mut rng = StdRng::seed_from_u64(1);
        let times = 4000;
        let held = (0..times).filter(|_| {
            let (mut b, mut c) = (0, 0);
            for _ in 0..100 {
                let drawn = rng.random::<f64>();
                b += u64::from(drawn < 0.2);
                c += u64::from((0.2..0.25).contains(&drawn));
            }
            let found = lost(McNemar { only_first: b, only_second: c, p_value: 1.0 }, 100);
            found.low <= 0.15 && 0.15 <= found.high
        });
        let share = held.count() as f64 / f64::from(times);
        assert!((0.935..0.97).contains(&share), "{share}");
    }
}
