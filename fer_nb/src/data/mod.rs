//! Stage 2: from files to a [`Dataset`], split, audited and augmented.

mod audit;
mod augment;
mod class_check;
mod clean;
mod copies;
mod csv;
mod dataset;
mod decode;
mod distribution;
mod effect;
mod face_data;
#[cfg(test)]
pub(crate) mod fixtures;
mod folder;
mod layout;
mod loaded;
mod locate;
mod options;
mod part;
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
pub use layout::{Layout, LayoutRow};
pub use options::{ClassMap, DataOptions, Numbering};
pub use part::Part;
pub use pixels::{PIXELS, SIDE};
pub use sample::SampleConfig;
pub(crate) use table::column;

/// The name that cells of older notebooks use.
pub type Fer2013 = FaceData;
