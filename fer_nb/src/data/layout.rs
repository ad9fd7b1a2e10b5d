//! [`Layout`]: how the parts of a folder or a table were read, and which were skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use polars::prelude::{Column, DataFrame};

use super::options::{DataOptions, map_option};
use super::part::Part;
use crate::common::{Result, text};
use crate::emotion::Emotion;

/// One folder of images, or all rows of a table with the same values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutRow {
    /// "train/Angry", or "Training 3".
    pub found: String,
    /// The class name in the data: "Angry", "3".
    pub name: String,
    /// The part that it was read as.
    pub part: Part,
    /// The class that it was read as; `None` if its images are skipped.
    pub class: Option<Emotion>,
    /// The number of its images, including unreadable ones.
    pub images: usize,
}

/// Images that were skipped or changed during reading. Displayed, it is a note of one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The change and its count: "Left out 3 images of class contempt".
    pub(crate) what: String,
    /// Names of files and folders, and options with which the user can change it.
    pub(super) more: String,
}

impl Change {
    /// A change with the names of the affected items.
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

/// How data was read: the part and class of each folder or row, and the skipped files. Displayed, it is a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The folders or rows, in the order of parts and classes.
    pub rows: Vec<LayoutRow>,
    /// The reasons for skipping files and folders, in a word or two, with their counts.
    pub passed_over: BTreeMap<String, usize>,
    /// The names of skipped items by reason, without those of system files.
    pub passed_over_names: BTreeMap<String, Vec<String>>,
    /// Skipped and converted images, as notes whose first halves are suitable for other readers.
    pub(crate) changes: Vec<Change>,
    /// The reasons for skipping items that the user may have wanted to be read.
    pub(super) doubtful: BTreeSet<String>,
    /// Whether the data has a separate validation part.
    pub(super) own_validation: bool,
    /// Whether the data has no parts: all of it is for testing.
    pub(super) without_parts: bool,
}

impl Layout {
    /// A table with the columns `found` (str), `taken_for` (str, "train, angry" or "left out") and `images` (u64).
    ///
    /// # Errors
    /// [`Error::Table`](crate::common::Error::Table) if polars reports an error.
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

    /// Counts skipped items by reason.
    pub(super) fn pass_over(&mut self, why: &str, count: usize) {
        if count > 0 {
            *self.passed_over.entry(why.into()).or_default() += count;
        }
    }

    /// Counts and names skipped items by reason.
    pub(super) fn name_passed_over(&mut self, why: &str, names: Vec<String>) {
        self.pass_over(why, names.len());
        if !names.is_empty() {
            self.passed_over_names.entry(why.into()).or_default().extend(names);
        }
    }

    /// [`Layout::name_passed_over`] for items that the user may have wanted to be read: a note also reports them.
    pub(super) fn name_doubtful(&mut self, why: &str, names: Vec<String>) {
        if !names.is_empty() {
            self.doubtful.insert(why.into());
        }
        self.name_passed_over(why, names);
    }

    /// Adds such items to the changes.
    pub(super) fn finish(&mut self) {
        for why in std::mem::take(&mut self.doubtful) {
            let names = self.passed_over_names.get(&why).map_or(&[][..], Vec::as_slice);
            let count = self.passed_over.get(&why).copied().unwrap_or_default();
            let what = format!("Passed over {} ({why})", text::count(count));
            self.changes.push(Change::of(what, names));
        }
    }

    /// Adds the skipped classes, with their images, to the changes. Returns notes on entries of the map without
    /// effect.
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
