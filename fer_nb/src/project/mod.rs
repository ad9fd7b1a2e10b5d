//! Stage 1: where things are, which device there is, what can be set from outside.

mod device;
mod environment;
mod files;
mod memory;
mod paths;
mod precision;
mod settings;

pub use device::{device, device_name};
pub use environment::Environment;
pub use files::{TEMPORARY_PREFIX, replace_file};
pub use memory::keep_freed_memory;
pub use paths::{figures, root, runs};
pub use precision::Precision;
pub use settings::param;
