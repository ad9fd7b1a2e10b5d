//! What the training loop asks of a network.

use tch::{Device, Kind, Tensor, no_grad};

use super::architecture::Architecture;
use super::parameters::Parameters;
use super::summary::Summary;
use crate::common::{Error, Result};
use crate::data::Dataset;
use crate::project::Task;

/// A classifier of 48×48 grayscale images into seven emotions.
pub trait Network: Send {
    /// The architecture's name, written into run folders: "seed_cnn".
    fn name(&self) -> &'static str;

    /// Logits, f32 [B, 7], of images f32 [B, 1, 48, 48] on 0 to 1. `train` turns dropout on.
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor>;

    /// The weights.
    fn parameters(&self) -> &Parameters;

    /// The weights, to change them.
    fn parameters_mut(&mut self) -> &mut Parameters;

    /// A row a layer, as Keras prints it.
    fn summary(&self) -> Summary;

    /// What the last layers with height and width put out, for [Grad-CAM](crate::evaluate): f32 [B, C,
    /// h, w] of images f32 [B, 1, 48, 48], without dropout.
    ///
    /// # Errors
    /// [`Error::Setting`] for a network of one's own that does not say.
    fn features(&self, _images: &Tensor) -> Result<Tensor> {
        Err(Error::setting("network", self.name(), "one that implements Network::features"))
    }

    /// Logits, f32 [B, 7], of [`Network::features`]: together they are [`Network::forward_t`] without
    /// dropout.
    ///
    /// # Errors
    /// As [`Network::features`].
    fn head(&self, _features: &Tensor) -> Result<Tensor> {
        Err(Error::setting("network", self.name(), "one that implements Network::head"))
    }

    /// What [`RunFolder::network`](crate::train::RunFolder::network) builds the network from.
    /// A network of one's own has none, and is loaded with [`weights::load`](super::weights::load).
    fn architecture(&self) -> Option<Architecture> {
        None
    }
}

impl Network for Box<dyn Network> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        (**self).forward_t(images, train)
    }

    fn parameters(&self) -> &Parameters {
        (**self).parameters()
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        (**self).parameters_mut()
    }

    fn summary(&self) -> Summary {
        (**self).summary()
    }

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        (**self).features(images)
    }

    fn head(&self, features: &Tensor) -> Result<Tensor> {
        (**self).head(features)
    }

    fn architecture(&self) -> Option<Architecture> {
        (**self).architecture()
    }
}

/// Images f32 on 0 to 1 from u8 on 0 to 255, any shape.
pub fn to_float(images: &Tensor) -> Result<Tensor> {
    Ok(images.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 / 255.0)?)
}

/// How many images a network is asked of at once where only answers are wanted. On a CPU few, so that what one
/// layer puts out is still in its caches when the next one reads it: the seed CNN's largest is 9 MB in float32.
pub(crate) fn inference_batch_size(device: Device) -> i64 {
    if device == Device::Cpu { 32 } else { 256 }
}

/// Logits of a whole data set, f32 [N, 7] on the network's device, without dropout. Where that takes
/// more than some seconds, lines say how far it is.
///
/// # Errors
/// [`Error::Stopped`](crate::common::error::Error::Stopped) after the batch in flight where the user stops
/// it; whatever libtorch refuses.
pub fn logits(network: &dyn Network, data: &Dataset) -> Result<Tensor> {
    let task = Task::begin("evaluating images", Some(data.len()))?;
    let images = data.images_tensor(network.parameters().device())?;
    in_batches(network, &images, |done| task.step(done))
}

/// The mean of the [`logits`] of each image and of its mirror image.
///
/// # Errors
/// As [`logits`].
pub fn mirrored_logits(network: &dyn Network, data: &Dataset) -> Result<Tensor> {
    let task = Task::begin("evaluating images and mirror images", Some(2 * data.len()))?;
    let images = data.images_tensor(network.parameters().device())?;
    let logits = in_batches(network, &images, |done| task.step(done))?;
    let mirrored = in_batches(network, &images.f_flip([3])?, |done| task.step(done))?;
    Ok(logits.f_add(&mirrored)?.f_mul_scalar(0.5)?)
}

/// [`logits`] of images u8 [N, 1, 48, 48] that are on the network's device already; silent, and not
/// to be stopped.
pub fn logits_of(network: &dyn Network, images: &Tensor) -> Result<Tensor> {
    in_batches(network, images, |_| Ok(()))
}

/// Logits batch by batch; `after` gets each batch's number of images.
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
                let logits = network.forward_t(&to_float(batch)?, false)?;
                after(batch.size().first().map_or(0, |count| *count as usize))?;
                Ok(logits)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&logits, 0)?)
    })
}
