//! Stage 4: training. From the bottom up: the settings ([`TrainConfig`]), the results of a run ([`History`],
//! [`StopReason`]), its folder ([`RunFolder`]), one step, callbacks, the loop, and [`Trainer`].

mod callbacks;
mod config;
mod range_test;
mod recipe;
mod record;
mod run;
mod run_difference;
mod run_table;
mod session;
mod step;
mod trainer;

pub use callbacks::{
    BackupAndRestore, BatchEnd, Callback, CallbackState, CsvLogger, EarlyStopping, EpochEnd,
    ModelCheckpoint, ReduceLrOnPlateau, TensorBoard, TerminateOnNan, TrainBegin,
};
pub(crate) use config::off;
pub use config::{
    ClassWeights, Distillation, ImageChoice, LossConfig, Mixing, Optimizer, Sampling, Schedule,
    SizeSchedule, TrainConfig,
};
pub use range_test::{RangePoint, RangeTest, RangeTestConfig};
pub use recipe::{EpochChoice, Recipe};
pub use record::{BatchOf, EpochRecord, History, Monitor, StopReason};
pub use run::{
    Checkpoint, ChoiceReason, Overlap, RunChoice, RunConfig, RunFolder, RunLock, RunState,
    SavedCallback,
};
pub use run_difference::RunDifference;
pub(crate) use run_difference::differences;
pub use run_table::{RunRow, RunTable};
pub use step::{OptimizerState, WeightAverage, augmented_at_once, clip_norm};
pub use trainer::Trainer;
