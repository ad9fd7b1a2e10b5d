//! [`TrainConfig`]: the hyperparameters of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::image_choice::ImageChoice;
use super::loss::LossConfig;
use super::mixing::Mixing;
use super::objective::Distillation;
use super::optim::Optimizer;
use super::sampling::Sampling;
use super::schedule::Schedule;
use crate::common::{Error, Result};
use crate::data::Augmentation;
use crate::project::Precision;

/// Hyperparameters. The default is the original project's recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    // How long
    /// Passes over the training images; 1 or more.
    pub epochs: usize,
    /// Images a step; 1 up to the number of training images.
    pub batch_size: usize,

    // How the weights move
    /// Step size before the schedule; above 0.
    pub learning_rate: f64,
    /// Adam, AdamW or SGD, with its own hyperparameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes within the run.
    pub schedule: Schedule,
    /// Largest Euclidean norm of a step's gradient; 0 does not clip.
    pub clip_norm: f64,
    /// Decay of the weights' moving average, which is what is validated and kept; at least 0 and
    /// below 1. 0 keeps the weights themselves.
    pub ema: f64,

    /// Radius of sharpness-aware minimisation (Foret et al., 2021), as a Euclidean norm of the
    /// weights' change; 0 does without. It takes twice the time; 0.05 is the paper's.
    pub sam: f64,
    /// What the learning rate is multiplied by for parameters whose names begin with a key; 0 freezes
    /// them. Empty: all are 1. For transfer learning, [`crate::model::Parameters::set_rates`].
    pub rates: BTreeMap<String, f64>,

    // Where the weights start
    /// The weights to start from, where names and shapes fit: a run (its name below runs/, or its folder),
    /// weights that come with the project, or a `.safetensors` file. Empty starts from what `seed` draws.
    /// What must not change is frozen by [`TrainConfig::rates`].
    pub initial_weights: String,

    // What is made smaller
    /// Cross-entropy, and what is changed about it.
    pub loss: LossConfig,
    /// Trained networks to learn from, beside the labels.
    pub distillation: Distillation,

    // What computes
    /// The kind of number of forward and backward passes.
    pub precision: Precision,

    // What is learnt from
    /// Which of the training and validation images.
    pub images: ImageChoice,

    // What is random
    /// Decides shuffling, augmentation and dropout: the same seed gives the same run.
    pub seed: u64,
    /// How often an epoch sees each class.
    pub sampling: Sampling,
    /// Random views of the training images.
    pub augmentation: Augmentation,
    /// Training images made of two.
    pub mixing: Mixing,
    /// The last epochs, which see images unmixed and unchanged but for mirroring (He et al., "Data
    /// Augmentation Revisited", 2019): 0 up to `epochs`.
    pub clean_epochs: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 35,
            batch_size: 64,
            learning_rate: 1e-3,
            optimizer: Optimizer::adam(),
            schedule: Schedule::Constant,
            clip_norm: 0.0,
            ema: 0.0,
            sam: 0.0,
            rates: BTreeMap::new(),
            initial_weights: String::new(),
            loss: LossConfig::default(),
            distillation: Distillation::default(),
            precision: Precision::Auto,
            images: ImageChoice::default(),
            seed: 42,
            sampling: Sampling::Natural,
            augmentation: Augmentation::default(),
            mixing: Mixing::default(),
            clean_epochs: 0,
        }
    }
}

impl TrainConfig {
    /// Names the first hyperparameter outside its range.
    pub fn validate(&self) -> Result<()> {
        fn check(ok: bool, field: &str, value: impl ToString, expected: &str) -> Result<()> {
            if ok { Ok(()) } else { Err(Error::setting(field, value, expected)) }
        }
        let rate = self.learning_rate;
        let few = u32::try_from(self.epochs).is_ok();
        check(self.epochs >= 1, "epochs", self.epochs, "1 or more")?;
        check(few, "epochs", self.epochs, "fewer than 2^32")?;
        // config.toml could not hold a larger one.
        check(i64::try_from(self.seed).is_ok(), "seed", self.seed, "less than 2^63")?;
        check(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")?;
        check(rate.is_finite() && rate > 0.0, "learning_rate", rate, "a number above 0")?;
        self.optimizer.validate()?;
        self.schedule.validate()?;
        let norm = self.clip_norm;
        check(norm.is_finite() && norm >= 0.0, "clip_norm", norm, "a number, 0 or more")?;
        check((0.0..1.0).contains(&self.ema), "ema", self.ema, "at least 0 and below 1")?;
        let sam = self.sam;
        check(sam.is_finite() && sam >= 0.0, "sam", sam, "a number, 0 or more")?;
        self.loss.validate()?;
        self.distillation.validate()?;
        self.augmentation.validate()?;
        self.mixing.validate()?;
        let expected = format!("0 to {}, the number of epochs", self.epochs);
        check(self.clean_epochs <= self.epochs, "clean_epochs", self.clean_epochs, &expected)
    }

    /// [`TrainConfig::validate`], and whether `images` training images are enough for one batch.
    pub fn validate_for(&self, images: usize) -> Result<()> {
        self.validate()?;
        if self.batch_size > images {
            let expected = format!("1 to {images}, the number of training images");
            return Err(Error::setting("batch_size", self.batch_size, expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_value_is_named_with_its_range() {
        let message = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate_for(100).unwrap_err().to_string()
        };
        assert_eq!(message(|c| c.epochs = 0), "epochs = 0: expected 1 or more");
        assert_eq!(
            message(|c| c.seed = 1 << 63),
            format!("seed = {}: expected less than 2^63", 1u64 << 63)
        );
        let message_of_many = message(|c| c.epochs = usize::MAX);
        assert!(message_of_many.ends_with("expected fewer than 2^32"), "{message_of_many}");
        assert_eq!(message(|c| c.batch_size = 0), "batch_size = 0: expected 1 or more");
        let expected = "batch_size = 101: expected 1 to 100, the number of training images";
        assert_eq!(message(|c| c.batch_size = 101), expected);
        for rate in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
            let config = TrainConfig { learning_rate: rate, ..TrainConfig::default() };
            let message = config.validate().unwrap_err().to_string();
            assert_eq!(message, format!("learning_rate = {rate}: expected a number above 0"));
        }
        assert_eq!(message(|c| c.ema = 1.0), "ema = 1: expected at least 0 and below 1");
        assert_eq!(message(|c| c.clip_norm = -1.0), "clip_norm = -1: expected a number, 0 or more");
        assert!(TrainConfig::default().validate_for(64).is_ok());
    }
}
