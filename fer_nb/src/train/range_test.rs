//! The learning rate range test, which helps to choose a learning rate.

use polars::prelude::{DataFrame, df};
use tch::Kind;

use super::session::load_initial_weights;
use super::step::{Plan, Rule, TrainImages};
use super::trainer::Trainer;
use crate::common::check::{self, ensure};
use crate::common::machine::{Interrupt, print_line};
use crate::common::text::plural;
use crate::common::{Result, brief};
use crate::data::{FaceData, column};

/// The learning rates of a range test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeTestConfig {
    /// The first step's learning rate; above 0.
    pub from: f64,
    /// The last step's; at least `from`.
    pub to: f64,
    /// The number of steps; 10 or more.
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
#[derive(Clone, PartialEq)]
pub struct RangeTest {
    /// The steps in order.
    pub points: Vec<RangePoint>,
    /// The data's name in titles.
    pub title: String,
}

brief!(RangeTest, |test| "{}, {}", plural(test.points.len(), "step"), test.title);

/// A step of a range test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangePoint {
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The batch's mean loss before the step, in nats.
    pub loss: f64,
    /// Exponential moving average of the losses, with bias correction.
    pub smoothed: f64,
}

impl RangeTest {
    /// A table with a row for each step: `learning_rate`, `loss`, `smoothed` (f64).
    ///
    /// # Errors
    /// [`Error::Table`](crate::error::Error::Table) if polars reports an error.
    pub fn to_table(&self) -> Result<DataFrame> {
        let points = &self.points;
        Ok(df!(
            "learning_rate" => column(points, |point| point.learning_rate),
            "loss" => column(points, |point| point.loss),
            "smoothed" => column(points, |point| point.smoothed),
        )?)
    }

    /// The learning rate at which the loss falls fastest over the logarithm of the rate. A good `learning_rate` is
    /// this or a few times less; `None` if the loss never falls.
    pub fn suggestion(&self) -> Option<f64> {
        /// The number of points on each side of a slope; single steps are noisy.
        const REACH: usize = 5;
        let slopes = self.points.windows(2 * REACH + 1).map(|window| {
            let slope = window[2 * REACH].smoothed - window[0].smoothed; // the points are equidistant, so no division is needed
            (window[REACH].learning_rate, slope)
        });
        let steepest = slopes.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (steepest.1 < 0.0).then_some(steepest.0)
    }
}

impl RangeTestConfig {
    /// Returns an error for the first value out of range.
    fn validate(&self) -> Result<()> {
        let Self { from, to, steps } = *self;
        check::positive("from", from)?;
        let expected = format!("a number from {from} on");
        ensure(to.is_finite() && to >= from, "to", to, &expected)?;
        ensure(steps >= 10, "steps", steps, "10 or more")
    }

    /// The learning rate of a step, from 0: equidistant in the logarithm.
    fn learning_rate(&self, step: usize) -> f64 {
        let growth = (self.to / self.from).ln() / (self.steps - 1) as f64;
        self.from * (growth * step as f64).exp()
    }
}

impl Trainer {
    /// Trains for a few batches with a learning rate that grows from step to step, and restores weights and
    /// optimizer. The steps are those of [`Trainer::fit`] from its first batch on. The test ends early if the loss
    /// explodes, or on Stop.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::error::Error::Setting) for an invalid range; otherwise as [`Trainer::fit`].
    pub fn range_test(&mut self, data: &FaceData, range: RangeTestConfig) -> Result<RangeTest> {
        self.state.check()?;
        range.validate()?;
        let chosen = self.config.images.choose(data)?;
        let data = chosen.as_ref().map_or(data, |(chosen, _)| chosen);
        self.config.validate_for(data.train.len())?;
        let points = self.computing(|trainer, kind| {
            let config = &trainer.config;
            let weights = trainer.state.learner.network.parameters().snapshot()?;
            let optimizer = trainer.state.learner.restart_optimizer(config)?;
            let average = trainer.state.learner.average.take(); // nothing can fail before it is restored
            let points = load_initial_weights(&mut trainer.state, config)
                .and_then(|_| trainer.try_rates(data, range, kind));
            let learner = &mut trainer.state.learner;
            (learner.optimizer, learner.average) = (optimizer, average);
            learner.network.parameters_mut().restore(&weights)?;
            points
        })?;
        Ok(RangeTest { points, title: data.origin().title().into() })
    }

    fn try_rates(
        &mut self,
        data: &FaceData,
        range: RangeTestConfig,
        kind: Kind,
    ) -> Result<Vec<RangePoint>> {
        /// The weight of earlier losses in the smoothed loss, and how far it may rise above its minimum.
        const SMOOTHING: f64 = 0.9;
        const EXPLODED: f64 = 4.0;
        let interrupt = Interrupt::listen()?;
        let Self { state, config, .. } = self;
        let learner = &mut state.learner;
        let images = TrainImages::with_targets(&data.train, config, learner.device())?;
        let rule = Rule::new(config, &data.train, learner)?;
        let (mut points, mut average, mut best) = (Vec::new(), 0.0, f64::INFINITY);
        for epoch in 1.. {
            for batch in images.epoch(Plan::new(config, epoch, kind), 0) {
                let step = points.len();
                if step == range.steps {
                    return Ok(points);
                }
                if interrupt.requested() {
                    let steps = range.steps;
                    print_line(&format!("stopped by the user after step {step} of {steps}"));
                    return Ok(points);
                }
                let learning_rate = range.learning_rate(step);
                learner.step(&batch?, &rule, learning_rate, |loss, _| {
                    let loss = loss.f_double_value(&[])?;
                    average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
                    // Without the division the first values would be too close to 0.
                    let smoothed = average / (1.0 - SMOOTHING.powi(step as i32 + 1));
                    best = best.min(smoothed);
                    let goes_on = smoothed.is_finite() && smoothed <= EXPLODED * best;
                    if goes_on {
                        points.push(RangePoint { learning_rate, loss, smoothed });
                    }
                    Ok(goes_on)
                })?;
                if points.len() == step {
                    return Ok(points); // the loss exploded
                }
            }
        }
        Ok(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_suggested() {
        let point = |learning_rate, loss| RangePoint { learning_rate, loss, smoothed: loss };
        let points = (0..100).map(|step| {
            let rate = 1e-5 * 1.1f64.powi(step);
            // Falls around step 60.
            point(rate, 2.0 - 1.0 / (1.0 + (-(f64::from(step) - 60.0) / 4.0).exp()))
        });
        let test = RangeTest { points: points.collect(), title: String::new() };
        let suggestion = test.suggestion().unwrap();
        assert!((suggestion / (1e-5 * 1.1f64.powi(60))).ln().abs() < 0.15, "{suggestion}");
        let rising = [point(1e-3, 1.0), point(1e-2, 2.0)].repeat(10);
        let flat = RangeTest { points: vec![point(1e-3, 1.0); 50], title: String::new() };
        assert_eq!(flat.suggestion(), None);
        assert!(RangeTest { points: rising[..5].to_vec(), ..flat }.suggestion().is_none());
    }
}
