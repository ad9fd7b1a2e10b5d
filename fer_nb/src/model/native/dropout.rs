//! Dropout without libtorch's generator.
//!
//! On a CPU libtorch draws one number after another on one thread, which takes a fifth of a training step in
//! bfloat16. This module hashes a counter into eight decisions at a time. A GPU uses libtorch's dropout.

use tch::{Device, Kind, Tensor};

use crate::common::random::derive;
use crate::common::{During, Result};

/// Sets about `share` of the activations to 0 and scales the others, so that the expected sum stays the same
/// (Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014). Without `train`,
/// returns `xs` unchanged.
///
/// `share` is at least 0 and below 1; on a CPU it is rounded to 256ths, and the scale with it. libtorch's seed
/// determines which activations are dropped.
///
/// # Errors
/// If libtorch reports an error.
pub fn dropout(xs: &Tensor, share: f64, train: bool) -> Result<Tensor> {
    if !train || share <= 0.0 {
        return Ok(xs.shallow_clone());
    }
    if xs.device() != Device::Cpu {
        return xs.f_dropout(share, train).during("dropout");
    }
    Dropped::draw(share)?.apply(xs).during("dropout")
}

/// The activations that a pass drops on a CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropped {
    pub(super) seed: u64,
    /// An activation is dropped if its random byte is below this.
    pub(super) threshold: u8,
}

impl Dropped {
    pub(super) const fn none() -> Self {
        Self { seed: 0, threshold: 0 }
    }

    /// Drops about `share` of them, with a seed derived from libtorch's.
    pub(super) fn draw(share: f64) -> Result<Self> {
        if share <= 0.0 {
            return Ok(Self::none());
        }
        let seed = Tensor::f_randint(i64::MAX, [1], (Kind::Int64, Device::Cpu))?;
        let seed = seed.f_int64_value(&[0])? as u64;
        // Never all of them: the scale would be infinite.
        Ok(Self { seed, threshold: (share * 256.0).round().min(255.0) as u8 })
    }

    /// The activations on a CPU after dropout.
    pub(super) fn apply(self, xs: &Tensor) -> Result<Tensor> {
        if self.threshold == 0 {
            return Ok(xs.shallow_clone());
        }
        let size = xs.size();
        let mask = Tensor::f_from_slice(&keep(self.seed, self.threshold, xs.numel()))?;
        // In the memory order of the activations, so that the product reads both in sequence.
        let mask = match size[..] {
            [batch, channels, height, width] if !xs.is_contiguous() => {
                mask.f_view([batch, height, width, channels])?.f_permute([0, 3, 1, 2])?
            }
            _ => mask.f_view(&size[..])?,
        };
        let scale = 256.0 / (256.0 - f64::from(self.threshold));
        // Not in place: libtorch's in-place product rounds the scale to the tensor's dtype, and 4/3 becomes 1.336
        // in bfloat16.
        Ok(xs.f_mul(&mask.f_to_kind(xs.kind())?)?.f_mul_scalar(scale)?)
    }
}

/// 1 with probability 1 - threshold / 256, for kept activations, otherwise 0, from the bytes of SplitMix64's output
/// ([`derive`]).
fn keep(seed: u64, threshold: u8, count: usize) -> Vec<u8> {
    let mut mask = vec![0; count];
    for (index, bytes) in mask.chunks_mut(8).enumerate() {
        let z = derive(seed, index);
        for (byte, random) in bytes.iter_mut().zip(z.to_le_bytes()) {
            *byte = u8::from(random >= threshold);
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_dropped_and_the_rest_scaled() {
        tch::manual_seed(1);
        for kind in [Kind::Float, Kind::BFloat16] {
            let xs = Tensor::ones([64, 32, 24, 24], (kind, Device::Cpu));
            let ys = dropout(&xs, 0.25, true).unwrap().to_kind(Kind::Double);
            let dropped = ys.eq(0.0).sum(Kind::Double).double_value(&[]) / xs.numel() as f64;
            // 1.2 million decisions: a standard deviation of 0.0004.
            assert!((dropped - 0.25).abs() < 0.002, "{dropped}");
            assert!((ys.max().double_value(&[]) - 4.0 / 3.0).abs() < 0.01);
            assert!((ys.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.01);
            let ys = dropout(&(xs * 1.75), 0.25, true).unwrap();
            assert!((ys.max().double_value(&[]) - 7.0 / 3.0).abs() < 0.006, "{ys}");
        }
    }

    #[test]
    fn seeds_decide_and_layouts_are_kept() {
        let draw = |seed| {
            tch::manual_seed(seed);
            let xs = Tensor::ones([2, 6, 6, 8], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2]);
            dropout(&xs, 0.5, true).unwrap()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(1).stride(), [288, 1, 48, 8]);
        tch::manual_seed(1);
        let xs = Tensor::ones([5], (Kind::Float, Device::Cpu));
        assert_ne!(dropout(&xs, 0.9, true).unwrap(), dropout(&xs, 0.9, false).unwrap());
        assert_eq!(dropout(&xs, 0.9, false).unwrap(), xs);
    }

    #[test]
    fn what_is_dropped_gets_no_gradient() {
        tch::manual_seed(3);
        let xs = Tensor::ones([1000], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let ys = dropout(&xs, 0.5, true).unwrap();
        ys.sum(Kind::Float).backward();
        assert_eq!(xs.grad(), ys.detach());
    }

    #[test]
    fn neighbours_are_independent() {
        let mask = keep(7, 64, 80_000);
        let pairs = mask.windows(2).filter(|pair| pair[0] == 1 && pair[1] == 1).count();
        // 0.75² of 79,999; a standard deviation of about 140.
        assert!((pairs as f64 - 0.5625 * 79_999.0).abs() < 900.0, "{pairs}");
    }
}
