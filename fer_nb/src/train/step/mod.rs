//! A training step: from images to batches, targets, a loss, a gradient, and new weights.

mod batches;
mod learner;
mod loss;
mod objective;
mod optim;
mod teachers;
mod totals;

pub use batches::augmented_at_once;
pub(crate) use batches::{Plan, TrainImages};
pub(crate) use learner::{Learner, Rule};
pub use optim::{OptimizerState, WeightAverage, clip_norm};
pub(crate) use totals::Totals;
