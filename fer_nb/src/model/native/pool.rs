//! Max pooling, ReLU and dropout as one layer.

use std::ffi::{c_char, c_void};

use tch::{Device, Tensor};

use super::dropout::{Dropped, dropout};
use super::shim::{address, call};
use crate::common::{During, Result};

/// 2×2 max pooling, ReLU and, if `train`, [`dropout`] of this share: maps [B, C, H, W] to [B, C, H/2, W/2].
///
/// Both pooling and ReLU are monotonic, so ReLU after the pooling gives the same result, with a quarter of the
/// numbers. On a CPU, pool.cpp computes channels-last tensors in one pass.
///
/// # Errors
/// If libtorch reports an error.
pub fn pool_relu_dropout(xs: &Tensor, share: f64, train: bool) -> Result<Tensor> {
    // In place, because no backward pass needs its input.
    let composed = || -> Result<Tensor> { Ok(max_pool(xs)?.f_relu_()?) };
    if xs.device() != Device::Cpu {
        return dropout(&composed()?, share, train);
    }
    let dropped = if train { Dropped::draw(share)? } else { Dropped::none() };
    match one_pass(xs, dropped)? {
        Some(ys) => Ok(ys),
        None => dropped.apply(&composed()?),
    }
}

/// The maximum of each 2×2 window: maps [B, C, H, W] to [B, C, H/2, W/2].
///
/// # Errors
/// If libtorch reports an error.
pub fn max_pool(xs: &Tensor) -> Result<Tensor> {
    xs.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false).during("max pooling")
}

/// pool.cpp's result, or `None` if it does not support this tensor.
fn one_pass(xs: &Tensor, dropped: Dropped) -> Result<Option<Tensor>> {
    unsafe extern "C" {
        fn fer_pool(
            xs: *const c_void,
            seed: u64,
            threshold: u8,
            out: *mut *mut c_void,
        ) -> *mut c_char;
    }
    let Dropped { seed, threshold } = dropped;
    // SAFETY: shim.h's `answer` fulfils the requirements of `call`; `xs` outlives the call.
    unsafe { call(|out| fer_pool(address(xs), seed, threshold, out)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// [B, C, H, W] that lies channels last, with equal numbers and zeros in many windows.
    fn activations(kind: Kind, [batch, channels, side]: [i64; 3]) -> Tensor {
        let xs = Tensor::randn([batch, side, side, channels], (Kind::Float, Device::Cpu));
        let coarse = (xs * 4.0).round() / 4.0;
        coarse.to_kind(kind).permute([0, 3, 1, 2]).set_requires_grad(true)
    }

    /// Both ways of it: what comes out, and the gradients of its sum and of weighted sums, which reach the
    /// pooling as one number that is spread, channels first, and channels last.
    fn both_ways(xs: &Tensor, dropped: Dropped) -> [[Tensor; 4]; 2] {
        let composed = |xs: &Tensor| dropped.apply(&max_pool(xs).unwrap().relu_()).unwrap();
        let fused = |xs: &Tensor| one_pass(xs, dropped).unwrap().expect("it should fit");
        let ys = composed(xs).detach();
        let options = (ys.kind(), Device::Cpu);
        let first = Tensor::randn(ys.size(), options);
        let last = ys.randn_like();
        [&fused as &dyn Fn(&Tensor) -> Tensor, &composed].map(|way| {
            let gradient = |weights: Option<&Tensor>| {
                let xs = xs.detach().set_requires_grad(true);
                let ys = way(&xs);
                weights
                    .map_or(ys.shallow_clone(), |weights| &ys * weights)
                    .sum(Kind::Float)
                    .backward();
                xs.grad()
            };
            [way(xs).detach(), gradient(None), gradient(Some(&first)), gradient(Some(&last))]
        })
    }

    #[test]
    fn one_pass_gives_the_numbers_that_libtorchs_functions_give() {
        tch::manual_seed(5);
        for kind in [Kind::Float, Kind::BFloat16] {
            for size in [[3, 32, 48], [5, 128, 12], [2, 8, 4], [1, 4, 4], [7, 24, 6]] {
                for share in [0.0, 0.25, 0.5, 0.99] {
                    let xs = activations(kind, size);
                    let [fused, composed] = both_ways(&xs, Dropped::draw(share).unwrap());
                    assert_eq!(fused, composed, "{kind:?} {size:?} {share}");
                    assert_eq!(fused[0].stride(), composed[0].stride());
                    assert!(fused.iter().all(|tensor| tensor.kind() == kind));
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let xs = Tensor::from_slice(&[f32::NAN, 1.0, -1.0, f32::INFINITY, -2.0, 3.0, 0.0, -0.0]);
        for kind in [Kind::Float, Kind::BFloat16] {
            for shift in 0..4 {
                let xs = xs.to_kind(kind).roll([shift], [0]).view([1, 1, 1, 8]);
                let xs = Tensor::cat(&[&xs, &xs.flip([3])], 2).repeat([1, 1, 1, 2]);
                let xs = xs.contiguous().view([1, 2, 16, 1]).permute([0, 3, 1, 2]);
                let [fused, composed] = both_ways(&xs, Dropped::none());
                for (fused, composed) in fused.iter().zip(&composed) {
                    assert!(fused.allclose(composed, 0.0, 0.0, true), "{fused} {composed}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_libtorch() {
        tch::manual_seed(6);
        let options = (Kind::Float, Device::Cpu);
        let last = |xs: Tensor| xs.permute([0, 3, 1, 2]);
        let odd = last(Tensor::randn([2, 5, 6, 8], options));
        let few = last(Tensor::randn([2, 4, 4, 3], options));
        let first = Tensor::randn([2, 8, 4, 4], options);
        let double = last(Tensor::randn([2, 4, 4, 8], (Kind::Double, Device::Cpu)));
        let empty = last(Tensor::randn([0, 4, 4, 8], options));
        for xs in [odd, few, first, double, empty] {
            assert!(one_pass(&xs, Dropped::none()).unwrap().is_none(), "{xs:?}");
            let ys = pool_relu_dropout(&xs, 0.5, false).unwrap();
            assert_eq!(ys, max_pool(&xs).unwrap().relu());
            tch::manual_seed(8);
            let dropped = pool_relu_dropout(&xs, 0.5, true).unwrap();
            tch::manual_seed(8);
            assert_eq!(dropped, dropout(&ys, 0.5, true).unwrap());
        }
    }

    #[test]
    fn a_second_derivative_is_an_error_and_not_a_wrong_one() {
        tch::manual_seed(9);
        let xs = activations(Kind::Float, [2, 8, 4]);
        let ys = pool_relu_dropout(&xs, 0.0, true).unwrap();
        let error = Tensor::f_run_backward(&[ys.square().sum(Kind::Float)], &[&xs], true, true);
        assert!(error.unwrap_err().to_string().contains("has no second derivative"));
    }

    #[test]
    fn nothing_is_dropped_outside_training() {
        tch::manual_seed(7);
        let xs = activations(Kind::Float, [2, 8, 4]);
        let expected = max_pool(&xs).unwrap().relu();
        assert_eq!(pool_relu_dropout(&xs, 0.5, false).unwrap(), expected);
        assert_ne!(pool_relu_dropout(&xs, 0.5, true).unwrap(), expected);
    }
}
