//! Stage 4: the training loop and what goes with it.

mod batches;
mod callbacks;
mod config;
mod history;
mod interrupt;
mod optim;
mod progress;
mod run;
mod trainer;

pub use callbacks::{
    Callback, EarlyStopping, EpochEnd, ModelCheckpoint, Monitor, ReduceLrOnPlateau,
};
pub use config::TrainConfig;
pub use history::{EpochRecord, History};
pub use interrupt::Interrupt;
pub use optim::Adam;
pub use run::{RunConfig, RunFolder};
pub use trainer::Trainer;
