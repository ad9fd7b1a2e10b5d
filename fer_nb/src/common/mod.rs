//! Shared by all stages: errors, text, files, names, random numbers, the machine.

pub(crate) mod brief;
pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod compose;
pub mod error;
pub(crate) mod file_kind;
pub(crate) mod files;
pub(crate) mod frame;
mod gzip_head;
pub(crate) mod litter;
pub(crate) mod machine;
mod magic;
pub(crate) mod names;
pub(crate) mod plain_file;
pub(crate) mod png_sum;
pub(crate) mod random;
pub(crate) mod tensorflow;
pub(crate) mod text;
mod to_safetensors;
mod torch_pickle;
pub(crate) mod way_out;
mod zip_names;

pub(crate) use brief::brief;
pub(crate) use error::{During, Failure, Place};
pub use error::{Error, Result};
pub(crate) use names::{named, parsed};
