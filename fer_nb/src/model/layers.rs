//! Layers that networks are made of: each names its parameters when it is built and finds them when
//! it computes. Activations are [B, C, H, W] in [`Parameters::kind`], unless a layer says otherwise.

use tch::{Kind, Tensor};

use super::convolution::convolution;
use super::parameters::{BufferId, Init, ParameterId, Parameters, ParametersBuilder};
use crate::common::Result;

/// A convolution over square windows, padded so that a stride of 1 keeps height and width.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    weight: ParameterId,
    bias: Option<ParameterId>,
    kernel: i64,
    stride: i64,
}

impl Conv {
    /// `name.weight` [output, input, kernel, kernel] alone, for convolutions that a normalisation
    /// follows; initialised for the ReLU behind it.
    pub fn new(
        builder: &mut ParametersBuilder,
        name: &str,
        (input, output): (i64, i64),
        kernel: i64,
        stride: i64,
    ) -> Self {
        let init = Init::HeNormal { fan: input * kernel * kernel };
        let weight = builder.add(format!("{name}.weight"), &[output, input, kernel, kernel], init);
        Self { weight, bias: None, kernel, stride }
    }

    /// Keras' convolution of 3×3 and stride 1: Glorot uniform weights, and `name.bias` [output].
    pub fn keras(builder: &mut ParametersBuilder, name: &str, input: i64, output: i64) -> Self {
        let init = Init::GlorotUniform { fan_in: input * 9, fan_out: output * 9 };
        let weight = builder.add(format!("{name}.weight"), &[output, input, 3, 3], init);
        let bias = Some(builder.add(format!("{name}.bias"), &[output], Init::Zeros));
        Self { weight, bias, kernel: 3, stride: 1 }
    }

    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let weight = parameters.get(self.weight)?;
        let bias = self.bias.map(|bias| parameters.get(bias)).transpose()?;
        match (self.kernel, self.stride) {
            (3, 1) => convolution(xs, weight, bias),
            (1, stride) if stride > 1 => {
                // What a 1×1 convolution doesn't look at is left out before it, because the backward pass
                // of a strided one on fewer than 16 channels writes past its memory in oneDNN
                // (<https://github.com/uxlfoundation/oneDNN/issues/6035>).
                let seen = xs.f_slice(2, None, None, stride)?.f_slice(3, None, None, stride)?;
                Ok(seen.f_conv2d(weight, bias, [1, 1], [0, 0], [1, 1], 1)?)
            }
            (kernel, stride) => {
                Ok(xs.f_conv2d(weight, bias, [stride; 2], [kernel / 2; 2], [1, 1], 1)?)
            }
        }
    }
}

/// Batch normalisation (Ioffe and Szegedy, 2015) with PyTorch's momentum, 0.1, and epsilon, 1e-5.
/// Scale, shift and running statistics stay f32. Where it is frozen, it uses the running statistics
/// also in training, and leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    weight: ParameterId,
    bias: ParameterId,
    mean: BufferId,
    variance: BufferId,
}

impl BatchNorm {
    /// `name.weight`, `name.bias`, `name.running_mean` and `name.running_var`, each [channels].
    pub fn new(builder: &mut ParametersBuilder, name: &str, channels: i64) -> Self {
        Self {
            weight: builder.add_float(format!("{name}.weight"), &[channels], Init::Ones),
            bias: builder.add_float(format!("{name}.bias"), &[channels], Init::Zeros),
            mean: builder.add_buffer(format!("{name}.running_mean"), &[channels], Init::Zeros),
            variance: builder.add_buffer(format!("{name}.running_var"), &[channels], Init::Ones),
        }
    }

    pub fn forward(&self, parameters: &Parameters, xs: &Tensor, train: bool) -> Result<Tensor> {
        const MOMENTUM: f64 = 0.1;
        const EPSILON: f64 = 1e-5;
        let train = train && !parameters.is_frozen(self.weight);
        Ok(xs.f_batch_norm(
            Some(parameters.get(self.weight)?),
            Some(parameters.get(self.bias)?),
            Some(parameters.buffer(self.mean)?),
            Some(parameters.buffer(self.variance)?),
            train,
            MOMENTUM,
            EPSILON,
            true,
        )?)
    }
}

/// Layer normalisation (Ba, Kiros and Hinton, 2016) over the last dimension, epsilon 1e-5, computed
/// in f32.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    weight: ParameterId,
    bias: ParameterId,
    width: i64,
}

impl LayerNorm {
    /// `name.weight` and `name.bias`, each [width].
    pub fn new(builder: &mut ParametersBuilder, name: &str, width: i64) -> Self {
        let weight = builder.add_float(format!("{name}.weight"), &[width], Init::Ones);
        let bias = builder.add_float(format!("{name}.bias"), &[width], Init::Zeros);
        Self { weight, bias, width }
    }

    /// [.., width] in, the same out.
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (parameters.get(self.weight)?, parameters.get(self.bias)?);
        let kind = xs.kind();
        let xs = xs.f_to_kind(Kind::Float)?;
        Ok(xs.f_layer_norm([self.width], Some(weight), Some(bias), 1e-5, true)?.f_to_kind(kind)?)
    }
}

/// A fully connected layer.
#[derive(Debug, Clone, Copy)]
pub struct Dense {
    weight: ParameterId,
    bias: ParameterId,
}

impl Dense {
    /// `name.weight` [output, input], Glorot uniform, and `name.bias` [output].
    pub fn new(builder: &mut ParametersBuilder, name: &str, input: i64, output: i64) -> Self {
        let init = Init::GlorotUniform { fan_in: input, fan_out: output };
        Self::with_init(builder, name, (input, output), init)
    }

    /// [`Dense::new`] with other initial weights.
    pub fn with_init(
        builder: &mut ParametersBuilder,
        name: &str,
        (input, output): (i64, i64),
        init: Init,
    ) -> Self {
        Self {
            weight: builder.add(format!("{name}.weight"), &[output, input], init),
            bias: builder.add(format!("{name}.bias"), &[output], Init::Zeros),
        }
    }

    /// [.., input] in, [.., output] out.
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        Ok(xs.f_linear(parameters.get(self.weight)?, Some(parameters.get(self.bias)?))?)
    }
}

/// Squeeze and excitation (Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2018): each channel
/// is scaled by what a small network makes of all channels' means.
#[derive(Debug, Clone, Copy)]
pub struct SqueezeExcitation {
    squeeze: Dense,
    excite: Dense,
}

impl SqueezeExcitation {
    /// `name.squeeze` and `name.excite` around `channels / reduction` units.
    pub fn new(builder: &mut ParametersBuilder, name: &str, channels: i64, reduction: i64) -> Self {
        let units = squeezed(channels, reduction);
        Self {
            squeeze: Dense::new(builder, &format!("{name}.squeeze"), channels, units),
            excite: Dense::new(builder, &format!("{name}.excite"), units, channels),
        }
    }

    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let units = self.squeeze.forward(parameters, &global_mean(xs)?)?.f_relu_()?;
        let scales = self.excite.forward(parameters, &units)?.f_sigmoid()?;
        Ok(xs.f_mul(&scales.f_unsqueeze(-1)?.f_unsqueeze(-1)?)?)
    }
}

/// Units between squeeze and excitation: at least one.
pub fn squeezed(channels: i64, reduction: i64) -> i64 {
    (channels / reduction.max(1)).max(1)
}

/// The mean of each channel: [B, C] of [B, C, H, W].
pub fn global_mean(xs: &Tensor) -> Result<Tensor> {
    Ok(xs.f_mean_dim(&[2i64, 3][..], false, xs.kind())?)
}

/// The largest of each 2×2: height and width are halved.
pub fn max_pool(xs: &Tensor) -> Result<Tensor> {
    Ok(xs.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?)
}
