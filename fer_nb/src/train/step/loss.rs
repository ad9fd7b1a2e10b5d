//! [`LossFunction`]: a [`LossConfig`] for given class counts, on a device.

use tch::{Device, Kind, Tensor};

use crate::common::Result;
use crate::emotion::Emotion;
use crate::train::config::{ClassWeights, LossConfig};

const CLASSES: i64 = Emotion::COUNT as i64;

/// Mean categorical cross-entropy in nats, f32 [], of logits [B, 7] and labels i64 [B].
pub(crate) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    const NO_CLASS: i64 = -100;
    let mean = tch::Reduction::Mean;
    Ok(logits.f_cross_entropy_loss(labels, None::<Tensor>, mean, NO_CLASS, 0.0)?)
}

/// A [`LossConfig`] for training images with known class counts, on a device.
#[derive(Debug)]
pub(crate) struct LossFunction {
    loss: LossConfig,
    /// f32 [7], if classes have different weights.
    weights: Option<Tensor>,
    /// The adjustment of the logits: f32 [7].
    adjustment: Option<Tensor>,
}

impl LossFunction {
    /// `counts` are the numbers of training images of each class.
    pub(crate) fn new(
        loss: LossConfig,
        counts: [usize; Emotion::COUNT],
        device: Device,
    ) -> Result<Self> {
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
                // A class without images would have -∞.
                Some(row(counts.map(|count| tau * (count.max(1) as f64 / total).ln()))?)
            }
        };
        Ok(Self { loss, weights, adjustment })
    }

    /// The mean loss over images, in nats, f32 [], for logits f32 [B, 7] and labels i64 [B].
    pub(crate) fn of_labels(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        if self.loss == LossConfig::default() {
            return cross_entropy(logits, labels);
        }
        self.of_targets(logits, &one_hot(labels)?)
    }

    /// The mean loss over images, in nats, f32 [], for logits f32 [B, 7] and the share of each class in each image,
    /// f32 [B, 7]: PyTorch's `cross_entropy` with such targets, with `weight` and `label_smoothing`.
    ///
    /// > -mean over images of Σ w · t · (1 - p)^γ · ln p
    pub(crate) fn of_targets(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
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
            // 1 - p is 0 after rounding if the network is certain; the gradient of its power is then not finite if
            // gamma is below 1.
            let rest = log_probs.f_exp()?.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(1e-7)?;
            terms = terms.f_mul(&rest.f_pow_tensor_scalar(self.loss.focal_gamma)?)?;
        }
        let images = logits.size2()?.0.max(1) as f64;
        Ok(terms.f_mul(&log_probs)?.f_sum(Kind::Float)?.f_mul_scalar(-1.0 / images)?)
    }
}

/// Labels i64 [B] as f32 [B, 7].
pub(crate) fn one_hot(labels: &Tensor) -> Result<Tensor> {
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
}
