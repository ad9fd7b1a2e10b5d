//! [`LossConfig`]: the loss of a training step.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::common::{Result, check};
use crate::emotion::Emotion;

/// The weight of an image in the loss, by its class; Keras' `class_weight`. The mean over the training images is 1,
/// so that the learning rate keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// Every image has the same weight.
    #[default]
    None,
    /// Every class has the same total weight: N / (7 · n), scikit-learn's "balanced" (King and Zeng, "Logistic
    /// Regression in Rare Events Data", 2001).
    Balanced,
    /// A compromise, in proportion to 1 / √n: rare classes have a higher weight, but their few images do not
    /// dominate.
    SquareRoot,
}

impl ClassWeights {
    /// A weight for each class, from its number of training images. A class without images has 0.
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

/// Cross-entropy and its variants. The default is the original's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// The share of each label that is spread evenly over the classes; at least 0 and below 1 (Szegedy et al.,
    /// "Rethinking the Inception Architecture for Computer Vision", 2016).
    pub label_smoothing: f64,
    /// The power of the factor (1 - p) of each class's term, which reduces the weight of well-classified images; 0
    /// or more (Lin et al., "Focal Loss for Dense Object Detection", 2017).
    pub focal_gamma: f64,
    /// The weight of an image, by its class.
    pub class_weights: ClassWeights,
    /// The factor of the logarithm of a class's share of the training images, added to its logit in training; 0 or
    /// more. With 1 the network is trained for equally frequent classes (Menon et al., "Long-tail Learning via
    /// Logit Adjustment", 2021).
    pub logit_adjustment: f64,
}

impl LossConfig {
    /// Returns an error for the first value out of range.
    pub fn validate(&self) -> Result<()> {
        check::part("loss.label_smoothing", self.label_smoothing)?;
        check::not_negative("loss.focal_gamma", self.focal_gamma)?;
        check::not_negative("loss.logit_adjustment", self.logit_adjustment)
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

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: [usize; 7] = [3995, 436, 4097, 7215, 4965, 4830, 3171];

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
    fn a_value_out_of_range_is_named() {
        let loss = LossConfig { label_smoothing: 1.0, ..LossConfig::default() };
        let message = loss.validate().unwrap_err().to_string();
        assert_eq!(message, "loss.label_smoothing = 1: expected at least 0 and below 1");
        let loss = LossConfig { focal_gamma: f64::NAN, ..LossConfig::default() };
        assert!(loss.validate().is_err());
    }
}
