//! [`Targets`]: what the logits of a batch are compared with.

use tch::Tensor;

/// What the logits of a batch are compared with.
#[derive(Debug)]
pub(crate) struct Targets {
    /// The class of each image, of the first where two are mixed: i64 [B].
    pub labels: Tensor,
    /// The share of each class, where two images are mixed: f32 [B, 7].
    pub classes: Option<Tensor>,
    /// What teachers say, softened: f32 [B, 7].
    pub teachers: Option<Tensor>,
}
