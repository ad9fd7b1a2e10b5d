//! Facial-emotion recognition as a Rust notebook workflow.

pub mod data;
pub mod deploy;
pub mod emotion;
pub mod error;
pub mod evaluate;
pub mod model;
pub mod notebook;
pub mod plot;
pub mod project;
pub mod train;
