//! [`Network`]: the interface of networks for training, evaluation and export.

use tch::{Device, Kind, Tensor, no_grad};

use super::name_map::NameMap;
use super::parameters::Parameters;
use super::plan::Plan;
use super::summary::Summary;
use crate::common::{During, Error, Result};
use crate::data::Dataset;
use crate::project::Task;

/// A classifier of 48×48 grayscale images into seven emotions.
///
/// A custom network holds its [`Parameters`] and the [layers](super::layers) that read them. It can be trained,
/// evaluated and exported like the crate's networks; examples/custom_network.rs does all three.
///
/// ```
/// use fer_nb::model::layers::{Conv, Dense, dropout, global_mean};
/// use fer_nb::model::{Network, Operation, Parameters, ParametersBuilder, Plan};
/// use fer_nb::prelude::*;
///
/// struct Small {
///     parameters: Parameters,
///     conv: Conv,
///     output: Dense,
/// }
///
/// impl Small {
///     fn new(device: Device, seed: u64) -> Result<Self> {
///         let mut builder = ParametersBuilder::default();
///         let conv = Conv::with_bias(&mut builder, "conv", [1, 32]);
///         let output = Dense::new(&mut builder, "output", [32, 7]);
///         Ok(Self { parameters: builder.build(device, seed)?, conv, output })
///     }
/// }
///
/// impl Network for Small {
///     fn name(&self) -> &'static str {
///         "small"
///     }
///
///     fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
///         let images = images.f_to_kind(self.parameters.kind())?;
///         let features = self.conv.forward(&self.parameters, &images)?.f_relu_()?;
///         let means = dropout(&global_mean(&features)?, 0.2, train)?;
///         Ok(self.output.forward(&self.parameters, &means)?.f_to_kind(Kind::Float)?)
///     }
///
///     fn parameters(&self) -> &Parameters {
///         &self.parameters
///     }
///
///     fn parameters_mut(&mut self) -> &mut Parameters {
///         &mut self.parameters
///     }
///
///     fn plan(&self) -> Plan {
///         Plan::default()
///             .layer("conv", [self.conv.operation(), Operation::Relu])
///             .layer("mean", [Operation::GlobalMean])
///             .layer("dropout", [Operation::Dropout])
///             .layer("output", [self.output.operation()])
///     }
/// }
///
/// let network = Small::new(Device::Cpu, 42)?;
/// assert_eq!(network.summary().total(), 32 * (9 + 1) + 7 * (32 + 1));
/// # Ok::<(), Error>(())
/// ```
pub trait Network: Send {
    /// The architecture's name, written into run folders: "seed_cnn".
    fn name(&self) -> &'static str;

    /// Logits, f32 [B, 7], of images f32 [B, 1, 48, 48] on 0 to 1. With `train`, dropout is on and
    /// normalisations use the batch's statistics.
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor>;

    /// The weights.
    fn parameters(&self) -> &Parameters;

    /// The weights, mutable.
    fn parameters_mut(&mut self) -> &mut Parameters;

    /// The layers of the forward pass, from which [`Network::summary`] and the ONNX graph are derived. With
    /// `Plan::default()` the network can be trained, but has an empty summary and can't be exported to ONNX.
    fn plan(&self) -> Plan;

    /// A row per layer, as Keras prints it.
    fn summary(&self) -> Summary {
        Summary::new(self.name(), &self.plan())
    }

    /// The output of the last layers that have height and width, for [Grad-CAM](crate::evaluate::grad_cam()): f32
    /// [B, C, h, w] of images f32 [B, 1, 48, 48], without dropout.
    ///
    /// # Errors
    /// [`Error::Input`] for a network that does not implement it; errors of libtorch.
    fn features(&self, _images: &Tensor) -> Result<Tensor> {
        Err(Error::input("network", self.name(), "one that implements Network::features"))
    }

    /// Logits, f32 [B, 7], of [`Network::features`]: together they are [`Network::forward_t`] without
    /// dropout.
    ///
    /// # Errors
    /// As [`Network::features`].
    fn head(&self, _features: &Tensor) -> Result<Tensor> {
        Err(Error::input("network", self.name(), "one that implements Network::head"))
    }

    /// The settings from which [`Architecture`](super::Architecture) builds the network again; `None` for a custom
    /// network, whose run folders are loaded by [`weights::load`](super::weights::load()).
    fn settings(&self) -> Option<toml::Table> {
        None
    }

    /// Names of the weights in other programs, for [`weights::load`](super::weights::load()).
    fn aliases(&self) -> NameMap {
        NameMap::identity()
    }
}

/// The methods of [`Network`] that the crate's networks share: each has the fields `parameters` and `config`, and
/// its logits are `head_t` of `features_t`.
macro_rules! from_parts {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
            self.head_t(&self.features_t(images, train)?, train)
        }

        fn head(&self, features: &Tensor) -> Result<Tensor> {
            self.head_t(features, false)
        }

        fn parameters(&self) -> &Parameters {
            &self.parameters
        }

        fn parameters_mut(&mut self) -> &mut Parameters {
            &mut self.parameters
        }

        fn settings(&self) -> Option<toml::Table> {
            toml::Table::try_from(&self.config).ok()
        }
    };
}
pub(super) use from_parts;

/// Methods that call those of the boxed network.
macro_rules! of_the_boxed {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)+) => {
        $(fn $name(&self $(, $argument: $type)*) -> $result {
            (**self).$name($($argument),*)
        })+
    };
}

impl std::fmt::Debug for dyn Network + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {{ {:?} }}", self.name(), self.parameters())
    }
}

impl Network for Box<dyn Network> {
    of_the_boxed! {
        fn name(&self) -> &'static str;
        fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor>;
        fn parameters(&self) -> &Parameters;
        fn plan(&self) -> Plan;
        fn summary(&self) -> Summary;
        fn features(&self, images: &Tensor) -> Result<Tensor>;
        fn head(&self, features: &Tensor) -> Result<Tensor>;
        fn settings(&self) -> Option<toml::Table>;
        fn aliases(&self) -> NameMap;
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        (**self).parameters_mut()
    }
}

/// Converts images u8 on 0 to 255 to f32 on 0 to 1, any shape.
pub fn to_float(images: &Tensor) -> Result<Tensor> {
    let floats = images.f_to_kind(Kind::Float).and_then(|images| images.f_mul_scalar(1.0 / 255.0));
    floats.during("converting images to float32")
}

/// Batch size for inference. Small on a CPU, so that a layer's output is still in the caches when the next layer
/// reads it: the seed CNN's largest output is 9 MB in float32.
pub(crate) fn inference_batch_size(device: Device) -> i64 {
    if device == Device::Cpu { 32 } else { 256 }
}

/// Logits of a whole data set, f32 [N, 7] on the network's device, without dropout. Prints its progress if it takes
/// more than some seconds.
///
/// # Errors
/// [`Error::Stopped`] after the batch in flight if the user stops it; errors of libtorch.
pub(crate) fn logits(network: &dyn Network, data: &Dataset) -> Result<Tensor> {
    let task = Task::begin("evaluating images", Some(data.len()))?;
    let images = data.images_tensor(network.parameters().device())?;
    in_batches(network, &images, |done| task.step(done))
}

/// The mean of the [`logits`] of each image and of the flipped image.
///
/// # Errors
/// As [`logits`].
pub(crate) fn mirrored_logits(network: &dyn Network, data: &Dataset) -> Result<Tensor> {
    let task = Task::begin("evaluating images and flipped images", Some(2 * data.len()))?;
    let images = data.images_tensor(network.parameters().device())?;
    let logits = in_batches(network, &images, |done| task.step(done))?;
    let mirrored = in_batches(network, &images.f_flip([3])?, |done| task.step(done))?;
    Ok(logits.f_add(&mirrored)?.f_mul_scalar(0.5)?)
}

/// `logits` of images u8 [N, 1, 48, 48] on the network's device, without progress and not interruptible.
pub fn logits_of(network: &dyn Network, images: &Tensor) -> Result<Tensor> {
    in_batches(network, images, |_| Ok(()))
}

/// Logits batch by batch; `after` is called with each batch's number of images.
fn in_batches(
    network: &dyn Network,
    images: &Tensor,
    after: impl Fn(usize) -> Result<()>,
) -> Result<Tensor> {
    no_grad(|| {
        let batches = images.f_split(inference_batch_size(images.device()), 0)?;
        let logits = batches
            .iter()
            .map(|batch| {
                let logits = network.forward_t(&to_float(batch)?, false);
                let logits = logits.during("the network's forward pass")?;
                after(batch.size().first().map_or(0, |count| *count as usize))?;
                Ok(logits)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&logits, 0)?)
    })
}
