//! Stage 3: networks, their weights and their summary.

mod architecture;
mod convolution;
mod dropout;
mod layers;
mod network;
mod parameters;
mod pool;
mod resnet;
mod seed_cnn;
mod shim;
mod summary;
mod tensor_bytes;
mod transfer;
mod vgg;
mod vit;
pub mod weights;

pub use architecture::Architecture;
pub use convolution::convolution;
pub use dropout::dropout;
pub(crate) use network::inference_batch_size;
pub use network::{Network, logits, logits_of, mirrored_logits, to_float};
pub use parameters::{BufferId, Init, ParameterId, Parameters, ParametersBuilder, Span};
pub use resnet::{ResNet, ResNetConfig};
pub use seed_cnn::{SeedCnn, SeedCnnConfig};
pub use summary::{Layer, Summary};
pub(crate) use tensor_bytes::{TensorBytes, serialize};
pub use transfer::{NameMap, Transfer, transfer};
pub use vgg::{Vgg, VggConfig};
pub use vit::{Vit, VitConfig};
