//! Stage 2: from files to a [`Dataset`], split, audited and augmented.

pub mod augment;
mod dataset;
pub mod table;

pub use augment::Augmentation;
pub use dataset::{Dataset, Origin, PIXELS, SIDE};
