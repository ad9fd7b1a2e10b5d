//! [`Learner`]: the state that training changes, and the only training step.

use tch::{Tensor, no_grad};

use super::batches::Batch;
use super::loss::{LossFunction, cross_entropy};
use super::objective::Objective;
use super::optim::{OptimizerState, WeightAverage, clip_norm, sharpness_shift};
use super::totals::Totals;
use crate::common::{During, Result};
use crate::data::Dataset;
use crate::model::{Network, logits_of};
use crate::train::config::TrainConfig;

/// A network with its optimizer and the moving average of its weights.
pub(crate) struct Learner {
    pub(crate) network: Box<dyn Network>,
    pub(crate) optimizer: OptimizerState,
    pub(crate) average: Option<WeightAverage>,
    /// Whether the network holds the average, and `average` the trained weights.
    averaged: bool,
}

/// The rules of a step: the same in `fit` and in the range test.
pub(crate) struct Rule {
    objective: Objective,
    clip_norm: Option<f64>,
    sam: Option<f64>,
}

impl Rule {
    /// The config's rules for training images with these class counts, on the learner's device.
    pub(crate) fn new(config: &TrainConfig, data: &Dataset, learner: &Learner) -> Result<Self> {
        let TrainConfig { clip_norm, sam, .. } = *config;
        let labels = LossFunction::new(config.loss, data.class_counts(), learner.device())?;
        let objective = Objective { labels, distillation: config.distillation.clone() };
        Ok(Self { objective, clip_norm, sam })
    }
}

impl Learner {
    pub(crate) fn new(mut network: Box<dyn Network>, config: &TrainConfig) -> Result<Self> {
        network.parameters_mut().set_rates(&config.rates)?;
        let optimizer = new_optimizer(&*network, config)?;
        let mut learner = Self { network, optimizer, average: None, averaged: false };
        learner.restart_average(config)?;
        Ok(learner)
    }

    pub(crate) fn device(&self) -> tch::Device {
        self.network.parameters().device()
    }

    /// Clears the optimizer's moments, and returns the previous optimizer.
    pub(crate) fn restart_optimizer(&mut self, config: &TrainConfig) -> Result<OptimizerState> {
        let fresh = new_optimizer(&*self.network, config)?;
        Ok(std::mem::replace(&mut self.optimizer, fresh))
    }

    /// Starts the moving average, if the config has one, from the present weights.
    pub(crate) fn restart_average(&mut self, config: &TrainConfig) -> Result<()> {
        let weights = self.network.parameters().flat();
        self.average = config.ema.map(|decay| WeightAverage::new(decay, &weights)).transpose()?;
        Ok(())
    }

    /// Makes the network hold the weights' average, or the trained weights, if there is an average.
    pub(crate) fn hold_average(&mut self, held: bool) -> Result<()> {
        let Some(average) = &mut self.average else { return Ok(()) };
        if held != self.averaged {
            self.network.parameters_mut().update(|weights| average.exchange(weights))?;
            self.averaged = held;
        }
        Ok(())
    }

    /// One training step on a batch. Dropout is seeded for each batch, so a checkpoint needs no state of it. Before
    /// the weights change, `inspect` receives the mean loss, f32 [], and the logits, f32 [B, 7]; if it returns an
    /// error or `false`, the weights do not change.
    pub(crate) fn step(
        &mut self,
        batch: &Batch,
        rule: &Rule,
        learning_rate: f64,
        inspect: impl FnOnce(&Tensor, &Tensor) -> Result<bool>,
    ) -> Result<()> {
        let (loss, logits) = self.loss(batch, rule).during("the forward pass")?;
        let mut gradient = self.network.parameters().gradient(&loss).during("the backward pass")?;
        if !inspect(&loss, &logits)? {
            return Ok(());
        }
        if let Some(radius) = rule.sam {
            gradient = self
                .gradient_uphill(&gradient, radius, batch, rule)
                .during("the sharpness-aware step")?;
        }
        self.update(&mut gradient, rule.clip_norm, learning_rate).during("the optimizer's step")
    }

    /// Mean loss, f32 [], and logits, f32 [B, 7], of a batch in training.
    fn loss(&self, batch: &Batch, rule: &Rule) -> Result<(Tensor, Tensor)> {
        tch::manual_seed(batch.seed as i64);
        let logits = self.network.forward_t(&batch.images, true)?;
        Ok((rule.objective.loss(&logits, &batch.targets)?, logits))
    }

    /// Sharpness-aware minimisation: the gradient [P] at the point within `radius` of the weights at which the loss
    /// is approximately highest, from the gradient [P] at the weights. Dropout drops the same activations.
    fn gradient_uphill(
        &mut self,
        gradient: &Tensor,
        radius: f64,
        batch: &Batch,
        rule: &Rule,
    ) -> Result<Tensor> {
        let before = self.network.parameters().snapshot()?;
        let shift = sharpness_shift(gradient, radius)?;
        let trainable = shift.size1()?;
        self.network.parameters_mut().update(|weights| {
            Ok(weights.f_narrow(0, 0, trainable)?.f_add_(&shift).map(|_| ())?)
        })?;
        let (loss, _) = self.loss(batch, rule)?;
        let gradient = self.network.parameters().gradient(&loss)?;
        // Restores the exact weights, and the running statistics of the first pass.
        self.network.parameters_mut().restore(&before)?;
        Ok(gradient)
    }

    /// Updates the weights by a gradient [P], and the average by the weights.
    fn update(
        &mut self,
        gradient: &mut Tensor,
        max_norm: Option<f64>,
        learning_rate: f64,
    ) -> Result<()> {
        if let Some(max_norm) = max_norm {
            clip_norm(gradient, max_norm)?;
        }
        let Self { network, optimizer, average, .. } = self;
        let spans = optimizer.spans(network.parameters());
        network.parameters_mut().update(|weights| {
            optimizer.step_in(weights, gradient, learning_rate, &spans)?;
            average.as_mut().map_or(Ok(()), |average| average.update(weights))
        })
    }

    /// Mean cross-entropy in nats and accuracy on images u8 [N, 1, 48, 48] with labels i64 [N].
    pub(crate) fn validate(&self, (images, labels): &(Tensor, Tensor)) -> Result<(f64, f64)> {
        no_grad(|| {
            let logits = logits_of(&*self.network, images)?;
            let mut totals = Totals::default();
            totals.add(&cross_entropy(&logits, labels)?, &logits, labels)?;
            totals.read()
        })
        .during("validation")
    }
}

fn new_optimizer(network: &dyn Network, config: &TrainConfig) -> Result<OptimizerState> {
    let parameters = network.parameters();
    let trainable = parameters.flat().f_narrow(0, 0, parameters.count())?;
    OptimizerState::new(config.optimizer, &trainable)
}
