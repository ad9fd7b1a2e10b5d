//! [`Dataset`]: images, labels and one table, from any source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{DataFrame, IdxCa};
use rayon::prelude::*;
use tch::{Device, Tensor};

use super::part::Part;
use super::pixels::{PIXELS, SIDE};
use super::table;
use crate::common::{During, Error, Result, brief, text};
use crate::emotion::Emotion;

/// The maximum number of characters of a name in a figure's title.
const TITLE_LENGTH: usize = 32;

/// The number of training images of each class of FER2013, including the validation images.
pub(super) const TRAINING_COUNTS: [usize; Emotion::COUNT] =
    [3995, 436, 4097, 7215, 4965, 4830, 3171];

/// The source of a data set. Every report names it, so that neither made-up faces nor other photos are mistaken for
/// FER2013.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// FER2013's images in folders `train/<class>` and `test/<class>` below this path.
    Folder(PathBuf),
    /// Custom images in folders below this path, or in a table at this path, named after its last part.
    Custom {
        /// The folder or the table.
        path: PathBuf,
        /// Its name, escaped; a table's without its extension.
        name: String,
    },
    /// Kaggle's `fer2013.csv` at this path.
    Csv(PathBuf),
    /// Faces drawn by the crate, from this seed.
    Sample {
        /// The seed of [`SampleConfig`](super::SampleConfig).
        seed: u64,
    },
}

/// The number of images of each class, by class index.
type Counts = [usize; Emotion::COUNT];

/// FER2013's number of test images of each class: PublicTest, and PrivateTest.
const PUBLIC_TEST: Counts = [467, 56, 496, 895, 607, 653, 415];
const PRIVATE_TEST: Counts = [491, 55, 528, 879, 626, 594, 416];

/// The share of FER2013's training images of each class that a copy may lack or repeat and still count as FER2013:
/// some copies lack blank or doubtful images.
const TOLERATED: f64 = 0.02;

impl Origin {
    /// The origin of images from a folder or a table. They are FER2013 if each class has as many training images,
    /// within 2 %, or, without a training part, exactly as many test images. A validation part counts as training
    /// images, unless it is one of FER2013's test parts. Names are not considered: copies of FER2013 have many
    /// names, and other data has its name.
    pub(super) fn of(path: &Path, is_table: bool, labels: &[u8], parts: &[Part]) -> Self {
        let counts = |wanted: Part| {
            let mut counts = [0usize; Emotion::COUNT];
            for (label, _) in labels.iter().zip(parts).filter(|(_, part)| **part == wanted) {
                if let Some(count) = counts.get_mut(usize::from(*label)) {
                    *count += 1;
                }
            }
            counts
        };
        let sum =
            |one: Counts, other: Counts| std::array::from_fn(|class| one[class] + other[class]);
        let near = |counts: Counts, known: Counts| {
            let mut pairs = counts.into_iter().zip(known);
            pairs.all(|(count, known)| count.abs_diff(known) as f64 <= TOLERATED * known as f64)
        };
        let is_test = |counts: Counts| {
            [PUBLIC_TEST, PRIVATE_TEST, sum(PUBLIC_TEST, PRIVATE_TEST)].contains(&counts)
        };
        let (training, validation) = (counts(Part::Train), counts(Part::Validation));
        let is_fer2013 = match sum(training, validation) == [0; Emotion::COUNT] {
            true => is_test(counts(Part::Test)),
            false if is_test(validation) => near(training, TRAINING_COUNTS),
            false => near(sum(training, validation), TRAINING_COUNTS),
        };
        match (is_fer2013, is_table) {
            (true, false) => return Origin::Folder(path.to_path_buf()),
            (true, true) => return Origin::Csv(path.to_path_buf()),
            _ => {}
        }
        // "." has no name.
        let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let name = if is_table { whole.file_stem() } else { whole.file_name() };
        let name = text::shown(name.unwrap_or_default());
        let name: String = name.chars().take(TITLE_LENGTH).collect();
        // A folder's name can be misleading.
        let name = match name.as_str() {
            "" => "custom images".into(),
            Self::FER2013 | Self::SAMPLE => format!("{name} (other images)"),
            _ => name,
        };
        Origin::Custom { path: path.to_path_buf(), name }
    }

    /// FER2013's name in titles. No other data set gets it, whatever its folder is called.
    pub(crate) const FER2013: &str = "FER2013";

    /// The made-up sample's name in titles; no other data set gets it.
    pub(crate) const SAMPLE: &str = "made-up sample";

    /// The data's name in titles: "FER2013", "made-up sample" or the name of a folder.
    pub fn title(&self) -> &str {
        match self {
            Origin::Folder(_) | Origin::Csv(_) => Self::FER2013,
            Origin::Custom { name, .. } => name,
            Origin::Sample { .. } => Self::SAMPLE,
        }
    }

    /// The folder or the table; `None` for drawn faces.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Origin::Folder(path) | Origin::Csv(path) | Origin::Custom { path, .. } => Some(path),
            Origin::Sample { .. } => None,
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
            Origin::Folder(path) => write!(f, "FER2013, folder {}", text::shown(path)),
            Origin::Csv(path) => write!(f, "FER2013, table {}", text::shown(path)),
            Origin::Custom { path, name } => {
                let what = if path.is_file() { "table" } else { "folder" };
                write!(f, "{name}, {what} {} (not FER2013)", text::shown(path))
            }
            Origin::Sample { seed } => write!(f, "made-up sample, seed {seed} (not FER2013)"),
        }
    }
}

/// The images that all subsets of one loaded data set share without copying.
#[derive(Debug)]
struct Store {
    /// u8, N × 2304, row-major.
    images: Vec<u8>,
    /// Class index of each image, 0 to 6.
    labels: Vec<u8>,
    /// One row per image; see [`Dataset::table`].
    table: DataFrame,
    origin: Origin,
}

/// Grayscale faces of 48×48 pixels with their labels. A subset shares the pixels of the whole, so cloning and
/// splitting take four bytes per image.
///
/// ```
/// use fer_nb::prelude::*;
///
/// let train = FaceData::sample(SampleConfig { seed: 1, train: 140, test: 35 })?.train;
/// let few = train.take_per_class(2)?;
/// assert_eq!(few.len(), 14);
/// assert_eq!(few.images_tensor(Device::Cpu)?.size(), [14, 1, 48, 48]);
/// println!("{}", train.table()?.head(Some(5)));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Dataset {
    store: Arc<Store>,
    rows: Arc<[u32]>,
}

brief!(Dataset, |data| "{}, {}", text::plural(data.len(), "image"), data.origin());

impl Dataset {
    /// Combines N images: `images` u8 [N × 2304] on 0 to 255, `labels` \[N\] on 0 to 6, and for the table their
    /// `sources` \[N\] (a path or "row 17") and `usages` \[N\] ("train", "test").
    ///
    /// # Errors
    /// [`Error::Input`] for different lengths and for an invalid label.
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

    /// Whether the data set is empty.
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

    /// The same rows with other pixels: `change` maps the pixels u8 [48 × 48] of an image to others. Images are
    /// processed in parallel, each separately.
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

    /// The images of this set and of another, in the order in which they were loaded.
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

    /// A table with a row for each image, in order. Columns: `source` (str: path below the root, or "row 17"),
    /// `label` (u32 class index), `emotion` (str), `usage` (str: train or test, or Kaggle's Usage), `mean` and
    /// `std` (f32, of the pixels on 0 to 1), `hash` (u64, XXH3 of the pixels; equal for exact copies).
    pub fn table(&self) -> Result<DataFrame> {
        let rows = IdxCa::from_vec("row".into(), self.rows.to_vec());
        Ok(self.store.table.take(&rows)?)
    }

    /// XXH3 content hash of each image, in order; equal for exact copies.
    pub(crate) fn hashes(&self) -> Vec<u64> {
        self.iter().map(|(image, _)| xxhash_rust::xxh3::xxh3_64(image)).collect()
    }

    /// A fingerprint (XXH3) of pixels, labels and order. Runs record it, to connect a result with its data.
    pub fn fingerprint(&self) -> u64 {
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
    /// [`Error::Tensor`] if the device has too little memory.
    pub fn images_tensor(&self, device: Device) -> Result<Tensor> {
        let mut pixels = Vec::with_capacity(self.len() * PIXELS);
        for (image, _) in self.iter() {
            pixels.extend_from_slice(image);
        }
        let shape = [self.len() as i64, 1, SIDE as i64, SIDE as i64];
        let tensor = Tensor::f_from_slice(&pixels)?.f_reshape(shape)?;
        tensor.f_to_device(device).during("copying images to the device")
    }

    /// Labels as a tensor: i64 \[N\] on `device`, class indices 0 to 6.
    ///
    /// # Errors
    /// [`Error::Tensor`] if the device has too little memory.
    pub fn labels_tensor(&self, device: Device) -> Result<Tensor> {
        let labels: Vec<i64> = self.iter().map(|(_, emotion)| emotion.index() as i64).collect();
        Tensor::f_from_slice(&labels)?.f_to_device(device).during("copying labels to the device")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many labels of each class as the counts say.
    fn labels(counts: [usize; Emotion::COUNT]) -> Vec<u8> {
        counts.iter().zip(0..).flat_map(|(count, label)| vec![label; *count]).collect()
    }

    #[test]
    fn fer2013_is_what_has_its_images_whatever_it_is_called() {
        let path = Path::new("faces");
        let of = |training: [usize; 7], test: [usize; 7]| {
            let (training, test) = (labels(training), labels(test));
            let parts = [vec![Part::Train; training.len()], vec![Part::Test; test.len()]].concat();
            Origin::of(path, true, &[training, test].concat(), &parts).is_fer2013()
        };
        let none = [0; 7];
        assert!(of(TRAINING_COUNTS, none) && of(TRAINING_COUNTS, [3; 7]));
        assert!(of(TRAINING_COUNTS.map(|count| count - count / 60), none), "few left out");
        assert!(!of(TRAINING_COUNTS.map(|count| count - count / 40), none));
        assert!(of(none, PUBLIC_TEST) && of(none, PRIVATE_TEST));
        assert!(!of(none, PUBLIC_TEST.map(|count| count + 1)) && !of([10; 7], PUBLIC_TEST));
        let with_validation = |validation: [usize; 7]| {
            let (training, validation) = (labels(TRAINING_COUNTS), labels(validation));
            let train = vec![Part::Train; training.len()];
            let parts = [train, vec![Part::Validation; validation.len()]].concat();
            Origin::of(path, true, &[training, validation].concat(), &parts).is_fer2013()
        };
        assert!(with_validation(PUBLIC_TEST), "as tutorials use it");
        assert!(!with_validation([500; 7]));
        assert_eq!(PUBLIC_TEST.iter().sum::<usize>(), 3_589);
        assert_eq!(PRIVATE_TEST.iter().sum::<usize>(), 3_589);
    }

    #[test]
    fn no_folder_takes_the_name_of_what_it_is_not() {
        for name in ["FER2013", "made-up sample"] {
            let origin = Origin::of(Path::new(name), false, &[3], &[Part::Test]);
            assert_eq!(origin.title(), format!("{name} (other images)"));
            assert!(!origin.is_fer2013());
        }
        let table = Origin::of(Path::new("faces/FER2013.csv"), true, &[3], &[Part::Test]);
        assert_eq!(table.title(), "FER2013 (other images)");
    }
}
