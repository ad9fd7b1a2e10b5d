//! Layers computed by the C++ files beside this one; README.md describes them.

mod convolution;
mod dropout;
mod pool;
mod shim;

pub use convolution::convolution;
pub use dropout::dropout;
pub use pool::{max_pool, pool_relu_dropout};
