//! Stage 3: networks, their weights and their summary.

mod dropout;
mod network;
mod parameters;
mod seed_cnn;
mod summary;
pub mod weights;

pub use dropout::dropout;
pub use network::{Network, logits, logits_of, to_float};
pub use parameters::{Init, ParameterId, Parameters, ParametersBuilder};
pub use seed_cnn::SeedCnn;
pub use summary::{LayerSummary, Summary};
