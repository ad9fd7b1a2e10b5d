//! [`RunImages`]: the individual images that a run was trained on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tch::Tensor;

use super::folder::RunFolder;
use crate::common::text::count;
use crate::common::{Error, Result};
use crate::data::{Dataset, FaceData};
use crate::model::{Check, Problem, TensorFile, write_tensors};

/// The content hashes (XXH3 of 48×48 pixels) of the images that a run was trained on, and of those that chose its
/// epoch: `images.safetensors`, i64 [N] each, in ascending order. They tell an image again in whatever folder, part
/// or table it is, as long as its pixels are the same: compressed again it is another one. No image can be made of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunImages {
    train: Vec<u64>,
    validation: Vec<u64>,
}

/// The tensors' names.
const TRAIN: &str = "train";
const VALIDATION: &str = "validation";
/// The maximum size of the file: the hashes of 100 million images.
const LARGEST: u64 = 1 << 30;

/// How many of a data set's test images a run was trained on. Displayed, it is a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The number of test images.
    pub images: usize,
    /// The test images that have an exact copy among the training images of the run.
    pub trained_on: usize,
    /// The others that have an exact copy among the validation images, by which the epoch was chosen.
    pub chosen_on: usize,
}

impl Overlap {
    /// The test images that were used in training or validation.
    pub fn seen(&self) -> usize {
        self.trained_on + self.chosen_on
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, trained_on, chosen_on } = self;
        let were = |number: usize| if number == 1 { "was" } else { "were" };
        match trained_on {
            0 => write!(
                f,
                "none of the {} test images has an exact copy among the training images",
                count(*images)
            )?,
            _ => write!(
                f,
                "{} of the {} test images {} trained on",
                count(*trained_on),
                count(*images),
                were(*trained_on)
            )?,
        }
        match chosen_on {
            0 => Ok(()),
            _ => write!(
                f,
                ", and {} {} among the validation images, by which the epoch was chosen",
                count(*chosen_on),
                were(*chosen_on)
            ),
        }
    }
}

impl RunImages {
    /// The training and validation images of data after the choice of images.
    pub(crate) fn of(data: &FaceData) -> Self {
        Self { train: sorted(data.train.hashes()), validation: sorted(data.validation.hashes()) }
    }

    /// These hashes and those of an earlier training of the same run.
    fn with(self, before: Self) -> Self {
        Self {
            train: sorted([self.train, before.train].concat()),
            validation: sorted([self.validation, before.validation].concat()),
        }
    }

    fn overlap(&self, test: &Dataset) -> Overlap {
        let hashes = test.hashes();
        let is_in = |known: &[u64], hash: &u64| known.binary_search(hash).is_ok();
        let (trained_on, others): (Vec<u64>, Vec<u64>) =
            hashes.iter().partition(|hash| is_in(&self.train, hash));
        let chosen_on = others.iter().filter(|hash| is_in(&self.validation, hash)).count();
        Overlap { images: hashes.len(), trained_on: trained_on.len(), chosen_on }
    }
}

fn sorted(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

impl RunFolder {
    /// The path of the file.
    fn images_file(&self) -> PathBuf {
        self.path().join("images.safetensors")
    }

    /// Writes `images.safetensors`; with `add`, adds to the file.
    pub(crate) fn save_images(&self, images: RunImages, add: bool) -> Result<()> {
        let path = self.images_file();
        let before = if add { self.images()? } else { None };
        let images = images.with(before.clone().unwrap_or_default());
        if before.as_ref() == Some(&images) {
            return Ok(()); // a write waits for the disk
        }
        let tensor = |name: &str, hashes: &[u64]| -> Result<(String, Tensor)> {
            let hashes: Vec<i64> = hashes.iter().map(|hash| hash.cast_signed()).collect();
            Ok((name.to_string(), Tensor::f_from_slice(&hashes)?))
        };
        let tensors = [tensor(TRAIN, &images.train)?, tensor(VALIDATION, &images.validation)?];
        let about = BTreeMap::from([("hash".to_string(), "XXH3 of 48×48 pixels".to_string())]);
        write_tensors(&path, &tensors, None, about)
    }

    /// Reads `images.safetensors`; `None` for a run of an older version without it.
    fn images(&self) -> Result<Option<RunImages>> {
        let path = self.images_file();
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => read(&path).map(Some),
        }
    }

    /// How many of these test images the run was trained on, in any folder or table; `None` if it is unknown,
    /// because an older version saved the run.
    ///
    /// # Errors
    /// [`Error::File`] if the run's list of images is damaged.
    pub fn overlap(&self, test: &Dataset) -> Result<Option<Overlap>> {
        Ok(self.images()?.map(|images| images.overlap(test)))
    }
}

fn read(path: &Path) -> Result<RunImages> {
    const HINT: &str = "Delete it: then it is not known which images the run was trained on.";
    let broken = |problem: Problem| match problem {
        Problem::Io(error) => Error::io("read", path, error),
        other => Error::file(path, format!("not a run's list of images: {other}"), HINT),
    };
    let file = TensorFile::open(path, LARGEST).map_err(broken)?;
    let mut images = RunImages::default();
    for (name, hashes) in file.read(Check::Required).map_err(broken)? {
        let to = match name.as_str() {
            TRAIN => &mut images.train,
            VALIDATION => &mut images.validation,
            _ => continue,
        };
        let hashes = Vec::<i64>::try_from(&hashes).map_err(|error| broken(error.into()))?;
        *to = sorted(hashes.iter().map(|hash| hash.cast_unsigned()).collect());
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;

    #[test]
    fn images_are_told_again_in_any_order_and_part() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let other = FaceData::sample(SampleConfig { seed: 2, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        assert_eq!(run.overlap(&data.test).unwrap(), None, "as of an older version");
        run.save_images(RunImages::of(&data), false).unwrap();
        let overlap = |set: &Dataset| run.overlap(set).unwrap().unwrap();
        let whole = overlap(&data.train);
        assert_eq!((whole.trained_on, whole.chosen_on), (data.train.len(), 0));
        assert_eq!(
            whole.to_string(),
            format!("{0} of the {0} test images were trained on", data.train.len())
        );
        let chosen = overlap(&data.validation);
        assert_eq!((chosen.trained_on, chosen.chosen_on), (0, data.validation.len()));
        assert!(chosen.to_string().contains("validation images, by which the epoch was chosen"));
        let none = overlap(&other.test);
        assert_eq!((none.images, none.seen()), (35, 0));
        assert_eq!(
            none.to_string(),
            "none of the 35 test images has an exact copy among the training images"
        );
        let some = data.train.select(&[40, 3, 3]).unwrap();
        assert_eq!(overlap(&some).trained_on, 3);
        // Trained on with others, and then on others alone.
        run.save_images(RunImages::of(&other), true).unwrap();
        assert_eq!(overlap(&data.train).trained_on, data.train.len());
        assert_eq!(overlap(&other.train).trained_on, other.train.len());
        run.save_images(RunImages::of(&other), false).unwrap();
        assert_eq!(overlap(&data.train).seen(), 0);
        std::fs::write(run.images_file(), b"nothing").unwrap();
        assert!(matches!(run.overlap(&data.test), Err(Error::File { .. })));
    }
}
