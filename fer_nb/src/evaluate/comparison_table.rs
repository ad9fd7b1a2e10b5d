//! A [`Comparison`] as a table: the differences between the runs first, then their results.

use std::fmt;

use polars::prelude::{Column, DataFrame, df};

use super::comparison::{ComparedRun, Comparison, TestScores};
use super::{Accuracy, McNemar, SeedSpread};
use crate::common::{Result, text};
use crate::data::column;

/// The columns of results, after those of the differences.
const RESULTS: [&str; 11] = [
    "epochs",
    "val_accuracy",
    "val_loss",
    "accuracy",
    "macro F1",
    "balanced",
    "top 2",
    "ECE",
    "ECE calibrated",
    "p",
    "verdict",
];
/// The placeholder for a missing value.
const NONE: &str = "–";

impl Comparison {
    /// A table with a row for each run. Columns: `run`, `network` (str), each of [`Comparison::differences`] (str,
    /// null if the run lacks the setting), `epochs` (u32), `val_accuracy`, `val_low`, `val_high`, `val_loss` (f64,
    /// null if nothing was held back), and for the test images `accuracy`, `low`, `high`, `macro F1`, `balanced`,
    /// `top 2` (f64, 0 to 1), `ECE`, `temperature`, `ECE calibrated` (f64, null for a run that was not evaluated),
    /// `p` (f64), McNemar's against [`Comparison::baseline`], and `verdict` (str); null for that run.
    ///
    /// # Errors
    /// [`Error::Table`](crate::error::Error::Table) if polars reports an error.
    pub fn to_table(&self) -> Result<DataFrame> {
        let runs = &self.runs;
        let validation = |of: fn(Accuracy) -> f64| column(runs, |run| run.val_accuracy.map(of));
        let test = |of: fn(&TestScores) -> f64| column(runs, |run| run.test.as_ref().map(of));
        let mut table = df!(
            "run" => column(runs, |run| run.run.clone()),
            "network" => column(runs, |run| run.network.clone()),
        )?;
        for (name, difference) in self.settings().into_iter().zip(&self.differences) {
            table.with_column(Column::new(name.into(), &difference.values))?;
        }
        let results = df!(
            "epochs" => column(runs, |run| run.epochs as u32),
            "val_accuracy" => validation(|accuracy| accuracy.value),
            "val_low" => validation(|accuracy| accuracy.low),
            "val_high" => validation(|accuracy| accuracy.high),
            "val_loss" => column(runs, |run| run.val_loss),
            "accuracy" => test(|test| test.accuracy.value),
            "low" => test(|test| test.accuracy.low),
            "high" => test(|test| test.accuracy.high),
            "macro F1" => test(|test| test.macro_f1),
            "balanced" => test(|test| test.balanced_accuracy),
            "top 2" => test(|test| test.top_2.value),
            "ECE" => test(|test| test.ece),
            "temperature" => test(|test| test.temperature),
            "ECE calibrated" => test(|test| test.ece_calibrated),
            "p" => column(runs, |run| run.mcnemar.map(|test| test.p_value)),
            "verdict" => column(runs, |run| run.verdict.map(|verdict| verdict.to_string())),
        )?;
        for result in results.columns() {
            table.with_column(result.clone())?;
        }
        Ok(table)
    }

    /// The names of the columns of settings. A setting with the name of a result gets its full path.
    fn settings(&self) -> Vec<String> {
        let name = |setting: &String| match RESULTS.contains(&setting.as_str()) {
            true => format!("train.{setting}"),
            false => setting.clone(),
        };
        self.differences.iter().map(|difference| name(&difference.setting)).collect()
    }

    /// The headings of [`Comparison::lines`].
    pub(crate) fn heads(&self) -> Vec<String> {
        let before = ["run", "network"].map(String::from);
        let results = RESULTS.map(String::from);
        before.into_iter().chain(self.settings()).chain(results).collect()
    }

    /// A line of text for each run: the values of [`Comparison::to_table`], with intervals in the same cell and
    /// only significant digits.
    pub(crate) fn lines(&self) -> Vec<Vec<String>> {
        let setting = |place: usize| {
            let values = self.differences.iter().map(move |found| found.values.get(place));
            values.map(|value| value.cloned().flatten().unwrap_or_else(|| NONE.into()))
        };
        let of_run = |(place, run): (usize, &ComparedRun)| {
            let names = [run.run.clone(), run.network.clone()];
            names.into_iter().chain(setting(place)).chain(results(run)).collect()
        };
        self.runs.iter().enumerate().map(of_run).collect()
    }

    /// The number of columns before those of results.
    pub(crate) fn settings_end(&self) -> usize {
        2 + self.differences.len()
    }

    /// The lines below the table: what the verdicts are, which runs were not evaluated, which test images a run was
    /// trained on, the spread over seeds, and each protocol once.
    pub fn footer(&self) -> String {
        let mut lines = Vec::new();
        match self.runs.iter().filter(|run| run.verdict.is_some()).count() {
            0 => {}
            1 => lines.push(format!("p, verdict: McNemar's test against {} at 5 %", self.baseline)),
            n => lines.push(format!(
                "p, verdict: McNemar's test against {}; verdicts at 5 % over all {n} tests (Holm)",
                self.baseline
            )),
        }
        for run in &self.runs {
            if let Some(why) = &run.not_evaluated {
                let why = why.lines().next().unwrap_or_default();
                lines.push(format!("{}: not evaluated on the test images: {why}", run.run));
            }
        }
        for run in &self.runs {
            if let (Some(_), Some(note)) = (&run.test, &run.overlap_note) {
                lines.push(format!("{}: {note}", run.run));
            }
        }
        if let Some(SeedSpread { accuracy, macro_f1, balanced_accuracy }) = &self.seeds {
            lines.push(format!("accuracy over seeds: {accuracy}"));
            lines.push(format!("macro F1 over seeds: {macro_f1}"));
            lines.push(format!("balanced accuracy over seeds: {balanced_accuracy}"));
        }
        for run in self.runs.iter().filter(|run| run.test.is_some()) {
            let line = run.protocol.to_string();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.join("\n")
    }
}

/// A run's cells for the columns [`RESULTS`].
fn results(run: &ComparedRun) -> [String; RESULTS.len()] {
    let interval = |accuracy: Option<Accuracy>| {
        accuracy.map_or(NONE.into(), |Accuracy { value, low, high, .. }| {
            format!("{value:.4} ({low:.3}–{high:.3})")
        })
    };
    let test = |of: fn(&TestScores) -> f64, digits: usize| {
        run.test.as_ref().map_or(NONE.into(), |test| format!("{:.digits$}", of(test)))
    };
    [
        run.epochs.to_string(),
        interval(run.val_accuracy),
        run.val_loss.map_or(NONE.into(), |loss| format!("{loss:.4}")),
        interval(run.test.as_ref().map(|test| test.accuracy)),
        test(|test| test.macro_f1, 4),
        test(|test| test.balanced_accuracy, 4),
        test(|test| test.top_2.value, 3),
        test(|test| test.ece, 3),
        test(|test| test.ece_calibrated, 3),
        match run.mcnemar {
            None => NONE.into(),
            Some(McNemar { p_value, .. }) if p_value < 0.001 => "< 0.001".into(),
            Some(McNemar { p_value, .. }) => format!("{p_value:.3}"),
        },
        run.verdict.map_or(NONE.into(), |verdict| verdict.to_string()),
    ]
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, val_ on validation images, the rest on test images", self.title)?;
        for line in text::aligned(&self.heads(), &self.lines(), self.settings_end()) {
            writeln!(f, "{line}")?;
        }
        f.write_str(&self.footer())
    }
}
