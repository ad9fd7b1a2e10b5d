//! Layers for this crate's networks and custom ones.
//!
//! A layer adds its parameters to a [`ParametersBuilder`] when it is created, and reads them from the
//! [`Parameters`] in its forward pass. Activations are [B, C, H, W] in [`Parameters::kind`] unless a layer says
//! otherwise. `operation` is the layer's entry in a [`Plan`](super::Plan).
//!
//! Every `forward` fails if libtorch reports an error, for example because a shape does not fit; the error names
//! the layer.

use std::borrow::Cow;

use tch::{Kind, Tensor};

use super::native::{Norm, convolution};
pub use super::native::{dropout, max_pool, pool_relu_dropout};
use super::parameters::{BufferId, Init, ParameterId, Parameters, ParametersBuilder};
use super::plan::Operation;
use crate::common::{During, Result};

/// A convolution over square windows of odd size, padded so that a stride of 1 keeps height and width.
#[derive(Debug, Clone)]
pub struct Conv {
    name: String,
    weight: ParameterId,
    bias: Option<ParameterId>,
    channels: [i64; 2],
    kernel: i64,
    stride: i64,
}

impl Conv {
    /// A convolution without bias, for a normalisation and a ReLU to follow. `channels` are [input,
    /// output]. Adds `name.weight` [output, input, kernel, kernel], He-normal.
    pub fn new(
        builder: &mut ParametersBuilder,
        name: impl Into<String>,
        channels: [i64; 2],
        kernel: i64,
        stride: i64,
    ) -> Self {
        let (name, [input, output]) = (name.into(), channels);
        let init = Init::HeNormal { fan: input * kernel * kernel };
        let weight = builder.add(format!("{name}.weight"), &[output, input, kernel, kernel], init);
        Self { name, weight, bias: None, channels, kernel, stride }
    }

    /// A 3×3 convolution of stride 1 with bias, initialised as in Keras. `channels` are [input, output].
    /// Adds `name.weight` [output, input, 3, 3], Glorot-uniform, and `name.bias` \[output\], zeros.
    pub fn with_bias(
        builder: &mut ParametersBuilder,
        name: impl Into<String>,
        channels: [i64; 2],
    ) -> Self {
        let (name, [input, output]) = (name.into(), channels);
        let init = Init::GlorotUniform { fan_in: input * 9, fan_out: output * 9 };
        let weight = builder.add(format!("{name}.weight"), &[output, input, 3, 3], init);
        let bias = Some(builder.add(format!("{name}.bias"), &[output], Init::Zeros));
        Self { name, weight, bias, channels, kernel: 3, stride: 1 }
    }

    /// Maps [B, input, H, W] to [B, output, ⌈H / stride⌉, ⌈W / stride⌉].
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let convolve = || -> Result<Tensor> {
            let weight = parameters.get(self.weight)?;
            let bias = self.bias.map(|bias| parameters.get(bias)).transpose()?;
            match (self.kernel, self.stride) {
                (3, 1) => convolution(xs, weight, bias),
                (1, stride) if stride > 1 => {
                    // The pixels that a strided 1×1 convolution skips are removed before it: on fewer
                    // than 16 channels, oneDNN's backward pass of one writes past its memory
                    // (<https://github.com/uxlfoundation/oneDNN/issues/6035>).
                    let seen = xs.f_slice(2, None, None, stride)?.f_slice(3, None, None, stride)?;
                    Ok(seen.f_conv2d(weight, bias, [1, 1], [0, 0], [1, 1], 1)?)
                }
                (kernel, stride) => {
                    Ok(xs.f_conv2d(weight, bias, [stride; 2], [kernel / 2; 2], [1, 1], 1)?)
                }
            }
        };
        convolve().during_step(|| layer(&self.name))
    }

    /// The layer's entry in a plan.
    pub fn operation(&self) -> Operation {
        let Self { channels, kernel, stride, .. } = *self;
        let (name, bias) = (self.name.clone(), self.bias.is_some());
        Operation::Conv { name, channels, kernel, stride, bias }
    }

    /// The prefix of the names of its weights.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Batch normalisation (Ioffe and Szegedy, 2015) with PyTorch's momentum, 0.1, and epsilon, 1e-5. Scale, shift and
/// running statistics stay f32. If its scale is frozen, it also uses the running statistics in training, and leaves
/// them unchanged.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    name: String,
    channels: i64,
    weight: ParameterId,
    bias: ParameterId,
    mean: BufferId,
    variance: BufferId,
}

impl BatchNorm {
    /// Adds `name.weight`, `name.bias`, `name.running_mean` and `name.running_var`, each \[channels\].
    pub fn new(builder: &mut ParametersBuilder, name: impl Into<String>, channels: i64) -> Self {
        let (name, shape) = (name.into(), [channels]);
        Self {
            weight: builder.add_float(format!("{name}.weight"), &shape, Init::Ones),
            bias: builder.add_float(format!("{name}.bias"), &shape, Init::Zeros),
            mean: builder.add_buffer(format!("{name}.running_mean"), &shape, Init::Zeros),
            variance: builder.add_buffer(format!("{name}.running_var"), &shape, Init::Ones),
            channels,
            name,
        }
    }

    /// Maps [B, channels, H, W] to the same shape. With `train`, normalises by the batch's statistics and updates
    /// the running ones; otherwise normalises by the running ones.
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor, train: bool) -> Result<Tensor> {
        self.with(parameters, train, |norm, train| norm.forward(xs, train))
    }

    /// [`BatchNorm::forward`] and ReLU. In training on a CPU both take one pass over the memory.
    pub fn forward_relu(
        &self,
        parameters: &Parameters,
        xs: &Tensor,
        train: bool,
    ) -> Result<Tensor> {
        self.with(parameters, train, |norm, train| norm.forward_relu(xs, train, false))
    }

    /// [`BatchNorm::forward`], ReLU and 2×2 max pooling: maps [B, channels, H, W] to [B, channels, H/2, W/2]. In
    /// training on a CPU all three take one pass over the memory.
    pub fn forward_relu_pool(
        &self,
        parameters: &Parameters,
        xs: &Tensor,
        train: bool,
    ) -> Result<Tensor> {
        self.with(parameters, train, |norm, train| norm.forward_relu(xs, train, true))
    }

    /// Calls `work` with the layer's tensors, and whether to use the batch's statistics.
    fn with(
        &self,
        parameters: &Parameters,
        train: bool,
        work: impl FnOnce(&Norm<'_>, bool) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let norm = || -> Result<Tensor> {
            let norm = Norm {
                scale: parameters.get(self.weight)?,
                shift: parameters.get(self.bias)?,
                mean: parameters.buffer(self.mean)?,
                variance: parameters.buffer(self.variance)?,
            };
            work(&norm, train && !parameters.is_frozen(self.weight))
        };
        norm().during_step(|| layer(&self.name))
    }

    /// The layer's entry in a plan.
    pub fn operation(&self) -> Operation {
        Operation::BatchNorm { name: self.name.clone(), channels: self.channels }
    }

    /// The prefix of the names of its weights.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Layer normalisation (Ba, Kiros and Hinton, 2016) over the last dimension, epsilon 1e-5, computed
/// in f32.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    name: String,
    weight: ParameterId,
    bias: ParameterId,
    width: i64,
}

impl LayerNorm {
    /// Adds `name.weight` and `name.bias`, each \[width\].
    pub fn new(builder: &mut ParametersBuilder, name: impl Into<String>, width: i64) -> Self {
        let name = name.into();
        let weight = builder.add_float(format!("{name}.weight"), &[width], Init::Ones);
        let bias = builder.add_float(format!("{name}.bias"), &[width], Init::Zeros);
        Self { name, weight, bias, width }
    }

    /// Maps [.., width] to the same shape.
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (parameters.get(self.weight)?, parameters.get(self.bias)?);
        xs.f_to_kind(Kind::Float)
            .and_then(|wide| wide.f_layer_norm([self.width], Some(weight), Some(bias), 1e-5, true))
            .and_then(|normed| normed.f_to_kind(xs.kind()))
            .during_step(|| layer(&self.name))
    }

    /// The layer's entry in a plan.
    pub fn operation(&self) -> Operation {
        Operation::LayerNorm { name: self.name.clone(), width: self.width }
    }

    /// The prefix of the names of its weights.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A fully connected layer.
#[derive(Debug, Clone)]
pub struct Dense {
    name: String,
    units: [i64; 2],
    weight: ParameterId,
    bias: ParameterId,
}

impl Dense {
    /// `units` are [input, output]. Adds `name.weight` [output, input], Glorot-uniform, and `name.bias`
    /// \[output\], zeros.
    pub fn new(builder: &mut ParametersBuilder, name: impl Into<String>, units: [i64; 2]) -> Self {
        let init = Init::GlorotUniform { fan_in: units[0], fan_out: units[1] };
        Self::with_init(builder, name, units, init)
    }

    /// [`Dense::new`] with other initial weights.
    pub fn with_init(
        builder: &mut ParametersBuilder,
        name: impl Into<String>,
        units: [i64; 2],
        init: Init,
    ) -> Self {
        let (name, [input, output]) = (name.into(), units);
        let weight = builder.add(format!("{name}.weight"), &[output, input], init);
        let bias = builder.add(format!("{name}.bias"), &[output], Init::Zeros);
        Self { name, units, weight, bias }
    }

    /// Maps [.., input] to [.., output].
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        xs.f_linear(parameters.get(self.weight)?, Some(parameters.get(self.bias)?))
            .during_step(|| layer(&self.name))
    }

    /// The layer's entry in a plan.
    pub fn operation(&self) -> Operation {
        Operation::Dense { name: self.name.clone(), units: self.units }
    }

    /// The prefix of the names of its weights.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Squeeze and excitation (Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2018): each channel is
/// multiplied by a factor that two dense layers compute from the means of all channels.
#[derive(Debug, Clone)]
pub struct SqueezeExcitation {
    name: String,
    squeeze: Dense,
    excite: Dense,
}

impl SqueezeExcitation {
    /// Adds the dense layers `name.squeeze` and `name.excite` with channels / reduction units between
    /// them, at least one.
    pub fn new(
        builder: &mut ParametersBuilder,
        name: impl Into<String>,
        channels: i64,
        reduction: i64,
    ) -> Self {
        let (name, units) = (name.into(), (channels / reduction.max(1)).max(1));
        let squeeze = Dense::new(builder, format!("{name}.squeeze"), [channels, units]);
        let excite = Dense::new(builder, format!("{name}.excite"), [units, channels]);
        Self { name, squeeze, excite }
    }

    /// Maps [B, channels, H, W] to the same shape.
    pub fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let units = self.squeeze.forward(parameters, &global_mean(xs)?)?.f_relu_()?;
        let scales = self.excite.forward(parameters, &units)?.f_sigmoid()?;
        scales
            .f_unsqueeze(-1)
            .and_then(|scales| scales.f_unsqueeze(-1))
            .and_then(|scales| xs.f_mul(&scales))
            .during_step(|| layer(&self.name))
    }

    /// The layer's entry in a plan.
    pub fn operation(&self) -> Operation {
        let [channels, units] = self.squeeze.units;
        Operation::SqueezeExcitation { name: self.name.clone(), channels, units }
    }
}

/// The mean of each channel: maps [B, C, H, W] to [B, C].
///
/// # Errors
/// If libtorch reports an error.
pub fn global_mean(xs: &Tensor) -> Result<Tensor> {
    xs.f_mean_dim(&[2i64, 3][..], false, xs.kind()).during("the mean of each channel")
}

/// The variance that [`standardize`] adds to an image's, so that a flat image does not become noise: that of one
/// step in 100 of the scale.
pub(crate) const STANDARDIZE_EPSILON: f64 = 1e-4;

/// Each image with mean 0 and variance 1, so that neither its brightness nor its contrast matters: maps f32 [B, C,
/// H, W] to (x - mean) / √(variance + 1e-4). The variance divides by the number of pixels.
///
/// # Errors
/// If libtorch reports an error.
pub fn standardize(images: &Tensor) -> Result<Tensor> {
    let (_, channels, height, width) = images.size4()?;
    let shape = [channels, height, width];
    images
        .f_to_kind(Kind::Float)
        .and_then(|images| {
            let none = None::<&Tensor>;
            images.f_layer_norm(shape, none, none, STANDARDIZE_EPSILON, false)
        })
        .during("standardizing images")
}

/// Images as the input of a network of this crate: in the dtype of its parameters, and standardized if requested.
pub(super) fn read_images(
    parameters: &Parameters,
    images: &Tensor,
    standardized: bool,
) -> Result<Tensor> {
    let images = if standardized { standardize(images)? } else { images.shallow_clone() };
    images.f_to_kind(parameters.kind()).during("reading the images")
}

/// Means of equal parts: maps [B, C, H, W] to [B, C, side, side]; returns the same tensor if it already has these
/// sides. Before a dense layer, it lets a network accept images of other sizes; if there are more parts than
/// pixels, they overlap.
///
/// # Errors
/// If libtorch reports an error.
pub fn fit_side(xs: &Tensor, side: i64) -> Result<Tensor> {
    let (_, _, height, width) = xs.size4()?;
    if [height, width] == [side; 2] {
        return Ok(xs.shallow_clone());
    }
    xs.f_adaptive_avg_pool2d([side; 2]).during("pooling features to one size")
}

/// The name of the step for errors of libtorch.
fn layer(name: &str) -> Cow<'static, str> {
    format!("layer {name}").into()
}
