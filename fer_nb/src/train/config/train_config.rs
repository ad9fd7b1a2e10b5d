//! [`TrainConfig`]: the hyperparameters of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::distillation::Distillation;
use super::images::ImageChoice;
use super::loss::LossConfig;
use super::mixing::Mixing;
use super::off;
use super::optimizer::Optimizer;
use super::sampling::Sampling;
use super::schedule::Schedule;
use super::sizes::SizeSchedule;
use crate::common::Result;
use crate::common::check::{self, ensure};
use crate::data::Augmentation;
use crate::project::Precision;

/// Hyperparameters. The default is the original project's recipe.
///
/// ```
/// use fer_nb::prelude::*;
///
/// let config = TrainConfig {
///     epochs: 20,
///     learning_rate: 2e-3,
///     optimizer: Optimizer::adamw(0.01),
///     schedule: Schedule::one_cycle(),
///     ..TrainConfig::default()
/// };
/// config.validate()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    // Length
    /// Passes over the training images; 1 or more.
    pub epochs: usize,
    /// Images per step; 1 up to the number of training images.
    pub batch_size: usize,

    // Optimization
    /// The learning rate before the schedule; above 0.
    pub learning_rate: f64,
    /// Adam, AdamW, SGD or Muon, with their hyperparameters.
    pub optimizer: Optimizer,
    /// The learning rate schedule within the run.
    pub schedule: Schedule,
    /// The maximum Euclidean norm of a step's gradient, above 0; `None` turns clipping off.
    #[serde(deserialize_with = "off::number")]
    pub clip_norm: Option<f64>,
    /// The decay of the weights' moving average, which is validated and saved instead of the weights; above 0 and
    /// below 1. `None` turns it off.
    #[serde(deserialize_with = "off::number")]
    pub ema: Option<f64>,

    /// Radius of sharpness-aware minimisation (Foret et al., 2021), as a Euclidean norm of the weights' change,
    /// above 0; the paper has 0.05. It doubles the time. `None` turns it off.
    #[serde(deserialize_with = "off::number")]
    pub sam: Option<f64>,
    /// The factor of the learning rate for parameters whose names start with a key; 0 freezes them. Without an
    /// entry, a factor is 1. For transfer learning, [`crate::model::Parameters::set_rates`].
    pub rates: BTreeMap<String, f64>,

    // Initial weights
    /// Start from these weights for all parameters whose names and shapes match: a run (its name below runs/, or
    /// its folder), pretrained weights, or a safetensors file, such as a PyTorch state dict. `None` draws them from
    /// `seed`. [`TrainConfig::rates`] freezes parameters.
    #[serde(deserialize_with = "off::text")]
    pub initial_weights: Option<String>,
    /// Prefixes of names in the file of the initial weights, and the network's prefixes instead; the longest
    /// matching key applies. The prefixes `module.`, `model.` and `_orig_mod.` of all names need no entry. Empty:
    /// the names are the network's. [`NameMap`](crate::model::NameMap).
    pub weights_map: BTreeMap<String, String>,
    /// Whether the initial weights may be those of a network with fewer channels or units, which then become the
    /// first channels of this one ([`transfer_widened`](crate::model::transfer_widened)).
    pub widen: bool,

    // The loss
    /// Cross-entropy and its variants.
    pub loss: LossConfig,
    /// Trained networks whose predictions are targets in addition to the labels.
    pub distillation: Distillation,

    // Precision
    /// The dtype of forward and backward passes.
    pub precision: Precision,

    // Images
    /// The choice of training and validation images.
    pub images: ImageChoice,

    // Randomness
    /// The seed of shuffling, augmentation and dropout: the same seed gives the same run.
    pub seed: u64,
    /// How often an epoch contains each class.
    pub sampling: Sampling,
    /// Random views of the training images.
    pub augmentation: Augmentation,
    /// Mixing of two training images.
    pub mixing: Mixing,
    /// The size of training images, which may grow within the run.
    pub sizes: SizeSchedule,
    /// The number of last epochs without mixing, and without augmentation except mirroring (He et al., "Data
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
            clip_norm: None,
            ema: None,
            sam: None,
            rates: BTreeMap::new(),
            initial_weights: None,
            weights_map: BTreeMap::new(),
            widen: false,
            loss: LossConfig::default(),
            distillation: Distillation::default(),
            precision: Precision::Auto,
            images: ImageChoice::default(),
            seed: 42,
            sampling: Sampling::Natural,
            augmentation: Augmentation::default(),
            mixing: Mixing::default(),
            sizes: SizeSchedule::default(),
            clean_epochs: 0,
        }
    }
}

impl TrainConfig {
    /// Returns an error for the first hyperparameter out of range.
    pub fn validate(&self) -> Result<()> {
        let few = u32::try_from(self.epochs).is_ok();
        ensure(self.epochs >= 1, "epochs", self.epochs, "1 or more")?;
        ensure(few, "epochs", self.epochs, "fewer than 2^32")?;
        // config.toml could not hold a larger one.
        ensure(i64::try_from(self.seed).is_ok(), "seed", self.seed, "less than 2^63")?;
        ensure(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")?;
        check::positive("learning_rate", self.learning_rate)?;
        self.optimizer.validate()?;
        self.schedule.validate()?;
        for (field, value) in [("clip_norm", self.clip_norm), ("sam", self.sam)] {
            let ok = value.is_none_or(|value| value.is_finite() && value > 0.0);
            ensure(ok, field, value.unwrap_or_default(), "a number above 0, or none")?;
        }
        let ok = self.ema.is_none_or(|decay| decay > 0.0 && decay < 1.0);
        ensure(ok, "ema", self.ema.unwrap_or_default(), "above 0 and below 1, or none")?;
        let ok = self.weights_map.is_empty() || self.initial_weights.is_some();
        let rule = self.weights_map.iter().next().map(|(from, to)| format!("{from}={to}"));
        ensure(ok, "weights_map", rule.unwrap_or_default(), "initial weights whose names it maps")?;
        let ok = !self.widen || self.initial_weights.is_some();
        ensure(ok, "widen", self.widen, "false without initial weights of a narrower network")?;
        self.loss.validate()?;
        self.distillation.validate()?;
        self.augmentation.validate()?;
        self.mixing.validate()?;
        self.sizes.validate()?;
        let expected = format!("0 to {}, the number of epochs", self.epochs);
        ensure(self.clean_epochs <= self.epochs, "clean_epochs", self.clean_epochs, &expected)
    }

    /// [`TrainConfig::validate`], and whether `images` training images are enough for one batch.
    pub(crate) fn validate_for(&self, images: usize) -> Result<()> {
        self.validate()?;
        // The largest power of two that fits: what batch sizes usually are.
        let fits = images.checked_ilog2().map_or(1, |log| 1 << log);
        let expected = format!(
            "1 to {images}, the number of training images: --batch-size {fits}, or FER_BATCH_SIZE={fits}"
        );
        ensure(self.batch_size <= images, "batch_size", self.batch_size, &expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;

    #[test]
    fn each_wrong_value_is_named() {
        let named = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            match config.validate_for(100) {
                Err(Error::Setting { name, value, .. }) => (name, value),
                other => panic!("{other:?}"),
            }
        };
        let is = |found: (String, String), name: &str, value: &str| {
            assert_eq!((found.0.as_str(), found.1.as_str()), (name, value));
        };
        is(named(|c| c.epochs = 0), "epochs", "0");
        is(named(|c| c.seed = 1 << 63), "seed", &(1u64 << 63).to_string());
        is(named(|c| c.epochs = usize::MAX), "epochs", &usize::MAX.to_string());
        is(named(|c| c.batch_size = 0), "batch_size", "0");
        is(named(|c| c.batch_size = 101), "batch_size", "101");
        is(named(|c| c.learning_rate = -1.0), "learning_rate", "-1");
        is(named(|c| c.learning_rate = f64::NAN), "learning_rate", "NaN");
        is(named(|c| c.learning_rate = f64::INFINITY), "learning_rate", "inf");
        is(named(|c| c.ema = Some(1.0)), "ema", "1");
        is(named(|c| c.clip_norm = Some(-1.0)), "clip_norm", "-1");
        is(named(|c| c.sam = Some(f64::NAN)), "sam", "NaN");
        let map = |c: &mut TrainConfig| drop(c.weights_map.insert("a".into(), "b".into()));
        is(named(map), "weights_map", "a=b");
        assert!(TrainConfig::default().validate_for(64).is_ok());
    }

    #[test]
    fn off_is_none_and_zero_in_older_files() {
        let older = "clip_norm = 0.0\nema = 0\nsam = 0.0\ninitial_weights = ''";
        let config: TrainConfig = toml::from_str(older).unwrap();
        assert_eq!(config, TrainConfig::default());
        let on = "clip_norm = 1\nema = 0.99\ninitial_weights = 'seed_cnn'";
        let config: TrainConfig = toml::from_str(on).unwrap();
        assert_eq!((config.clip_norm, config.ema, config.sam), (Some(1.0), Some(0.99), None));
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config);
    }
}
