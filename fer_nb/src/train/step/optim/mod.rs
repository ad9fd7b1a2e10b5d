//! Optimizers on one flat parameter buffer: a step is a handful of operations on whole tensors,
//! whatever the number of layers, and the state is a few tensors that can be saved.

mod average;
mod muon;
mod state;

pub use average::WeightAverage;
pub use state::OptimizerState;

use tch::{Device, Tensor, no_grad};

use crate::common::Result;

/// Scales a gradient \[P\] in place so that its Euclidean norm is at most `max_norm`, as PyTorch's
/// `clip_grad_norm_` does; does not wait for the device.
pub fn clip_norm(gradient: &mut Tensor, max_norm: f64) -> Result<()> {
    no_grad(|| {
        // The float32 norm of a float32 gradient: PyTorch's 1e-6 keeps a zero gradient zero.
        let norm = gradient.f_norm_scalaropt_dtype(2.0, gradient.kind())?;
        let scale = norm.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(max_norm)?;
        let _ = gradient.f_mul_(&scale.f_clamp_max(1.0)?)?;
        Ok(())
    })
}

/// The offset from the weights to the point within `rho` at which the loss is approximately highest: ρ · g / |g| of
/// the gradient g [P], [P] (Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
/// 2021).
pub(crate) fn sharpness_shift(gradient: &Tensor, rho: f64) -> Result<Tensor> {
    no_grad(|| {
        let norm = gradient.f_norm_scalaropt_dtype(2.0, gradient.kind())?;
        let scale = norm.f_add_scalar(1e-12)?.f_reciprocal()?.f_mul_scalar(rho)?;
        Ok(gradient.f_mul(&scale)?)
    })
}

/// The parts of `start..end` that a step processes one after the other, as starts and lengths. Several operations
/// use the same numbers; on a CPU a small part stays in the cache, and on a GPU a single part launches the fewest
/// kernels.
fn slabs(device: Device, start: i64, end: i64) -> impl Iterator<Item = (i64, i64)> {
    const IN_CACHE: i64 = 64 * 1024;
    let slab = if device == Device::Cpu { IN_CACHE } else { i64::MAX };
    (start..end).step_by(slab as usize).map(move |start| (start, slab.min(end - start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_cover_the_whole_once() {
        let of = |device, start, end| slabs(device, start, end).collect::<Vec<_>>();
        let size = 64 * 1024;
        let parts = [(5, size), (5 + size, size), (5 + 2 * size, 3)];
        assert_eq!(of(Device::Cpu, 5, 8 + 2 * size), parts);
        assert_eq!(of(Device::Cuda(0), 5, 8 + 2 * size), [(5, 3 + 2 * size)]);
        assert_eq!(of(Device::Cuda(0), 5, 5), []);
    }

    #[test]
    fn uphill_is_along_the_gradient_by_rho() {
        let gradient = Tensor::from_slice(&[3.0f64, 0.0, -4.0]);
        let shift = sharpness_shift(&gradient, 0.5).unwrap();
        let expected = Tensor::from_slice(&[0.3f64, 0.0, -0.4]);
        assert!(shift.allclose(&expected, 0.0, 1e-12, false), "{shift:?}");
        let flat = sharpness_shift(&Tensor::from_slice(&[0.0f64, 0.0]), 0.5).unwrap();
        assert_eq!(flat, Tensor::from_slice(&[0.0f64, 0.0]));
    }
}
