//! Layers computed by the C++ files in this folder; README.md describes them.

mod convolution;
mod dropout;
mod norm;
mod pool;
mod shim;

pub use convolution::convolution;
pub use dropout::dropout;
pub(super) use norm::Norm;
pub use pool::{max_pool, pool_relu_dropout};
