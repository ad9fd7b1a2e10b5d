//! From a trained network to an [`Evaluation`].

use tch::{Device, Tensor};

use super::Evaluation;
use super::probs::Row;
use crate::common::{During, Error, Result};
use crate::data::Dataset;
use crate::emotion::Emotion;
use crate::model::{Network, logits};
use crate::train::Trainer;

/// Evaluates a network, without dropout and without augmentation, on a data set of one image or more.
///
/// # Errors
/// [`Error::Stopped`] after the batch in flight if the user stops it; [`Error::Input`] for logits that are not
/// finite; [`Error::Tensor`] if libtorch reports an error.
pub fn evaluate(network: &dyn Network, data: &Dataset) -> Result<Evaluation> {
    let labels = data.iter().map(|(_, emotion)| emotion.index() as u8).collect();
    let logits = rows(&logits(network, data).during("evaluating the network")?)?;
    Evaluation::from_logits(labels, &logits, data.origin().title())
}

impl Trainer {
    /// Evaluates the network in its present state; see [`evaluate`].
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation> {
        evaluate(self.network(), data)
    }
}

/// Logits f32 [N, 7] as arrays.
pub(crate) fn rows(logits: &Tensor) -> Result<Vec<Row>> {
    let logits = logits.f_to_device(Device::Cpu)?.f_contiguous()?;
    let (count, classes) = logits.size2()?;
    if classes != Emotion::COUNT as i64 {
        return Err(Error::input("logits", format!("{classes} a row"), "7, one a class"));
    }
    let values = Vec::<f32>::try_from(logits.f_reshape([count * classes])?)?;
    Ok(values.as_chunks().0.to_vec())
}
