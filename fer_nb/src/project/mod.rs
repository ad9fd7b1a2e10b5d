//! Stage 1: where things are, which device there is, what can be set from outside.

mod cuda;
mod device;
mod environment;
mod files;
mod guard;
mod interrupt;
mod lines;
mod memory;
mod paths;
mod precision;
pub(crate) mod random;
mod settings;
mod task;
pub(crate) mod text;
mod threads;

pub use cuda::ConvolutionTrials;
pub use device::{device, device_name};
pub use environment::Environment;
pub use files::{TEMPORARY_PREFIX, file_fingerprint, replace_file};
pub use guard::guarded;
pub use interrupt::Interrupt;
pub use lines::{notebook_is_live, print_line};
pub use memory::{keep_freed_memory, resident_memory};
pub use paths::{data_file, figures, pretrained, root, runs};
pub use precision::Precision;
pub use settings::param;
pub use task::Task;
pub use threads::fix_threads;
