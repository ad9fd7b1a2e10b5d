//! Stage 1: where things are, which device there is, what can be set from outside.

mod device;
mod environment;
mod paths;
mod precision;
mod settings;
mod task;

pub use device::{device, device_name};
pub use environment::Environment;
pub use paths::{data_file, figures, pretrained, root, runs};
pub use precision::Precision;
pub use settings::param;
pub use task::Task;
// What the command line and a user's own crate need of the machine and of files.
pub use crate::common::files::{TEMPORARY_PREFIX, file_fingerprint, replace_file};
pub use crate::common::machine::{
    ConvolutionTrials, Interrupt, fix_threads, guarded, keep_freed_memory, notebook_is_live,
    print_line, resident_memory,
};
