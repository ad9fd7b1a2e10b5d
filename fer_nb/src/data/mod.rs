//! Stage 2: from files to a [`Dataset`], split, audited and augmented.

mod audit;
pub mod augment;
mod csv;
mod dataset;
mod decode;
mod distribution;
mod fer2013;
#[cfg(test)]
pub(crate) mod fixtures;
mod folder;
mod loaded;
pub(crate) mod rectangle;
pub mod sample;
pub mod split;
pub mod table;
pub(crate) mod text;

pub use audit::Audit;
pub use augment::Augmentation;
pub use dataset::{Dataset, Origin, PIXELS, SIDE};
pub use distribution::ClassDistribution;
pub use fer2013::Fer2013;
pub use sample::SampleConfig;
