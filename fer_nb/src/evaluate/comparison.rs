//! [`Comparison`]: several runs on the same test images.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use polars::prelude::{DataFrame, df};
use serde::Serialize;
use tch::Device;

use super::{Accuracy, Evaluation, McNemar, Protocol, SeedSpread, Temperature, evaluate};
use crate::common::{Error, Result};
use crate::data::{FaceData, column};
use crate::train::{RunConfig, RunFolder};

/// One run's metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// The folder's name, with folders above it where another run's has the same.
    pub run: String,
    /// The architecture's name.
    pub network: String,
    /// The number of epochs that were trained.
    pub epochs: usize,
    /// Its seed.
    pub seed: u64,
    /// On the validation images, which choose between runs; `None` if it held none back.
    pub val_accuracy: Option<Accuracy>,
    /// Mean cross-entropy on them, in nats.
    pub val_loss: Option<f64>,
    /// On the test images, with Wilson's 95 % interval.
    pub accuracy: Accuracy,
    /// The plain mean of the classes' F1, 0 to 1.
    pub macro_f1: f64,
    /// The mean recall of the classes that have images, 0 to 1.
    pub balanced_accuracy: f64,
    /// The share of labels among the two likeliest classes.
    pub top_2: Accuracy,
    /// Expected calibration error as it is.
    pub ece: f64,
    /// The temperature fitted on validation.
    pub temperature: f64,
    /// Expected calibration error at that temperature.
    pub ece_calibrated: f64,
    /// Against the first run; `None` for the first itself.
    pub mcnemar: Option<McNemar>,
    /// What it was trained, chosen and measured on.
    pub protocol: Protocol,
}

/// Runs on the same test images, in the order in which they were named.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// One entry a run.
    pub runs: Vec<ComparedRun>,
    /// Mean and spread, if the runs differ in nothing but their seeds.
    pub seeds: Option<SeedSpread>,
    /// "FER2013", "made-up sample" or a folder's name.
    pub title: String,
}

/// Evaluates the best weights of each run on `data`'s test images and puts the metrics side by side.
///
/// # Errors
/// [`Error::Input`] for no run; [`Error::Missing`] for a run that is not there or has no weights; as
/// [`RunFolder::check_data`] for a run that was trained on another kind of data.
pub fn compare(runs: &[RunFolder], data: &FaceData, device: Device) -> Result<Comparison> {
    if runs.is_empty() {
        return Err(Error::input("runs", 0, "one or more"));
    }
    let (mut rows, mut tests, mut configs) = (Vec::new(), Vec::<Evaluation>::new(), Vec::new());
    for (run, name) in runs.iter().zip(names(runs)) {
        run.check_data(data)?;
        let (config, network) = (run.config()?, run.network(device)?);
        let test = evaluate(&*network, &data.test)?;
        let held_back = run.held_back(data)?;
        let validation =
            (!held_back.is_empty()).then(|| evaluate(&*network, &held_back)).transpose()?;
        let temperature = validation.as_ref().map(Temperature::fit).unwrap_or_default();
        rows.push(ComparedRun {
            run: name,
            network: config.network.clone(),
            epochs: run.history()?.epochs.len(),
            seed: config.train.seed,
            val_accuracy: validation.as_ref().map(Evaluation::accuracy),
            val_loss: validation.as_ref().map(Evaluation::loss),
            accuracy: test.accuracy(),
            macro_f1: test.classification_report().macro_avg().f1,
            balanced_accuracy: test.balanced_accuracy(),
            top_2: test.top_k(2)?,
            ece: test.calibration().ece,
            temperature: temperature.value(),
            ece_calibrated: test.at_temperature(temperature)?.calibration().ece,
            mcnemar: tests.first().map(|first| first.mcnemar(&test)).transpose()?,
            protocol: Protocol::of(Some(&config), data)?,
        });
        tests.push(test);
        configs.push(config);
    }
    let seeds = differ_in_seed_only(&configs).then(|| SeedSpread::of(&tests)).transpose()?;
    Ok(Comparison { runs: rows, seeds, title: data.origin().title().into() })
}

/// The folders' names, with as many of the folders above as tell them apart: every run may have a
/// `before/`, every study a first trial.
fn names(runs: &[RunFolder]) -> Vec<String> {
    let ends = |parts: usize| -> Vec<String> {
        let end = |run: &RunFolder| {
            let above = run.path().components().count().saturating_sub(parts);
            run.path().components().skip(above).collect::<PathBuf>().display().to_string()
        };
        runs.iter().map(end).collect()
    };
    let longest = runs.iter().map(|run| run.path().components().count()).max().unwrap_or(1);
    let distinct = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    (1..=longest).map(ends).find(distinct).unwrap_or_else(|| ends(1))
}

fn differ_in_seed_only(configs: &[RunConfig]) -> bool {
    let Some(first) = configs.first() else { return false };
    let seedless = |config: &RunConfig| {
        let mut config = config.clone();
        config.train.seed = 0;
        config
    };
    let same = |config: &RunConfig| seedless(first).difference(&seedless(config)).is_none();
    let seeds: BTreeSet<u64> = configs.iter().map(|config| config.train.seed).collect();
    configs.len() > 1 && seeds.len() == configs.len() && configs.iter().all(same)
}

impl Comparison {
    /// A table of one row a run. Columns: `run`, `network` (str), `epochs` (u32), `val_accuracy`, `val_loss` (f64, null
    /// if nothing was held back), and of the test images `accuracy`, `low`, `high`, `macro F1`,
    /// `balanced`, `top 2` (f64, 0 to 1), `ECE`, `temperature`, `ECE calibrated` (f64), and `p` (f64),
    /// McNemar's against the first run; null for the first itself.
    ///
    /// # Errors
    /// [`Error::Table`] if polars refuses.
    pub fn to_table(&self) -> Result<DataFrame> {
        let runs = &self.runs;
        Ok(df!(
            "run" => column(runs, |run| run.run.clone()),
            "network" => column(runs, |run| run.network.clone()),
            "epochs" => column(runs, |run| run.epochs as u32),
            "val_accuracy" => column(runs, |run| run.val_accuracy.map(|accuracy| accuracy.value)),
            "val_loss" => column(runs, |run| run.val_loss),
            "accuracy" => column(runs, |run| run.accuracy.value),
            "low" => column(runs, |run| run.accuracy.low),
            "high" => column(runs, |run| run.accuracy.high),
            "macro F1" => column(runs, |run| run.macro_f1),
            "balanced" => column(runs, |run| run.balanced_accuracy),
            "top 2" => column(runs, |run| run.top_2.value),
            "ECE" => column(runs, |run| run.ece),
            "temperature" => column(runs, |run| run.temperature),
            "ECE calibrated" => column(runs, |run| run.ece_calibrated),
            "p" => column(runs, |run| run.mcnemar.map(|test| test.p_value)),
        )?)
    }

    /// The lines below the table: the spread over seeds, and each protocol once.
    pub fn footer(&self) -> String {
        let mut lines = Vec::new();
        if let Some(SeedSpread { accuracy, macro_f1, balanced_accuracy }) = &self.seeds {
            lines.push(format!("accuracy over seeds: {accuracy}"));
            lines.push(format!("macro F1 over seeds: {macro_f1}"));
            lines.push(format!("balanced accuracy over seeds: {balanced_accuracy}"));
        }
        for run in &self.runs {
            let line = run.protocol.to_string();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.join("\n")
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.runs.iter().map(|run| run.run.chars().count()).max().unwrap_or(0).max(3);
        writeln!(f, "{}, val_ on validation images, the rest on test images", self.title)?;
        writeln!(
            f,
            "{:width$}  network   epochs  val_accuracy  val_loss  accuracy  95 % interval  macro F1  balanced  top 2   ECE \
             calibrated  p (McNemar)",
            "run"
        )?;
        for run in &self.runs {
            let p = match run.mcnemar {
                None => "–".to_string(),
                Some(McNemar { p_value, .. }) if p_value < 0.001 => "< 0.001".into(),
                Some(McNemar { p_value, .. }) => format!("{p_value:.3}"),
            };
            let known =
                |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.4}"));
            writeln!(
                f,
                "{:width$}  {:<8}  {:>6}  {:>12}  {:>8}  {:>8.4}  {:.4}–{:.4}  {:>8.4}  {:>8.4}  {:.3}  {:.3}      {:.3}  {p}",
                run.run,
                run.network,
                run.epochs,
                known(run.val_accuracy.map(|accuracy| accuracy.value)),
                known(run.val_loss),
                run.accuracy.value,
                run.accuracy.low,
                run.accuracy.high,
                run.macro_f1,
                run.balanced_accuracy,
                run.top_2.value,
                run.ece,
                run.ece_calibrated,
            )?;
        }
        f.write_str(&self.footer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::train::Recipe;

    #[test]
    fn runs_that_differ_in_their_seed_are_spread() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let runs: Vec<RunFolder> = [1u64, 2, 3]
            .into_iter()
            .map(|seed| {
                let mut recipe = Recipe::default();
                recipe.train.epochs = 1;
                recipe.train.seed = seed.min(2);
                recipe.train.batch_size = if seed == 3 { 16 } else { 32 };
                let path = folder.path().join(format!("run{seed}"));
                recipe.trainer(Device::Cpu, &path).unwrap().fit(&data).unwrap();
                RunFolder::at(path)
            })
            .collect();
        let two = compare(&runs[..2], &data, Device::Cpu).unwrap();
        assert_eq!(two.seeds.unwrap().accuracy.n, 2);
        assert!(two.to_string().contains("accuracy over seeds: "), "{two}");
        assert!(two.runs[0].mcnemar.is_none() && two.runs[1].mcnemar.is_some());
        let table = two.to_table().unwrap();
        assert_eq!(table.shape(), (2, 15));
        let network = runs[1].network(Device::Cpu).unwrap();
        let held_back = evaluate(&*network, &runs[1].held_back(&data).unwrap()).unwrap();
        assert_eq!(two.runs[1].val_accuracy, Some(held_back.accuracy()));
        assert_eq!(two.runs[1].val_loss, Some(held_back.loss()));
        let text = two.to_string();
        assert!(text.contains(&format!("  {:.4}  ", held_back.loss())), "{text}");
        assert!(text.contains("run2") && text.contains("made-up sample's test part"), "{text}");
        let three = compare(&runs, &data, Device::Cpu).unwrap();
        assert_eq!(three.seeds, None, "other batches are another recipe");
        assert!(compare(&[], &data, Device::Cpu).is_err());
        let missing = RunFolder::at(folder.path().join("none"));
        assert!(compare(&[missing], &data, Device::Cpu).is_err());
    }

    #[test]
    fn folders_of_one_name_are_told_apart() {
        let names = |paths: &[&str]| names(&paths.iter().map(RunFolder::at).collect::<Vec<_>>());
        assert_eq!(names(&["runs/a", "runs/b"]), ["a", "b"]);
        assert_eq!(names(&["runs/a/before", "runs/b/before"]), ["a/before", "b/before"]);
        assert_eq!(names(&["before", "/runs/b/before"]), ["before", "b/before"]);
        assert_eq!(names(&["/x/a", "/y/a"]), ["x/a", "y/a"]);
        assert_eq!(names(&["runs/a", "runs/a"]), ["a", "a"], "the same run twice");
    }
}
