//! [`Verdict`]: the result of McNemar's test of a run against another one.

use std::fmt;

use serde::Serialize;

use super::McNemar;

/// The probability of finding a difference between equally good runs, over all runs of a comparison.
const LEVEL: f64 = 0.05;

/// Whether a run is better than the one that it is tested against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better: it predicts more test images correctly than chance explains.
    Better,
    /// Worse: it predicts fewer correctly.
    Worse,
    /// The difference may be chance.
    NoDifference,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::NoDifference => "no difference shown",
        })
    }
}

/// The verdicts of several tests against the same run, at 5 % for all of them together: Holm's correction
/// ("A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979).
pub(super) fn verdicts(tests: &[Option<McNemar>]) -> Vec<Option<Verdict>> {
    let mut order: Vec<(usize, McNemar)> =
        tests.iter().enumerate().filter_map(|(place, test)| Some((place, (*test)?))).collect();
    order.sort_by(|(_, one), (_, other)| one.p_value.total_cmp(&other.p_value));
    let mut found = vec![None; tests.len()];
    let (mut left, mut shown) = (order.len(), true);
    for (place, test) in order {
        shown &= test.p_value * left as f64 <= LEVEL;
        left -= 1;
        let verdict = match (shown, test.only_second > test.only_first) {
            (false, _) => Verdict::NoDifference,
            (true, true) => Verdict::Better,
            (true, false) => Verdict::Worse,
        };
        if let Some(at) = found.get_mut(place) {
            *at = Some(verdict);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_s_correction_holds_the_level_over_all_tests() {
        let test =
            |only_first, only_second, p_value| Some(McNemar { only_first, only_second, p_value });
        use Verdict::{Better, NoDifference, Worse};
        assert_eq!(verdicts(&[None, test(5, 30, 0.04)]), [None, Some(Better)]);
        // 0.04 is above 0.05 / 2, and what comes after it is not tested any more.
        let two = [None, test(5, 30, 0.04), test(9, 20, 0.045)];
        assert_eq!(verdicts(&two), [None, Some(NoDifference), Some(NoDifference)]);
        let three = [None, test(30, 5, 0.001), test(5, 30, 0.02), test(8, 9, 1.0)];
        assert_eq!(verdicts(&three), [None, Some(Worse), Some(Better), Some(NoDifference)]);
        assert_eq!(verdicts(&[]), []);
    }
}
