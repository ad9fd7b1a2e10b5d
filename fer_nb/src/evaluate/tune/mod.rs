//! Tuning: a study of trials that looks for good hyperparameters on the validation images.
//!
//! A [`Space`] names what is tuned, by its path in a [`Recipe`](crate::train::Recipe), and the values that
//! it may take. A [`Study`] is a folder: each trial is a run folder in it, with a `trial.toml` next to the
//! run's own files. Nothing else is kept, so a study resumes where it was stopped, and processes that
//! share the folder, on one machine or on many, share the study.

mod claim;
mod config;
mod folder;
mod hyperband;
mod importance;
mod optuna;
mod point;
mod pruner;
mod sampler;
mod space;
mod study;
mod training;
mod trial;
mod values;

pub use config::StudyConfig;
pub use pruner::Pruner;
pub use sampler::Sampler;
pub use space::{Range, Space};
pub use study::Study;
pub use trial::{Trial, TrialState};
