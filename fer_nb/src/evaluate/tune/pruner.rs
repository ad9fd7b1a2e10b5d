//! [`Pruner`]: which trials end early; [`MedianPruner`], the callback that ends those worse than most before them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::common::{Result, named};
use crate::train::{Callback, CallbackState, EpochEnd, History, Monitor, StopReason};

/// Which trials end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruner {
    /// Those whose best value so far is worse than the median of what other trials had reached by that epoch (the
    /// median stopping rule of Golovin et al., "Google Vizier", 2017), from the second epoch and the fifth trial on.
    Median,
    /// All but the best third, again and again, of trials that begin with few epochs: Hyperband (Li et al.,
    /// "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2018) with η = 3. Trials wait for
    /// the values they are compared with, so the result is the same for any number of processes.
    Hyperband,
}

named! { Pruner: "pruner", Median => "median", Hyperband => "hyperband" }

/// What files say of no pruner.
const NONE: &str = "none";

/// A pruner by its name, or "none"; format 2 had true for the median pruner and false for none.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Pruner>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Flag(bool),
        Name(String),
    }
    match Stored::deserialize(from)? {
        Stored::Flag(prune) => Ok(prune.then_some(Pruner::Median)),
        Stored::Name(name) if name == NONE => Ok(None),
        Stored::Name(name) => name.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// Writes what [`read`] reads.
pub(super) fn write<S: Serializer>(pruner: &Option<Pruner>, to: S) -> Result<S::Ok, S::Error> {
    pruner.map_or(NONE, Pruner::name).serialize(to)
}

/// The best value of a training; `None` before the first epoch.
pub(super) fn best(monitor: Monitor, history: &History) -> Option<f64> {
    let mut best = None;
    history.epochs.iter().for_each(|epoch| {
        better(&mut best, monitor, monitor.of(epoch));
    });
    best
}

/// Ends a training whose best value so far is worse than the median of what other trials had reached by
/// that epoch (the median stopping rule of Golovin et al., "Google Vizier", 2017). It waits for the
/// values of four trials, and for the second epoch.
#[derive(Debug)]
pub(crate) struct MedianPruner {
    monitor: Monitor,
    /// The best value after each epoch, of each trial that was trained to its end.
    others: Vec<Vec<f64>>,
    best: Option<f64>,
    /// What the seeds before this one reached.
    earlier: Vec<f64>,
}

/// Trials that have to be over before one is judged by them.
const STARTUP: usize = 4;
/// Epochs that every trial gets.
const WARMUP: usize = 1;

impl MedianPruner {
    /// `earlier` are the values that the trial's seeds before this one reached. `others` has the same of each finished
    /// trial, and that trial's values with this seed, an epoch each, in order.
    pub(crate) fn new(monitor: Monitor, others: &[(Vec<f64>, Vec<f64>)], earlier: &[f64]) -> Self {
        let others = others
            .iter()
            .map(|(earlier, figures)| {
                let mut best = None;
                let reached = figures.iter().map(|figure| *better(&mut best, monitor, *figure));
                reached.map(|best| with(earlier, best)).collect()
            })
            .collect();
        Self { monitor, others, best: None, earlier: earlier.to_vec() }
    }

    /// The median of the others' best after this epoch, counted from 1.
    fn median(&self, epoch: usize) -> Option<f64> {
        let mut reached: Vec<f64> =
            self.others.iter().filter_map(|best| best.get(epoch - 1)).copied().collect();
        reached.sort_by(f64::total_cmp);
        let middle = reached.len() / 2;
        match reached.len() {
            count if count < STARTUP => None,
            count if count.is_multiple_of(2) => {
                Some((reached.get(middle - 1)? + reached.get(middle)?) / 2.0)
            }
            _ => reached.get(middle).copied(),
        }
    }
}

/// The mean over the seeds before this one and this one.
fn with(earlier: &[f64], best: f64) -> f64 {
    (earlier.iter().sum::<f64>() + best) / (earlier.len() + 1) as f64
}

fn better(best: &mut Option<f64>, monitor: Monitor, figure: f64) -> &f64 {
    if monitor.improves(figure, *best, 0.0) {
        *best = Some(figure);
    }
    best.get_or_insert(figure)
}

impl Callback for MedianPruner {
    fn name(&self) -> &'static str {
        "MedianPruner"
    }

    /// What the others reached is no part of what a run is, so a trial can be resumed among others.
    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        let number = epoch.record.epoch;
        let best = *better(&mut self.best, self.monitor, self.monitor.of(&epoch.record));
        let best = with(&self.earlier, best);
        let Some(median) = self.median(number).filter(|_| number > WARMUP) else { return Ok(()) };
        if self.monitor.improves(median, Some(best), 0.0) && epoch.stop.is_none() {
            let monitor = self.monitor;
            *epoch.stop = Some(StopReason::Pruned { epoch: number, monitor, best, median });
        }
        Ok(())
    }

    fn state(&self) -> Result<CallbackState> {
        CallbackState::default().value("best", self.best)
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        self.best = state.get("best")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_best_so_far() {
        let others =
            [vec![0.1, 0.5, 0.4], vec![0.2, 0.3, 0.6], vec![0.3, 0.2], vec![0.4, 0.6, 0.7]]
                .map(|values| (Vec::new(), values));
        let pruner = MedianPruner::new(Monitor::ValAccuracy, &others, &[]);
        let close = |epoch, expected: f64| {
            let found = pruner.median(epoch).unwrap();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        };
        close(1, 0.25);
        close(2, 0.4);
        assert_eq!(pruner.median(3), None, "three are too few");
        let lower = MedianPruner::new(Monitor::ValLoss, &others, &[]);
        assert_eq!(lower.median(2), Some((0.2 + 0.2) / 2.0));
    }

    #[test]
    fn later_seeds_are_compared_as_means_over_the_same_seeds() {
        let others = [0.4, 0.5, 0.6, 0.7].map(|first| (vec![first], vec![0.1, 0.3]));
        let pruner = MedianPruner::new(Monitor::ValAccuracy, &others, &[0.9]);
        // The others' means after the second seed's second epoch are 0.35, 0.4, 0.45 and 0.5.
        assert!((pruner.median(2).unwrap() - 0.425).abs() < 1e-12);
        // This trial's second seed is worse than all others', its mean over both is not.
        assert!((with(&pruner.earlier, 0.0) - 0.45).abs() < 1e-12);
    }

    #[test]
    fn files_name_the_pruner_and_older_ones_have_a_flag() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct File {
            #[serde(alias = "prune", deserialize_with = "read", serialize_with = "write")]
            pruner: Option<Pruner>,
        }
        for pruner in [None, Some(Pruner::Median), Some(Pruner::Hyperband)] {
            let text = toml::to_string(&File { pruner }).unwrap();
            assert_eq!(toml::from_str::<File>(&text).unwrap(), File { pruner }, "{text}");
        }
        let read = |text| toml::from_str::<File>(text).map(|file| file.pruner);
        assert_eq!(read("prune = true"), Ok(Some(Pruner::Median)));
        assert_eq!(read("prune = false"), Ok(None));
        assert!(read("pruner = 'mean'").unwrap_err().message().contains("median or hyperband"));
    }
}
