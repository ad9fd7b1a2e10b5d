//! Facial-emotion recognition as a Rust notebook workflow.

pub mod data;
pub mod emotion;
pub mod error;
pub mod notebook;
pub mod plot;
