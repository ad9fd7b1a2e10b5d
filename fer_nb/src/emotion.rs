//! The seven classes of FER2013, in the order that every part of the crate uses.

use serde::{Deserialize, Serialize};

use crate::common::named;

/// One of the seven classes, numbered 0 to 6 in alphabetical order, as Keras'
/// `flow_from_directory` numbers folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emotion {
    /// Class 0.
    Angry,
    /// Class 1.
    Disgust,
    /// Class 2.
    Fear,
    /// Class 3.
    Happy,
    /// Class 4.
    Neutral,
    /// Class 5.
    Sad,
    /// Class 6.
    Surprise,
}

named! {
    Emotion: "emotion",
    Angry => "angry",
    Disgust => "disgust",
    Fear => "fear",
    Happy => "happy",
    Neutral => "neutral",
    Sad => "sad",
    Surprise => "surprise",
}

/// The classes in the order of Kaggle's `fer2013.csv`.
const KAGGLE: [Emotion; Emotion::COUNT] = [
    Emotion::Angry,
    Emotion::Disgust,
    Emotion::Fear,
    Emotion::Happy,
    Emotion::Sad,
    Emotion::Surprise,
    Emotion::Neutral,
];

impl Emotion {
    /// The number of classes.
    pub const COUNT: usize = Self::ALL.len();

    /// The class index, 0 to 6.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The class of an index; `None` from 7 on.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The name of an index's class; empty from 7 on.
    pub(crate) fn name_of(index: u8) -> &'static str {
        Self::from_index(usize::from(index)).map_or("", Self::name)
    }

    /// The lower-case English names of all classes, in index order; each is also the name of the
    /// class's folder.
    pub fn names() -> [&'static str; Self::COUNT] {
        Self::ALL.map(Emotion::name)
    }

    /// The class of a number in Kaggle's `fer2013.csv`, which has another order: 0 angry, 1 disgust,
    /// 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral.
    pub fn from_kaggle(number: u8) -> Option<Self> {
        KAGGLE.get(usize::from(number)).copied()
    }

    /// The number of this class in Kaggle's `fer2013.csv`; the inverse of [`Emotion::from_kaggle`].
    pub fn to_kaggle(self) -> u8 {
        KAGGLE.iter().take_while(|other| **other != self).count() as u8
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
