//! [`Layout`]: what of a folder or a table was taken for what, and what was left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use polars::prelude::{Column, DataFrame};

use super::options::{DataOptions, map_option};
use super::part::Part;
use crate::common::{Result, text};
use crate::emotion::Emotion;

/// One folder of images, or all rows of a table that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutRow {
    /// "train/Angry", or "Training 3".
    pub found: String,
    /// The class as the data calls it: "Angry", "3".
    pub name: String,
    /// The part that it was taken for.
    pub part: Part,
    /// The class that it was taken for; `None` if its images are left out.
    pub class: Option<Emotion>,
    /// Its images, those that can't be read among them.
    pub images: usize,
}

/// What reading data left out or changed. Printed, it is a note of one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// What and how much: "Left out 3 images of class contempt".
    pub(crate) what: String,
    /// Names of files and folders, and options: what the user can do something about.
    pub(super) more: String,
}

impl Change {
    /// A change with the names of what was changed.
    pub(super) fn of(what: impl Into<String>, names: &[String]) -> Self {
        let more =
            if names.is_empty() { String::new() } else { format!(": {}", text::list(names)) };
        Self { what: what.into(), more }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.what, self.more)
    }
}

/// How data was read: what was taken for which part and class, and what was passed over. Printed, it is a
/// table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// In the order of parts and classes.
    pub rows: Vec<LayoutRow>,
    /// Why files and folders were passed over, in a word or two, and how many each.
    pub passed_over: BTreeMap<String, usize>,
    /// What they are called, by the same reasons; not there if they are the system's own.
    pub passed_over_names: BTreeMap<String, Vec<String>>,
    /// What was left out, set aside or converted: notes whose first halves are fit for readers elsewhere.
    pub(crate) changes: Vec<Change>,
    /// The reasons to pass over what may have been meant to be read.
    pub(super) doubtful: BTreeSet<String>,
    /// Whether the data has a separate validation part.
    pub(super) own_validation: bool,
    /// Whether the data has no parts: all of it is for testing.
    pub(super) without_parts: bool,
}

impl Layout {
    /// A table of one row each: `found` (str), `taken_for` (str, "train, angry" or "left out") and `images` (u64).
    ///
    /// # Errors
    /// [`Error::Table`](crate::common::Error::Table) if polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let taken: Vec<String> = self.rows.iter().map(LayoutRow::taken_for).collect();
        let found: Vec<&str> = self.rows.iter().map(|row| row.found.as_str()).collect();
        let images: Vec<u64> = self.rows.iter().map(|row| row.images as u64).collect();
        let columns = vec![
            Column::new("found".into(), found),
            Column::new("taken_for".into(), taken),
            Column::new("images".into(), images),
        ];
        Ok(DataFrame::new(self.rows.len(), columns)?)
    }

    /// Counts what was passed over for a reason.
    pub(super) fn pass_over(&mut self, why: &str, count: usize) {
        if count > 0 {
            *self.passed_over.entry(why.into()).or_default() += count;
        }
    }

    /// Counts and names what was passed over for a reason.
    pub(super) fn name_passed_over(&mut self, why: &str, names: Vec<String>) {
        self.pass_over(why, names.len());
        if !names.is_empty() {
            self.passed_over_names.entry(why.into()).or_default().extend(names);
        }
    }

    /// [`Layout::name_passed_over`] of what may have been meant to be read: a note says so, too.
    pub(super) fn name_doubtful(&mut self, why: &str, names: Vec<String>) {
        if !names.is_empty() {
            self.doubtful.insert(why.into());
        }
        self.name_passed_over(why, names);
    }

    /// Adds what was passed over and may have been meant to be read to the changes.
    pub(super) fn finish(&mut self) {
        for why in std::mem::take(&mut self.doubtful) {
            let names = self.passed_over_names.get(&why).map_or(&[][..], Vec::as_slice);
            let count = self.passed_over.get(&why).copied().unwrap_or_default();
            let what = format!("Passed over {} ({why})", text::count(count));
            self.changes.push(Change::of(what, names));
        }
    }

    /// Adds the classes that are left out, with their images, to the changes. Returns notes on what the map says in
    /// vain.
    pub(super) fn leave_out_classes(&mut self, options: &DataOptions) -> Vec<String> {
        let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.class.is_none()) {
            *left_out.entry(row.name.clone()).or_default() += row.images;
        }
        let change = |(name, images): (String, usize)| {
            let what = format!("Left out {} of class {name}", text::plural(images, "image"));
            let said = options.word(&name).and_then(|word| options.map.of(word));
            if options.map.of(&name).or(said).is_some() {
                return Change { what: what + ", as the map says", more: String::new() };
            }
            let class = Emotion::near_word(&name).map_or("CLASS", Emotion::name);
            let word = options.word(&name);
            let option = map_option(word.unwrap_or(&name), class);
            let means = word.map_or(String::new(), |word| format!(" ({word})"));
            Change {
                what: what + &means + ", which is none of the seven",
                more: format!(" ({option}, or FER_MAP, takes them for one)"),
            }
        };
        let idle = options.map.sources().filter(|source| {
            !self.rows.is_empty()
                && !self.rows.iter().any(|row| options.is_called(&row.name, source))
        });
        let idle = idle
            .map(|source| format!("The map says what {source} is, and the data has no such class"));
        let idle = idle.collect();
        self.changes.extend(left_out.into_iter().map(change));
        idle
    }
}

impl LayoutRow {
    /// "train, angry" or "left out".
    pub(crate) fn taken_for(&self) -> String {
        match self.class {
            Some(class) => format!("{}, {class}", self.part),
            None => "left out".into(),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0).max(9);
        let found = width(&mut self.rows.iter().map(|row| row.found.chars().count()));
        let taken = width(&mut self.rows.iter().map(|row| row.taken_for().len()));
        write!(f, "{:<found$}  {:<taken$}  {:>9}", "found", "taken for", "images")?;
        for row in &self.rows {
            let images = text::count(row.images);
            write!(f, "\n{:<found$}  {:<taken$}  {images:>9}", row.found, row.taken_for())?;
        }
        for (why, count) in &self.passed_over {
            write!(f, "\npassed over: {} ({why})", text::count(*count))?;
            if let Some(names) = self.passed_over_names.get(why) {
                write!(f, ": {}", text::list(names))?;
            }
        }
        Ok(())
    }
}
