//! [`Columns`]: which column of a table holds what, by its name, or by its content where there are no names.

use std::collections::BTreeSet;

use super::pixels::has_numbers;
use crate::common::text;
use crate::data::class_check::OTHERS;
use crate::data::options::number;
use crate::data::part::Part;
use crate::data::pixels::PIXELS;
use crate::emotion::Emotion;

/// The names of the needed columns, in any case and with any marks between words, the surest first.
pub(super) const EMOTION: [&str; 20] = [
    "emotion",
    "emotions",
    "label",
    "labels",
    "class",
    "expression",
    "emotionlabel",
    "emotionname",
    "emotionid",
    "labelname",
    "labelid",
    "classname",
    "classlabel",
    "classid",
    "facialexpression",
    "expressionlabel",
    "category",
    "sentiment",
    "target",
    "y",
];
const IMAGE: [&str; 5] = ["pixels", "pixel", "image", "pixelvalues", "imagepixels"];
pub(super) const USAGE: [&str; 5] = ["usage", "split", "subset", "part", "set"];
/// What the names of columns with one pixel each begin with, before the number.
const ONE_PIXEL: [&str; 6] = ["pixel", "pixels", "px", "pix", "p", ""];

/// Columns that say yes or no to one part.
const FLAGS: [(&str, Part); 7] = [
    ("istrain", Part::Train),
    ("istraining", Part::Train),
    ("isval", Part::Validation),
    ("isvalid", Part::Validation),
    ("isvalidation", Part::Validation),
    ("istest", Part::Test),
    ("istesting", Part::Test),
];

/// A column and what the table calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) place: usize,
    pub(super) name: String,
}

/// Where the pixels of a row are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PixelColumns {
    /// All in one field, with this name.
    One(Column),
    /// In 2304 fields, from this one on.
    Each(usize),
}

/// Where the needed columns are, among any others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// Those that may say the class; the first is taken, and the others must not contradict it.
    pub(super) emotion: Vec<Column>,
    /// Those of one class each, with 1 for the class of a row and 0 for others; only if no column says the class.
    pub(super) one_hot: Vec<Column>,
    pub(super) pixels: PixelColumns,
    /// Those that say the part, in words; as for the class.
    pub(super) usage: Vec<Column>,
    /// Those that say yes or no to one part.
    pub(super) flags: Vec<(Column, Part)>,
    /// Other columns that are called as those for pixels, and are not read.
    other_pixels: Vec<String>,
}

impl Columns {
    /// Finds the columns by their names; else the name of the first that is missing.
    pub(super) fn of(names: &[&[u8]]) -> Result<Self, &'static str> {
        let called = |known: &[&str]| -> Vec<Column> {
            let of = |known: &&str| {
                let is = |(_, name): &(usize, &&[u8])| is_called(name, known);
                let column = |(place, name): (usize, &&[u8])| Column { place, name: shown(name) };
                names.iter().enumerate().filter(is).map(column).collect::<Vec<_>>()
            };
            known.iter().flat_map(of).collect()
        };
        let emotion = called(&EMOTION);
        let one_hot = if emotion.is_empty() { one_hot(names) } else { Vec::new() };
        if emotion.is_empty() && one_hot.is_empty() {
            return Err(EMOTION[0]);
        }
        let mut one = called(&IMAGE).into_iter();
        let (pixels, other_pixels) = match (each_pixel(names), one.next()) {
            (Some(first), _) => (PixelColumns::Each(first), Vec::new()),
            (None, Some(column)) => {
                (PixelColumns::One(column), one.map(|column| column.name).collect())
            }
            (None, None) => return Err(IMAGE[0]),
        };
        let flag = |(place, name): (usize, &&[u8])| {
            let letters: Vec<u8> = name.iter().copied().filter(u8::is_ascii_alphabetic).collect();
            let is = |(known, _): &&(&str, Part)| letters.eq_ignore_ascii_case(known.as_bytes());
            let (_, part) = FLAGS.iter().find(is)?;
            Some((Column { place, name: shown(name) }, *part))
        };
        let flags = names.iter().enumerate().filter_map(flag).collect();
        Ok(Self { emotion, one_hot, pixels, usage: called(&USAGE), flags, other_pixels })
    }

    /// Finds the columns by what is in the fields of a row, of a table without names; `None` unless exactly one can
    /// be the class, one the pixels, and at most one the part.
    pub(super) fn of_content(fields: &[&[u8]]) -> Option<Self> {
        let column = |place: usize| Column { place, name: format!("column {}", place + 1) };
        let place = |is: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let text = |field: &[u8]| std::str::from_utf8(field).ok().map(str::to_string);
            let fits = |field: &&[u8]| text(field).is_some_and(|text| is(&text));
            fields
                .iter()
                .enumerate()
                .filter(|(_, field)| fits(field))
                .map(|(place, _)| place)
                .collect()
        };
        let pixels = place(&|text| has_numbers(text.as_bytes(), PIXELS));
        let usage = place(&|text| Part::of(text).is_some());
        let emotion = place(&|text| Emotion::from_word(text).is_some() || number(text).is_some());
        let (&[pixels], &[emotion], true) = (&pixels[..], &emotion[..], usage.len() <= 1) else {
            return None;
        };
        Some(Self {
            emotion: vec![column(emotion)],
            one_hot: Vec::new(),
            pixels: PixelColumns::One(column(pixels)),
            usage: usage.into_iter().map(column).collect(),
            flags: Vec::new(),
            other_pixels: Vec::new(),
        })
    }

    /// Whether a column says which part a row belongs to.
    pub(super) fn say_parts(&self) -> bool {
        !self.usage.is_empty() || !self.flags.is_empty()
    }

    /// Which of several columns are taken, in sentences, with what takes others.
    pub(super) fn choices(&self) -> Vec<(String, String)> {
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        let flags: Vec<String> = self.flags.iter().map(|(column, _)| column.name.clone()).collect();
        let pixels = match &self.pixels {
            PixelColumns::One(column) => {
                [std::slice::from_ref(&column.name), &self.other_pixels[..]].concat()
            }
            PixelColumns::Each(_) => Vec::new(),
        };
        let of = |what: &str, names: Vec<String>| {
            let (first, others) = names.split_first()?;
            (!others.is_empty()).then(|| {
                let others = text::list(others);
                (
                    format!("Took the column {first} for {what}, and not {others}"),
                    format!(" (another name for {first} in the first line takes the next)"),
                )
            })
        };
        let one_hot = (!self.one_hot.is_empty()).then(|| {
            let names = text::list(&names(&self.one_hot));
            (format!("Took the columns {names} for the class: 1 for that of a row"), String::new())
        });
        [
            one_hot,
            of("the class", names(&self.emotion)),
            of("the pixels", pixels),
            of("the part", [names(&self.usage), flags].concat()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Whether a column has a name, written in any case and with any marks: "Label_Name".
pub(super) fn is_called(name: &[u8], known: &str) -> bool {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_- .".contains(byte));
    is_plain && letters.map(u8::to_ascii_lowercase).eq(known.bytes())
}

/// The columns that are called as classes, if there are several: the seven, and contempt and such next to them.
fn one_hot(names: &[&[u8]]) -> Vec<Column> {
    const FEWEST: usize = 3;
    let of = |name: &[u8]| std::str::from_utf8(name).ok().and_then(Emotion::from_word);
    let is_other =
        |name: &[u8]| OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
    let classes = names.iter().filter_map(|name| of(name)).collect::<BTreeSet<_>>();
    if classes.len() < FEWEST {
        return Vec::new();
    }
    let column = |(place, name): (usize, &&[u8])| Column { place, name: shown(name) };
    let columns = names.iter().enumerate().filter(|(_, name)| of(name).is_some() || is_other(name));
    columns.map(column).collect()
}

fn shown(name: &[u8]) -> String {
    text::excerpt(name)
}

/// The first of 2304 columns that are numbered one by one: pixel0, pixel1, …
fn each_pixel(names: &[&[u8]]) -> Option<usize> {
    let numbered = |name: &[u8]| -> Option<(String, usize)> {
        let name = std::str::from_utf8(name).ok()?.to_lowercase();
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (word, number) = name.split_at(name.len() - digits);
        let word = word.trim_end_matches(['_', '-', ' ', '.']).to_string();
        ONE_PIXEL.contains(&word.as_str()).then_some(())?;
        Some((word, number.parse().ok()?))
    };
    let last = names.len().checked_sub(PIXELS)?;
    (0..=last).find(|first| {
        let of = |place: usize| names.get(place).and_then(|name| numbered(name));
        let Some((word, start)) = of(*first) else { return false };
        // Most tables are seen through with the first few names.
        (1..PIXELS).all(|more| of(first + more) == Some((word.clone(), start + more)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<Columns, &'static str> {
        Columns::of(&names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn the_surest_name_is_taken_and_the_others_are_told() {
        let columns = of(&["label", "image", "Emotion", "pixels", "split", "Usage"]).unwrap();
        let places = |columns: &[Column]| columns.iter().map(|c| c.place).collect::<Vec<_>>();
        assert_eq!((places(&columns.emotion), places(&columns.usage)), (vec![2, 0], vec![5, 4]));
        assert!(matches!(&columns.pixels, PixelColumns::One(Column { place: 3, .. })));
        let said: Vec<String> = columns.choices().into_iter().map(|(what, _)| what).collect();
        assert_eq!(
            said,
            [
                "Took the column Emotion for the class, and not label",
                "Took the column pixels for the pixels, and not image",
                "Took the column Usage for the part, and not split",
            ]
        );
        assert_eq!(of(&["emotion", "pixels"]).unwrap().choices(), []);
        assert_eq!(of(&["emotion", "pixels", "emotion"]).unwrap().choices().len(), 1);
        assert!(of(&["emotion", "pixels", "is_train"]).unwrap().say_parts());
        let one_hot = of(&["pixels", "Angry", "is_sad", "happy", "contempt", "fear"]).unwrap();
        assert_eq!(
            (places(&one_hot.one_hot), places(&one_hot.emotion)),
            (vec![1, 3, 4, 5], vec![])
        );
        assert!(of(&["pixels", "angry", "sad"]).is_err());
        assert_eq!(places(&of(&["Label_Name", "pixel_values"]).unwrap().emotion), [0]);
        assert_eq!(of(&["pixels"]).unwrap_err(), "emotion");
        assert_eq!(of(&["emotion", "Usage"]).unwrap_err(), "pixels");
    }

    #[test]
    fn a_column_for_each_pixel_counts_if_all_are_there() {
        let names = |word: &str, count: usize| -> Vec<String> {
            let pixels = (0..count).map(|number| format!("{word}{number}"));
            ["id".to_string(), "emotion".into()].into_iter().chain(pixels).collect()
        };
        let found = |word: &str, count: usize| {
            let names = names(word, count);
            of(&names.iter().map(String::as_str).collect::<Vec<_>>()).map(|columns| columns.pixels)
        };
        for word in ["pixel", "pixel_", "p", ""] {
            assert_eq!(found(word, PIXELS), Ok(PixelColumns::Each(2)), "{word}");
        }
        assert_eq!(found("pixel", PIXELS - 1), Err("pixels"));
        assert_eq!(found("feature", PIXELS), Err("pixels"));
    }
}
