//! Stage 3: networks, their weights and their summary.

mod architecture;
mod dropout;
mod network;
mod parameters;
mod seed_cnn;
mod summary;
pub mod weights;

pub use architecture::Architecture;
pub use dropout::dropout;
pub use network::{Network, logits, logits_of, to_float};
pub use parameters::{BufferId, Init, ParameterId, Parameters, ParametersBuilder, Span};
pub use seed_cnn::{SeedCnn, SeedCnnConfig};
pub use summary::{LayerSummary, Summary};
