//! [`Dataset`]: images, labels and one table, whatever they were read from.

use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{DataFrame, IdxCa};
use rayon::prelude::*;
use tch::{Device, Tensor};

use super::pixels::{PIXELS, SIDE};
use super::table;
use crate::common::{During, Error, Result};
use crate::emotion::Emotion;

/// The number of training images of each class of FER2013, those of validation among them.
pub(super) const TRAINING_COUNTS: [usize; Emotion::COUNT] =
    [3995, 436, 4097, 7215, 4965, 4830, 3171];

/// The source of a data set. Every report names it, so that neither made-up faces nor other people's
/// photos pass for FER2013.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// FER2013's images in folders `train/<class>` and `test/<class>` below this path.
    Folder(PathBuf),
    /// Custom images in such folders below this path, called by its last folder's name.
    Custom {
        /// The folder.
        path: PathBuf,
        /// Its own name, without control characters.
        name: String,
    },
    /// Kaggle's `fer2013.csv` at this path.
    Csv(PathBuf),
    /// Faces that the crate drew itself, from this seed.
    Sample {
        /// The seed of [`SampleConfig`](super::SampleConfig).
        seed: u64,
    },
}

impl Origin {
    /// The made-up sample's name in titles.
    pub(crate) const SAMPLE: &str = "made-up sample";

    /// The data's name in titles: "FER2013", "made-up sample" or the name of a folder.
    pub fn title(&self) -> &str {
        match self {
            Origin::Folder(_) | Origin::Csv(_) => "FER2013",
            Origin::Custom { name, .. } => name,
            Origin::Sample { .. } => Self::SAMPLE,
        }
    }

    /// Whether these are FER2013's photos.
    pub(crate) fn is_fer2013(&self) -> bool {
        matches!(self, Origin::Folder(_) | Origin::Csv(_))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Folder(path) => write!(f, "FER2013, folder {}", path.display()),
            Origin::Csv(path) => write!(f, "FER2013, table {}", path.display()),
            Origin::Custom { path, name } => {
                write!(f, "{name}, folder {} (not FER2013)", path.display())
            }
            Origin::Sample { seed } => write!(f, "made-up sample, seed {seed} (not FER2013)"),
        }
    }
}

/// The images that all subsets of one loaded data set share; never copied.
#[derive(Debug)]
struct Store {
    /// u8, N × 2304, row-major.
    images: Vec<u8>,
    /// Class index of each image, 0 to 6.
    labels: Vec<u8>,
    /// One row an image; see [`Dataset::table`].
    table: DataFrame,
    origin: Origin,
}

/// Grayscale faces of 48×48 pixels with their labels. A subset shares its pixels with the whole, so
/// cloning and splitting cost four bytes an image.
#[derive(Debug, Clone)]
pub struct Dataset {
    store: Arc<Store>,
    rows: Arc<[u32]>,
}

impl Dataset {
    /// Puts N images together: `images` u8 [N × 2304] on 0 to 255, `labels` [N] on 0 to 6, and for
    /// the table their `sources` [N] (a path or "row 17") and `usages` [N] ("train", "test").
    ///
    /// # Errors
    /// [`Error::Input`] for lengths that differ and for a label that is no class.
    pub fn new(
        images: Vec<u8>,
        labels: Vec<u8>,
        sources: Vec<String>,
        usages: Vec<&'static str>,
        origin: Origin,
    ) -> Result<Self> {
        let lengths = [images.len() / PIXELS, labels.len(), sources.len(), usages.len()];
        if lengths != [labels.len(); 4] || !images.len().is_multiple_of(PIXELS) {
            let [_, labels, sources, usages] = lengths;
            let found = format!(
                "{} bytes of pixels, {labels} labels, {sources} sources, {usages} usages",
                images.len()
            );
            let expected = format!("equally many, and {PIXELS} bytes for each");
            return Err(Error::input("data set", found, expected));
        }
        if let Some(label) = labels.iter().find(|label| usize::from(**label) >= Emotion::COUNT) {
            return Err(Error::input("label", label, "0 to 6"));
        }
        let count = u32::try_from(labels.len())
            .map_err(|_| Error::input("images", labels.len(), "fewer than 2^32"))?;
        let table = table::build(sources, usages, &images, &labels)?;
        let store = Store { images, labels, table, origin };
        Ok(Self { store: Arc::new(store), rows: (0..count).collect() })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The source of the images.
    pub fn origin(&self) -> &Origin {
        &self.store.origin
    }

    /// The pixels of image `index`: u8 [48 × 48], row-major; `None` past the end.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let row = *self.rows.get(index)? as usize;
        self.store.images.get(row * PIXELS..(row + 1) * PIXELS)
    }

    /// The class of image `index`; `None` past the end.
    pub fn label(&self, index: usize) -> Option<Emotion> {
        let row = *self.rows.get(index)? as usize;
        self.store.labels.get(row).and_then(|label| Emotion::from_index(*label as usize))
    }

    /// All images with their labels, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Emotion)> + '_ {
        (0..self.len()).filter_map(|index| Some((self.image(index)?, self.label(index)?)))
    }

    /// The number of images of each class, by class index.
    pub fn class_counts(&self) -> [usize; Emotion::COUNT] {
        let mut counts = [0; Emotion::COUNT];
        for row in self.rows.iter() {
            counts[self.store.labels[*row as usize] as usize] += 1;
        }
        counts
    }

    /// The subset with these indices, in this order.
    ///
    /// # Errors
    /// [`Error::Input`] for an index past the end.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        let rows = indices
            .iter()
            .map(|index| {
                self.rows.get(*index).copied().ok_or_else(|| {
                    Error::input("index", index, format!("0 to {}", self.len().saturating_sub(1)))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { store: self.store.clone(), rows: rows.into() })
    }

    /// The same rows with other pixels: `change` turns the pixels u8 [48 × 48] of an image into others.
    /// Images are changed in parallel, each by itself.
    ///
    /// # Errors
    /// The first error of `change`; [`Error::Input`] if it returns another number of pixels.
    pub(crate) fn with_images(
        &self,
        change: impl Fn(&[u8]) -> Result<Vec<u8>> + Sync,
    ) -> Result<Self> {
        let changed = (0..self.len())
            .into_par_iter()
            .filter_map(|index| self.image(index))
            .map(&change)
            .collect::<Result<Vec<_>>>()?;
        if let Some(image) = changed.iter().find(|image| image.len() != PIXELS) {
            return Err(Error::input("changed image", image.len(), format!("{PIXELS} pixels")));
        }
        let images = changed.concat();
        let labels = self.iter().map(|(_, emotion)| emotion.index() as u8).collect();
        let table = table::described(self.table()?, &images)?;
        let rows = (0..self.rows.len() as u32).collect();
        let store = Store { images, labels, table, origin: self.origin().clone() };
        Ok(Self { store: Arc::new(store), rows })
    }

    /// This set's images and another's, in the order in which they were loaded.
    ///
    /// # Errors
    /// [`Error::Input`] if they are not parts of one loaded data set.
    pub(super) fn joined(&self, other: &Self) -> Result<Self> {
        if !Arc::ptr_eq(&self.store, &other.store) {
            return Err(Error::input("data sets", "two that were loaded apart", "parts of one"));
        }
        let mut rows: Vec<u32> = self.rows.iter().chain(other.rows.iter()).copied().collect();
        rows.sort_unstable();
        Ok(Self { store: self.store.clone(), rows: rows.into() })
    }

    /// The first `count` images of each class, in order: a small set with the same classes.
    pub fn take_per_class(&self, count: usize) -> Result<Self> {
        let mut taken = [0; Emotion::COUNT];
        let mut indices = Vec::new();
        for (index, (_, emotion)) in self.iter().enumerate() {
            if taken[emotion.index()] < count {
                taken[emotion.index()] += 1;
                indices.push(index);
            }
        }
        self.select(&indices)
    }

    /// A table of one row an image, in order. Columns: `source` (str: path below the root, or
    /// "row 17"), `label` (u32 class index), `emotion` (str), `usage` (str: train or test, or
    /// Kaggle's Usage), `mean` and `std` (f32, of the pixels on 0 to 1), `hash` (u64, XXH3 of the
    /// pixels; equal for exact copies).
    pub fn table(&self) -> Result<DataFrame> {
        let rows = IdxCa::from_vec("row".into(), self.rows.to_vec());
        Ok(self.store.table.take(&rows)?)
    }

    /// XXH3 content hash of each image, in order; equal for exact copies.
    #[cfg(test)]
    pub(super) fn hashes(&self) -> Vec<u64> {
        self.iter().map(|(image, _)| xxhash_rust::xxh3::xxh3_64(image)).collect()
    }

    /// A fingerprint (XXH3) of pixels, labels and order. Runs record it, so that a result can be tied to
    /// its data.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for (image, emotion) in self.iter() {
            hasher.update(image);
            hasher.update(&[emotion.index() as u8]);
        }
        hasher.digest()
    }

    /// Images as a tensor: u8 [N, 1, 48, 48] on `device`, 0 to 255.
    ///
    /// # Errors
    /// [`Error::Tensor`] if the device's memory does not suffice.
    pub fn images_tensor(&self, device: Device) -> Result<Tensor> {
        let mut pixels = Vec::with_capacity(self.len() * PIXELS);
        for (image, _) in self.iter() {
            pixels.extend_from_slice(image);
        }
        let shape = [self.len() as i64, 1, SIDE as i64, SIDE as i64];
        let tensor = Tensor::f_from_slice(&pixels)?.f_reshape(shape)?;
        tensor.f_to_device(device).during("copying images to the device")
    }

    /// Labels as a tensor: i64 [N] on `device`, class indices 0 to 6.
    ///
    /// # Errors
    /// [`Error::Tensor`] if the device's memory does not suffice.
    pub fn labels_tensor(&self, device: Device) -> Result<Tensor> {
        let labels: Vec<i64> = self.iter().map(|(_, emotion)| emotion.index() as i64).collect();
        Tensor::f_from_slice(&labels)?.f_to_device(device).during("copying labels to the device")
    }
}
