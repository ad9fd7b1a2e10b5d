//! [`FaceData`]: the whole data set in its three parts, from a folder, a table or the made-up sample.

use std::path::Path;

use super::folder::beside::{self, Around};
use super::folder::place::{self, Place};
use super::layout::Layout;
use super::loaded::Loaded;
use super::locate::{VARIABLE, locate};
use super::options::{DataOptions, number};
use super::part::Part;
use super::sample::{self, SampleConfig};
use super::split::{self, VALIDATION_SHARE};
use super::{ClassDistribution, Dataset, Origin, csv, folder};
use crate::common::text::count;
use crate::common::{Error, Result, brief, text};
use crate::emotion::Emotion;
use crate::project::root;

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
#[derive(Clone)]
pub struct FaceData {
    /// The images that a network is trained on: the training images without those held back. Empty if the data has
    /// no training part.
    pub train: Dataset,
    /// The images for choosing the best epoch: the data's validation part, or the first 20 % of each class's
    /// training images.
    pub validation: Dataset,
    /// The images for the final metrics. Empty if the data has no test part.
    pub test: Dataset,
    /// Notes on skipped and converted images, in sentences; empty if there were none.
    pub notes: Vec<String>,
    /// How the folder or the table was read; empty for the made-up sample.
    pub layout: Layout,
}

brief!(
    FaceData,
    |data| "{} train, {} validation, {} test images, {}",
    count(data.train.len()),
    count(data.validation.len()),
    count(data.test.len()),
    data.origin()
);

impl FaceData {
    /// Loads the first of: the path in `$FER2013_DIR` (a folder or a csv file), `data/fer2013/` and
    /// `data/fer2013.csv` below the project's root, and otherwise the made-up sample. Prints only its progress, if
    /// it takes more than a few seconds; display the value to see the result.
    ///
    /// # Errors
    /// As [`FaceData::from_folder`] and [`FaceData::from_csv`].
    pub fn open() -> Result<Self> {
        Self::open_or(None)
    }

    /// As [`FaceData::open`], with an explicit path, that of `--data`, before all others.
    ///
    /// # Errors
    /// As [`FaceData::open`]; [`Error::Missing`] for a path that does not exist.
    pub fn open_or(path: Option<&Path>) -> Result<Self> {
        Self::open_with(path, &DataOptions::from_env()?)
    }

    /// As [`FaceData::open_or`], with `options` instead of those of the environment.
    ///
    /// # Errors
    /// As [`FaceData::open_or`].
    pub fn open_with(path: Option<&Path>, options: &DataOptions) -> Result<Self> {
        match locate(path, std::env::var_os(VARIABLE), root().ok().as_deref())? {
            Some(path) => Self::read(path, options),
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

    /// The data at `path`: folders of images or a table. [`FaceData::read`] without options.
    ///
    /// # Errors
    /// As [`FaceData::read`].
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(path, &DataOptions::default())
    }

    /// The data at `path`, or in the folders that an archive added around it.
    ///
    /// Folders: train and test, also with a validation part and with other usual names (Training, PublicTest, val),
    /// with a folder for each class in them; or class folders only, all of which are for testing. Classes are
    /// identified by English words. Tables: as [`FaceData::from_csv`]. `layout` reports how each folder or row was
    /// read.
    ///
    /// # Errors
    /// As [`FaceData::from_folder`] and [`FaceData::from_csv`]; [`Error::File`] if the path contains several data
    /// sets, or none.
    pub fn read(path: impl AsRef<Path>, options: &DataOptions) -> Result<Self> {
        options.validate()?;
        let path = path.as_ref();
        if path.is_file() {
            let mut loaded = csv::load(&[path.to_path_buf()], options)?;
            let others = beside::tables_beside(path);
            if !others.is_empty() {
                let others = text::list(&others);
                loaded.notes.push(format!("Other tables in its folder, left alone: {others}"));
            }
            return Self::assemble(loaded, options);
        }
        let loaded = match place::find(path, options, csv::needed_columns)? {
            Place::Folders(folder) => {
                let mut loaded = folder::load(&folder, options)?;
                for around in beside::around(path, &folder)? {
                    let Around { why, names, is_doubtful } = around;
                    match is_doubtful {
                        true => loaded.layout.name_doubtful(why, names),
                        false => loaded.layout.name_passed_over(why, names),
                    }
                }
                loaded
            }
            Place::Tables(tables) => {
                let mut loaded = csv::load(&tables, options)?;
                let others = beside::beside(&tables)?;
                if !others.is_empty() {
                    let names = tables.iter().filter_map(|table| table.file_name());
                    let names = text::list(&names.map(text::shown).collect::<Vec<_>>());
                    let folder = tables.first().and_then(|table| table.parent());
                    let others = others.iter().map(|name| {
                        match csv::holds_votes(&folder.unwrap_or(Path::new("")).join(name)) {
                            true => format!("{name} (FERPlus's votes)"),
                            false => name.clone(),
                        }
                    });
                    let others = text::list(&others.collect::<Vec<_>>());
                    loaded.notes.push(format!("Beside {names}, left alone: {others}"));
                }
                loaded
            }
        };
        Self::assemble(loaded, options)
    }

    /// Images in `train/<class>` and `test/<class>` below `path`, as JPEG, PNG, WebP or BMP; see
    /// [`FaceData::read`].
    ///
    /// Files that can't be decoded are skipped and named in [`FaceData::notes`]; colour and other sizes are
    /// converted.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::File`], with the folder, if a folder is missing or has no class, or if most
    /// files of a class can't be decoded; [`Error::Stopped`] if the user stops it.
    pub fn from_folder(path: impl AsRef<Path>) -> Result<Self> {
        let options = DataOptions::default();
        Self::assemble(folder::load(path.as_ref(), &options)?, &options)
    }

    /// A table such as Kaggle's `fer2013.csv`, with the columns emotion, pixels and Usage in any order. Training
    /// rows are for train and validation; PublicTest and PrivateTest rows together are test.
    ///
    /// Bad rows, up to 1 %, are skipped and named in [`FaceData::notes`].
    ///
    /// # Errors
    /// [`Error::File`] with the first bad row if more than 1 % are bad, and for a missing column;
    /// [`Error::Stopped`] if the user stops it.
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        let options = DataOptions::default();
        Self::assemble(csv::load(&[path.as_ref().to_path_buf()], &options)?, &options)
    }

    /// Made-up faces, drawn from a seed, without reading files.
    ///
    /// # Errors
    /// [`Error::Setting`] for sizes out of range.
    pub fn sample(config: SampleConfig) -> Result<Self> {
        let (training, test) = sample::generate(&config)?;
        Self::held_back(&training, VALIDATION_SHARE, test, Vec::new())
    }

    /// The training images with a share of each class held back for validation, and the test images.
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
        Ok(Self { train, validation, test, notes, layout: Layout::default() })
    }

    fn assemble(loaded: Loaded, options: &DataOptions) -> Result<Self> {
        let Loaded { dataset, mut parts, mut layout, mut notes } = loaded;
        layout.finish();
        notes.splice(0..0, layout.changes.iter().map(ToString::to_string));
        if options.classes.is_some() && !layout.rows.iter().any(|row| number(&row.name).is_some()) {
            notes.push("The numbering of FER_CLASSES has no effect: no class is a number".into());
        }
        if options.test_share.is_some() && !layout.without_parts {
            notes.push("FER_TEST_SHARE has no effect: the data has its own parts".into());
        }
        if let (true, Some(share)) = (layout.without_parts, options.test_share) {
            let labels: Vec<Emotion> = dataset.iter().map(|(_, emotion)| emotion).collect();
            let train = split::by_class(&labels, share)?.train;
            let part_of = |index: usize| match train.binary_search(&index) {
                Ok(_) => Part::Train,
                Err(_) => Part::Test,
            };
            parts = (0..parts.len()).map(part_of).collect();
            if !parts.contains(&Part::Test) {
                return Err(no_test_share(share, &labels));
            }
            notes.push(format!("{} % of each class are test images", share * 100.0));
        }
        let of = |wanted: Part| {
            let rows = parts.iter().enumerate().filter(|(_, part)| **part == wanted);
            dataset.select(&rows.map(|(row, _)| row).collect::<Vec<_>>())
        };
        let (training, test) = (of(Part::Train)?, of(Part::Test)?);
        let mut data = match layout.own_validation {
            true => {
                let validation = of(Part::Validation)?;
                let images = text::plural(validation.len(), "image");
                notes.push(format!(
                    "Validation is the data's own part, {images}: none of train is held back"
                ));
                Self { train: training, validation, test, notes, layout }
            }
            false => {
                let data = Self::held_back(&training, VALIDATION_SHARE, test, notes)?;
                if !data.train.is_empty() && data.validation.is_empty() {
                    let note = "No class has the five training images that a validation image takes: add images, \
                                or a validation part";
                    Self { notes: [data.notes, vec![note.into()]].concat(), layout, ..data }
                } else {
                    Self { layout, ..data }
                }
            }
        };
        data.note_what_is_missing();
        Ok(data)
    }

    /// Notes on missing parts, and on classes that a part lacks.
    fn note_what_is_missing(&mut self) {
        let training = [&self.train, &self.validation].map(Dataset::class_counts);
        let training = std::array::from_fn(|class| training[0][class] + training[1][class]);
        let mut absent_at_all = [true; Emotion::COUNT];
        for counts in [training, self.test.class_counts()] {
            for (absent, count) in absent_at_all.iter_mut().zip(counts) {
                *absent &= count == 0;
            }
        }
        let names = |is_absent: &dyn Fn(usize) -> bool| -> Vec<&str> {
            let absent = Emotion::ALL.into_iter().filter(|class| is_absent(class.index()));
            absent.map(Emotion::name).collect()
        };
        let nowhere = names(&|class| absent_at_all[class]);
        if !nowhere.is_empty() {
            self.notes.push(format!("The data has no image of {}", text::list(&nowhere)));
        }
        for (part, counts) in [("training", training), ("test", self.test.class_counts())] {
            if counts == [0; Emotion::COUNT] {
                let note = match (part, self.layout.without_parts) {
                    ("training", true) => {
                        "The data has no parts, so all of it is for testing (--test-share 0.2, or \
                         FER_TEST_SHARE, splits it)"
                            .into()
                    }
                    _ => format!("The data has no {part} images"),
                };
                self.notes.push(note);
                continue;
            }
            let absent = names(&|class| counts[class] == 0 && !absent_at_all[class]);
            if !absent.is_empty() {
                self.notes.push(format!("No {part} image of {}", text::list(&absent)));
            }
        }
    }

    /// The same images with another share, above 0 and below 1, of each class's training images held back for
    /// validation: the first floor(`share`·n). With a share below the 20 % of loading, the validation images are a
    /// subset of the earlier ones.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share out of range.
    pub fn with_validation_share(&self, share: f64) -> Result<Self> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::setting("validation share", share, "above 0 and below 1"));
        }
        if self.layout.own_validation {
            return Ok(self.clone()); // what it was given for is what it is for
        }
        let training = self.train.joined(&self.validation)?;
        let mut data = Self::held_back(&training, share, self.test.clone(), self.notes.clone())?;
        data.layout = self.layout.clone();
        data.notes.push(format!(
            "{} % of each class is held back: {} for training, {} for validation",
            share * 100.0,
            text::plural(data.train.len(), "image"),
            data.validation.len(),
        ));
        Ok(data)
    }

    /// Checks that the data has images for training and for choosing the epoch.
    ///
    /// # Errors
    /// [`Error::Input`], with the images found and what to do, if it has none.
    pub fn require_train(&self) -> Result<()> {
        let what = match (self.train.is_empty(), self.validation.is_empty()) {
            (false, false) => return Ok(()),
            (true, _) => "training images",
            (false, true) => "validation images",
        };
        let hint = if self.layout.without_parts {
            "some; the data has no parts: --test-share 0.2, or FER_TEST_SHARE, splits it"
        } else {
            "some: add images to train, five of a class or more, or a validation part"
        };
        Err(Error::input(what, format!("none in {}", self.origin()), hint))
    }

    /// Checks that the data has test images.
    ///
    /// # Errors
    /// [`Error::Input`], with the images found and what to do, if it has none.
    pub fn require_test(&self) -> Result<()> {
        match self.test.is_empty() {
            false => Ok(()),
            true => {
                let found = format!("none in {}", self.origin());
                Err(Error::input(
                    "test images",
                    found,
                    "some: add a folder test, or rows of a test part",
                ))
            }
        }
    }

    /// The source of the images.
    pub fn origin(&self) -> &Origin {
        self.train.origin()
    }

    /// Whether these are made-up faces.
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
        // Keras counts folders, so a class without images in one part counts there too.
        let classes = present.iter().filter(|present| **present).count();
        self.parts().map(|data| {
            let images = text::nouns(data.len(), "image");
            let class = text::nouns(classes, "class");
            format!("Found {} {images} belonging to {classes} {class}.", data.len())
        })
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

    /// A fingerprint (XXH3) of all pixels, labels, their order and the split; equal for equal data in any place.
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
            layout: self.layout.clone(),
        })
    }
}

/// The error for a share of test images that gives no class a test image.
fn no_test_share(share: f64, labels: &[Emotion]) -> Error {
    let mut counts = [0usize; Emotion::COUNT];
    for label in labels {
        if let Some(count) = counts.get_mut(label.index()) {
            *count += 1;
        }
    }
    let most = counts.into_iter().max().unwrap_or_default().max(1);
    let enough = (1000.0 / most as f64).ceil() / 1000.0;
    let images = text::plural(most, "image");
    let expected = format!(
        "{enough} or more, below 1: of each class the share is rounded down, and the largest has {images}"
    );
    Error::setting("test-share", share, expected)
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
        assert_eq!(from_csv.origin().title(), "fer2013", "the table's name, which has few images");
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
    fn the_sample_never_passes_for_fer2013() {
        let data = FaceData::sample(SampleConfig::default()).unwrap();
        assert!(data.to_string().contains("made-up sample"));
        assert!(!data.train.is_empty() && !data.validation.is_empty() && !data.test.is_empty());
    }
}
