//! [`Part`]: what images are for.

use std::path::Path;

use crate::common::named;

/// One of a data set's three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What a network learns from.
    Train,
    /// What epochs and hyperparameters are chosen on.
    Validation,
    /// What results are measured on.
    Test,
}

named! { Part: "part", Train => "train", Validation => "validation", Test => "test" }

impl Part {
    /// The part that a table's file is called after: train.csv, PrivateTest.csv.
    pub(super) fn of_file(path: &Path) -> Option<(Self, &'static str)> {
        Self::of(path.file_stem()?.to_str()?)
    }

    /// The part that a name stands for, and what the data's table calls it: "Training", "val", "Public Test".
    pub(super) fn of(name: &str) -> Option<(Self, &'static str)> {
        let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
        Some(match letters.to_lowercase().as_str() {
            "train" | "trainset" | "traindata" | "trainimages" => (Part::Train, "train"),
            "training" | "trainingset" | "trainingdata" => (Part::Train, "Training"),
            "validation" | "val" | "valid" | "dev" | "validationset" | "valset" => {
                (Part::Validation, "validation")
            }
            "test" | "testing" | "testset" | "testdata" | "testimages" => (Part::Test, "test"),
            "publictest" => (Part::Test, "PublicTest"),
            "privatetest" => (Part::Test, "PrivateTest"),
            _ => return None,
        })
    }
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
        ] {
            assert_eq!(Part::of(name), Some((part, usage)), "{name}");
        }
        for name in ["angry", "", "trained", "images"] {
            assert_eq!(Part::of(name), None, "{name}");
        }
    }
}
