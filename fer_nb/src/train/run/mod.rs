//! The run folder: its files, its lock, its archive, its checkpoint.

mod archive;
mod checkpoint;
mod choice;
mod config;
mod folder;

pub use checkpoint::{Checkpoint, RunState, SavedCallback};
pub use choice::{ChoiceReason, RunChoice};
pub use config::RunConfig;
pub(crate) use config::first_difference;
pub use folder::{RunFolder, RunLock};
