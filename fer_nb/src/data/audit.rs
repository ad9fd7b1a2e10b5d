//! [`Audit`]: faults of the data: copies, copies across train and test, copies with contradictory labels, and
//! images of one flat colour.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;

use super::copies::{Member, TEST, groups_of_copies, is_flat, members};
use super::table::column;
use super::{Dataset, FaceData, Origin};
use crate::common::{Result, brief, text};
use crate::emotion::Emotion;

/// The parts of the data, in the order of the audit.
const SPLITS: [&str; 3] = ["train", "validation", "test"];

/// The findings of [`FaceData::audit`]. Copies are exact: all 2304 pixels are equal.
#[derive(Clone)]
pub struct Audit {
    /// The source of the images.
    pub(crate) origin: Origin,
    /// The number of images in all three parts.
    pub(crate) images: usize,
    /// Distinct images; `images - distinct` are copies of another one.
    pub(crate) distinct: usize,
    /// Images that are a copy of another one: all but one of each group.
    pub(crate) copies: usize,
    /// Groups of two or more images that are copies of each other.
    pub(crate) groups: usize,
    /// Test images that are also in train or validation: the network may have been trained on their label.
    pub(crate) test_in_train: usize,
    /// Train and validation images that are also in test, which [`FaceData::without_leaks`] removes.
    pub(crate) train_in_test: usize,
    /// Validation images that are also in train, which makes val_loss look better than it is.
    pub(crate) validation_in_train: usize,
    /// Groups of copies whose labels are not all the same.
    pub(crate) disagreeing_groups: usize,
    /// Images whose pixels all have the same value.
    pub(crate) flat: usize,
    affected: Vec<Affected>,
}

brief!(
    Audit,
    |audit| "{}, {} with a problem, {}",
    text::plural(audit.images, "image"),
    text::count(audit.affected.len()),
    audit.origin
);

/// An image with a fault.
#[derive(Debug, Clone)]
struct Affected {
    split: usize,
    source: String,
    emotion: Emotion,
    problems: Vec<&'static str>,
    /// The number of its group of copies, from 1.
    group: Option<u32>,
}

impl FaceData {
    /// Finds copies, leaks, contradictory labels and flat images; takes a fraction of a second.
    ///
    /// # Errors
    /// [`Error::Table`](crate::common::Error::Table) if the data's table can't be read.
    pub fn audit(&self) -> Result<Audit> {
        let members = members(self.parts());
        let groups = groups_of_copies(&members);
        let copies = groups.iter().map(|group| group.len() - 1).sum();
        let mut audit = Audit {
            origin: self.origin().clone(),
            images: members.len(),
            distinct: members.len() - copies,
            copies,
            groups: groups.len(),
            test_in_train: 0,
            train_in_test: 0,
            validation_in_train: 0,
            disagreeing_groups: 0,
            flat: 0,
            affected: Vec::new(),
        };
        let [train, validation, test] = self.parts();
        let sources = [sources(train)?, sources(validation)?, sources(test)?];
        let row = |member: &Member, group| {
            let Member { split, index, emotion, .. } = *member;
            let source = sources.get(split).and_then(|names| names.get(index)).cloned();
            let source = source.unwrap_or_default();
            Affected { split, source, emotion, problems: Vec::new(), group }
        };
        // Sorted by split and index, so that the table is in the data's order.
        let mut affected: BTreeMap<(usize, usize), Affected> = BTreeMap::new();
        for (number, group) in (1u32..).zip(&groups) {
            let count = |split| group.iter().filter(|member| member.split == split).count();
            let [train, validation, test] = [0, 1, TEST].map(count);
            let leaks = test > 0 && train + validation > 0;
            if leaks {
                audit.test_in_train += test;
                audit.train_in_test += train + validation;
            }
            if train > 0 {
                audit.validation_in_train += validation;
            }
            let labels: BTreeSet<Emotion> = group.iter().map(|member| member.emotion).collect();
            let disagrees = labels.len() > 1;
            if disagrees {
                audit.disagreeing_groups += 1;
            }
            let found =
                [(true, "copy"), (leaks, "in train and test"), (disagrees, "labels disagree")];
            for member in group {
                let mut row = row(member, Some(number));
                row.problems.extend(found.iter().filter(|(is, _)| *is).map(|(_, name)| *name));
                affected.insert((member.split, member.index), row);
            }
        }
        for member in members.iter().filter(|member| is_flat(member.pixels)) {
            audit.flat += 1;
            let place = (member.split, member.index);
            let row = affected.entry(place).or_insert_with(|| row(member, None));
            row.problems.push("one flat colour");
        }
        audit.affected = affected.into_values().collect();
        Ok(audit)
    }
}

impl Audit {
    /// A table with a row for each affected image, in the data's order: `split`, `source` and `emotion` (str),
    /// `problem` (str: "copy", "in train and test", "labels disagree", "one flat colour", several joined by "; "),
    /// and `group` (u32, the same for copies of each other; null without copies).
    pub fn table(&self) -> Result<DataFrame> {
        let rows = &self.affected;
        Ok(df!(
            "split" => column(rows, |row| SPLITS.get(row.split).copied().unwrap_or_default()),
            "source" => column(rows, |row| row.source.clone()),
            "emotion" => column(rows, |row| row.emotion.name()),
            "problem" => column(rows, |row| row.problems.join("; ")),
            "group" => column(rows, |row| row.group),
        )?)
    }

    /// The name and count of each finding, in the order of the report.
    pub fn findings(&self) -> [(&'static str, usize); 9] {
        [
            ("images", self.images),
            ("images that differ from each other", self.distinct),
            ("exact copies of another image", self.copies),
            ("groups of copies", self.groups),
            ("test images also in train or validation", self.test_in_train),
            ("train and validation images also in test", self.train_in_test),
            ("validation images also in train", self.validation_in_train),
            ("groups of copies that disagree on the label", self.disagreeing_groups),
            ("images of one flat colour", self.flat),
        ]
    }
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Audit of {}", self.origin)?;
        for (what, count) in self.findings() {
            write!(f, "\n{:>8}  {what}", text::count(count))?;
        }
        Ok(())
    }
}

fn sources(data: &Dataset) -> Result<Vec<String>> {
    let table = data.table()?;
    let column = table.column("source")?.str()?;
    Ok(column.iter().map(|source| source.unwrap_or_default().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{self, data_with};

    #[test]
    fn clean_data_has_no_findings() {
        let audit = data_with(&[]).audit().unwrap();
        assert_eq!((audit.images, audit.distinct), (91, 91));
        assert!(audit.findings()[2..].iter().all(|(_, count)| *count == 0), "{audit}");
        assert_eq!(audit.table().unwrap().height(), 0);
    }

    #[test]
    fn each_problem_is_counted_once_and_listed() {
        let flat = fixtures::encode(image::GrayImage::from_pixel(48, 48, image::Luma([7])).into());
        let data = data_with(&[
            // Three of a kind across train (twice) and test; the labels agree.
            ("train/happy/x1.png", fixtures::png(900)),
            ("train/happy/x2.png", fixtures::png(900)),
            ("test/happy/x3.png", fixtures::png(900)),
            // Two in train that disagree.
            ("train/sad/y1.png", fixtures::png(901)),
            ("train/fear/y2.png", fixtures::png(901)),
            // One in validation (its name comes first) and in train.
            ("train/angry/000.png", fixtures::png(902)),
            ("train/angry/z.png", fixtures::png(902)),
            // Flat, and no copy.
            ("test/sad/flat.png", flat),
        ]);
        let audit = data.audit().unwrap();
        assert_eq!((audit.images, audit.distinct, audit.copies, audit.groups), (99, 95, 4, 3));
        assert_eq!((audit.test_in_train, audit.train_in_test), (1, 2));
        assert_eq!(audit.validation_in_train, 1);
        assert_eq!(audit.disagreeing_groups, 1);
        assert_eq!(audit.flat, 1);
        let table = audit.table().unwrap();
        let rows: Vec<String> = (0..table.height())
            .map(|row| {
                let text = |name: &str| {
                    table.column(name).unwrap().str().unwrap().get(row).unwrap().to_string()
                };
                let group = table.column("group").unwrap().u32().unwrap().get(row);
                format!("{} {}: {} {group:?}", text("split"), text("source"), text("problem"))
            })
            .collect();
        assert_eq!(
            rows,
            [
                "train train/angry/z.png: copy Some(1)",
                "train train/fear/y2.png: copy; labels disagree Some(2)",
                "train train/happy/x1.png: copy; in train and test Some(3)",
                "train train/happy/x2.png: copy; in train and test Some(3)",
                "train train/sad/y1.png: copy; labels disagree Some(2)",
                "validation train/angry/000.png: copy Some(1)",
                "test test/happy/x3.png: copy; in train and test Some(3)",
                "test test/sad/flat.png: one flat colour None",
            ]
        );
        let shown = audit.to_string();
        assert!(shown.contains("\n       4  exact copies of another image\n"), "{shown}");
    }

    /// Against the known counts of FER2013's train and PublicTest images; needs them in the folder
    /// that FER2013_DIR names.
    #[test]
    #[ignore = "needs FER2013 in FER2013_DIR"]
    fn the_known_counts_of_fer2013() {
        let Some(folder) = std::env::var_os("FER2013_DIR") else { return };
        let data = FaceData::from_path(std::path::Path::new(&folder)).unwrap();
        let audit = data.audit().unwrap();
        println!("{data}\n{audit}\n{}", data.class_distribution());
        if audit.images == 32_298 {
            assert_eq!(data.train.len(), 22_968);
            assert_eq!(data.validation.len(), 5_741);
            assert_eq!((audit.distinct, audit.copies), (30_766, 1_532));
            assert_eq!((audit.test_in_train, audit.disagreeing_groups), (280, 47));
        } else {
            assert_eq!((audit.images, audit.distinct), (35_887, 34_034));
            assert_eq!((audit.test_in_train, audit.disagreeing_groups), (568, 57));
            assert_eq!(audit.flat, 12);
        }
    }
}
