//! The results of a run: a record for each epoch, and why it ended.

mod epoch;
mod history;
mod monitor;
mod stop_reason;

pub use epoch::EpochRecord;
pub use history::History;
pub(crate) use history::RESTORE_HINT;
pub use monitor::Monitor;
pub use stop_reason::{BatchOf, StopReason};
