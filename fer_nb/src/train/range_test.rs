//! The learning-rate range test: which step sizes learn at all, in a minute instead of ten runs.

use tch::Kind;

use super::batches::Batch;
use super::history::STOPPED_BY_USER;
use super::optim::{OptimizerState, clip_norm};
use super::trainer::Trainer;
use crate::common::machine::{Interrupt, print_line};
use crate::common::random::derive;
use crate::common::{Error, Result};
use crate::data::FaceData;

/// What a range test tries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeTestConfig {
    /// The first step's learning rate; above 0.
    pub from: f64,
    /// The last step's; above `from`.
    pub to: f64,
    /// How many steps; 10 or more.
    pub steps: usize,
}

impl Default for RangeTestConfig {
    /// From 1e-5 to 1 in 100 steps.
    fn default() -> Self {
        Self { from: 1e-5, to: 1.0, steps: 100 }
    }
}

/// The loss at each learning rate (Smith, "Cyclical Learning Rates for Training Neural Networks",
/// 2017, section 3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct RangeTest {
    /// Learning rate and smoothed loss in nats, in the order of the steps.
    pub points: Vec<(f64, f64)>,
    /// What the data is called in titles.
    pub title: String,
}

impl RangeTest {
    /// The learning rate at which the loss falls fastest, against the rate's logarithm. A good
    /// `learning_rate` is that or a few times less; `None` where the loss never falls.
    pub fn suggestion(&self) -> Option<f64> {
        /// Points to each side of a slope; single steps are noise.
        const REACH: usize = 5;
        let slopes = self.points.windows(2 * REACH + 1).map(|window| {
            let slope = window[2 * REACH].1 - window[0].1; // equally far apart, so not divided
            (window[REACH].0, slope)
        });
        let steepest = slopes.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (steepest.1 < 0.0).then_some(steepest.0)
    }
}

impl Trainer {
    /// Trains for a few batches with a learning rate that grows from step to step, and puts weights
    /// and optimizer back. It ends early where the loss explodes, or on Stop.
    ///
    /// # Errors
    /// A range that is none; memory that does not suffice, with the batch size to try; whatever
    /// libtorch refuses.
    pub fn range_test(&mut self, data: &FaceData, range: RangeTestConfig) -> Result<RangeTest> {
        let chosen = self.config.images.choose(data)?;
        let data = chosen.as_ref().map_or(data, |(chosen, _)| chosen);
        self.config.validate_for(data.train.len())?;
        let RangeTestConfig { from, to, steps } = range;
        if !(from.is_finite() && from > 0.0) {
            return Err(Error::setting("from", from, "a number above 0"));
        }
        if !(to.is_finite() && to > from) {
            return Err(Error::setting("to", to, format!("a number above from, {from}")));
        }
        if steps < 10 {
            return Err(Error::setting("steps", steps, "10 or more"));
        }
        let weights = self.network.parameters().snapshot()?;
        let kind = self.config.precision.kind(self.network.parameters().device());
        self.network.parameters_mut().set_kind(kind)?;
        let points = self.load_initial_weights().and_then(|_| self.try_rates(data, range, kind));
        let points = points.map_err(|error| self.explain(error));
        let whole = self.network.parameters_mut().set_kind(Kind::Float);
        let whole = whole.and_then(|()| self.network.parameters_mut().restore(&weights));
        let points = points.and_then(|points| whole.map(|()| points))?;
        Ok(RangeTest { points, title: data.origin().title().into() })
    }

    fn try_rates(
        &mut self,
        data: &FaceData,
        range: RangeTestConfig,
        kind: Kind,
    ) -> Result<Vec<(f64, f64)>> {
        /// Weight of the past in the smoothed loss, and how far above its best it may rise.
        const SMOOTHING: f64 = 0.9;
        const EXPLODED: f64 = 4.0;
        let interrupt = Interrupt::listen()?;
        let (images, objective) = self.images_and_objective(data)?;
        let learnt = self.network.parameters().count();
        let flat = self.network.parameters().flat().f_narrow(0, 0, learnt)?;
        let mut optimizer = OptimizerState::new(self.config.optimizer, &flat)?;
        let spans = self.network.parameters().spans();
        let growth = (range.to / range.from).ln() / (range.steps - 1) as f64;
        let (mut points, mut smoothed, mut best) = (Vec::new(), 0.0, f64::INFINITY);
        let mut pass = 0;
        'passes: while points.len() < range.steps {
            let seed = derive(self.config.seed, pass);
            for batch in images.epoch(self.plan(1, seed, kind), 0) {
                let step = points.len();
                if interrupt.requested() {
                    print_line(&format!("{STOPPED_BY_USER} after step {step} of {}", range.steps));
                    break 'passes;
                }
                if step == range.steps {
                    break 'passes;
                }
                let Batch { images, targets } = batch?;
                tch::manual_seed(derive(seed, step) as i64);
                let loss = objective.loss(&self.network.forward_t(&images, true)?, &targets)?;
                let value = loss.f_double_value(&[])?;
                smoothed = SMOOTHING * smoothed + (1.0 - SMOOTHING) * value;
                // Without the division the first values would be drawn towards 0.
                let seen = 1.0 - SMOOTHING.powi(step as i32 + 1);
                let now = smoothed / seen;
                best = best.min(now);
                if !now.is_finite() || now > EXPLODED * best {
                    break 'passes;
                }
                let learning_rate = range.from * (growth * step as f64).exp();
                points.push((learning_rate, now));
                let mut gradient = self.network.parameters().gradient(&loss)?;
                if self.config.clip_norm > 0.0 {
                    clip_norm(&mut gradient, self.config.clip_norm)?;
                }
                self.network.parameters_mut().update(|weights| {
                    optimizer.step_in(weights, &gradient, learning_rate, &spans)
                })?;
            }
            pass += 1;
        }
        Ok(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_suggested() {
        let points = (0..100).map(|step| {
            let rate = 1e-5 * 1.1f64.powi(step);
            // Falls around step 60.
            (rate, 2.0 - 1.0 / (1.0 + (-(f64::from(step) - 60.0) / 4.0).exp()))
        });
        let test = RangeTest { points: points.collect(), title: String::new() };
        let suggestion = test.suggestion().unwrap();
        assert!((suggestion / (1e-5 * 1.1f64.powi(60))).ln().abs() < 0.15, "{suggestion}");
        let rising = [(1e-3, 1.0), (1e-2, 2.0)].repeat(10);
        let flat = RangeTest { points: vec![(1e-3, 1.0); 50], title: String::new() };
        assert_eq!(flat.suggestion(), None);
        assert!(RangeTest { points: rising[..5].to_vec(), ..flat }.suggestion().is_none());
    }
}
