//! [`FaceData`]: the whole data set in its three parts, from a folder, a table or the made-up sample.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::loaded::Loaded;
use super::sample::{self, SampleConfig};
use super::split::{self, VALIDATION_SHARE};
use super::{ClassDistribution, Dataset, Origin, csv, folder};
use crate::common::{Error, Result, text};
use crate::emotion::Emotion;
use crate::project::root;

/// The environment variable that names a folder or a csv file.
const VARIABLE: &str = "FER2013_DIR";

/// Train, validation and test images, with notes on how they were read.
///
/// ```
/// use fer_nb::prelude::*;
///
/// let data = FaceData::sample(SampleConfig { seed: 1, train: 350, test: 70 })?;
/// assert_eq!(data.train.len() + data.validation.len(), 350);
/// println!("{data}\n{}", data.class_distribution());
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaceData {
    /// The images that a network is trained on: the training images less those held back.
    pub train: Dataset,
    /// The first 20 % of each class's training images, which choose the best epoch.
    pub validation: Dataset,
    /// The images that the final metrics are of.
    pub test: Dataset,
    /// Notes on what was set aside, converted or left out, in sentences; empty if all was well.
    pub notes: Vec<String>,
}

impl FaceData {
    /// Loads the first of: what `$FER2013_DIR` names (a folder or a csv file), `data/fer2013/` and
    /// `data/fer2013.csv` below the project's root, and else the made-up sample. Prints nothing but its
    /// progress, if it takes more than a few seconds; show the value to see what was found.
    ///
    /// # Errors
    /// As [`FaceData::from_folder`] and [`FaceData::from_csv`].
    pub fn open() -> Result<Self> {
        Self::open_or(None)
    }

    /// As [`FaceData::open`], with an explicit path before all others: that of `--data`.
    ///
    /// # Errors
    /// As [`FaceData::open`]; [`Error::Missing`] for a path that is not there.
    pub fn open_or(path: Option<&Path>) -> Result<Self> {
        match locate(path, std::env::var_os(VARIABLE), root().ok().as_deref())? {
            Some(path) => Self::from_path(path),
            None => {
                let mut data = Self::sample(SampleConfig::default())?;
                data.notes.push(format!(
                    "FER2013 was not found in ${VARIABLE}, data/fer2013/ or data/fer2013.csv, so \
                     these are made-up faces; data/README.md says how to get it"
                ));
                Ok(data)
            }
        }
    }

    /// A folder or a csv file, whichever `path` is. A folder without `train` and `test` may hold
    /// fer2013.csv instead.
    ///
    /// # Errors
    /// As [`FaceData::from_folder`] and [`FaceData::from_csv`].
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let table = path.join("fer2013.csv");
        if path.is_file() {
            Self::from_csv(path)
        } else if table.is_file() && !path.join("train").exists() {
            Self::from_csv(table)
        } else {
            Self::from_folder(path)
        }
    }

    /// Images in `train/<class>` and `test/<class>` below `path`, as .jpg, .jpeg or .png.
    ///
    /// Files that can't be decoded are set aside and named in [`FaceData::notes`]; colour and other
    /// sizes are converted.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::File`], with the folder, for a class that is missing, unknown or
    /// empty; [`Error::Stopped`] if the user stops it.
    pub fn from_folder(path: impl AsRef<Path>) -> Result<Self> {
        Self::assemble(folder::load(path.as_ref())?)
    }

    /// Kaggle's `fer2013.csv` with the columns emotion, pixels and Usage in any order. Training rows
    /// are for train and validation, PublicTest and PrivateTest rows together are test.
    ///
    /// Bad rows, up to 1 %, are set aside and named in [`FaceData::notes`].
    ///
    /// # Errors
    /// [`Error::File`] with the first bad row if there are more, and for a missing column;
    /// [`Error::Stopped`] if the user stops it.
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        Self::assemble(csv::load(path.as_ref())?)
    }

    /// Made-up faces, drawn from a seed; nothing is read.
    ///
    /// # Errors
    /// [`Error::Setting`] for sizes out of range.
    pub fn sample(config: SampleConfig) -> Result<Self> {
        let (training, test) = sample::generate(&config)?;
        Self::held_back(&training, VALIDATION_SHARE, test, Vec::new())
    }

    /// The training images with a share of each class held back for validation, beside the test images.
    fn held_back(
        training: &Dataset,
        share: f64,
        test: Dataset,
        notes: Vec<String>,
    ) -> Result<Self> {
        let labels: Vec<Emotion> = training.iter().map(|(_, emotion)| emotion).collect();
        let split = split::by_class(&labels, share)?;
        let (train, validation) =
            (training.select(&split.train)?, training.select(&split.validation)?);
        Ok(Self { train, validation, test, notes })
    }

    fn assemble(loaded: Loaded) -> Result<Self> {
        let Loaded { dataset, is_test, notes } = loaded;
        let side = |test: bool| -> Vec<usize> {
            is_test.iter().enumerate().filter(|(_, is)| **is == test).map(|(row, _)| row).collect()
        };
        let (training, test) = (dataset.select(&side(false))?, dataset.select(&side(true))?);
        let mut data = Self::held_back(&training, VALIDATION_SHARE, test, notes)?;
        if data.validation.is_empty() {
            let note = "No class has the five training images that a validation image takes";
            data.notes.push(note.into());
        }
        Ok(data)
    }

    /// The same images with another share, above 0 and below 1, of each class's training images held
    /// back for validation: the first floor(`share`·n). With less than the 20 % it was loaded with, the
    /// validation images are a subset of the former ones.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share out of range.
    pub fn with_validation_share(&self, share: f64) -> Result<Self> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::setting("validation share", share, "above 0 and below 1"));
        }
        let training = self.train.joined(&self.validation)?;
        let mut data = Self::held_back(&training, share, self.test.clone(), self.notes.clone())?;
        data.notes.push(format!(
            "{} % of each class is held back: {} for training, {} for validation",
            share * 100.0,
            text::plural(data.train.len(), "image"),
            data.validation.len(),
        ));
        Ok(data)
    }

    /// The source of the images.
    pub fn origin(&self) -> &Origin {
        self.train.origin()
    }

    /// Whether these are made-up faces and not FER2013.
    pub fn is_sample(&self) -> bool {
        matches!(self.origin(), Origin::Sample { .. })
    }

    /// Train, validation and test.
    pub(super) fn parts(&self) -> [&Dataset; 3] {
        [&self.train, &self.validation, &self.test]
    }

    /// Keras' lines for train, validation and test: "Found 22968 images belonging to 7 classes."
    pub(crate) fn found_lines(&self) -> [String; 3] {
        let mut present = [false; Emotion::COUNT];
        for data in self.parts() {
            for (present, count) in present.iter_mut().zip(data.class_counts()) {
                *present |= count > 0;
            }
        }
        // Keras counts folders, so a class that one part has no image of counts there too.
        let classes = present.iter().filter(|present| **present).count();
        self.parts()
            .map(|data| format!("Found {} images belonging to {classes} classes.", data.len()))
    }

    /// The number of images of each class in each part.
    pub fn class_distribution(&self) -> ClassDistribution {
        ClassDistribution {
            origin: self.origin().clone(),
            splits: [
                ("train", self.train.class_counts()),
                ("validation", self.validation.class_counts()),
                ("test", self.test.class_counts()),
            ],
        }
    }

    /// A fingerprint (XXH3) of all pixels, labels, their order and the split; equal for equal data,
    /// wherever it is stored.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for data in self.parts() {
            hasher.update(&data.fingerprint().to_le_bytes());
        }
        hasher.digest()
    }

    /// The first `per_class` images of each class in each part: a small data set for a quick try.
    ///
    /// # Errors
    /// [`Error::Setting`] for 0.
    pub fn take(&self, per_class: usize) -> Result<Self> {
        if per_class == 0 {
            return Err(Error::setting("per_class", per_class, "1 or more"));
        }
        let mut notes = self.notes.clone();
        notes.push(format!("Only the first {per_class} of each class in each part"));
        Ok(Self {
            train: self.train.take_per_class(per_class)?,
            validation: self.validation.take_per_class(per_class)?,
            test: self.test.take_per_class(per_class)?,
            notes,
        })
    }
}

impl std::fmt::Display for FaceData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (line, part) in self.found_lines().iter().zip(["train", "validation", "test"]) {
            writeln!(f, "{line:<48}{part}")?;
        }
        write!(f, "From {}", self.origin())?;
        for note in &self.notes {
            write!(f, "\nNote: {note}.")?;
        }
        Ok(())
    }
}

/// The data to load: the explicit path, else the variable's, else what lies below `root`; `None` for
/// the made-up sample. A path that was given and isn't there is an error, never passed over.
fn locate(
    explicit: Option<&Path>,
    variable: Option<OsString>,
    root: Option<&Path>,
) -> Result<Option<PathBuf>> {
    if let Some(path) = explicit {
        return there(path, "the data", HINT.into());
    }
    if let Some(path) = variable.filter(|path| !path.is_empty()) {
        let hint = format!("{VARIABLE} names it: correct or unset it. {HINT}");
        return there(Path::new(&path), "FER2013", hint);
    }
    let Some(data) = root.map(|root| root.join("data")) else { return Ok(None) };
    let (folder, table) = (data.join("fer2013"), data.join("fer2013.csv"));
    // A folder that was made and not filled yet is as good as none.
    let filled = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    Ok([(filled, folder), (table.is_file(), table)]
        .into_iter()
        .find(|(there, _)| *there)
        .map(|(_, path)| path))
}

const HINT: &str = "Expected is a folder with train/<class> and test/<class>, or fer2013.csv; see \
                    data/README.md.";

fn there(path: &Path, what: &str, hint: String) -> Result<Option<PathBuf>> {
    match path.exists() {
        true => Ok(Some(path.to_path_buf())),
        false => Err(Error::missing(what, path, hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Tree;

    /// FER2013's class sizes divided by 100, rounded up.
    const SMALL: [usize; 7] = [40, 5, 41, 73, 50, 49, 32];

    #[test]
    fn a_tree_of_fer2013s_shape_is_split_by_class_in_name_order() {
        let tree = Tree::of(SMALL, [10, 2, 11, 18, 13, 13, 9]);
        let data = FaceData::from_folder(tree.path()).unwrap();
        // floor(0.2·n): 8 + 1 + 8 + 14 + 10 + 9 + 6.
        assert_eq!(
            data.found_lines(),
            [
                "Found 234 images belonging to 7 classes.",
                "Found 56 images belonging to 7 classes.",
                "Found 76 images belonging to 7 classes.",
            ]
        );
        assert_eq!(
            data.class_distribution().splits,
            [
                ("train", [32, 4, 33, 59, 40, 40, 26]),
                ("validation", [8, 1, 8, 14, 10, 9, 6]),
                ("test", [10, 2, 11, 18, 13, 13, 9]),
            ]
        );
        let sources = |data: &Dataset| -> Vec<String> {
            let table = data.table().unwrap();
            let column = table.column("source").unwrap().str().unwrap();
            column.iter().map(|source| source.unwrap().to_string()).collect()
        };
        let (train, validation) = (sources(&data.train), sources(&data.validation));
        assert_eq!(validation[7], "train/angry/0007.png");
        assert_eq!(validation[8], "train/disgust/0000.png");
        assert_eq!(train[0], "train/angry/0008.png");
        assert!(train.is_sorted() && validation.is_sorted());
        let shown = data.to_string();
        assert!(shown.contains("Found 56 images belonging to 7 classes.         validation\n"));
        let name = tree.path().file_name().unwrap().display();
        let from = format!("From {name}, folder {} (not FER2013)", tree.path().display());
        assert!(shown.ends_with(&from), "{shown}");
        let few = data.take(2).unwrap();
        assert_eq!(few.validation.class_counts(), [2, 1, 2, 2, 2, 2, 2]);
        assert!(data.take(0).is_err());
    }

    #[test]
    fn a_smaller_share_holds_back_fewer_of_the_same_images() {
        let tree = Tree::of(SMALL, [2; 7]);
        let data = FaceData::from_folder(tree.path()).unwrap();
        let less = data.with_validation_share(0.1).unwrap();
        assert_eq!(less.validation.class_counts(), [4, 0, 4, 7, 5, 4, 3]);
        assert_eq!(less.train.len() + less.validation.len(), 290);
        let held = data.validation.hashes();
        assert!(less.validation.hashes().iter().all(|hash| held.contains(hash)));
        assert!(less.notes[0].starts_with("10 % of each class is held back: 263 images "));
        // And back: the same images in the same order.
        let back = less.with_validation_share(VALIDATION_SHARE).unwrap();
        assert_eq!(back.fingerprint(), data.fingerprint());
        for share in [0.0, 1.0, f64::NAN] {
            assert!(data.with_validation_share(share).is_err());
        }
    }

    #[test]
    fn folder_and_table_with_the_same_images_have_the_same_fingerprint() {
        let tree = Tree::new(6, 2);
        let from_folder = FaceData::from_folder(tree.path()).unwrap();
        let mut table = String::from("emotion,pixels,Usage\n");
        for data in [&from_folder.validation, &from_folder.train, &from_folder.test] {
            let of_test = data.table().unwrap().column("usage").unwrap().str().unwrap().get(0)
                == Some("test");
            let usage = if of_test { "PrivateTest" } else { "Training" };
            for (image, emotion) in data.iter() {
                let pixels: Vec<String> = image.iter().map(u8::to_string).collect();
                let row = format!("{},{},{usage}\n", emotion.to_kaggle(), pixels.join(" "));
                table.push_str(&row);
            }
        }
        let elsewhere = Tree::empty();
        elsewhere.write("fer2013.csv", table.as_bytes());
        let from_csv = FaceData::from_path(elsewhere.path()).unwrap();
        assert_eq!(from_csv.origin(), &Origin::Csv(elsewhere.path().join("fer2013.csv")));
        assert_eq!(from_csv.fingerprint(), from_folder.fingerprint());
        assert_ne!(from_csv.fingerprint(), from_folder.take(1).unwrap().fingerprint());
    }

    #[test]
    fn too_few_images_for_validation_are_noted() {
        let data = FaceData::from_folder(Tree::new(4, 1).path()).unwrap();
        assert_eq!((data.train.len(), data.validation.len()), (28, 0));
        assert_eq!(data.notes.len(), 1);
        assert_eq!(data.found_lines()[1], "Found 0 images belonging to 7 classes.");
    }

    #[test]
    fn data_is_looked_for_in_the_promised_order() {
        let tree = Tree::empty();
        let root = tree.path();
        let look = |explicit: Option<&Path>, variable: Option<&str>| {
            locate(explicit, variable.map(OsString::from), Some(root))
        };
        assert_eq!(look(None, None).unwrap(), None);
        assert_eq!(look(None, Some("")).unwrap(), None);
        assert_eq!(locate(None, None, None).unwrap(), None);
        std::fs::create_dir_all(root.join("data/fer2013")).unwrap();
        assert_eq!(look(None, None).unwrap(), None);
        tree.write("data/fer2013.csv", b"x");
        assert_eq!(look(None, None).unwrap(), Some(root.join("data/fer2013.csv")));
        tree.write("data/fer2013/train/angry/a.jpg", b"x");
        assert_eq!(look(None, None).unwrap(), Some(root.join("data/fer2013")));
        let elsewhere = Tree::empty();
        let path = elsewhere.path();
        assert_eq!(look(None, path.to_str()).unwrap(), Some(path.to_path_buf()));
        assert_eq!(look(Some(root), path.to_str()).unwrap(), Some(root.to_path_buf()));
        let missing = look(None, Some("/nowhere"));
        assert!(matches!(missing, Err(Error::Missing { hint, .. }) if hint.contains(VARIABLE)));
        let missing = look(Some(Path::new("no.csv")), None);
        assert!(matches!(missing, Err(Error::Missing { path, .. }) if path == Path::new("no.csv")));
    }

    #[test]
    fn the_sample_never_passes_for_fer2013() {
        let data = FaceData::sample(SampleConfig::default()).unwrap();
        assert!(data.to_string().contains("made-up sample"));
        assert!(!data.train.is_empty() && !data.validation.is_empty() && !data.test.is_empty());
    }
}
