//! Batch normalisation, alone, with ReLU, and with ReLU and max pooling.

use std::ffi::{c_char, c_void};

use tch::Tensor;

use super::pool::max_pool;
use super::shim::{address, call};
use crate::common::Result;

/// PyTorch's momentum and epsilon.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// Parameters and running statistics of a batch normalisation, each f32 [C].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) scale: &'a Tensor,
    pub(crate) shift: &'a Tensor,
    pub(crate) mean: &'a Tensor,
    pub(crate) variance: &'a Tensor,
}

impl Norm<'_> {
    /// Maps [B, C, H, W] to the same shape. With `train`, normalises by the batch's statistics and updates the
    /// running ones; otherwise normalises by the running ones.
    ///
    /// # Errors
    /// If libtorch reports an error.
    pub(crate) fn forward(&self, xs: &Tensor, train: bool) -> Result<Tensor> {
        let (scale, shift) = (Some(self.scale), Some(self.shift));
        let (mean, variance) = (Some(self.mean), Some(self.variance));
        Ok(xs.f_batch_norm(scale, shift, mean, variance, train, MOMENTUM, EPSILON, true)?)
    }

    /// [`Norm::forward`], then ReLU and, if `pooled`, 2×2 max pooling, which halves height and width.
    ///
    /// With `train`, norm.cpp computes channels-last tensors on a CPU; it reads the memory twice in each direction
    /// and has no second derivative.
    ///
    /// # Errors
    /// If libtorch reports an error.
    pub(crate) fn forward_relu(&self, xs: &Tensor, train: bool, pooled: bool) -> Result<Tensor> {
        if train && let Some(ys) = self.one_pass(xs, pooled)? {
            return Ok(ys);
        }
        let ys = self.forward(xs, train)?.f_relu_()?;
        if pooled { max_pool(&ys) } else { Ok(ys) }
    }

    /// norm.cpp's result, or `None` if it does not support these tensors.
    fn one_pass(&self, xs: &Tensor, pooled: bool) -> Result<Option<Tensor>> {
        unsafe extern "C" {
            fn fer_norm_relu(
                xs: *const c_void,
                scale: *const c_void,
                shift: *const c_void,
                mean: *const c_void,
                variance: *const c_void,
                momentum: f64,
                epsilon: f64,
                pooled: bool,
                out: *mut *mut c_void,
            ) -> *mut c_char;
        }
        let Self { scale, shift, mean, variance } = self;
        let [scale, shift, mean, variance] = [scale, shift, mean, variance].map(|x| address(x));
        // SAFETY: shim.h's `answer` fulfils the requirements of `call`; the tensors outlive the call.
        unsafe {
            call(|out| {
                let xs = address(xs);
                fer_norm_relu(xs, scale, shift, mean, variance, MOMENTUM, EPSILON, pooled, out)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use tch::{Device, Kind, no_grad};

    /// A layer's tensors, and the gradient that comes back to its output.
    struct Layer {
        xs: Tensor,
        scale: Tensor,
        shift: Tensor,
        mean: Tensor,
        variance: Tensor,
        pooled: bool,
    }

    /// Output, running mean and variance; gradients of input, scale and shift.
    type Results = Vec<Tensor>;

    impl Layer {
        /// Of an input [B, C, H, W] whose channels differ in mean and deviation.
        fn new([batch, channels, height, width]: [i64; 4], kind: Kind, pooled: bool) -> Self {
            let options = (Kind::Float, Device::Cpu);
            let of_channels = || Tensor::randn([channels], options);
            let xs = Tensor::randn([batch, height, width, channels], options);
            let xs = xs * (of_channels() * 0.5).exp() + of_channels() * 3.0;
            Self {
                xs: xs.to_kind(kind).permute([0, 3, 1, 2]),
                scale: of_channels(),
                shift: of_channels(),
                mean: of_channels(),
                variance: of_channels().square(),
                pooled,
            }
        }

        fn run(&self, way: impl Fn(&Norm<'_>, &Tensor) -> Tensor, gradient: &Tensor) -> Results {
            let leaf = |tensor: &Tensor| tensor.detach().set_requires_grad(true);
            let (xs, scale, shift) = (leaf(&self.xs), leaf(&self.scale), leaf(&self.shift));
            let (mean, variance) = (self.mean.copy(), self.variance.copy());
            let norm = Norm { scale: &scale, shift: &shift, mean: &mean, variance: &variance };
            let ys = way(&norm, &xs);
            (&ys * gradient.to_kind(ys.kind())).sum(Kind::Double).backward();
            let ys = ys.detach();
            vec![ys, mean, variance, xs.grad(), scale.grad(), shift.grad()]
        }

        fn fused(&self, gradient: &Tensor) -> Results {
            let way = |norm: &Norm<'_>, xs: &Tensor| {
                norm.one_pass(xs, self.pooled).unwrap().expect("it should fit")
            };
            self.run(way, gradient)
        }

        /// By libtorch's functions.
        fn composed(&self, gradient: &Tensor) -> Results {
            let way = |norm: &Norm<'_>, xs: &Tensor| {
                let ys = norm.forward(xs, true).unwrap().relu();
                if self.pooled { max_pool(&ys).unwrap() } else { ys }
            };
            self.run(way, gradient)
        }

        fn to(&self, kind: Kind) -> Self {
            let Self { xs, scale, shift, mean, variance, pooled } = self;
            let [scale, shift, mean, variance] =
                [scale, shift, mean, variance].map(|tensor| match kind {
                    Kind::Double => tensor.to_kind(kind),
                    _ => tensor.shallow_clone(),
                });
            Self { xs: xs.to_kind(kind), scale, shift, mean, variance, pooled: *pooled }
        }

        /// A gradient for the output, float32, channels last.
        fn gradient(&self) -> Tensor {
            let parts = if self.pooled { 2 } else { 1 };
            let [batch, channels, height, width] = self.xs.size()[..] else { unreachable!() };
            let size = [batch, height / parts, width / parts, channels];
            Tensor::randn(size, (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2])
        }
    }

    /// The error relative to the exact result.
    fn off(tensor: &Tensor, exact: &Tensor) -> f64 {
        let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
        norm(&(tensor.to_kind(Kind::Double) - exact)) / norm(exact)
    }

    const SIZES: [[i64; 4]; 6] = [
        [16, 32, 48, 48],
        [5, 64, 24, 24],
        [7, 24, 6, 10],
        [2, 3, 2, 2],
        [1, 8, 4, 4],
        [33, 40, 12, 2],
    ];

    #[test]
    fn it_gives_what_libtorch_gives_in_double() {
        tch::manual_seed(1);
        for size in SIZES {
            for pooled in [false, true] {
                let layer = Layer::new(size, Kind::Float, pooled);
                let gradient = layer.gradient();
                let exact = layer.to(Kind::Double).composed(&gradient);
                let (fused, composed) = (layer.fused(&gradient), layer.composed(&gradient));
                for (which, exact) in exact.iter().enumerate() {
                    let [ours, theirs] = [&fused, &composed].map(|all| off(&all[which], exact));
                    // One activation that is 0 within rounding may be let through or not.
                    assert!(
                        ours < (2.0 * theirs).max(1e-6),
                        "{size:?} {pooled} {which}: {ours} {theirs}"
                    );
                    assert_eq!(fused[which].size(), composed[which].size());
                    assert_eq!(fused[which].stride(), composed[which].stride(), "{which}");
                }
            }
        }
    }

    #[test]
    fn bfloat16_is_as_near_as_libtorchs() {
        tch::manual_seed(2);
        for size in SIZES {
            for pooled in [false, true] {
                let layer = Layer::new(size, Kind::BFloat16, pooled);
                let gradient = layer.gradient().to_kind(Kind::BFloat16);
                let exact = layer.to(Kind::Double).composed(&gradient);
                let (fused, composed) = (layer.fused(&gradient), layer.composed(&gradient));
                for (which, exact) in exact.iter().enumerate() {
                    let [ours, theirs] = [&fused, &composed].map(|all| off(&all[which], exact));
                    assert!(
                        ours < 1.2 * theirs + 1e-6,
                        "{size:?} {pooled} {which}: {ours} {theirs}"
                    );
                    assert_eq!(fused[which].kind(), composed[which].kind());
                }
            }
        }
    }

    /// Where one number after another would be added up in float, means far from 0 lose digits.
    #[test]
    fn a_mean_far_from_0_costs_no_digits() {
        tch::manual_seed(3);
        let mut layer = Layer::new([32, 16, 24, 24], Kind::Float, false);
        layer.xs += 1000.0;
        let gradient = layer.gradient();
        let exact = layer.to(Kind::Double).composed(&gradient);
        let (fused, composed) = (layer.fused(&gradient), layer.composed(&gradient));
        for (which, exact) in exact.iter().enumerate() {
            let [ours, theirs] = [&fused, &composed].map(|all| off(&all[which], exact));
            assert!(ours < (2.0 * theirs).max(1e-6), "{which}: {ours} {theirs}");
        }
    }

    #[test]
    fn the_bits_are_the_same_again_and_with_other_threads() {
        const TEST: &str =
            "model::native::norm::tests::the_bits_are_the_same_again_and_with_other_threads";
        const SUM: &str = "FER_TEST_BITS";
        tch::manual_seed(4);
        let layer = Layer::new([16, 32, 24, 24], Kind::Float, false);
        let gradient = layer.gradient();
        let results = layer.fused(&gradient);
        assert_eq!(results, layer.fused(&gradient));
        let bits = results.iter().map(|tensor| {
            tensor.view_dtype(Kind::Int).to_kind(Kind::Int64).sum(Kind::Int64).int64_value(&[])
        });
        let bits = format!("{:?}", bits.collect::<Vec<_>>());
        if let Ok(expected) = std::env::var(SUM) {
            assert_eq!(bits, expected);
            return;
        }
        for threads in ["1", "3"] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([TEST, "--exact"])
                .env("OMP_NUM_THREADS", threads)
                .env(SUM, &bits)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{threads}: {text}");
        }
    }

    /// As networks use it: gradients that lie otherwise, or are one number.
    #[test]
    fn gradients_come_as_they_come() {
        tch::manual_seed(5);
        for pooled in [false, true] {
            let layer = Layer::new([3, 16, 6, 6], Kind::Float, pooled);
            let gradient = layer.gradient();
            let all = layer.fused(&gradient);
            assert_eq!(layer.fused(&gradient.contiguous()), all);
            let one = Tensor::from(1.0f32);
            let ours = layer.fused(&one);
            for (which, exact) in layer.to(Kind::Double).composed(&one).iter().enumerate() {
                // The input's gradient is a difference of nearly equal numbers.
                assert!(off(&ours[which], exact) < 1e-5, "{which}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        tch::manual_seed(6);
        for kind in [Kind::Float, Kind::BFloat16] {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for pooled in [false, true] {
                    let layer = Layer::new([2, 8, 4, 4], kind, pooled);
                    let _ = layer.xs.narrow(0, 1, 1).narrow(1, 5, 1).narrow(2, 2, 1).fill_(value);
                    let gradient = layer.gradient();
                    let (fused, composed) = (layer.fused(&gradient), layer.composed(&gradient));
                    for (fused, composed) in fused.iter().zip(&composed) {
                        assert_eq!(fused.isfinite(), composed.isfinite(), "{value} {pooled}");
                    }
                }
            }
            // Of the gradient: only what ReLU lets through counts.
            let layer = Layer::new([2, 8, 4, 4], kind, false);
            let gradient = layer.gradient();
            let _ = gradient.narrow(0, 0, 1).narrow(1, 3, 1).fill_(f64::NAN);
            let (fused, composed) = (layer.fused(&gradient), layer.composed(&gradient));
            assert_eq!(fused[3].isfinite(), composed[3].isfinite());
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_libtorch() {
        tch::manual_seed(7);
        let fits = || Layer::new([2, 8, 4, 4], Kind::Float, false);
        let mut first = fits();
        first.xs = first.xs.contiguous();
        let odd = Layer::new([2, 8, 4, 5], Kind::Float, true);
        // One pixel alone has no deviation.
        let one = Layer::new([1, 8, 1, 1], Kind::Float, false);
        for layer in [first, odd, one, fits().to(Kind::Double)] {
            let Layer { xs, scale, shift, mean, variance, pooled } = &layer;
            let norm = Norm { scale, shift, mean, variance };
            assert!(norm.one_pass(xs, *pooled).unwrap().is_none(), "{xs:?}");
            let [ours, theirs] = [false, true].map(|ours| {
                let (mean, variance) = (mean.copy(), variance.copy());
                let norm = Norm { mean: &mean, variance: &variance, ..norm };
                if ours {
                    return norm.forward_relu(xs, true, *pooled).unwrap();
                }
                let ys = norm.forward(xs, true).unwrap().relu();
                if *pooled { max_pool(&ys).unwrap() } else { ys }
            });
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn running_statistics_count_outside_training() {
        tch::manual_seed(8);
        let layer = Layer::new([2, 8, 4, 4], Kind::Float, false);
        let Layer { xs, scale, shift, mean, variance, .. } = &layer;
        let norm = Norm { scale, shift, mean, variance };
        let before = (mean.copy(), variance.copy());
        let ys = no_grad(|| norm.forward_relu(xs, false, false)).unwrap();
        assert_eq!(ys, norm.forward(xs, false).unwrap().relu());
        assert_eq!((&before.0, &before.1), (mean, variance));
        assert_ne!(ys, norm.forward_relu(xs, true, false).unwrap());
        assert_ne!((&before.0, &before.1), (mean, variance));
    }

    #[test]
    fn a_second_derivative_is_an_error_and_not_a_wrong_one() {
        tch::manual_seed(9);
        let layer = Layer::new([2, 8, 4, 4], Kind::Float, false);
        let xs = layer.xs.set_requires_grad(true);
        let Layer { scale, shift, mean, variance, .. } = &layer;
        let ys = Norm { scale, shift, mean, variance }.forward_relu(&xs, true, false).unwrap();
        let error = Tensor::f_run_backward(&[ys.square().sum(Kind::Float)], &[&xs], true, true);
        assert!(error.unwrap_err().to_string().contains("has no second derivative"));
    }
}
