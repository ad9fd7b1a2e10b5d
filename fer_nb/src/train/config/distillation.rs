//! [`Distillation`]: training on the predictions of trained networks.

use serde::{Deserialize, Serialize};

use crate::common::{Result, check};

/// Training on the predictions of trained networks, in addition to the labels (Hinton, Vinyals and Dean,
/// "Distilling the Knowledge in a Neural Network", 2015). The default has no teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distillation {
    /// Runs whose networks teach, by name or folder, or weights that come with the project. Their logits
    /// are averaged, also over each image and its mirror image where the augmentation mirrors.
    pub teachers: Vec<String>,
    /// What logits are divided by before softmax, the teachers' and the student's; above 0. More
    /// shows more of what teachers think of the classes that they don't choose.
    pub temperature: f64,
    /// The teachers' share of the loss; 0 to 1. Theirs is multiplied by the temperature's square, so
    /// that its gradients keep their size.
    pub weight: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { teachers: Vec::new(), temperature: 3.0, weight: 0.7 }
    }
}

impl Distillation {
    /// Names the first value outside its range.
    pub fn validate(&self) -> Result<()> {
        check::positive("distillation.temperature", self.temperature)?;
        check::share("distillation.weight", self.weight)
    }
}
