//! The run folder: its files, its lock, its archive, its checkpoint.

mod archive;
mod checkpoint;
mod choice;
mod config;
mod folder;
mod images;

pub use checkpoint::{Checkpoint, RunState, SavedCallback};
pub use choice::{ChoiceReason, RunChoice};
pub use config::RunConfig;
pub(crate) use config::first_difference;
pub use folder::{RunFolder, RunLock};
pub use images::Overlap;
pub(crate) use images::RunImages;
