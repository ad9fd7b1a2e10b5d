//! [`Part`]: the purpose of images, and the usual names of parts.

use std::path::{Path, PathBuf};

use crate::common::named;

/// One of a data set's three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Images for training a network.
    Train,
    /// Images for choosing epochs and hyperparameters.
    Validation,
    /// Images for measuring results.
    Test,
}

named! { Part: "part", Train => "train", Validation => "validation", Test => "test" }

/// A part, and its name in the data: "Training", "PrivateTest".
pub(super) type Usage = (Part, &'static str);

/// Words next to a part's name that have no meaning for it.
const BESIDE: [&str; 22] = [
    "set",
    "sets",
    "data",
    "dataset",
    "split",
    "part",
    "subset",
    "partition",
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "pics",
    "photos",
    "faces",
    "face",
    "samples",
    "files",
    "folder",
    "dir",
    "crops",
];

impl Part {
    /// The part in the name of a table's file: train.csv, PrivateTest.csv.
    pub(super) fn of_file(path: &Path) -> Option<Usage> {
        Self::of(path.file_stem()?.to_str()?)
    }

    /// The parts in the names of tables in one folder.
    pub(super) fn of_files(paths: &[PathBuf]) -> Vec<Option<Usage>> {
        let names: Vec<_> = paths.iter().map(|path| path.file_stem()?.to_str()).collect();
        Self::of_siblings(&names)
    }

    /// The part that a name means: "Training", "val", "Public Test", "val_images", "1_train", "trainval".
    pub(super) fn of(name: &str) -> Option<Usage> {
        let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
        let letters = letters.to_lowercase();
        // Most names are one word, and a table calls this for each row.
        Self::of_word(&letters).or_else(|| {
            let words: Vec<String> =
                words(name).into_iter().filter(|word| !says_nothing(word)).collect();
            let whole = words.concat();
            Self::of_word(&whole).or_else(|| Self::of_word(without_ending(&whole)))
        })
    }

    fn of_word(word: &str) -> Option<Usage> {
        Some(match word {
            "train" | "trn" | "trainval" | "traindev" => (Part::Train, "train"),
            "training" => (Part::Train, "Training"),
            "validation" | "val" | "valid" | "validate" | "validating" | "dev" | "devel"
            | "development" => (Part::Validation, "validation"),
            "test" | "testing" | "tst" => (Part::Test, "test"),
            "publictest" => (Part::Test, "PublicTest"),
            "privatetest" => (Part::Test, "PrivateTest"),
            _ => return None,
        })
    }

    /// The parts that names in one folder mean. If two of them are different parts without the text that all names
    /// share, that text is ignored: "fer-train" and "fer-test", "FER2013Train" and "FER2013Valid".
    pub(super) fn of_siblings(names: &[Option<&str>]) -> Vec<Option<Usage>> {
        // A longer list of names has classes, persons or photos.
        const MOST: usize = 40;
        let of = |name: &Option<&str>| name.and_then(Self::of);
        let alone: Vec<Option<Usage>> = names.iter().map(of).collect();
        if names.len() > MOST || alone.iter().any(Option::is_some) {
            return alone;
        }
        let lower: Vec<Option<Vec<char>>> = names
            .iter()
            .map(|name| name.map(|name| name.to_lowercase().chars().collect()))
            .collect();
        for (index, one) in lower.iter().enumerate() {
            for other in lower.iter().skip(index + 1) {
                let (Some(one), Some(other)) = (one, other) else { continue };
                if let Some(around) = in_common(one, other) {
                    let of = |name: &Option<Vec<char>>| around.part(name.as_ref()?);
                    return lower.iter().map(of).collect();
                }
            }
        }
        alone
    }
}

/// The text that names share, in characters at both ends.
struct Around {
    start: Vec<char>,
    end: Vec<char>,
}

impl Around {
    /// The part that a name means without its surroundings.
    fn part(&self, name: &[char]) -> Option<Usage> {
        let rest = name.strip_prefix(&self.start[..])?.strip_suffix(&self.end[..])?;
        Part::of(&rest.iter().collect::<String>())
    }
}

/// The least common text of two names without which they are different parts.
fn in_common(one: &[char], other: &[char]) -> Option<Around> {
    let same = |pairs: &mut dyn Iterator<Item = (&char, &char)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let starts = same(&mut one.iter().zip(other));
    let ends = same(&mut one.iter().rev().zip(other.iter().rev()));
    for start in 0..=starts {
        for end in 0..=ends.min(one.len() - start).min(other.len().saturating_sub(start)) {
            let around =
                Around { start: one[..start].to_vec(), end: one[one.len() - end..].to_vec() };
            if let (Some((one, _)), Some((other, _))) = (around.part(one), around.part(other))
                && one != other
            {
                return Some(around);
            }
        }
    }
    None
}

/// The words of a name in lower case: letters and numbers, separated by other characters or by a capital letter.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut word, mut last) = (Vec::new(), String::new(), ' ');
    for c in name.chars() {
        let begins = last.is_lowercase() && c.is_uppercase()
            || last.is_ascii_digit() != c.is_ascii_digit() && last.is_alphanumeric();
        if (begins || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        last = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether a word next to a part's name has no meaning: "images", or a number.
fn says_nothing(word: &str) -> bool {
    BESIDE.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit())
}

/// "trainset" without "set".
fn without_ending(word: &str) -> &str {
    BESIDE.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_parts() {
        for (name, part, usage) in [
            ("train", Part::Train, "train"),
            ("Training", Part::Train, "Training"),
            ("VAL", Part::Validation, "validation"),
            ("Public Test", Part::Test, "PublicTest"),
            ("privatetest", Part::Test, "PrivateTest"),
            ("test_set", Part::Test, "test"),
            ("trainset", Part::Train, "train"),
            ("TrainImages", Part::Train, "train"),
            ("val_images", Part::Validation, "validation"),
            ("validate", Part::Validation, "validation"),
            ("validation_data", Part::Validation, "validation"),
            ("valid_set", Part::Validation, "validation"),
            ("devel", Part::Validation, "validation"),
            ("testing_data", Part::Test, "test"),
            ("images-test", Part::Test, "test"),
            ("trainval", Part::Train, "train"),
            ("1_train", Part::Train, "train"),
            ("02 - Val", Part::Validation, "validation"),
            ("train2017", Part::Train, "train"),
        ] {
            assert_eq!(Part::of(name), Some((part, usage)), "{name}");
        }
        for name in ["angry", "", "trained", "images", "data", "12", "fer_train", "contest", "set"]
        {
            assert_eq!(Part::of(name), None, "{name}");
        }
    }

    #[test]
    fn what_siblings_have_in_common_is_no_part_of_their_names() {
        use Part::{Test, Train, Validation};
        let of = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| Some(*name)).collect();
            let parts = Part::of_siblings(&names);
            parts.into_iter().map(|part| part.map(|(part, _)| part)).collect::<Vec<_>>()
        };
        for (names, parts) in [
            (&["fer-train", "fer-test"][..], &[Some(Train), Some(Test)][..]),
            (
                &["FER2013Train", "FER2013Valid", "FER2013Test"],
                &[Some(Train), Some(Validation), Some(Test)],
            ),
            (&["FER2013_test", "fer2013_TRAIN", "readme"], &[Some(Test), Some(Train), None]),
            (&["train_48x48", "val_48x48"], &[Some(Train), Some(Validation)]),
            (&["ferTrainFaces", "ferTestFaces"], &[Some(Train), Some(Test)]),
            (&["fertrain", "fertest"], &[Some(Train), Some(Test)]),
            (&["1_train", "2_val"], &[Some(Train), Some(Validation)]),
            (&["fer_train", "ck_test"], &[None, None]),
            (&["fer-train", "fer-train2"], &[None, None]),
            (&["happy_faces", "sad_faces"], &[None, None]),
            (&["latest", "contest"], &[None, None]),
            (&["train", "fer_test"], &[Some(Train), None]),
        ] {
            assert_eq!(of(names), parts, "{names:?}");
        }
    }
}
