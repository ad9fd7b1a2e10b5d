//! Stage 1: folders, the device, and settings from the environment.

mod device;
mod environment;
mod hardware;
mod paths;
mod precision;
mod settings;
mod task;

pub use crate::common::command::{option, quoted};
pub use crate::common::files::{read_settings, replace_file};
pub use crate::common::machine::{
    Interrupt, fail_large_writes, keep_freed_memory, resident_memory,
};
pub use crate::common::text::{plural, shown};
pub use device::{device, device_name};
pub use environment::Environment;
pub use hardware::hardware;
pub use paths::{PRETRAINED, data_file, figures, pretrained, root, runs};
pub(crate) use paths::{asset, built, known};
pub use precision::Precision;
pub use settings::param;
pub use task::Task;
