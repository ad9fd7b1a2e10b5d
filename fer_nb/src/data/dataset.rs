//! [`Dataset`]: images, labels and one table, whatever they were read from.

use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{DataFrame, IdxCa};
use tch::{Device, Tensor};

use crate::common::{Error, Result};
use crate::emotion::Emotion;

/// Height and width of an image, in pixels.
pub const SIDE: usize = 48;
/// Bytes of an image: one u8 a pixel, row by row.
pub const PIXELS: usize = SIDE * SIDE;

/// How many training images, those of validation among them, each class of FER2013 has.
pub(super) const TRAINING_COUNTS: [usize; Emotion::COUNT] =
    [3995, 436, 4097, 7215, 4965, 4830, 3171];

/// Where a data set came from. Every report names it, so that neither made-up faces nor other people's
/// photos pass for FER2013.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// FER2013's images in folders `train/<class>` and `test/<class>` below this path.
    Folder(PathBuf),
    /// Images of the user's own in such folders, called by the name of the folder at this path.
    Own { path: PathBuf, name: String },
    /// Kaggle's `fer2013.csv` at this path.
    Csv(PathBuf),
    /// Faces that the crate drew itself, from this seed.
    Sample { seed: u64 },
}

impl Origin {
    /// What a figure's title calls the data: "FER2013", "made-up sample" or the name of a folder.
    pub fn title(&self) -> &str {
        match self {
            Origin::Folder(_) | Origin::Csv(_) => "FER2013",
            Origin::Own { name, .. } => name,
            Origin::Sample { .. } => "made-up sample",
        }
    }

    /// Whether these are FER2013's photos.
    pub fn is_fer2013(&self) -> bool {
        matches!(self, Origin::Folder(_) | Origin::Csv(_))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Folder(path) => write!(f, "FER2013, folder {}", path.display()),
            Origin::Csv(path) => write!(f, "FER2013, table {}", path.display()),
            Origin::Own { path, name } => {
                write!(f, "{name}, folder {} (not FER2013)", path.display())
            }
            Origin::Sample { seed } => write!(f, "made-up sample, seed {seed} (not FER2013)"),
        }
    }
}

/// What all subsets of one loaded data set share; never copied.
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
    /// Puts a data set together: `images` u8 [N × 2304] on 0 to 255, `labels` [N] on 0 to 6, and a
    /// table of N rows. [`crate::data::table::build`] makes the table.
    pub fn new(images: Vec<u8>, labels: Vec<u8>, table: DataFrame, origin: Origin) -> Result<Self> {
        if images.len() != labels.len() * PIXELS || table.height() != labels.len() {
            return Err(Error::setting(
                "dataset",
                format!(
                    "{} bytes of pixels, {} labels, {} table rows",
                    images.len(),
                    labels.len(),
                    table.height()
                ),
                format!("as many table rows as labels, and {PIXELS} bytes for each"),
            ));
        }
        if let Some(label) = labels.iter().find(|label| **label as usize >= Emotion::COUNT) {
            return Err(Error::setting("label", label, "0 to 6"));
        }
        let count = u32::try_from(labels.len())
            .map_err(|_| Error::setting("images", labels.len(), "fewer than 2^32"))?;
        let store = Store { images, labels, table, origin };
        Ok(Self { store: Arc::new(store), rows: (0..count).collect() })
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Where the images came from.
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

    /// How many images each class has, by class index.
    pub fn class_counts(&self) -> [usize; Emotion::COUNT] {
        let mut counts = [0; Emotion::COUNT];
        for row in self.rows.iter() {
            counts[self.store.labels[*row as usize] as usize] += 1;
        }
        counts
    }

    /// The subset with these indices, in this order. Indices past the end are an error.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        let rows = indices
            .iter()
            .map(|index| {
                self.rows.get(*index).copied().ok_or_else(|| {
                    Error::setting("index", index, format!("0 to {}", self.len().saturating_sub(1)))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { store: self.store.clone(), rows: rows.into() })
    }

    /// This set's images and another's, in the order in which they were loaded. Both must be parts of
    /// one loaded data set.
    pub(super) fn joined(&self, other: &Self) -> Result<Self> {
        if !Arc::ptr_eq(&self.store, &other.store) {
            return Err(Error::setting("datasets", "two that were loaded apart", "parts of one"));
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

    /// One row an image, in this data set's order. Columns: `source` (str: path below the root, or
    /// "row 17"), `label` (u32 class index), `emotion` (str), `usage` (str: train or test, or
    /// Kaggle's Usage), `mean` and `std` (f32, of the pixels on 0 to 1), `hash` (u64, XXH3 of the
    /// pixels; equal for exact copies).
    pub fn table(&self) -> Result<DataFrame> {
        let rows = IdxCa::from_vec("row".into(), self.rows.to_vec());
        Ok(self.store.table.take(&rows)?)
    }

    /// XXH3 content hash of each image, in order; equal for exact copies.
    pub fn hashes(&self) -> Vec<u64> {
        self.iter().map(|(image, _)| xxhash_rust::xxh3::xxh3_64(image)).collect()
    }

    /// A fingerprint of pixels, labels and order; runs record it, so a result can be tied to its
    /// data.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for (image, emotion) in self.iter() {
            hasher.update(image);
            hasher.update(&[emotion.index() as u8]);
        }
        hasher.digest()
    }

    /// Images as a tensor: u8 [N, 1, 48, 48] on `device`, 0 to 255.
    pub fn images_tensor(&self, device: Device) -> Result<Tensor> {
        let mut pixels = Vec::with_capacity(self.len() * PIXELS);
        for (image, _) in self.iter() {
            pixels.extend_from_slice(image);
        }
        let shape = [self.len() as i64, 1, SIDE as i64, SIDE as i64];
        let tensor = Tensor::f_from_slice(&pixels)?.f_reshape(shape)?;
        Ok(tensor.f_to_device(device)?)
    }

    /// Labels as a tensor: i64 [N] on `device`, class indices 0 to 6.
    pub fn labels_tensor(&self, device: Device) -> Result<Tensor> {
        let labels: Vec<i64> = self.iter().map(|(_, emotion)| emotion.index() as i64).collect();
        Ok(Tensor::f_from_slice(&labels)?.f_to_device(device)?)
    }
}
