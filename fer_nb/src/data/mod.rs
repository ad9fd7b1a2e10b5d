//! Stage 2: from files to a [`Dataset`], split, audited and augmented.

mod audit;
mod augment;
mod clean;
mod copies;
mod csv;
mod dataset;
mod decode;
mod distribution;
mod face_data;
#[cfg(test)]
pub(crate) mod fixtures;
mod folder;
mod loaded;
pub(crate) mod pixels;
pub(crate) mod rectangle;
mod sample;
pub(crate) mod split;
mod table;

pub use audit::Audit;
pub use augment::Augmentation;
pub use dataset::{Dataset, Origin};
pub use distribution::ClassDistribution;
pub use face_data::FaceData;
pub use pixels::{PIXELS, SIDE};
pub use sample::SampleConfig;
pub(crate) use table::column;

/// The name that cells of earlier notebooks use.
pub type Fer2013 = FaceData;
