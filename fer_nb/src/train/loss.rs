//! [`LossConfig`]: what a training step makes smaller.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::common::{Error, Result};
use crate::emotion::Emotion;

const CLASSES: i64 = Emotion::COUNT as i64;

/// How much an image counts in the loss, by its class; Keras' `class_weight`. The mean over the
/// training images is 1, so that the learning rate keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// Every image counts the same.
    #[default]
    None,
    /// Every class counts the same: N / (7 · n), scikit-learn's "balanced" (King and Zeng, "Logistic
    /// Regression in Rare Events Data", 2001).
    Balanced,
    /// Half way, in proportion to 1 / √n: rare classes count more, and their few images don't
    /// decide everything.
    SquareRoot,
}

impl ClassWeights {
    /// A weight a class, from the number of training images of each. A class without images has 0.
    pub fn weights(&self, counts: [usize; Emotion::COUNT]) -> [f64; Emotion::COUNT] {
        let power = match self {
            ClassWeights::None => return [1.0; Emotion::COUNT],
            ClassWeights::Balanced => -1.0,
            ClassWeights::SquareRoot => -0.5,
        };
        let counts = counts.map(|count| count as f64);
        let raw = counts.map(|count| if count == 0.0 { 0.0 } else { count.powf(power) });
        let total: f64 = counts.iter().sum();
        let sum: f64 = raw.iter().zip(counts).map(|(weight, count)| weight * count).sum();
        raw.map(|weight| weight * total / sum.max(f64::MIN_POSITIVE))
    }
}

/// Cross-entropy, and what can be changed about it. The default is the original's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Share of each label that is spread evenly over the classes; at least 0 and below 1 (Szegedy et
    /// al., "Rethinking the Inception Architecture for Computer Vision", 2016).
    pub label_smoothing: f64,
    /// Power of (1 - p) that each class's term is multiplied by, so that what is known already counts
    /// less; 0 or more (Lin et al., "Focal Loss for Dense Object Detection", 2017).
    pub focal_gamma: f64,
    /// How much an image counts, by its class.
    pub class_weights: ClassWeights,
    /// Times the logarithm of a class's share of the training images, added to its logit while
    /// training; 0 or more. With 1 the network learns what it would answer if all classes were
    /// equally frequent (Menon et al., "Long-tail Learning via Logit Adjustment", 2021).
    pub logit_adjustment: f64,
}

impl LossConfig {
    /// Names the first value outside its range.
    pub fn validate(&self) -> Result<()> {
        let not_negative = |field: &str, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::setting(format!("loss.{field}"), value, "a number, 0 or more")),
        };
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let expected = "at least 0 and below 1";
            return Err(Error::setting("loss.label_smoothing", self.label_smoothing, expected));
        }
        not_negative("focal_gamma", self.focal_gamma)?;
        not_negative("logit_adjustment", self.logit_adjustment)
    }
}

impl fmt::Display for LossConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.focal_gamma == 0.0 { "cross-entropy" } else { "focal loss" })?;
        if self.focal_gamma != 0.0 {
            write!(f, ", gamma {}", self.focal_gamma)?;
        }
        if self.label_smoothing != 0.0 {
            write!(f, ", label smoothing {}", self.label_smoothing)?;
        }
        match self.class_weights {
            ClassWeights::None => {}
            ClassWeights::Balanced => f.write_str(", balanced class weights")?,
            ClassWeights::SquareRoot => f.write_str(", square-root class weights")?,
        }
        if self.logit_adjustment != 0.0 {
            write!(f, ", logit adjustment {}", self.logit_adjustment)?;
        }
        Ok(())
    }
}

/// Mean categorical cross-entropy in nats, f32 [], of logits [B, 7] and labels i64 [B].
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    const NO_CLASS: i64 = -100;
    let mean = tch::Reduction::Mean;
    Ok(logits.f_cross_entropy_loss(labels, None::<Tensor>, mean, NO_CLASS, 0.0)?)
}

/// A [`LossConfig`] for training images of known class counts, ready on a device.
#[derive(Debug)]
pub struct LossFunction {
    loss: LossConfig,
    /// f32 [7], where classes differ in weight.
    weights: Option<Tensor>,
    /// What is added to logits: f32 [7].
    adjustment: Option<Tensor>,
}

impl LossFunction {
    /// `counts` are the training images of each class.
    pub fn new(loss: LossConfig, counts: [usize; Emotion::COUNT], device: Device) -> Result<Self> {
        let row = |values: [f64; Emotion::COUNT]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(&values.map(|value| value as f32))?.f_to_device(device)?)
        };
        let weights = match loss.class_weights {
            ClassWeights::None => None,
            kind => Some(row(kind.weights(counts))?),
        };
        let adjustment = match loss.logit_adjustment {
            0.0 => None,
            tau => {
                let total = counts.iter().sum::<usize>().max(1) as f64;
                // A class without images would be -∞.
                Some(row(counts.map(|count| tau * (count.max(1) as f64 / total).ln()))?)
            }
        };
        Ok(Self { loss, weights, adjustment })
    }

    /// The mean loss over images, in nats, f32 [], of logits f32 [B, 7] and their labels i64 [B].
    pub fn of_labels(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        if self.loss == LossConfig::default() {
            return cross_entropy(logits, labels);
        }
        self.of_targets(logits, &one_hot(labels)?)
    }

    /// The mean loss over images, in nats, f32 [], of logits f32 [B, 7] against the share of each
    /// class in each image, f32 [B, 7]: PyTorch's `cross_entropy` with such targets, with
    /// `weight` and `label_smoothing`.
    ///
    /// > -mean over images of Σ w · t · (1 - p)^γ · ln p
    pub fn of_targets(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let logits = match &self.adjustment {
            None => logits.shallow_clone(),
            Some(adjustment) => logits.f_add(adjustment)?,
        };
        let log_probs = logits.f_log_softmax(1, Kind::Float)?;
        let mut terms = match self.loss.label_smoothing {
            0.0 => targets.shallow_clone(),
            share => {
                let even = share / CLASSES as f64;
                targets.f_mul_scalar(1.0 - share)?.f_add_scalar(even)?
            }
        };
        if let Some(weights) = &self.weights {
            terms = terms.f_mul(weights)?;
        }
        if self.loss.focal_gamma != 0.0 {
            // 1 - p is 0 after rounding where the network is certain; its power has a gradient that
            // is not finite there if gamma is below 1.
            let rest = log_probs.f_exp()?.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(1e-7)?;
            terms = terms.f_mul(&rest.f_pow_tensor_scalar(self.loss.focal_gamma)?)?;
        }
        let images = logits.size2()?.0.max(1) as f64;
        Ok(terms.f_mul(&log_probs)?.f_sum(Kind::Float)?.f_mul_scalar(-1.0 / images)?)
    }
}

/// Labels i64 [B] as f32 [B, 7].
pub fn one_hot(labels: &Tensor) -> Result<Tensor> {
    Ok(labels.f_one_hot(CLASSES)?.f_to_kind(Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: [usize; 7] = [3995, 436, 4097, 7215, 4965, 4830, 3171];

    fn value(loss: LossConfig, targets: &[f32]) -> f64 {
        let logits = Tensor::from_slice(&[2.0f32, 0.0, -1.0, 0.5, 0.0, 0.0, 1.0]).view([1, 7]);
        let function = LossFunction::new(loss, COUNTS, Device::Cpu).unwrap();
        let targets = Tensor::from_slice(targets).view([1, 7]);
        function.of_targets(&logits, &targets).unwrap().double_value(&[])
    }

    /// ln p of the logits above, by hand.
    fn log_probs() -> [f64; 7] {
        let logits = [2.0f64, 0.0, -1.0, 0.5, 0.0, 0.0, 1.0];
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.map(|logit| logit - sum.ln())
    }

    #[test]
    fn each_change_follows_its_formula() {
        let first = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let ln_p = log_probs();
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        };
        close(value(LossConfig::default(), &first), -ln_p[0]);
        let smooth = LossConfig { label_smoothing: 0.14, ..LossConfig::default() };
        close(value(smooth, &first), -0.86 * ln_p[0] - 0.02 * ln_p.iter().sum::<f64>());
        let focal = LossConfig { focal_gamma: 2.0, ..LossConfig::default() };
        close(value(focal, &first), -(1.0 - ln_p[0].exp()).powi(2) * ln_p[0]);
        let mixed = [0.25, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0];
        close(value(LossConfig::default(), &mixed), -0.25 * ln_p[0] - 0.75 * ln_p[1]);
        let balanced =
            LossConfig { class_weights: ClassWeights::Balanced, ..LossConfig::default() };
        close(value(balanced, &first), -ln_p[0] * 28709.0 / (7.0 * 3995.0));
        let adjusted = LossConfig { logit_adjustment: 1.0, ..LossConfig::default() };
        let shares = COUNTS.map(|count| count as f64 / 28709.0);
        let logits = [2.0f64, 0.0, -1.0, 0.5, 0.0, 0.0, 1.0];
        let sum: f64 = logits.iter().zip(shares).map(|(logit, share)| share * logit.exp()).sum();
        close(value(adjusted, &first), -(2.0 + shares[0].ln() - sum.ln()));
    }

    #[test]
    fn weights_have_mean_one_over_the_images() {
        for kind in [ClassWeights::Balanced, ClassWeights::SquareRoot] {
            let weights = kind.weights(COUNTS);
            let sum: f64 = weights.iter().zip(COUNTS).map(|(w, count)| w * count as f64).sum();
            assert!((sum / 28709.0 - 1.0).abs() < 1e-12);
            assert!(weights[1] > weights[0] && weights[0] > weights[3]);
        }
        let balanced = ClassWeights::Balanced.weights(COUNTS);
        assert!((balanced[1] - 28709.0 / (7.0 * 436.0)).abs() < 1e-9);
        let root = ClassWeights::SquareRoot.weights(COUNTS);
        assert!((root[1] / root[3] - (7215.0f64 / 436.0).sqrt()).abs() < 1e-9);
        assert_eq!(ClassWeights::Balanced.weights([0, 1, 1, 1, 1, 1, 1])[0], 0.0);
    }

    #[test]
    fn labels_are_targets_and_the_plain_loss_is_libtorchs() {
        tch::manual_seed(1);
        let logits = Tensor::randn([20, 7], (Kind::Float, Device::Cpu));
        let labels = Tensor::randint(7, [20], (Kind::Int64, Device::Cpu));
        let function = LossFunction::new(LossConfig::default(), COUNTS, Device::Cpu).unwrap();
        let one = function.of_labels(&logits, &labels).unwrap();
        let other = function.of_targets(&logits, &one_hot(&labels).unwrap()).unwrap();
        assert!(one.allclose(&other, 1e-6, 1e-6, false));
        let certain = Tensor::from_slice(&[200.0f32, 0., 0., 0., 0., 0., 0.]).view([1, 7]);
        let certain = certain.set_requires_grad(true);
        let focal = LossConfig { focal_gamma: 0.5, ..LossConfig::default() };
        let function = LossFunction::new(focal, COUNTS, Device::Cpu).unwrap();
        let zero = Tensor::from_slice(&[0i64]);
        function.of_labels(&certain, &zero).unwrap().backward();
        assert!(certain.grad().isfinite().all().int64_value(&[]) == 1);
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let loss = LossConfig { label_smoothing: 1.0, ..LossConfig::default() };
        let message = loss.validate().unwrap_err().to_string();
        assert_eq!(message, "loss.label_smoothing = 1: expected at least 0 and below 1");
        let loss = LossConfig { focal_gamma: f64::NAN, ..LossConfig::default() };
        assert!(loss.validate().is_err());
    }
}
