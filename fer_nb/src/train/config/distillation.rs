//! [`Distillation`]: training on the predictions of trained networks.

use serde::{Deserialize, Serialize};

use crate::common::{Result, check};

/// Training on the predictions of trained networks, in addition to the labels (Hinton, Vinyals and Dean,
/// "Distilling the Knowledge in a Neural Network", 2015). The default has no teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distillation {
    /// Runs whose networks are the teachers, by name or folder, or pretrained weights. Their logits are averaged,
    /// also over each image and its mirror image if the augmentation mirrors.
    pub teachers: Vec<String>,
    /// Divides the logits of teachers and student before softmax; above 0. A higher temperature emphasises the
    /// probabilities of the classes that the teachers do not predict.
    pub temperature: f64,
    /// The teachers' share of the loss; 0 to 1. Their part is multiplied by the temperature's square, so that its
    /// gradients keep their size.
    pub weight: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { teachers: Vec::new(), temperature: 3.0, weight: 0.7 }
    }
}

impl Distillation {
    /// Returns an error for the first value out of range.
    pub fn validate(&self) -> Result<()> {
        check::positive("distillation.temperature", self.temperature)?;
        check::share("distillation.weight", self.weight)
    }
}
