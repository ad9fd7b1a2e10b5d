//! The 3×3 convolution, which takes most of a network's time.

use std::ffi::{c_char, c_void};

use tch::Tensor;

use super::shim::{address, call};
use crate::common::Result;

/// A 3×3 convolution with stride 1 and padding 1: maps [B, I, H, W], with `weight` [O, I, 3, 3] and `bias` \[O\],
/// to [B, O, H, W].
///
/// If GCC built the crate and the processor has AVX2, winograd.cpp computes channels-last tensors, with less than
/// half of the multiplications, and in float32 with a quarter of them if both sides are multiples of 4. It supports
/// float32, and bfloat16 on processors that multiply in it without AMX; channels in multiples of 32, even sides,
/// and at least 512 pixels per batch, so the results of an image alone and in a batch may differ by rounding.
/// libtorch computes all others.
///
/// # Errors
/// If libtorch reports an error. winograd.cpp has no second derivative: computing one is an error of the backward
/// pass.
pub fn convolution(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match winograd(xs, weight, bias)? {
        Some(ys) => Ok(ys),
        None => Ok(xs.f_conv2d(weight, bias, [1, 1], [1, 1], [1, 1], 1)?),
    }
}

/// convolution.cpp's result, or `None` if it does not support these tensors.
fn winograd(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    unsafe extern "C" {
        fn fer_convolution(
            xs: *const c_void,
            weight: *const c_void,
            bias: *const c_void,
            out: *mut *mut c_void,
        ) -> *mut c_char;
    }
    let bias = bias.map_or(std::ptr::null(), address);
    // SAFETY: shim.h's `answer` fulfils the requirements of `call`; the tensors outlive the call.
    unsafe { call(|out| fer_convolution(address(xs), address(weight), bias, out)) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use tch::{Device, Kind};

    /// [B, C, H, W] that lies channels last.
    fn last(size: [i64; 4], kind: Kind) -> Tensor {
        let [batch, channels, height, width] = size;
        let xs = Tensor::randn([batch, height, width, channels], (Kind::Float, Device::Cpu));
        xs.to_kind(kind).permute([0, 3, 1, 2])
    }

    struct Layer {
        xs: Tensor,
        weight: Tensor,
        bias: Option<Tensor>,
        gradient: Tensor,
    }

    impl Layer {
        fn new([batch, inputs, outputs]: [i64; 3], [height, width]: [i64; 2], kind: Kind) -> Self {
            let scale = (9.0 * inputs as f64).sqrt();
            Self {
                xs: last([batch, inputs, height, width], kind),
                weight: last([outputs, inputs, 3, 3], Kind::Float)
                    .g_div_scalar(scale)
                    .to_kind(kind),
                bias: Some(Tensor::randn([outputs], (Kind::Float, Device::Cpu)).to_kind(kind)),
                gradient: last([batch, outputs, height, width], kind),
            }
        }

        fn to(&self, kind: Kind) -> Self {
            Self {
                xs: self.xs.to_kind(kind),
                weight: self.weight.to_kind(kind),
                bias: self.bias.as_ref().map(|bias| bias.to_kind(kind)),
                gradient: self.gradient.to_kind(kind),
            }
        }

        /// The output, and the gradients of the input, the weights and the bias.
        fn run(&self, way: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor) -> Vec<Tensor> {
            let leaf = |tensor: &Tensor| tensor.detach().set_requires_grad(true);
            let (xs, weight) = (leaf(&self.xs), leaf(&self.weight));
            let bias = self.bias.as_ref().map(leaf);
            let ys = way(&xs, &weight, bias.as_ref());
            (&ys * &self.gradient).sum(Kind::Double).backward();
            let mut all = vec![ys.detach(), xs.grad(), weight.grad()];
            all.extend(bias.map(|bias| bias.grad()));
            all
        }
    }

    fn libtorch(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        xs.conv2d(weight, bias, [1, 1], [1, 1], [1, 1], 1)
    }

    fn fitting(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        winograd(xs, weight, bias).unwrap().expect("it should fit")
    }

    /// The error relative to the exact result.
    fn off(tensor: &Tensor, exact: &Tensor) -> f64 {
        let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
        norm(&(tensor.to_kind(Kind::Double) - exact)) / norm(exact)
    }

    /// The kinds for which this processor has kernels, and how far off each may be.
    fn kinds() -> Vec<(Kind, f64)> {
        let few = Layer::new([8, 32, 32], [16, 16], Kind::Float);
        [(Kind::Float, 3e-6), (Kind::BFloat16, 6e-3)]
            .into_iter()
            .filter(|(kind, _)| {
                let few = few.to(*kind);
                winograd(&few.xs, &few.weight, None).unwrap().is_some()
            })
            .collect()
    }

    const SHAPES: [([i64; 3], [i64; 2]); 11] = [
        ([4, 32, 32], [48, 48]),
        ([5, 32, 64], [24, 24]),
        ([15, 64, 128], [12, 12]),
        ([61, 128, 96], [6, 6]),
        ([520, 64, 32], [2, 2]),
        // More tiles in a row than are worked on at once; sides that differ; an odd number of tiles.
        ([3, 32, 160], [10, 102]),
        // Tiles of 4x4: one in each image, an odd number, more in a row than are worked on at once, and one
        // image alone.
        ([130, 32, 64], [4, 4]),
        ([7, 64, 32], [12, 28]),
        ([3, 32, 96], [8, 108]),
        ([1, 32, 32], [48, 48]),
        // So many channels that the weights' gradient is libtorch's.
        ([15, 384, 384], [6, 6]),
    ];

    #[test]
    fn it_gives_what_libtorch_gives_in_double() {
        tch::manual_seed(1);
        for (kind, tolerance) in kinds() {
            for (channels, sides) in SHAPES {
                for biased in [true, false] {
                    let mut layer = Layer::new(channels, sides, kind);
                    layer.bias = layer.bias.filter(|_| biased);
                    let exact = layer.to(Kind::Double).run(libtorch);
                    let ours = layer.run(fitting);
                    assert_eq!(ours.len(), 3 + usize::from(biased));
                    for (which, (ours, exact)) in ours.iter().zip(&exact).enumerate() {
                        let off = off(ours, exact);
                        assert!(off < tolerance, "{kind:?} {channels:?} {sides:?} {which}: {off}");
                        assert_eq!((ours.kind(), ours.size()), (kind, exact.size()));
                        assert_eq!(ours.stride(), exact.stride(), "{which}");
                    }
                }
            }
        }
    }

    /// An error of two and a half units in the last place of a float32.
    const LAST_BITS: f64 = 2.5 * f32::EPSILON as f64;

    /// README.md's table: `cargo test --lib error_in_float32 -- --nocapture`.
    #[test]
    fn the_error_in_float32_is_small() {
        tch::manual_seed(8);
        if !kinds().iter().any(|(kind, _)| *kind == Kind::Float) {
            return;
        }
        let text = |all: &[f64]| {
            let texts: Vec<_> = all.iter().map(|off| format!("{off:.1e}")).collect();
            texts.join(", ")
        };
        println!("channels, side: output, gradients of input and weights; libtorch's");
        for channels in [32, 64, 128, 256] {
            // Sides for tiles of 4x4 and of 2x2, and how many times libtorch's error.
            for (side, most) in [(24, 4.0), (22, 2.0)] {
                let layer = Layer::new([4, channels, channels], [side; 2], Kind::Float);
                let exact = layer.to(Kind::Double).run(libtorch);
                let [ours, theirs] = [layer.run(fitting), layer.run(libtorch)].map(|all| {
                    let pairs = all.iter().zip(&exact).take(3);
                    pairs.map(|(tensor, exact)| off(tensor, exact)).collect::<Vec<_>>()
                });
                println!("{channels}, {side}: {}; {}", text(&ours), text(&theirs));
                // With AVX-512 libtorch's own sums are at the last bit, where a ratio says nothing.
                let small = |(ours, theirs): (&f64, &f64)| *ours < most * theirs.max(LAST_BITS);
                let small = ours.iter().zip(&theirs).all(small);
                assert!(small, "{channels} {side}: {ours:?} {theirs:?}");
            }
        }
    }

    /// libtorch's variable, which counts here as well, is read when a program begins.
    #[test]
    fn every_instruction_set_of_this_processor_and_other_threads_are_tried() {
        const TEST: &str =
            "model::native::convolution::tests::it_gives_what_libtorch_gives_in_double";
        const VARIABLE: &str = "ATEN_CPU_CAPABILITY";
        #[cfg(fer_winograd)]
        if std::env::var_os(VARIABLE).is_none() && std::arch::is_x86_feature_detected!("avx2") {
            assert!(!kinds().is_empty());
        }
        for (variable, value) in [
            (VARIABLE, "default"),
            (VARIABLE, "avx2"),
            ("OMP_NUM_THREADS", "1"),
            ("OMP_NUM_THREADS", "3"),
        ] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([TEST, "--exact"])
                .env(variable, value)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{value}: {text}");
        }
    }

    #[test]
    fn the_same_again_is_the_same_to_the_last_bit() {
        tch::manual_seed(2);
        for (kind, _) in kinds() {
            let layer = Layer::new([16, 64, 64], [24, 24], kind);
            assert_eq!(layer.run(fitting), layer.run(fitting));
        }
    }

    #[test]
    fn what_needs_no_gradient_gets_none() {
        tch::manual_seed(3);
        for (kind, _) in kinds() {
            let layer = Layer::new([8, 32, 64], [16, 16], kind);
            let all = layer.run(fitting);
            let bias = layer.bias.as_ref();
            let ys = fitting(&layer.xs, &layer.weight, bias);
            assert!(!ys.requires_grad());
            assert_eq!(ys, all[0]);
            for (index, tensor) in [&layer.xs, &layer.weight].into_iter().enumerate() {
                let leaf = tensor.detach().set_requires_grad(true);
                let (xs, weight) = match index {
                    0 => (&leaf, &layer.weight),
                    _ => (&layer.xs, &leaf),
                };
                let ys = fitting(xs, weight, bias);
                (ys * &layer.gradient).sum(Kind::Double).backward();
                assert_eq!(leaf.grad(), all[1 + index]);
            }
        }
    }

    /// As networks use it: ReLU in place of the output, and gradients that lie otherwise or are one number.
    #[test]
    fn gradients_come_as_they_come() {
        tch::manual_seed(7);
        for (kind, _) in kinds() {
            let layer = Layer::new([8, 32, 64], [16, 16], kind);
            let (xs, weight) = (&layer.xs, &layer.weight);
            let bias = layer.bias.as_ref().unwrap().detach().set_requires_grad(true);
            let [ours, theirs] =
                [fitting as fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor, libtorch]
                    .map(|way| way(xs, weight, Some(&bias)).relu_());
            assert!(off(&ours, &theirs.to_kind(Kind::Double)) < 6e-3);
            let first = layer.gradient.contiguous();
            let gradient = |ys: &Tensor, first: Option<&Tensor>| {
                let sum = first.map_or(ys.shallow_clone(), |first| ys * first).sum(Kind::Float);
                Tensor::f_run_backward(&[sum], &[&bias], true, false).unwrap().remove(0)
            };
            for first in [None, Some(&first), Some(&layer.gradient)] {
                let exact = gradient(&theirs, first).to_kind(Kind::Double);
                let of_bias = gradient(&ours, first);
                // ReLU lets through what is just above 0 in one of the two and not in the other.
                assert!(off(&of_bias, &exact) < 0.05, "{of_bias} {exact}");
                assert_eq!(of_bias, gradient(&ours, first));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_libtorch() {
        tch::manual_seed(4);
        let fits = || Layer::new([8, 32, 32], [16, 16], Kind::Float);
        let mut first = fits();
        first.xs = first.xs.contiguous();
        let mut weight_first = fits();
        weight_first.weight = weight_first.weight.contiguous();
        for layer in [
            Layer::new([8, 1, 32], [16, 16], Kind::Float),
            Layer::new([8, 32, 48], [16, 16], Kind::Float),
            Layer::new([9, 32, 32], [15, 16], Kind::Float),
            Layer::new([9, 32, 32], [16, 15], Kind::Float),
            Layer::new([1, 32, 32], [16, 14], Kind::Float),
            fits().to(Kind::Double),
            fits().to(Kind::Half),
            first,
            weight_first,
        ] {
            let Layer { xs, weight, bias, .. } = &layer;
            assert!(winograd(xs, weight, bias.as_ref()).unwrap().is_none(), "{xs:?} {weight:?}");
            let ys = convolution(xs, weight, bias.as_ref()).unwrap();
            assert_eq!(ys, libtorch(xs, weight, bias.as_ref()));
        }
        // What is no such convolution at all gets libtorch's error.
        let layer = fits();
        let error = convolution(&layer.xs, &layer.weight.narrow(1, 0, 16), None).unwrap_err();
        assert!(error.to_string().contains("channels"), "{error}");
        let kinds = layer.to(Kind::BFloat16);
        assert!(convolution(&layer.xs, &kinds.weight, None).is_err());
        assert!(convolution(&layer.xs, &layer.weight, kinds.bias.as_ref()).is_err());
    }

    #[test]
    fn what_is_not_a_number_does_not_vanish() {
        tch::manual_seed(5);
        for (kind, _) in kinds() {
            for value in [f64::NAN, f64::INFINITY] {
                let layer = Layer::new([8, 32, 32], [16, 16], kind);
                let _ = layer.xs.narrow(0, 3, 1).narrow(2, 5, 1).fill_(value);
                let ys = fitting(&layer.xs, &layer.weight, None);
                let expected = libtorch(&layer.xs, &layer.weight, None);
                let missed = expected.isfinite().logical_not().logical_and(&ys.isfinite());
                assert_eq!(missed.any().int64_value(&[]), 0);
                // It reaches no other image.
                assert_eq!(ys.narrow(0, 0, 3).isfinite().all().int64_value(&[]), 1);
                assert_eq!(ys.narrow(0, 4, 4).isfinite().all().int64_value(&[]), 1);
            }
        }
    }

    #[test]
    fn a_second_derivative_is_an_error_and_not_a_wrong_one() {
        tch::manual_seed(6);
        for (kind, _) in kinds() {
            let layer = Layer::new([8, 32, 32], [16, 16], kind);
            let xs = layer.xs.set_requires_grad(true);
            let sum = fitting(&xs, &layer.weight, None).square().sum(Kind::Float);
            let error = Tensor::f_run_backward(&[sum], &[&xs], true, true).unwrap_err();
            assert!(error.to_string().contains("has no second derivative"), "{error}");
        }
    }
}
