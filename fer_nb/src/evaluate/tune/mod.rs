//! Tuning: a study of trials that looks for good hyperparameters on the validation images.
//!
//! A [`Space`] names what is tuned, by its path in a [`Recipe`](crate::train::Recipe), and the values that
//! it may take. A [`Study`] is a folder: each trial is a run folder in it, with a `trial.toml` next to the
//! run's own files. Nothing else is kept, so a study resumes where it was stopped, and processes that
//! share the folder, on one machine or on many, share the study.

mod checks;
mod claim;
mod condition;
mod config;
mod cost;
#[cfg(test)]
mod fixtures;
mod folder;
mod hyperband;
mod importance;
mod optuna;
mod pareto;
mod plan;
mod point;
mod pruner;
mod range;
mod sampler;
mod space;
mod study;
mod summary;
mod training;
mod trial;
mod values;
mod worker;

pub use config::StudyConfig;
pub use cost::Cost;
pub use pruner::Pruner;
pub use range::Range;
pub use sampler::Sampler;
pub use space::Space;
pub use study::Study;
pub use trial::{Trial, TrialState};
