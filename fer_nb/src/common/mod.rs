//! What every stage uses: errors, text, files, names, random numbers, the machine.

pub(crate) mod check;
pub mod error;
pub(crate) mod files;
pub(crate) mod machine;
pub(crate) mod names;
pub(crate) mod random;
pub(crate) mod text;

pub(crate) use error::{During, Failure, Place};
pub use error::{Error, Result};
pub(crate) use names::{named, parsed};
