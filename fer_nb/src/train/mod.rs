//! Stage 4: the training loop and what goes with it.

mod archive;
mod batches;
mod callbacks;
mod checkpoint;
mod config;
mod history;
mod image_choice;
mod initial_weights;
mod loss;
mod mixing;
mod objective;
mod optim;
mod out_of_memory;
mod progress;
mod range_test;
mod recipe;
mod resume;
mod run;
mod sampling;
mod schedule;
mod totals;
mod trainer;

pub use batches::augmented_at_once;
pub use callbacks::{
    BackupAndRestore, BatchEnd, Callback, CallbackState, CsvLogger, EarlyStopping, EpochEnd,
    ModelCheckpoint, Monitor, ReduceLrOnPlateau, TensorBoard, TerminateOnNan, TrainBegin,
};
pub use checkpoint::{Checkpoint, RunState, SavedCallback};
pub use config::TrainConfig;
pub use history::{EpochRecord, History};
pub use image_choice::ImageChoice;
pub use loss::{ClassWeights, LossConfig, LossFunction};
pub use mixing::{Mixed, Mixing};
pub use objective::Distillation;
pub use optim::{Optimizer, OptimizerState, WeightAverage, clip_norm};
pub use range_test::{RangeTest, RangeTestConfig};
pub use recipe::{EpochChoice, Recipe};
pub use run::{RunConfig, RunFolder};
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use trainer::Trainer;
// Where it was before data and model listened too.
pub use crate::common::machine::Interrupt;
