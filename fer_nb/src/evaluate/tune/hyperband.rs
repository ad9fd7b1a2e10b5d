//! [`Hyperband`]: brackets of trials that are halved at rungs.

use super::trial::Trial;

/// Of the trials that enter a rung, one in so many enters the next.
const ETA: usize = 3;

/// Hyperband (Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018,
/// algorithm 1) with η = 3 and epochs as the resource. For R epochs a round has the brackets s = s_max, …, 0 with
/// s_max = ⌊log_η R⌋. Bracket s begins with n = ⌈(s_max + 1) η^s / (s + 1)⌉ trials of R η^(-s) epochs, rounded. At
/// each rung the best third of those that entered it, rounded down but at least one, is trained for η times the
/// epochs; the others are pruned. After the last bracket the next round begins.
///
/// A trial's bracket follows from its number, and a rung is decided once all of its trials got there. So neither the
/// number of processes nor their speed changes which trials are pruned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hyperband {
    /// R
    pub(super) epochs: usize,
}

/// Trials that are compared with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bracket {
    /// The number of its first trial.
    pub(super) first: usize,
    /// How many trials it has.
    pub(super) size: usize,
    /// Epochs after which they are compared; the last is R.
    pub(super) rungs: Vec<usize>,
}

/// What is to become of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is trained until so many epochs are done.
    Train { until: usize },
    /// Other trials of its bracket have not come as far yet.
    Wait,
    /// It is pruned; why, in words.
    Prune { reason: String },
}

impl Hyperband {
    /// The brackets of a round: size and rungs of each.
    fn round(self) -> Vec<(usize, Vec<usize>)> {
        let most = std::iter::successors(Some(ETA), |power| power.checked_mul(ETA))
            .take_while(|power| *power <= self.epochs)
            .count();
        let power = |exponent: usize| (ETA as f64).powi(i32::try_from(exponent).unwrap_or(0));
        (0..=most)
            .rev()
            .map(|s| {
                let size = ((most + 1) as f64 * power(s) / (s + 1) as f64).ceil() as usize;
                let epochs = |i| (self.epochs as f64 / power(s - i)).round().max(1.0) as usize;
                (size, (0..=s).map(epochs).collect())
            })
            .collect()
    }

    /// The bracket of trial `number`, counted from 1.
    pub(super) fn bracket(self, number: usize) -> Bracket {
        let round = self.round();
        let of_round: usize = round.iter().map(|(size, _)| size).sum();
        let mut first = 1 + number.saturating_sub(1) / of_round * of_round;
        for (size, rungs) in round {
            if number < first + size {
                return Bracket { first, size, rungs };
            }
            first += size;
        }
        Bracket { first, size: 1, rungs: vec![self.epochs] }
    }

    /// What is to become of a trial that is not over. `trials` are all trials, `last` is the highest number that the
    /// study shall have, and `sign` is 1 where less is better, -1 where more is.
    pub(super) fn verdict(
        self,
        trial: &Trial,
        trials: &[Trial],
        last: usize,
        sign: f64,
    ) -> Verdict {
        let bracket = self.bracket(trial.number);
        let passed = trial.rungs.len();
        let until = bracket.rungs.get(passed).copied().unwrap_or(self.epochs);
        let Some(rung) = passed.checked_sub(1) else { return Verdict::Train { until } };
        let numbers = bracket.first..(bracket.first + bracket.size).min(last + 1);
        let (mut entered, mut ranked) = (0, Vec::new());
        for number in numbers {
            let Some(member) = trials.iter().find(|other| other.number == number) else {
                return Verdict::Wait;
            };
            match member.rungs.get(rung) {
                Some(value) => ranked.push((sign * value, number)),
                None if !member.is_over() => return Verdict::Wait,
                // One that failed on its way to the rung, not one that was pruned before.
                None if member.rungs.len() == rung && member.is_failed() => entered += 1,
                None => (),
            }
        }
        entered += ranked.len();
        ranked.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let keep = (entered / ETA).max(1);
        let rank = ranked.iter().position(|(_, number)| *number == trial.number);
        if rank.is_some_and(|rank| rank < keep) {
            return Verdict::Train { until };
        }
        let epochs = bracket.rungs.get(rung).copied().unwrap_or(self.epochs);
        let place = rank.map_or(entered, |rank| rank + 1);
        let reason = format!(
            "pruned by Hyperband: place {place} of {entered} after {}, and {keep} of them {} on",
            crate::common::text::plural(epochs, "epoch"),
            if keep == 1 { "goes" } else { "go" }
        );
        Verdict::Prune { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::TrialState;
    use super::*;

    fn round(epochs: usize) -> Vec<(usize, Vec<usize>)> {
        Hyperband { epochs }.round()
    }

    #[test]
    fn brackets_are_those_of_the_paper() {
        // Table 1 of the paper: R = 81, η = 3, n and r of each bracket's beginning.
        let table: Vec<(usize, usize)> =
            round(81).into_iter().map(|(size, rungs)| (size, rungs[0])).collect();
        assert_eq!(table, [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]);
        assert_eq!(round(81)[0].1, [1, 3, 9, 27, 81]);
        assert_eq!(round(10), [(9, vec![1, 3, 10]), (5, vec![3, 10]), (3, vec![10])]);
        assert_eq!(round(3), [(3, vec![1, 3]), (2, vec![3])]);
        assert_eq!(round(2), [(1, vec![2])]);
        assert_eq!(round(1), [(1, vec![1])]);
        // Numbers belong to brackets in their order, round after round.
        let first = |number| Hyperband { epochs: 3 }.bracket(number).first;
        assert_eq!([1, 3, 4, 5, 6, 8, 9, 11].map(first), [1, 1, 4, 4, 6, 6, 9, 11]);
        assert_eq!(Hyperband { epochs: 3 }.bracket(9).rungs, [3]);
    }

    fn trial(number: usize, rungs: &[f64]) -> Trial {
        let trial = Trial::new(number, toml::Table::new());
        Trial { rungs: rungs.to_vec(), value: rungs.last().copied(), ..trial }
    }

    #[test]
    fn a_rung_is_decided_when_all_got_there() {
        let hyperband = Hyperband { epochs: 9 };
        let verdict = |number: usize, trials: &[Trial]| {
            let trial = trials.iter().find(|trial| trial.number == number).unwrap();
            hyperband.verdict(trial, trials, 9, -1.0)
        };
        let values = [0.5, 0.1, 0.6, 0.2, 0.6, 0.3, 0.4, 0.3, 0.3];
        let mut trials: Vec<Trial> =
            values.iter().enumerate().map(|(at, value)| trial(at + 1, &[*value])).collect();
        // The best three of nine; of equals the first.
        for number in [3, 5, 1] {
            assert_eq!(verdict(number, &trials), Verdict::Train { until: 3 });
        }
        for number in [2, 4, 6, 7, 8, 9] {
            assert!(matches!(verdict(number, &trials), Verdict::Prune { .. }), "{number}");
        }
        let Verdict::Prune { reason } = verdict(7, &trials) else { panic!() };
        assert!(reason.contains("place 4 of 9 after 1 epoch, and 3 of them go on"), "{reason}");
        let mut some = trials.clone();
        some.truncate(8);
        assert_eq!(verdict(3, &some), Verdict::Wait, "one is not there yet");
        // The study ends within the bracket.
        assert_eq!(hyperband.verdict(&some[2], &some, 8, -1.0), Verdict::Train { until: 3 });
        some.push(trial(9, &[]));
        assert_eq!(verdict(3, &some), Verdict::Wait, "one has begun");
        assert_eq!(verdict(9, &some), Verdict::Train { until: 1 });
        some[8].state = TrialState::Failed;
        assert_eq!(verdict(1, &some), Verdict::Train { until: 3 });
        assert!(matches!(verdict(7, &some), Verdict::Prune { .. }));
        // The second rung is among those that entered it.
        for (number, value) in [(3, 0.65), (5, 0.6), (1, 0.7)] {
            trials[number - 1].rungs.push(value);
        }
        assert_eq!(verdict(1, &trials), Verdict::Wait, "some are not pruned yet");
        for number in [2, 4, 6, 7, 8, 9] {
            trials[number - 1].state = TrialState::Pruned;
        }
        assert_eq!(verdict(1, &trials), Verdict::Train { until: 9 });
        assert!(matches!(verdict(3, &trials), Verdict::Prune { .. }));
        assert!(matches!(verdict(5, &trials), Verdict::Prune { .. }));
    }
}
