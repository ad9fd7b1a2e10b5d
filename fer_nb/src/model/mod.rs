//! Stage 3: networks, their layers, weights and summary.
//!
//! [`Architecture`] builds the crate's networks by name; a custom network implements [`Network`] with
//! [`layers`].

mod architecture;
mod checks;
mod file_names;
pub mod layers;
mod name_map;
mod native;
mod network;
mod parameters;
mod plan;
mod resnet;
mod seed_cnn;
mod summary;
mod tensor_bytes;
mod tensor_file;
mod transfer;
mod vgg;
mod vit;
pub mod weights;

pub use architecture::Architecture;
pub use name_map::NameMap;
pub use native::convolution;
pub use network::{Network, logits_of, to_float};
pub(crate) use network::{inference_batch_size, logits, mirrored_logits};
pub(crate) use parameters::Span;
pub use parameters::{BufferId, Init, ParameterId, Parameters, ParametersBuilder};
pub use plan::{Operation, Plan};
pub use resnet::{ResNet, ResNetConfig};
pub use seed_cnn::{SeedCnn, SeedCnnConfig};
pub use summary::{Summary, SummaryRow};
pub(crate) use tensor_bytes::TensorBytes;
pub(crate) use tensor_file::{Check, Problem, TensorFile, write as write_tensors};
pub use transfer::{Transfer, transfer, transfer_widened};
pub use vgg::{Vgg, VggConfig};
pub use vit::{Vit, VitConfig};
