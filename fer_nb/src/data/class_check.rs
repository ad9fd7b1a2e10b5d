//! Checks whether the classes of data can be identified: data whose classes are misspelt, in another language or
//! numbered differently must not be skipped with a note.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::layout::Layout;
use super::options::{DataOptions, Numbering, map_option, map_pair, number};
use super::part::Part;
use crate::common::command::quoted;
use crate::common::{Error, Result, text};
use crate::emotion::Emotion;

/// Classes that data sets have in addition to the seven, which are none of them by intention.
pub(super) const OTHERS: [&str; 10] = [
    "contempt",
    "contemptuous",
    "unknown",
    "uncertain",
    "other",
    "others",
    "none",
    "nf",
    "non-face",
    "not-a-face",
];

/// A class name with its number of images.
type Images<'a> = BTreeMap<&'a str, usize>;

impl Layout {
    /// Returns an error for data whose classes are mostly unknown, or misspelt, or numbered in an unspecified way.
    ///
    /// # Errors
    /// [`Error::File`] with the names, and the options that define their meaning.
    pub(super) fn check_classes(&self, path: &Path, options: &DataOptions) -> Result<()> {
        self.check_numbers(path, options)?;
        let (known, unknown) = self.names(options);
        let sum = |images: &Images| images.values().sum::<usize>();
        let is_most = unknown.len() > known.len() || sum(&unknown) > sum(&known);
        if !unknown.is_empty() && (is_most || self.misspelt(options).next().is_some()) {
            return Err(unknown_classes(path, &known, &unknown));
        }
        Ok(())
    }

    /// Names of classes with images: those that mean one of the seven, and unknown ones.
    fn names(&self, options: &DataOptions) -> (Images<'_>, Images<'_>) {
        let (mut known, mut unknown) = (Images::new(), Images::new());
        for row in self.rows.iter().filter(|row| row.images > 0) {
            let names = match row.class {
                Some(_) => &mut known,
                None if is_unknown(&row.name, options) => &mut unknown,
                None => continue,
            };
            *names.entry(&row.name).or_default() += row.images;
        }
        (known, unknown)
    }

    /// Names that seem to be misspelt classes of which the part has no other images.
    fn misspelt<'a>(&'a self, options: &'a DataOptions) -> impl Iterator<Item = &'a str> {
        let is_there = |part: Part, class: Emotion| {
            let mut rows = self.rows.iter();
            rows.any(|row| row.part == part && row.class == Some(class) && row.images > 0)
        };
        let unknown = self
            .rows
            .iter()
            .filter(|row| row.class.is_none() && row.images > 0 && is_unknown(&row.name, options));
        unknown
            .filter(move |row| {
                Emotion::near_word(&row.name).is_some_and(|class| !is_there(row.part, class))
            })
            .map(|row| row.name.as_str())
    }

    /// Returns an error for numbers that the given numbering does not contain, and, without a given numbering, for
    /// numbers that may be Kaggle's or others.
    fn check_numbers(&self, path: &Path, options: &DataOptions) -> Result<()> {
        let mut images: BTreeMap<u32, usize> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| options.map.of(&row.name).is_none()) {
            if let Some(number) = number(&row.name) {
                *images.entry(number).or_default() += row.images;
            }
        }
        // A stray number in a large table is not a class.
        let total: usize = self.rows.iter().map(|row| row.images).sum();
        let numbers: BTreeSet<u32> = images
            .iter()
            .filter(|(_, images)| 100 * **images >= total)
            .map(|(number, _)| *number)
            .collect();
        let Some(first) = numbers.first().copied() else { return Ok(()) };
        match options.classes {
            Some(numbering) if numbering.fits(&numbers) => return Ok(()),
            // A numbering may start from 1.
            None if Numbering::Kaggle.fits(&numbers) && first != 1 => return Ok(()),
            _ => {}
        }
        Err(numbers_asked_about(path, &numbers, options))
    }
}

/// The error for numbers without a numbering, or with one that does not fit.
pub(super) fn numbers_asked_about(
    path: &Path,
    numbers: &BTreeSet<u32>,
    options: &DataOptions,
) -> Error {
    let found = text::list(&numbers.iter().map(u32::to_string).collect::<Vec<_>>());
    let problem = match options.classes {
        Some(numbering) => {
            format!("has the classes {found}, and {numbering} has {}", numbering.in_words())
        }
        None => format!("has the classes {found}, which data sets number differently"),
    };
    let first = numbers.first().copied().unwrap_or_default();
    Error::file(path, problem, which_numbering(first, |numbering| numbering.fits(numbers)))
}

/// Whether a class outside the seven is unknown: it has no option, is not a number, and is not another class of
/// known data sets.
fn is_unknown(name: &str, options: &DataOptions) -> bool {
    let plain = name.trim().to_lowercase().replace(['_', ' '], "-");
    options.map.of(name).is_none() && number(name).is_none() && !OTHERS.contains(&plain.as_str())
}

/// The options for the meaning of numbers; `first` is one of them.
fn which_numbering(first: u32, fits: impl Fn(Numbering) -> bool) -> String {
    let (fitting, others): (Vec<Numbering>, Vec<Numbering>) =
        Numbering::ALL.into_iter().partition(|numbering| fits(*numbering));
    let option =
        |numbering: &Numbering| format!("--classes {numbering} ({})", numbering.in_words());
    let options: Vec<String> = fitting.iter().map(option).collect();
    let mut text = match options.is_empty() {
        true => String::new(),
        false => format!("Say which: {}; in a notebook FER_CLASSES. ", options.join(", ")),
    };
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|numbering| numbering.name()).collect();
        text += &format!("The numbers of {} do not fit. ", text::list(&names));
    }
    let [happy, none] = ["happy", "none"].map(|to| map_option(&first.to_string(), to));
    let any = format!("{happy}, or {none}, for each number");
    text + &format!("Any other: {any}; in a notebook FER_MAP.")
}

/// The error for data with unknown classes.
fn unknown_classes(path: &Path, known: &Images, unknown: &Images) -> Error {
    let names: Vec<&str> = unknown.keys().copied().collect();
    let of = |images: &Images| {
        let one = |(name, images): (&&str, &usize)| {
            format!("{name} ({})", text::plural(*images, "image"))
        };
        text::list(&images.iter().map(one).collect::<Vec<_>>())
    };
    let mean = if names.len() == 1 { "means" } else { "mean" };
    let mut problem =
        format!("{} {mean} none of the seven: {}", text::plural(names.len(), "class"), of(unknown));
    if !known.is_empty() {
        problem += &format!("; understood {} {}", text::is_or_are(known.len()), of(known));
    }
    Error::file(path, problem, how_to_map(&names))
}

/// The options for the meaning of names, with a guess for misspelt ones.
pub(super) fn how_to_map<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 12;
    let meant = |name: &str| Emotion::near_word(name).map_or("CLASS", Emotion::name);
    let pairs: Vec<(&str, &str)> =
        names.iter().take(MOST).map(|name| (name.as_ref(), meant(name.as_ref()))).collect();
    let more = if names.len() > MOST { " …" } else { "" };
    let options: Vec<String> = pairs.iter().map(|(name, to)| map_option(name, to)).collect();
    let variable: Vec<String> = pairs.iter().map(|(name, to)| map_pair(name, to)).collect();
    let what = match pairs.iter().any(|(_, to)| *to == "CLASS") {
        true => {
            format!("CLASS is one of {}, or none, which leaves it out", Emotion::names().join(", "))
        }
        false => "=none leaves a class out".into(),
    };
    format!(
        "Say what the names mean: {}{more}; {what}. In a notebook: FER_MAP={}",
        options.join(" "),
        quoted(variable.join(","))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::layout::LayoutRow;

    /// A layout of one part with these names, ten images each.
    fn layout(names: &[(&str, usize)], options: &DataOptions) -> Layout {
        let row = |(name, images): &(&str, usize)| {
            let class =
                match options.class(name, Some(options.classes.unwrap_or(Numbering::Kaggle))) {
                    super::super::options::Class::Is(emotion) => Some(emotion),
                    _ => None,
                };
            let (found, name) = (name.to_string(), name.to_string());
            LayoutRow { found, name, part: Part::Test, class, images: *images }
        };
        Layout { rows: names.iter().map(row).collect(), ..Layout::default() }
    }

    fn refused(names: &[(&str, usize)], options: &DataOptions) -> Option<String> {
        let checked = layout(names, options).check_classes(Path::new("data"), options);
        checked.err().map(|error| error.to_string())
    }

    fn ten<'a>(names: &[&'a str]) -> Vec<(&'a str, usize)> {
        names.iter().map(|name| (*name, 10)).collect()
    }

    #[test]
    fn mostly_unknown_names_are_an_error_with_the_options_that_help() {
        let german = ten(&["Angst", "Ekel", "Freude", "Neutral", "Trauer", "Wut", "Überraschung"]);
        let options = DataOptions::default();
        let said = refused(&german, &options).unwrap();
        for part in [
            "6 classes mean none",
            "understood is Neutral (10 images)",
            "--map Angst=CLASS",
            "FER_MAP",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let map = "Angst=fear,Ekel=disgust,Freude=happy,Trauer=sad,Wut=angry,Überraschung=surprise";
        let mapped = DataOptions { map: map.parse().unwrap(), ..DataOptions::default() };
        assert_eq!(refused(&german, &mapped), None);
        let most = [("happy", 10), ("sad", 10), ("background", 30)];
        assert!(refused(&most, &options).unwrap().contains("--map background=CLASS"));
        let out = DataOptions { map: "background=none".parse().unwrap(), ..DataOptions::default() };
        assert_eq!(refused(&most, &out), None);
        let few = [("happy", 10), ("sad", 10), ("background", 9), ("empty", 0), ("none", 99)];
        assert_eq!(refused(&few, &options), None);
        let ck48 = ten(&["anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"]);
        assert_eq!(refused(&ck48, &options), None);
    }

    #[test]
    fn a_misspelt_class_is_an_error_unless_it_is_there_as_well() {
        let options = DataOptions::default();
        let names = ["angry", "disgust", "fear", "hapy", "neutral", "sad", "suprise"];
        let said = refused(&ten(&names), &options).unwrap();
        assert!(said.contains("--map hapy=happy --map suprise=surprise"), "{said}");
        assert!(!said.contains("CLASS is"), "{said}");
        let both = ["angry", "disgust", "fear", "hapy", "happy", "sad"];
        assert_eq!(refused(&ten(&both), &options), None);
    }

    #[test]
    fn numbers_that_may_count_from_one_are_asked_about() {
        let numbers = |numbers: &[&str], options: &DataOptions| refused(&ten(numbers), options);
        let said = |classes: &str| DataOptions {
            classes: Some(classes.parse().unwrap()),
            ..DataOptions::default()
        };
        let (none, seven) = (DataOptions::default(), ["1", "2", "3", "4", "5", "6", "7"]);
        let message = numbers(&seven, &none).unwrap();
        assert!(
            message.contains("--classes raf-db (1 surprise") && message.contains("--map 1="),
            "{message}"
        );
        assert!(
            message.contains(
                "numbers of kaggle, alphabetical, alphabetical-8, affectnet, ferplus do not fit"
            ),
            "{message}"
        );
        assert_eq!(numbers(&seven, &said("raf-db")), None);
        for other in ["kaggle", "alphabetical", "affectnet"] {
            assert!(numbers(&seven, &said(other)).is_some(), "{other}");
        }
        let message = numbers(&seven[..6], &none).unwrap();
        assert!(
            message.contains("--classes kaggle") && message.contains("--classes raf-db"),
            "{message}"
        );
        for kaggle in
            [&["0", "3", "6"][..], &["3", "4.0"], &["0", "1", "2", "3", "4", "5", "6", "7"]]
        {
            assert_eq!(numbers(kaggle, &none), None);
            assert_eq!(numbers(kaggle, &said("kaggle")), None);
        }
        assert!(
            numbers(&["0", "3", "6"], &said("raf-db")).unwrap().contains("raf-db has 1 surprise")
        );
        assert!(numbers(&["0", "3", "12"], &none).is_some());
        assert!(numbers(&["0", "7"], &said("alphabetical")).is_some());
        let stray = [("0", 500), ("3", 500), ("99", 1)];
        assert_eq!(refused(&stray, &none), None);
        let map = DataOptions { map: "1=happy,2=sad".parse().unwrap(), ..DataOptions::default() };
        assert_eq!(refused(&ten(&["1", "2"]), &map), None);
    }
}
