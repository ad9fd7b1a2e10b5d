//! The seven classes of FER2013, in the order that the whole crate uses.

use serde::{Deserialize, Serialize};

use crate::common::{named, text};

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

/// English words for each class; data sets use nouns, adjectives or abbreviations.
const WORDS: [(Emotion, &[&str]); Emotion::COUNT] = [
    (Emotion::Angry, &["angry", "anger", "mad", "furious", "an", "ang"]),
    (Emotion::Disgust, &["disgust", "disgusted", "disgusting", "di", "dis"]),
    (Emotion::Fear, &["fear", "fearful", "afraid", "scared", "scare", "fe", "fea"]),
    (Emotion::Happy, &["happy", "happiness", "joy", "joyful", "ha", "hap"]),
    (Emotion::Neutral, &["neutral", "neutrality", "normal", "ne", "neu"]),
    (Emotion::Sad, &["sad", "sadness", "unhappy", "sa"]),
    (Emotion::Surprise, &["surprise", "surprised", "surprising", "su", "sur"]),
];

/// Words that add nothing to a class name.
const BESIDE: [&str; 8] =
    ["face", "faces", "image", "images", "class", "emotion", "expression", "expressions"];

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

    /// The class of an English word, in any case: "Angry", "anger", "scared", "HAPPINESS". Numbers and punctuation
    /// around the word are ignored, as in "0_angry" or "1 - disgust", and so are words without a meaning for the
    /// class, as in "happy faces" or "class_sad". `None` for every other text: "contempt" is not one of the seven,
    /// and a bare number is ambiguous.
    pub fn from_word(text: &str) -> Option<Self> {
        let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        let mut words =
            words.map(str::to_lowercase).filter(|word| !BESIDE.contains(&word.as_str()));
        let (word, None) = (words.next()?, words.next()) else { return None };
        let known = WORDS.iter().find(|(_, known)| known.contains(&word.as_str()));
        known.map(|(emotion, _)| *emotion)
    }

    /// The class that a misspelt English word seems to mean: "hapy", "suprise", "nuetral". `None` for words that
    /// already mean a class, and for words similar to none.
    pub(crate) fn near_word(text: &str) -> Option<Self> {
        let letters: String = text.chars().filter(|c| c.is_alphabetic()).collect();
        let letters = letters.to_lowercase();
        // Too many short words differ by one letter: "bad" is not "sad".
        let most = match letters.chars().count() {
            0..4 => return None,
            4..6 => 1,
            6..8 => 2,
            _ => 3,
        };
        if Self::from_word(text).is_some() {
            return None;
        }
        let known =
            WORDS.iter().flat_map(|(emotion, words)| words.iter().map(|word| (*emotion, *word)));
        known
            // Few people misspell the first letter, and "gladness" is not "sadness".
            .filter(|(_, word)| word.len() >= 4 && word.chars().next() == letters.chars().next())
            .map(|(emotion, word)| (text::distance(&letters, word), emotion))
            .filter(|(distance, _)| *distance <= most)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, emotion)| emotion)
    }

    /// The class of a number in Kaggle's `fer2013.csv`, which has another order: 0 angry, 1 disgust, 2 fear, 3
    /// happy, 4 sad, 5 surprise, 6 neutral.
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
    fn words_mean_classes() {
        for emotion in Emotion::ALL {
            assert_eq!(Emotion::from_word(emotion.name()), Some(emotion));
            let numbered = format!("{} - {}", emotion.index(), emotion.name().to_uppercase());
            assert_eq!(Emotion::from_word(&numbered), Some(emotion));
        }
        for (text, emotion) in [
            ("Anger", Emotion::Angry),
            ("0_angry", Emotion::Angry),
            ("fearful", Emotion::Fear),
            ("Happy Faces", Emotion::Happy),
            ("class_fear (images)", Emotion::Fear),
            ("sadness ", Emotion::Sad),
            ("surprised", Emotion::Surprise),
        ] {
            assert_eq!(Emotion::from_word(text), Some(emotion), "{text}");
        }
        for text in ["", "0", "contempt", "not happy", "happy_sad", "hapy", "angryhappy"] {
            assert_eq!(Emotion::from_word(text), None, "{text}");
        }
    }

    #[test]
    fn misspelt_words_are_recognised_and_others_are_not() {
        for (text, emotion) in [
            ("hapy", Emotion::Happy),
            ("Happpy", Emotion::Happy),
            ("suprise", Emotion::Surprise),
            ("3_suprised", Emotion::Surprise),
            ("nuetral", Emotion::Neutral),
            ("NATURAL", Emotion::Neutral),
            ("angery", Emotion::Angry),
            ("disguist", Emotion::Disgust),
            ("sadnes", Emotion::Sad),
            ("feer", Emotion::Fear),
        ] {
            assert_eq!(Emotion::near_word(text), Some(emotion), "{text}");
        }
        for text in [
            "contempt", "happy", "bad", "Angst", "Ekel", "Freude", "gladness", "bored", "calm",
            "others", "7", "",
        ] {
            assert_eq!(Emotion::near_word(text), None, "{text}");
        }
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
