//! Stage 4: the training loop and what goes with it.

mod batches;
mod callbacks;
mod checkpoint;
mod config;
mod history;
mod optim;
mod progress;
mod range_test;
mod resume;
mod run;
mod schedule;
mod seeds;
mod totals;
mod trainer;

pub use callbacks::{
    BackupAndRestore, BatchEnd, Callback, CallbackState, CsvLogger, EarlyStopping, EpochEnd,
    ModelCheckpoint, Monitor, ReduceLrOnPlateau, TensorBoard, TerminateOnNan, TrainBegin,
};
pub use checkpoint::{Checkpoint, RunState, SavedCallback};
pub use config::TrainConfig;
pub use history::{EpochRecord, History};
pub use optim::{Optimizer, OptimizerState, WeightAverage, clip_norm};
pub use range_test::{RangeTest, RangeTestConfig};
pub use run::{RunConfig, RunFolder};
pub use schedule::Schedule;
pub use trainer::Trainer;
// Where it was before data and model listened too.
pub use crate::project::Interrupt;
