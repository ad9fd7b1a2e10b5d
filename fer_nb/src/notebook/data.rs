//! Displays of stage 2 in a cell.

use crate::common::Result;
use crate::common::text::{count, percent, plural};
use crate::data::{Audit, ClassDistribution, Dataset, FaceData};
use crate::emotion::Emotion;
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};

impl Show for FaceData {
    fn overview(&self) -> Result<Table> {
        let parts = ["train", "validation", "test"].map(String::from);
        let rows = self.found_lines().into_iter().zip(parts).map(|(line, part)| [line, part]);
        let notes: Vec<String> = self.notes.iter().map(|note| format!("{note}.")).collect();
        let table = Table::pairs(rows).caption(format!("Data: {}", self.origin()));
        Ok(table.note(notes.join(" ")))
    }
}

shows!(FaceData, "the images found for each part of the data");

impl Show for ClassDistribution {
    fn overview(&self) -> Result<Table> {
        let parts = self.splits.map(|(part, counts)| (part, counts, counts.iter().sum::<usize>()));
        let mut heads = vec!["class"];
        heads.extend(parts.iter().flat_map(|(part, _, _)| [*part, "share"]));
        let mut table = Table::new(heads).right(1..7).caption(format!("Images, {}", self.origin));
        for class in Emotion::ALL {
            let mut row = vec![class.name().to_string()];
            for (_, counts, total) in &parts {
                let images = counts.get(class.index()).copied().unwrap_or_default();
                row.push(count(images));
                row.push(percent(images as f64 / (*total).max(1) as f64, 1));
            }
            table = table.row(row);
        }
        let totals = parts.iter().flat_map(|(_, _, total)| [count(*total), String::new()]);
        Ok(table.row(std::iter::once("total".to_string()).chain(totals)))
    }
}

shows!(ClassDistribution, "images of each class in each part, and their shares of the part");

impl Show for Audit {
    fn overview(&self) -> Result<Table> {
        let rows = self.findings().map(|(finding, number)| [finding.to_string(), count(number)]);
        let table = rows.into_iter().fold(Table::new(["finding", "number"]).right([1]), Table::row);
        Ok(table.caption(format!("Audit, {}", self.origin)))
    }
}

shows!(Audit, "the findings, and how often each occurs");

impl Show for Dataset {
    fn overview(&self) -> Result<Table> {
        let total = self.len().max(1) as f64;
        let row = |(class, images): (Emotion, usize)| {
            [class.name().to_string(), count(images), percent(images as f64 / total, 1)]
        };
        let table = Emotion::ALL
            .into_iter()
            .zip(self.class_counts())
            .map(row)
            .fold(Table::new(["class", "images", "share"]).right([1, 2]), Table::row);
        Ok(table.caption(format!("{}, {}", plural(self.len(), "image"), self.origin())))
    }
}

shows!(Dataset, "images of each class, and their shares");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;

    #[test]
    fn data_names_its_origin() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let audit = data.audit().unwrap();
        let tables = [
            (data.overview(), "Found 35 images belonging to 7 classes."),
            (data.class_distribution().overview(), "surprise"),
            (audit.overview(), "of one flat colour"),
            (data.test.overview(), "35 images"),
        ];
        for (table, part) in tables {
            let text = table.unwrap().to_string();
            assert!(text.contains(part) && text.contains("made-up"), "{text}");
        }
    }
}
