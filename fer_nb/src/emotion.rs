//! The seven classes of FER2013, in the order that every part of the crate uses.

use serde::{Deserialize, Serialize};

use crate::common::{Error, Result};

/// One of the seven expressions, numbered 0 to 6 in alphabetical order, which is the order in which
/// Keras' `flow_from_directory` numbers folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emotion {
    Angry,
    Disgust,
    Fear,
    Happy,
    Neutral,
    Sad,
    Surprise,
}

impl Emotion {
    /// How many classes there are.
    pub const COUNT: usize = 7;

    /// All classes, in index order.
    pub const ALL: [Emotion; Self::COUNT] = [
        Emotion::Angry,
        Emotion::Disgust,
        Emotion::Fear,
        Emotion::Happy,
        Emotion::Neutral,
        Emotion::Sad,
        Emotion::Surprise,
    ];

    /// Class index, 0 to 6.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The class of an index, `None` from 7 on.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The lower-case English name, which is also the name of the class's folder.
    pub const fn name(self) -> &'static str {
        match self {
            Emotion::Angry => "angry",
            Emotion::Disgust => "disgust",
            Emotion::Fear => "fear",
            Emotion::Happy => "happy",
            Emotion::Neutral => "neutral",
            Emotion::Sad => "sad",
            Emotion::Surprise => "surprise",
        }
    }

    /// The names of all classes, in index order.
    pub fn names() -> [&'static str; Self::COUNT] {
        Self::ALL.map(Emotion::name)
    }

    /// The class behind a number of Kaggle's `fer2013.csv`, which orders the classes otherwise:
    /// 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral.
    pub fn from_kaggle(number: u8) -> Option<Self> {
        const KAGGLE: [Emotion; Emotion::COUNT] = [
            Emotion::Angry,
            Emotion::Disgust,
            Emotion::Fear,
            Emotion::Happy,
            Emotion::Sad,
            Emotion::Surprise,
            Emotion::Neutral,
        ];
        KAGGLE.get(number as usize).copied()
    }

    /// The number of this class in Kaggle's `fer2013.csv`; the inverse of [`Emotion::from_kaggle`].
    pub const fn to_kaggle(self) -> u8 {
        match self {
            Emotion::Angry => 0,
            Emotion::Disgust => 1,
            Emotion::Fear => 2,
            Emotion::Happy => 3,
            Emotion::Sad => 4,
            Emotion::Surprise => 5,
            Emotion::Neutral => 6,
        }
    }
}

impl std::fmt::Display for Emotion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Emotion {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|emotion| emotion.name() == name).ok_or_else(|| {
            Error::setting("emotion", name, format!("one of {}", Self::names().join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_alphabetical() {
        let mut sorted = Emotion::names();
        sorted.sort_unstable();
        assert_eq!(sorted, Emotion::names());
        for (index, emotion) in Emotion::ALL.into_iter().enumerate() {
            assert_eq!(emotion.index(), index);
            assert_eq!(Emotion::from_index(index), Some(emotion));
            assert_eq!(emotion.name().parse::<Emotion>().ok(), Some(emotion));
        }
        assert_eq!(Emotion::from_index(7), None);
    }

    #[test]
    fn kaggle_numbers_go_there_and_back() {
        assert_eq!(Emotion::from_kaggle(4), Some(Emotion::Sad));
        assert_eq!(Emotion::from_kaggle(6), Some(Emotion::Neutral));
        assert_eq!(Emotion::from_kaggle(7), None);
        for emotion in Emotion::ALL {
            assert_eq!(Emotion::from_kaggle(emotion.to_kaggle()), Some(emotion));
        }
    }
}
