//! [`RunRow`]: the cost and the results of a run, as a row; [`RunTable`]: rows in a csv file.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Device;
use toml::{Table, Value};

use super::config::TrainConfig;
use super::recipe::Recipe;
use super::record::EpochRecord;
use super::run::{RunConfig, RunFolder};
use crate::common::files::replace_file;
use crate::common::{Error, Place, Result, plain_file};
use crate::data::SIDE;
use crate::model::Architecture;
use crate::project::runs;

/// A training step has a forward pass and a backward pass, which computes two gradients for each product of the
/// forward pass.
const STEP: f64 = 3.0;

/// One run: its cost, and its results on the images held back for validation. Every value comes from the run's
/// folder; test images are not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRow {
    /// The run's name below runs/, or its folder's.
    pub run: String,
    /// The architecture's name, and the settings that are not its defaults.
    pub network: String,
    /// Trainable parameters; `None` for a custom network.
    pub parameters: Option<i64>,
    /// 10⁹ floating-point operations of a training step for one image of 48×48 pixels: three forward passes,
    /// counted as in [`SummaryRow::flops`](crate::model::SummaryRow::flops); with sharpness-aware steps six.
    pub training_gflops_per_image: Option<f64>,
    /// 10¹⁵ floating-point operations for all images that it has processed, without validation and teachers.
    pub training_pflops: Option<f64>,
    /// Training images, each counted as often as it was used.
    pub images_seen: usize,
    /// Completed epochs.
    pub epochs: usize,
    /// Wall-clock minutes of these epochs, including validation.
    pub minutes: f64,
    /// The hardware: "AMD EPYC 7B13 (AVX2), 2 threads"; without the processor's name in runs saved by older
    /// versions.
    pub hardware: String,
    /// The dtype of the computation: "bfloat16 (auto)".
    pub precision: String,
    /// Its seed.
    pub seed: u64,
    /// "FER2013", "made-up sample" or a folder's name.
    pub data: String,
    /// Fingerprint of pixels, labels and order of the data.
    pub data_fingerprint: String,
    /// The number of images held back for validation.
    pub validation_images: usize,
    /// The highest accuracy on them after an epoch, 0 to 1.
    pub val_accuracy: Option<f64>,
    /// That epoch.
    pub val_accuracy_epoch: Option<usize>,
    /// The lowest cross-entropy on them after an epoch, in nats.
    pub val_loss: Option<f64>,
    /// That epoch.
    pub val_loss_epoch: Option<usize>,
    /// The crate's recipe with the fewest different hyperparameters.
    pub recipe: String,
    /// Hyperparameters that differ from that recipe, in the form of `fer train --set`, separated by semicolons.
    pub changes: String,
}

impl RunRow {
    /// The row of the run in a folder.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no run; [`Error::File`] if its files can't be read.
    pub fn of(run: &RunFolder) -> Result<Self> {
        let (config, history) = (run.config()?, run.history()?);
        let epochs = &history.epochs;
        let architecture = config.architecture.clone().or_else(|| config.network.parse().ok());
        let [train, validation] = config.trained_on.unwrap_or([config.images[0], config.images[1]]);
        let mut row = Self {
            run: name(run),
            network: config.network.clone(),
            parameters: None,
            training_gflops_per_image: None,
            training_pflops: None,
            images_seen: train * epochs.len(),
            epochs: epochs.len(),
            minutes: rounded(epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() / 60.0, 1),
            hardware: config.hardware.clone().unwrap_or_else(|| config.device.clone()),
            precision: config.precision.clone(),
            seed: config.train.seed,
            data: config.data_title.clone(),
            data_fingerprint: config.data_fingerprint.clone(),
            validation_images: validation,
            val_accuracy: None,
            val_accuracy_epoch: None,
            val_loss: None,
            val_loss_epoch: None,
            recipe: String::new(),
            changes: String::new(),
        };
        if let Some(best) = history.best() {
            row.val_loss = Some(rounded(best.val_loss, 4));
            row.val_loss_epoch = Some(best.epoch);
        }
        if let Some(best) = most_accurate(epochs) {
            row.val_accuracy = Some(rounded(best.val_accuracy, 4));
            row.val_accuracy_epoch = Some(best.epoch);
        }
        if let Some(architecture) = &architecture {
            row.network = with_settings(architecture)?;
            let summary = architecture.build(Device::Cpu, 0)?.summary();
            let image = STEP * summary.flops() as f64;
            let images: f64 = epochs.iter().map(|epoch| cost(&config.train, epoch.epoch)).sum();
            row.parameters = Some(summary.trainable());
            row.training_gflops_per_image = Some(rounded(image * steps(&config.train) / 1e9, 4));
            row.training_pflops = Some(rounded(image * images * train as f64 / 1e15, 4));
        }
        (row.recipe, row.changes) = nearest_recipe(&config, architecture.as_ref())?;
        Ok(row)
    }
}

/// The cost of an image of this epoch in multiples of a forward and backward pass for one of 48×48 pixels. Nearly
/// all of it is convolutions, which need (s / 48)² of it for an image of side s.
fn cost(train: &TrainConfig, epoch: usize) -> f64 {
    let side = train.sizes.side(epoch, train.epochs) as f64 / SIDE as f64;
    steps(train) * side * side
}

/// The number of gradients computed for each update of the weights.
fn steps(train: &TrainConfig) -> f64 {
    if train.sam.is_some() { 2.0 } else { 1.0 }
}

fn most_accurate(epochs: &[EpochRecord]) -> Option<&EpochRecord> {
    let known = epochs.iter().filter(|epoch| epoch.val_accuracy.is_finite());
    known.reduce(|best, epoch| if epoch.val_accuracy > best.val_accuracy { epoch } else { best })
}

/// "wide/trial_0001" for a run below runs/, else the folder's name.
fn name(run: &RunFolder) -> String {
    match run.path().strip_prefix(runs("")) {
        Ok(below) if below.components().next().is_some() => below.display().to_string(),
        _ => run.name(),
    }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// "vgg; channels=[32, 64]": the name, and the settings that differ from the architecture's defaults.
fn with_settings(architecture: &Architecture) -> Result<String> {
    let default: Architecture = architecture.name().parse()?;
    let changes = changes(&table(&default)?, &table(architecture)?);
    let parts = [architecture.name().to_string()].into_iter().chain(changes);
    Ok(parts.collect::<Vec<_>>().join("; "))
}

/// The recipe with the fewest different hyperparameters, and the differences; among equals, the one with the same
/// network.
fn nearest_recipe(
    config: &RunConfig,
    architecture: Option<&Architecture>,
) -> Result<(String, String)> {
    let now = table(&config.train)?;
    let own = architecture.map(Architecture::name);
    let mut nearest: Option<((usize, bool), &str, Vec<String>)> = None;
    for name in Recipe::names() {
        let recipe = Recipe::open(name)?;
        let mut changes = changes(&table(&recipe.train)?, &now);
        changes.retain(|change| !change.starts_with("seed="));
        let distance = (changes.len(), Some(recipe.network.name()) != own);
        if nearest.as_ref().is_none_or(|(least, ..)| distance < *least) {
            nearest = Some((distance, name, changes));
        }
    }
    let (_, name, changes) = nearest.unwrap_or_default();
    let changes: Vec<_> = changes.iter().map(|change| format!("train.{change}")).collect();
    Ok((name.into(), changes.join("; ")))
}

pub(super) fn table(value: &impl Serialize) -> Result<Table> {
    Table::try_from(value)
        .map_err(|error| Error::input("config", error, "values that TOML can hold"))
}

/// `path=value` for each value of `now` that differs from `then`; `path=none` for a missing one.
fn changes(then: &Table, now: &Table) -> Vec<String> {
    let (then, now) = (flat(then, ""), flat(now, ""));
    let is = |rows: &[(String, Value)], path: &str| {
        rows.iter().find(|(name, _)| name == path).map(|(_, value)| value.clone())
    };
    let changed = now.iter().filter(|(path, value)| is(&then, path).as_ref() != Some(value));
    let gone = then.iter().filter(|(path, _)| is(&now, path).is_none());
    changed
        .map(|(path, value)| format!("{path}={value}"))
        .chain(gone.map(|(path, _)| format!("{path}=none")))
        .collect()
}

/// The values of a table and of its nested tables, by their paths.
pub(super) fn flat(table: &Table, prefix: &str) -> Vec<(String, Value)> {
    table
        .iter()
        .flat_map(|(key, value)| match value {
            Value::Table(inner) => flat(inner, &format!("{prefix}{key}.")),
            value => vec![(format!("{prefix}{key}"), value.clone())],
        })
        .collect()
}

/// Rows of runs, each run once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunTable {
    /// The rows in the order in which they were added.
    pub rows: Vec<RunRow>,
}

impl RunTable {
    /// Reads a csv file; returns an empty table if it does not exist.
    ///
    /// # Errors
    /// [`Error::File`], with the line, for a file that is not such a table.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            return Ok(Self::default());
        }
        let unreadable = |error: csv::Error| {
            let place = error.position().map_or(Place::Whole, |at| Place::Line(at.line()));
            let hint = "`fer runs RUN --csv FILE` writes a new one from run folders.";
            Error::file_at(path, place, format!("not a table of runs: {error}"), hint)
        };
        let text = plain_file::read(path, plain_file::TABLE);
        let text = text.map_err(|source| Error::io("read", path, source))?;
        let mut reader = csv::Reader::from_reader(&text[..]);
        let rows = reader.deserialize().collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Self { rows })
    }

    /// Adds a row, or replaces the row of the same run; returns whether it replaced one.
    pub fn put(&mut self, row: RunRow) -> bool {
        match self.rows.iter_mut().find(|before| before.run == row.run) {
            Some(before) => {
                *before = row;
                true
            }
            None => {
                self.rows.push(row);
                false
            }
        }
    }

    /// Writes a csv file, as a whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        replace_file(path, |temporary| {
            let failed = |error: csv::Error| Error::io("write", path, error.into());
            let mut writer = csv::Writer::from_path(temporary).map_err(failed)?;
            for row in &self.rows {
                writer.serialize(row).map_err(failed)?;
            }
            writer.flush().map_err(|error| Error::io("write", path, error))
        })
    }
}

impl fmt::Display for RunTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&RunRow) -> &str| {
            self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).max(7)
        };
        let (runs, recipes) = (width(|row| &row.run), width(|row| &row.recipe));
        write!(
            f,
            "{:runs$}  {:recipes$}  epochs   PFLOP  minutes  val_accuracy (epoch)  val_loss (epoch)",
            "run", "recipe"
        )?;
        for row in &self.rows {
            let known =
                |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.4}"));
            let epoch =
                |epoch: Option<usize>| epoch.map_or("–".into(), |epoch| epoch.to_string());
            let flops = row.training_pflops.map_or("–".into(), |flops| format!("{flops:.3}"));
            write!(
                f,
                "\n{:runs$}  {:recipes$}  {:>6}  {flops:>6}  {:>7.1}  {:>12} {:<7}  {:>8} ({})",
                row.run,
                row.recipe,
                row.epochs,
                row.minutes,
                known(row.val_accuracy),
                format!("({})", epoch(row.val_accuracy_epoch)),
                known(row.val_loss),
                epoch(row.val_loss_epoch),
            )?;
            for line in [&row.network, &row.hardware, &row.changes] {
                if !line.is_empty() {
                    write!(f, "\n{:runs$}  {line}", "")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::project::{data_file, pretrained, root};
    use crate::train::config::SizeSchedule;
    use crate::train::record::History;

    fn epoch(number: usize, val_accuracy: f64, val_loss: f64) -> EpochRecord {
        EpochRecord {
            epoch: number,
            loss: 1.0,
            accuracy: 0.5,
            val_loss,
            val_accuracy,
            learning_rate: 1e-3,
            seconds: 30.0,
        }
    }

    fn config() -> RunConfig {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = Architecture::default().build(Device::Cpu, 1).unwrap();
        RunConfig::new(&network, &TrainConfig::default(), &data)
    }

    /// The row of a run of three epochs of a recipe that `change` changes.
    fn row(recipe: &str, change: impl FnOnce(&mut Recipe)) -> RunRow {
        let mut recipe = Recipe::open(recipe).unwrap();
        change(&mut recipe);
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path().join("try"));
        let config = RunConfig {
            network: recipe.network.name().into(),
            architecture: Some(recipe.network),
            train: recipe.train,
            trained_on: Some([50, 20]),
            ..config()
        };
        run.save_config(&config).unwrap();
        let epochs = vec![epoch(1, 0.5, 1.2), epoch(2, 0.7, 1.1), epoch(3, 0.7, 0.912_34)];
        run.save_history(&History { epochs, ..History::default() }).unwrap();
        RunRow::of(&run).unwrap()
    }

    #[test]
    fn a_row_is_made_of_what_the_folder_says() {
        let row = row("improved", |recipe| {
            recipe.train.seed = 7;
            recipe.train.ema = None;
            recipe.train.loss.label_smoothing = 0.2;
            recipe.set("network.block_dropout", "0.3").unwrap();
        });
        assert_eq!(
            (row.run.as_str(), row.network.as_str()),
            ("try", "seed_cnn; block_dropout=0.3")
        );
        assert_eq!((row.parameters, row.images_seen, row.epochs), (Some(1_468_135), 150, 3));
        // Three times 173.6 million operations (fer summary).
        assert_eq!(row.training_gflops_per_image, Some(0.5207));
        assert_eq!(row.training_pflops, Some(0.0001));
        assert_eq!((row.minutes, row.validation_images, row.seed), (1.5, 20, 7));
        assert_eq!((row.val_accuracy, row.val_accuracy_epoch), (Some(0.7), Some(2)));
        assert_eq!((row.val_loss, row.val_loss_epoch), (Some(0.9123), Some(3)));
        assert_eq!(row.recipe, "improved");
        assert_eq!(row.changes, "train.loss.label_smoothing=0.2; train.ema=none");
        assert!(row.hardware.contains(" thread") && row.data == "made-up sample");
    }

    #[test]
    fn a_network_is_told_by_its_settings_and_a_second_gradient_costs_as_much() {
        let small: Architecture =
            toml::from_str("name = 'vgg'\nchannels = [4, 8]\nconvolutions = [1, 1]").unwrap();
        let row = row("vgg", |recipe| {
            recipe.train = TrainConfig { sam: Some(0.05), ..TrainConfig::default() };
            recipe.network = small.clone();
        });
        assert_eq!((row.recipe.as_str(), row.changes.as_str()), ("original", "train.sam=0.05"));
        assert_eq!(row.network, "vgg; channels=[4, 8]; convolutions=[1, 1]");
        let summary = small.build(Device::Cpu, 1).unwrap().summary();
        assert_eq!(row.parameters, Some(summary.trainable()));
        let gflops = 6.0 * summary.flops() as f64 / 1e9;
        assert!((row.training_gflops_per_image.unwrap() - gflops).abs() < 1e-4, "{row:?}");
        let recipe = |name: &str| Recipe::open(name).unwrap();
        let config = |name| RunConfig { train: recipe(name).train, ..config() };
        for name in Recipe::names() {
            let network = recipe(name).network;
            let nearest = nearest_recipe(&config(name), Some(&network)).unwrap();
            assert_eq!(nearest, (name.to_string(), String::new()));
        }
    }

    #[test]
    fn small_images_cost_less() {
        let sizes = SizeSchedule::new([(0.0, 24), (0.5, 48)]);
        let train = TrainConfig { epochs: 4, sizes, ..TrainConfig::default() };
        let costs: Vec<f64> = (1..=4).map(|epoch| cost(&train, epoch)).collect();
        assert_eq!(costs, [0.25, 0.25, 1.0, 1.0]);
    }

    #[test]
    fn a_table_keeps_each_run_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/runs.csv");
        let mut table = RunTable::load(&path).unwrap();
        let first = row("original", |_| ());
        let second = RunRow { run: "second, \"quoted\"".into(), parameters: None, ..first.clone() };
        assert!(!table.put(first.clone()) && !table.put(second.clone()));
        table.save(&path).unwrap();
        let mut table = RunTable::load(&path).unwrap();
        assert_eq!(table.rows, [first.clone(), second.clone()]);
        let better = RunRow { val_accuracy: Some(0.9), ..first };
        assert!(table.put(better.clone()));
        assert_eq!(table.rows, [better, second]);
        assert!(table.to_string().contains("0.9000"), "{table}");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("images_seen", "pictures", 1)).unwrap();
        assert!(matches!(RunTable::load(&path), Err(Error::File { .. })));
    }

    #[test]
    fn the_kept_table_is_what_the_folders_say() {
        let Ok(root) = root() else { return };
        let kept = RunTable::load(root.join("docs/runs.csv")).unwrap();
        assert!(!kept.rows.is_empty() || !data_file("").is_dir());
        for row in kept.rows {
            let ours = RunFolder::at(pretrained(&row.run));
            if ours.exists() {
                assert_eq!(RunRow::of(&ours).unwrap(), row);
            }
        }
    }
}
