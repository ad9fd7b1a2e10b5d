//! Runs side by side: the display of a [`Comparison`] in a cell, and its files.

use std::path::Path;

use crate::common::files::write_text;
use crate::common::frame::FrameCsv;
use crate::common::text::{escape_xml, shown};
use crate::common::{Error, Result};
use crate::evaluate::Comparison;
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};

impl Show for Comparison {
    /// Different settings come first, then results. McNemar's p and the verdict share the last column, which always
    /// stays in view.
    fn overview(&self) -> Result<Table> {
        let (mut heads, mut lines) = (self.heads(), self.lines());
        for line in &mut lines {
            join_last(line, |p, verdict| match verdict.as_str() {
                "–" => p,
                _ => format!("{p}  {verdict}"),
            });
        }
        join_last(&mut heads, |p, verdict| format!("{p}, {verdict}"));
        let numbers = self.settings_end()..heads.len();
        let caption = format!("Runs on the test images, {}", self.title);
        let table = lines.into_iter().fold(Table::new(heads).right(numbers), Table::row);
        Ok(table.caption(caption).note(self.footer()).sortable().pinned())
    }
}

shows!(Comparison, "what differs between the runs, then their scores side by side", Display);

impl Comparison {
    /// Saves the table and returns the comparison, so that a cell that ends in `.save(…)?` also displays it. The
    /// file's extension selects the format: `.csv` with the columns of [`Comparison::to_table`], `.md`, `.tex` or a
    /// page, `.html`. Missing folders are created.
    ///
    /// # Errors
    /// [`Error::Input`] for another extension; [`Error::Io`] if the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Comparison> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        match ending.to_ascii_lowercase().as_str() {
            "csv" => self.to_table()?.to_csv(path)?,
            "md" => write_text(path, self.markdown()?)?,
            "tex" => write_text(path, self.latex()?)?,
            "html" => write_text(path, page(&self.title, &self.overview()?.html()))?,
            _ => {
                let expected = "a name that ends in .csv, .md, .tex or .html";
                return Err(Error::input("file of a comparison", shown(path), expected));
            }
        }
        Ok(self.clone())
    }

    /// The table as Markdown.
    ///
    /// # Errors
    /// [`Error::Table`] if it can't be built.
    pub fn markdown(&self) -> Result<String> {
        Ok(self.overview()?.markdown())
    }

    /// The table as LaTeX, for the package booktabs.
    ///
    /// # Errors
    /// [`Error::Table`] if it can't be built.
    pub fn latex(&self) -> Result<String> {
        Ok(self.overview()?.latex())
    }
}

/// A page with a table, which loads nothing.
fn page(title: &str, table: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Runs, {}</title>\
         <style>:root{{color-scheme:light dark}}body{{font:14px/1.4 system-ui,sans-serif;margin:24px}}</style>\
         </head>\n<body>{table}</body></html>\n",
        escape_xml(title)
    )
}

/// Joins the last two cells of a line.
fn join_last(line: &mut Vec<String>, join: impl Fn(String, String) -> String) {
    if let (Some(verdict), Some(p)) = (line.pop(), line.pop()) {
        line.push(join(p, verdict));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::evaluate::compare_on;
    use crate::train::{Recipe, RunFolder};
    use tch::Device;

    #[test]
    fn a_comparison_is_a_table_a_figure_and_files() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let runs = [1e-3, 2e-3].map(|rate| {
            let mut recipe = Recipe::default();
            (recipe.train.epochs, recipe.train.batch_size) = (1, 32);
            recipe.train.learning_rate = rate;
            let path = folder.path().join(format!("rate_{rate}"));
            recipe.trainer(Device::Cpu, &path).unwrap().fit(&data).unwrap();
            RunFolder::at(path)
        });
        let comparison = compare_on(&runs, &data, Device::Cpu).unwrap();
        let html = comparison.overview().unwrap().html();
        let place = |words: &str| html.find(words).unwrap_or_else(|| panic!("{words} in {html}"));
        // Differences come first, and the verdict is in the column that stays in view.
        assert!(place(">learning_rate</th>") < place(">val_accuracy</th>"));
        assert!(place(">ECE calibrated</th>") < place(">p, verdict</th>"));
        assert!(html.contains("right:0") && html.contains(">0.002</td>"), "{html}");
        assert!(comparison.figure().unwrap().svg().contains("rate_0.002"));
        let text = |name: &str| {
            let path = folder.path().join("tables").join(name);
            comparison.save(&path).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        let csv = text("runs.csv");
        let heads = csv.lines().next().unwrap();
        assert!(
            heads.starts_with("run,network,learning_rate,epochs,val_accuracy,val_low"),
            "{csv}"
        );
        assert!(heads.ends_with(",p,verdict") && csv.lines().count() == 3, "{csv}");
        let frame = crate::common::frame::read_csv(folder.path().join("tables/runs.csv")).unwrap();
        assert_eq!(frame.shape(), comparison.to_table().unwrap().shape());
        assert!(text("runs.md").contains("| run | network | learning_rate | epochs |"));
        assert!(text("runs.tex").contains("rate\\_0.002 & seed\\_cnn & 0.002 & 1 &"));
        assert!(text("runs.html").contains("<title>Runs, made-up sample</title>"));
        assert!(matches!(comparison.save("runs.xlsx"), Err(Error::Input { .. })));
    }
}
