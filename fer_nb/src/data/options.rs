//! [`DataOptions`]: how ambiguous data is read.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::common::command::option;
use crate::common::compose::composed;
use crate::common::{Error, Result, check, named};
use crate::emotion::Emotion;
use crate::project::param;

/// The meaning of numbers for classes. Data sets number them differently, so it is never guessed for folders; the
/// column `emotion` of a table has Kaggle's numbers unless this option says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// 0 to 6 as in fer2013.csv: angry, disgust, fear, happy, sad, surprise, neutral.
    Kaggle,
    /// 0 to 6 as Keras numbers folders: angry, disgust, fear, happy, neutral, sad, surprise.
    Alphabetical,
    /// 0 to 7 in alphabetical order with contempt: angry, contempt, disgust, fear, happy, neutral, sad, surprise.
    AlphabeticalEight,
    /// 0 to 7 as in AffectNet: neutral, happy, sad, surprise, fear, disgust, angry, contempt.
    AffectNet,
    /// 0 to 7 as FERPlus' columns: neutral, happy, surprise, sad, angry, disgust, fear, contempt.
    FerPlus,
    /// 0 to 7 as in CK+: neutral, angry, contempt, disgust, fear, happy, sad, surprise.
    CkPlus,
    /// 1 to 7 as in RAF-DB: surprise, fear, disgust, happy, sad, angry, neutral.
    RafDb,
}

named! {
    Numbering: "classes",
    Kaggle => "kaggle",
    Alphabetical => "alphabetical",
    AlphabeticalEight => "alphabetical-8",
    AffectNet => "affectnet",
    FerPlus => "ferplus" | "fer+",
    CkPlus => "ck+" | "ck",
    RafDb => "raf-db" | "rafdb",
}

impl Numbering {
    /// What the numbers from 0 on mean, in words.
    fn words(self) -> &'static [&'static str] {
        match self {
            Numbering::Kaggle => {
                &["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
            }
            Numbering::Alphabetical => {
                &["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
            }
            Numbering::AlphabeticalEight => {
                &["angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
            }
            Numbering::AffectNet => {
                &["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"]
            }
            Numbering::FerPlus => {
                &["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"]
            }
            Numbering::CkPlus => {
                &["neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"]
            }
            Numbering::RafDb => {
                &["", "surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]
            }
        }
    }

    /// What a number means, in a word; `None` for one that this numbering has not.
    fn word(self, number: u32) -> Option<&'static str> {
        self.words().get(number as usize).copied().filter(|word| !word.is_empty())
    }

    /// Whether numbers that data has for its classes can be of this numbering. What some data sets have next to the
    /// seven, such as 7 for contempt, may be there.
    pub(super) fn fits(self, numbers: &BTreeSet<u32>) -> bool {
        let most = numbers.last().copied().unwrap_or_default();
        let from_zero = most < 7 || numbers.contains(&0);
        match self {
            Numbering::Kaggle => most <= 7 && from_zero,
            // With an eighth class in alphabetical order, all others would have other numbers.
            Numbering::Alphabetical => most < 7,
            Numbering::AlphabeticalEight => most == 7 && from_zero,
            // 8 to 10 are images without an expression or without a face.
            Numbering::AffectNet => most <= 10 && from_zero,
            Numbering::FerPlus => most <= 9 && from_zero,
            // Its neutral images are often left out.
            Numbering::CkPlus => most == 7,
            Numbering::RafDb => most <= 7 && !numbers.contains(&0),
        }
    }

    /// "0 angry, 1 disgust, …"
    pub(super) fn in_words(self) -> String {
        let words = self.words().iter().enumerate().filter(|(_, word)| !word.is_empty());
        let words: Vec<String> = words.map(|(number, word)| format!("{number} {word}")).collect();
        words.join(", ")
    }
}

/// Classes of the data that are read as one of the seven, or skipped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassMap(BTreeMap<String, Option<Emotion>>);

impl ClassMap {
    /// The user's entry for a class; `None` if there is none.
    pub(super) fn of(&self, name: &str) -> Option<Option<Emotion>> {
        self.0.get(&key(name)).copied()
    }

    /// The classes of the data with an entry, in lower case.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A class with different entries in both maps.
    pub fn contradicts(&self, other: &Self) -> Option<&str> {
        let differs = |(name, to): &(&String, &Option<Emotion>)| {
            other.0.get(*name).is_some_and(|other| other != *to)
        };
        self.0.iter().find(differs).map(|(name, _)| name.as_str())
    }

    /// The entries of both maps; those of the other map take precedence.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl FromStr for ClassMap {
    type Err = Error;

    /// "contempt=disgust,7=none": a class of the data, and one of the seven or none. In the name of a class "\\,"
    /// is a comma and "\\\\" a backslash; the last equals sign separates.
    fn from_str(text: &str) -> Result<Self> {
        let pairs = pairs(text).into_iter().map(|pair| {
            let wrong = || {
                let names = Emotion::names().join(", ");
                Error::setting("map", &pair, format!("CLASS=one of {names}, or CLASS=none"))
            };
            let (from, to) = pair.rsplit_once('=').ok_or_else(wrong)?;
            let to = match to.trim() {
                "none" => None,
                to => Some(to.parse().map_err(|_| wrong())?),
            };
            Ok::<_, Error>((key(from), to))
        });
        let mut map = BTreeMap::new();
        for pair in pairs {
            let (from, to) = pair?;
            if map.insert(from.clone(), to).is_some_and(|before| before != to) {
                return Err(Error::setting("map", format!("{from}=…"), "each class once"));
            }
        }
        Ok(Self(map))
    }
}

impl std::fmt::Display for ClassMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |to: &Option<Emotion>| to.map_or("none", Emotion::name);
        let pairs: Vec<String> = self.0.iter().map(|(from, to)| map_pair(from, name(to))).collect();
        f.write_str(&pairs.join(","))
    }
}

/// The form in which class names are compared: in lower case, without surrounding blanks, and with composed
/// letters.
pub(super) fn key(name: &str) -> String {
    composed(name.trim()).to_lowercase()
}

/// The pairs of a map, which commas separate: "\\," is a comma in a name.
fn pairs(text: &str) -> Vec<String> {
    let (mut pairs, mut pair) = (Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some(next @ (',' | '\\'))) => {
                pair.push(*next);
                letters.next();
            }
            (',', _) => pairs.push(std::mem::take(&mut pair)),
            _ => pair.push(letter),
        }
    }
    pairs.push(pair);
    pairs
}

/// A pair of a map as [`ClassMap`] parses it: the class name in the data, and the class to read it as.
pub(super) fn map_pair(name: &str, to: &str) -> String {
    format!("{}={to}", name.replace('\\', "\\\\").replace(',', "\\,"))
}

/// The option that reads a class of the data as another, quoted for a shell.
pub(super) fn map_option(name: &str, to: &str) -> String {
    option("--map", map_pair(name, to))
}

/// How ambiguous data is read. The default resolves no ambiguity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataOptions {
    /// The meaning of numbered classes.
    pub classes: Option<Numbering>,
    /// Classes that are read as others, or skipped.
    pub map: ClassMap,
    /// The share of each class for the test part, above 0 and below 1, if the data has no parts.
    pub test_share: Option<f64>,
}

impl DataOptions {
    /// The options of the environment: `FER_CLASSES`, `FER_MAP` and `FER_TEST_SHARE`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that can't be parsed.
    pub fn from_env() -> Result<Self> {
        let classes = param("classes", String::new())?;
        let classes = (!classes.is_empty()).then(|| classes.parse()).transpose()?;
        let share = param("test_share", 0.0)?;
        let test_share = (share != 0.0).then_some(share);
        Ok(Self { classes, map: param("map", ClassMap::default())?, test_share })
    }

    /// Returns an error for the first value out of range.
    pub(super) fn validate(&self) -> Result<()> {
        let share = self.test_share.unwrap_or(0.5);
        check::ensure(share > 0.0 && share < 1.0, "test_share", share, "above 0 and below 1")
    }

    /// What a number means that the data calls a class, in a word, if the numbering was said.
    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        self.classes?.word(number(name)?)
    }

    /// Whether a class of the data is the one that the map says something of by `source`.
    pub(super) fn is_called(&self, name: &str, source: &str) -> bool {
        key(name) == source || self.word(name) == Some(source)
    }

    /// What the data calls a class, by word or number.
    pub(super) fn class(&self, name: &str, numbers: Option<Numbering>) -> Class {
        if let Some(said) = self.map.of(name) {
            return said.map_or(Class::LeftOut, Class::Is);
        }
        if let Some(emotion) = Emotion::from_word(name) {
            return Class::Is(emotion);
        }
        match (number(name), numbers) {
            // "--map contempt=disgust" is also for a number that means contempt.
            (Some(number), Some(numbering)) => {
                let word = numbering.word(number).unwrap_or_default();
                let said = self.map.of(word).unwrap_or_else(|| Emotion::from_word(word));
                said.map_or(Class::LeftOut, Class::Is)
            }
            (Some(_), None) => Class::Number,
            (None, _) => Class::LeftOut,
        }
    }
}

/// The meaning of a class of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// One of the seven.
    Is(Emotion),
    /// None of them.
    LeftOut,
    /// A number, which is ambiguous.
    Number,
}

/// A whole number, also as pandas writes it in a column with gaps: "3", " 3 ", "3.0".
pub(super) fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let is_digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| whole.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numberings_differ_and_each_has_seven() {
        let class = |numbering: Numbering, number| Emotion::from_word(numbering.word(number)?);
        for numbering in Numbering::ALL {
            let classes: Vec<_> = (0..9).filter_map(|number| class(numbering, number)).collect();
            assert_eq!(classes.len(), 7, "{numbering}");
            assert_eq!(Emotion::ALL.iter().filter(|class| classes.contains(class)).count(), 7);
            let mut others = Numbering::ALL.into_iter().filter(|other| *other != numbering);
            assert!(others.all(|other| other.words() != numbering.words()));
        }
        for number in 0..7u8 {
            assert_eq!(class(Numbering::Kaggle, number.into()), Emotion::from_kaggle(number));
            let alphabetical = Emotion::from_index(number.into());
            assert_eq!(class(Numbering::Alphabetical, number.into()), alphabetical);
        }
        assert!(Numbering::AlphabeticalEight.words().is_sorted());
        assert_eq!(class(Numbering::RafDb, 4), Some(Emotion::Happy));
        assert_eq!(class(Numbering::RafDb, 0), None);
        assert_eq!(class(Numbering::AffectNet, 4), Some(Emotion::Fear));
    }

    #[test]
    fn a_number_that_means_contempt_is_mapped_by_its_word() {
        let classes = Some(Numbering::AlphabeticalEight);
        let plain = DataOptions { classes, ..Default::default() };
        let map = "contempt=disgust".parse().unwrap();
        let mapped = DataOptions { classes, map, ..Default::default() };
        assert_eq!(plain.class("1", classes), Class::LeftOut);
        assert_eq!(mapped.class("1", classes), Class::Is(Emotion::Disgust));
        assert_eq!((plain.word("1"), plain.word("8")), (Some("contempt"), None));
        assert_eq!(mapped.class("2", classes), Class::Is(Emotion::Disgust));
    }

    #[test]
    fn a_map_wins_over_words_and_numbers() {
        let options = DataOptions {
            map: "contempt=disgust, 7=none ,Happy=none".parse().unwrap(),
            ..Default::default()
        };
        let class = |name| options.class(name, Some(Numbering::Kaggle));
        assert_eq!(class("Contempt"), Class::Is(Emotion::Disgust));
        assert_eq!(class("happy"), Class::LeftOut);
        assert_eq!((class("3.0"), class("4.0")), (Class::LeftOut, Class::Is(Emotion::Sad)));
        assert_eq!((class("7"), class("bored")), (Class::LeftOut, Class::LeftOut));
        assert_eq!(options.class("3", None), Class::Number);
        assert_eq!(options.map.to_string().parse::<ClassMap>().unwrap(), options.map);
        let odd = ["-1", "a,b", "x=y", "a\\b", "c\\,d", "U\u{308}ber", "it's", " happy, sad "];
        for name in odd {
            let map: ClassMap = map_pair(name, "sad").parse().unwrap();
            assert_eq!(map.of(name), Some(Some(Emotion::Sad)), "{map}");
            assert_eq!(map.to_string().parse::<ClassMap>().unwrap(), map);
        }
        let all = odd.map(|name| map_pair(name, "fear")).join(",").parse::<ClassMap>().unwrap();
        assert_eq!(all.sources().count(), odd.len());
        assert_eq!(
            "über=sad".parse::<ClassMap>().unwrap().of("U\u{308}ber"),
            Some(Some(Emotion::Sad))
        );
        for wrong in ["contempt", "contempt=contempt", "=", "a=happy,", "a=happy,A=sad"] {
            let error = wrong.parse::<ClassMap>().unwrap_err();
            assert!(matches!(error, Error::Setting { .. }), "{wrong}");
        }
    }
}
