//! [`Parsed`]: the rows of tables, as far as they were read.

use std::collections::BTreeMap;
use std::path::Path;

use csv::ByteRecord;
use rayon::prelude::*;

use super::EXPECTED_COLUMNS;
use super::columns::Columns;
use super::pixels::Scale;
use super::row::{self, Row};
use crate::common::{Error, Place, Result, text};
use crate::data::dataset::{Dataset, Origin};
use crate::data::layout::{Change, Layout, LayoutRow};
use crate::data::loaded::{Loaded, compact};
use crate::data::options::DataOptions;
use crate::data::part::Part;
use crate::data::pixels::PIXELS;
use crate::emotion::Emotion;

/// The share of bad rows up to which they are set aside; with more, the file is refused.
const TOLERATED: f64 = 0.01;

/// A row that can't be used: the problem names the field, its content and what was expected.
struct BadRow {
    /// "row 17 (line 18)": the 17th below the header.
    place: Place,
    problem: String,
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Parsed {
    /// Rows seen, good and bad.
    seen: usize,
    images: Vec<u8>,
    labels: Vec<u8>,
    parts: Vec<Part>,
    usages: Vec<&'static str>,
    sources: Vec<String>,
    /// Rows of each part and class, and what they were taken for.
    counts: BTreeMap<(Part, &'static str, String), (Option<Emotion>, usize)>,
    bad: Vec<BadRow>,
    /// Lines before the header.
    skipped: u64,
    /// The first rows with pixels from 0 to 255, and from 0 to 1.
    first: [Option<Place>; 2],
    /// Rows with pixels from 0 to 1.
    unit: usize,
    /// Images of nothing but 0 and 1, by index among all.
    either: Vec<usize>,
    /// Whether nothing says which part rows belong to.
    without_parts: bool,
    pub(super) changes: Vec<Change>,
}

impl Parsed {
    /// Nothing yet, of a table with so many lines before its header.
    pub(super) fn new(without_parts: bool, skipped: u64) -> Self {
        Self { without_parts, skipped, ..Self::default() }
    }

    pub(super) fn add(
        &mut self,
        records: &[ByteRecord],
        columns: &Columns,
        whole: (Part, &'static str),
        options: &DataOptions,
    ) {
        let mut images = vec![0u8; records.len() * PIXELS];
        let rows: Vec<Result<Row, String>> = images
            .par_chunks_exact_mut(PIXELS)
            .zip(records)
            .with_min_len(8)
            .map(|(out, record)| row::parse(record, columns, whole, options, out))
            .collect();
        let mut keep = Vec::with_capacity(rows.len());
        for (row, record) in rows.into_iter().zip(records) {
            self.seen += 1;
            keep.push(row.as_ref().is_ok_and(|row| row.class.is_some()));
            match row {
                Ok(Row { name, class, part, usage, scale }) => {
                    self.counts.entry((part, usage, name)).or_insert((class, 0)).1 += 1;
                    let place = || self.place(record);
                    match scale {
                        Scale::Bytes if self.first[0].is_none() => self.first[0] = Some(place()),
                        Scale::Unit if self.first[1].is_none() => self.first[1] = Some(place()),
                        Scale::Either if class.is_some() => self.either.push(self.labels.len()),
                        _ => {}
                    }
                    self.unit += usize::from(scale == Scale::Unit);
                    if let Some(class) = class {
                        self.labels.push(class.index() as u8);
                        self.parts.push(part);
                        self.usages.push(usage);
                        self.sources.push(format!("row {}", self.seen));
                    }
                }
                Err(problem) => {
                    let place = self.place(record);
                    self.bad.push(BadRow { place, problem });
                }
            }
        }
        compact(&mut images, &keep);
        self.images.extend_from_slice(&images);
    }

    /// Where the row is that was seen last.
    fn place(&self, record: &ByteRecord) -> Place {
        let line = record.position().map_or(0, csv::Position::line) + self.skipped;
        Place::Row { row: self.seen as u64, line: Some(line) }
    }

    /// Brings images of nothing but 0 and 1 to 255 if the table's pixels reach to 1.
    fn scaled(mut self, path: &Path) -> Result<Self> {
        match std::mem::take(&mut self.first) {
            [Some(bytes), Some(unit)] => {
                let problem = format!("has pixels from 0 to 1, and {bytes} from 0 to 255");
                let hint = "Bring all pixels to 0 to 255.";
                Err(Error::file_at(path, unit, problem, hint))
            }
            [None, Some(_)] => {
                for image in &self.either {
                    let pixels = self.images.get_mut(image * PIXELS..(image + 1) * PIXELS);
                    pixels.unwrap_or_default().iter_mut().for_each(|pixel| *pixel *= 255);
                }
                let rows = text::plural(self.unit, "row");
                let what = format!("Brought the pixels of {rows} from 0 to 1 to 0 to 255");
                self.changes.push(Change { what, more: String::new() });
                Ok(self)
            }
            _ => Ok(self),
        }
    }

    /// That few rows are bad; with a note on them.
    pub(super) fn checked(mut self, path: &Path) -> Result<Self> {
        if let Some(first) = self.bad.first() {
            if self.bad.len() as f64 > TOLERATED * self.seen as f64 {
                return Err(Error::file_at(
                    path,
                    first.place.clone(),
                    &first.problem,
                    format!(
                        "{} of {} {} bad, more than the 1 % that is set aside: mend the file \
                         or download it again, see data/README.md.",
                        text::count(self.bad.len()),
                        text::plural(self.seen, "row"),
                        text::is_or_are(self.bad.len())
                    ),
                ));
            }
            let named: Vec<String> =
                self.bad.iter().map(|bad| format!("{}: {}", bad.place, bad.problem)).collect();
            let bad = text::plural(self.bad.len(), "bad row");
            let what = format!("Set aside {bad} of {}", text::count(self.seen));
            self.changes.push(Change::of(what, &named));
        }
        self.scaled(path)
    }

    /// These rows, and then those of another table.
    pub(super) fn joined(mut self, other: Self) -> Self {
        self.seen += other.seen;
        self.images.extend(other.images);
        self.labels.extend(other.labels);
        self.parts.extend(other.parts);
        self.usages.extend(other.usages);
        self.sources.extend(other.sources);
        for (key, (class, images)) in other.counts {
            self.counts.entry(key).or_insert((class, 0)).1 += images;
        }
        self.without_parts &= other.without_parts;
        self.changes.extend(other.changes);
        self
    }

    pub(super) fn into_loaded(
        self,
        path: &Path,
        is_table: bool,
        options: &DataOptions,
    ) -> Result<Loaded> {
        let without_parts = self.without_parts;
        let mut layout = Layout { without_parts, changes: self.changes, ..Layout::default() };
        layout.own_validation = self.parts.contains(&Part::Validation);
        for ((part, usage, name), (class, images)) in self.counts {
            let found = if without_parts { name.clone() } else { format!("{usage} {name}") };
            layout.rows.push(LayoutRow { found, name, part, class, images });
        }
        layout.rows.sort_by_key(|row| (row.part, row.class.map_or(Emotion::COUNT, Emotion::index)));
        layout.check_classes(path, options)?;
        if self.labels.is_empty() {
            let problem = format!("has no row of a known class among {}", text::count(self.seen));
            return Err(Error::file(path, problem, EXPECTED_COLUMNS));
        }
        let notes = layout.leave_out_classes(options);
        let origin = Origin::of(path, is_table, &self.labels, &self.parts);
        let dataset = Dataset::new(self.images, self.labels, self.sources, self.usages, origin)?;
        Ok(Loaded { dataset, parts: self.parts, layout, notes })
    }
}
