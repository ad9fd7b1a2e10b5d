//! [`MedianPruner`]: ends trials early that are worse than most before them were.

use crate::common::Result;
use crate::train::{Callback, CallbackState, EpochEnd, Monitor, StopReason};

/// Ends a training whose best value so far is worse than the median of what other trials had reached by
/// that epoch (the median stopping rule of Golovin et al., "Google Vizier", 2017). It waits for the
/// values of four trials, and for the second epoch.
#[derive(Debug)]
pub(crate) struct MedianPruner {
    monitor: Monitor,
    /// The best value after each epoch, of each trial that was trained to its end.
    others: Vec<Vec<f64>>,
    best: Option<f64>,
}

/// Trials that have to be over before one is judged by them.
const STARTUP: usize = 4;
/// Epochs that every trial gets.
const WARMUP: usize = 1;

impl MedianPruner {
    /// `others` are the values of finished trials, an epoch each, in order.
    pub(crate) fn new(monitor: Monitor, others: &[Vec<f64>]) -> Self {
        let others = others
            .iter()
            .map(|figures| {
                let mut best = None;
                figures.iter().map(|figure| *better(&mut best, monitor, *figure)).collect()
            })
            .collect();
        Self { monitor, others, best: None }
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
            [vec![0.1, 0.5, 0.4], vec![0.2, 0.3, 0.6], vec![0.3, 0.2], vec![0.4, 0.6, 0.7]];
        let pruner = MedianPruner::new(Monitor::ValAccuracy, &others);
        let close = |epoch, expected: f64| {
            let found = pruner.median(epoch).unwrap();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        };
        close(1, 0.25);
        close(2, 0.4);
        assert_eq!(pruner.median(3), None, "three are too few");
        let lower = MedianPruner::new(Monitor::ValLoss, &others);
        assert_eq!(lower.median(2), Some((0.2 + 0.2) / 2.0));
    }
}
