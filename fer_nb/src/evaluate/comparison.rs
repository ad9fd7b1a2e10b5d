//! [`Comparison`]: several runs on the same test images.

use std::collections::BTreeSet;

use serde::Serialize;
use tch::Device;

use super::trust::overlap_note;
use super::verdict::{Verdict, verdicts};
use super::{Accuracy, Evaluation, McNemar, Protocol, SeedSpread, Temperature, evaluate};
use crate::common::{Error, Result, text};
use crate::data::FaceData;
use crate::model::{Architecture, Network};
use crate::project::device;
use crate::train::{History, Overlap, RunConfig, RunDifference, RunFolder, differences};

/// One run's metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// The folder's name, with parent folders if another run has the same name.
    pub run: String,
    /// The architecture's name.
    pub network: String,
    /// The number of completed epochs.
    pub epochs: usize,
    /// Its seed.
    pub seed: u64,
    /// The accuracy on the validation images, by which to choose between runs; `None` if it held none back, or was
    /// trained on other images, which may include those that the data holds back. For a run that was not evaluated,
    /// the value of its history.
    pub val_accuracy: Option<Accuracy>,
    /// Mean cross-entropy on them, in nats.
    pub val_loss: Option<f64>,
    /// The metrics on the test images; `None` for a run that was not evaluated.
    #[serde(flatten)]
    pub test: Option<TestScores>,
    /// Why it was not evaluated, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_evaluated: Option<String>,
    /// The test against [`Comparison::baseline`]; `None` for the baseline, and for a run that was not evaluated.
    pub mcnemar: Option<McNemar>,
    /// The result of the test at 5 %, after Holm's correction for the number of runs.
    pub verdict: Option<Verdict>,
    /// The images that it was trained on, chosen by and measured on.
    pub protocol: Protocol,
    /// How many of the test images it was trained on; `None` if that is not known.
    pub overlap: Option<Overlap>,
    /// The same in words, if the data is another one than the run's.
    #[serde(skip)]
    pub(crate) overlap_note: Option<String>,
    /// Its epochs.
    #[serde(skip)]
    pub history: History,
}

/// A run's metrics on the test images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestScores {
    /// With Wilson's 95 % interval.
    pub accuracy: Accuracy,
    /// The plain mean of the classes' F1, 0 to 1.
    pub macro_f1: f64,
    /// The mean recall of the classes that have images, 0 to 1.
    pub balanced_accuracy: f64,
    /// The share of labels among the two most probable classes.
    pub top_2: Accuracy,
    /// Expected calibration error without a temperature.
    pub ece: f64,
    /// The temperature fitted on validation images; the run's temperature if it was trained on other images.
    pub temperature: f64,
    /// Expected calibration error at that temperature.
    pub ece_calibrated: f64,
}

/// Runs on the same test images, in the given order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// One entry for each run.
    pub runs: Vec<ComparedRun>,
    /// The run that the others are tested against: the first evaluated one.
    pub baseline: String,
    /// The settings with different values in the runs.
    pub differences: Vec<RunDifference>,
    /// Mean and spread, if the runs differ only in their seeds.
    pub seeds: Option<SeedSpread>,
    /// "FER2013", "made-up sample" or a folder's name.
    pub title: String,
}

/// [`compare_on`] with the default data and device: `compare(&RunFolder::all()?)?`.
///
/// # Errors
/// As [`compare_on`], [`FaceData::open`] and [`device`].
pub fn compare(runs: &[RunFolder]) -> Result<Comparison> {
    if runs.is_empty() {
        return Err(no_runs());
    }
    compare_on(runs, &FaceData::open()?, device()?)
}

/// Evaluates the best weights of each run on `data`'s test images and compares the metrics.
///
/// A run of a custom network, one without weights, and one that was trained on drawn faces if these are photos (or
/// the other way round) is not evaluated: it has its settings, its curves and its results on validation, and
/// [`ComparedRun::not_evaluated`] has the reason. [`compare_with`] evaluates custom networks too.
///
/// # Errors
/// [`Error::Input`] without runs or test images; [`Error::Missing`] for a run that does not exist, and if no run
/// can be evaluated.
pub fn compare_on(runs: &[RunFolder], data: &FaceData, device: Device) -> Result<Comparison> {
    compare_with(runs, data, device, |_| Ok(None))
}

/// As [`compare_on`]; `build` creates custom networks from the run's config, untrained, because the run's weights
/// are loaded into them. If it returns `None`, the run has no results on the test images.
///
/// # Errors
/// As [`compare_on`], and errors of `build` and [`weights::load`](crate::model::weights::load).
pub fn compare_with(
    runs: &[RunFolder],
    data: &FaceData,
    device: Device,
    build: impl Fn(&RunConfig) -> Result<Option<Box<dyn Network>>>,
) -> Result<Comparison> {
    if runs.is_empty() {
        return Err(no_runs());
    }
    data.require_test()?;
    let configs = runs.iter().map(RunFolder::config).collect::<Result<Vec<_>>>()?;
    // Runs that can't be evaluated are known before anything is computed.
    let hindrances: Vec<Option<Error>> =
        runs.iter().map(|run| run.check_data(data).err().or_else(|| no_weights(run))).collect();
    let (mut rows, mut tests) = (Vec::new(), Vec::<Evaluation>::new());
    let mut first_hindrance = None;
    for (((run, name), config), hindrance) in
        runs.iter().zip(names(runs)).zip(&configs).zip(hindrances)
    {
        let network = match hindrance {
            Some(error) => Err(error),
            None => network_of(run, config, device, &build)?,
        };
        let mut row = ComparedRun {
            run: name,
            network: config.network.clone(),
            epochs: 0,
            seed: config.train.seed,
            val_accuracy: None,
            val_loss: None,
            test: None,
            not_evaluated: None,
            mcnemar: None,
            verdict: None,
            protocol: Protocol::of(Some(config), data)?,
            overlap: run.overlap(&data.test)?,
            overlap_note: overlap_note(run, data)?,
            history: run.history()?,
        };
        row.epochs = row.history.epochs.len();
        match network {
            Ok(network) => {
                let test = row.evaluate(run, &*network, data)?;
                row.mcnemar = tests.first().map(|first| first.mcnemar(&test)).transpose()?;
                tests.push(test);
            }
            Err(error) => {
                row.take_from_history(config);
                row.not_evaluated = Some(error.to_string());
                first_hindrance.get_or_insert(error);
            }
        }
        rows.push(row);
    }
    if let (true, Some(error)) = (tests.is_empty(), first_hindrance) {
        return Err(error);
    }
    let found = verdicts(&rows.iter().map(|row| row.mcnemar).collect::<Vec<_>>());
    for (row, verdict) in rows.iter_mut().zip(found) {
        row.verdict = verdict;
    }
    let is_seed_only = tests.len() == runs.len() && differ_in_seed_only(&configs);
    let evaluated = rows.iter().find(|row| row.test.is_some());
    Ok(Comparison {
        baseline: evaluated.map(|row| row.run.clone()).unwrap_or_default(),
        seeds: is_seed_only.then(|| SeedSpread::of(&tests)).transpose()?,
        differences: differences(&configs)?,
        title: data.origin().title().into(),
        runs: rows,
    })
}

fn no_runs() -> Error {
    Error::input("runs", 0, "one or more; notebook 04_training and `fer train` leave runs")
}

fn no_weights(run: &RunFolder) -> Option<Error> {
    let hint = "ModelCheckpoint::best writes it during training.";
    (!run.weights().is_file()).then(|| Error::missing("The run's weights", run.weights(), hint))
}

/// The run's network with its weights, or the reason why it can't be built.
fn network_of(
    run: &RunFolder,
    config: &RunConfig,
    device: Device,
    build: &impl Fn(&RunConfig) -> Result<Option<Box<dyn Network>>>,
) -> Result<std::result::Result<Box<dyn Network>, Error>> {
    if config.architecture.is_some() || config.network.parse::<Architecture>().is_ok() {
        return run.network(device).map(Ok);
    }
    if let Some(network) = build(config)? {
        return run.with_weights(network).map(Ok);
    }
    let problem = format!("network '{}' is a custom network", config.network);
    let hint = "evaluate::compare_with takes a function that builds it.";
    Ok(Err(Error::file(run.path().join("config.toml"), problem, hint)))
}

impl ComparedRun {
    /// Fills in the metrics, and returns the predictions on the test images.
    fn evaluate(
        &mut self,
        run: &RunFolder,
        network: &dyn Network,
        data: &FaceData,
    ) -> Result<Evaluation> {
        let test = evaluate(network, &data.test)?;
        let held_back = run.held_back(data)?;
        let own = run.is_trained_on(data)?;
        let validation =
            (own && !held_back.is_empty()).then(|| evaluate(network, &held_back)).transpose()?;
        let temperature = match (&validation, own) {
            (Some(validation), _) => Temperature::fit(validation),
            (None, true) => Temperature::default(),
            (None, false) => Temperature::of_run(run)?,
        };
        self.val_accuracy = validation.as_ref().map(Evaluation::accuracy);
        self.val_loss = validation.as_ref().map(Evaluation::loss);
        self.test = Some(TestScores {
            accuracy: test.accuracy(),
            macro_f1: test.classification_report().macro_avg().f1,
            balanced_accuracy: test.balanced_accuracy(),
            top_2: test.top_k(2)?,
            ece: test.calibration().ece,
            temperature: temperature.value(),
            ece_calibrated: test.at_temperature(temperature)?.calibration().ece,
        });
        Ok(test)
    }

    /// The values of the best epoch in the history.
    fn take_from_history(&mut self, config: &RunConfig) {
        let images = config.trained_on.map_or(config.images[1], |[_, validation]| validation);
        if let Some(best) = self.history.best().filter(|_| images > 0) {
            self.val_loss = Some(best.val_loss);
            if best.val_accuracy.is_finite() {
                let correct = (best.val_accuracy * images as f64).round() as u64;
                self.val_accuracy = Some(Accuracy::new(correct, images as u64));
            }
        }
    }
}

/// The folders' names, with as many parent folders as needed to distinguish them: every run may have a `before/`,
/// every study a first trial.
fn names(runs: &[RunFolder]) -> Vec<String> {
    text::path_ends(&runs.iter().map(RunFolder::path).collect::<Vec<_>>())
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
        let two = compare_on(&runs[..2], &data, Device::Cpu).unwrap();
        assert_eq!(two.seeds.unwrap().accuracy.n, 2);
        assert!(two.to_string().contains("accuracy over seeds: "), "{two}");
        assert!(two.runs[0].mcnemar.is_none() && two.runs[1].mcnemar.is_some());
        let table = two.to_table().unwrap();
        assert_eq!(table.shape(), (2, 19));
        let network = runs[1].network(Device::Cpu).unwrap();
        let held_back = evaluate(&*network, &runs[1].held_back(&data).unwrap()).unwrap();
        assert_eq!(two.runs[1].val_accuracy, Some(held_back.accuracy()));
        assert_eq!(two.runs[1].val_loss, Some(held_back.loss()));
        let text = two.to_string();
        assert!(text.contains(&format!("  {:.4}  ", held_back.loss())), "{text}");
        assert!(text.contains("run2") && text.contains("made-up sample's test part"), "{text}");
        let three = compare_on(&runs, &data, Device::Cpu).unwrap();
        assert_eq!(three.seeds, None, "other batches are another recipe");
        assert!(compare_on(&[], &data, Device::Cpu).is_err());
        let other = FaceData::sample(SampleConfig { seed: 2, train: 70, test: 35 }).unwrap();
        let foreign = compare_on(&runs[..1], &other, Device::Cpu).unwrap();
        assert_eq!(foreign.runs[0].val_accuracy, None, "the run may have been trained on these");
        assert_eq!(
            foreign.runs[0].test.as_ref().unwrap().temperature,
            Temperature::of_run(&runs[0]).unwrap().value()
        );
        // A custom network is compared by its curves, and evaluated if it can be built.
        let config = std::fs::read_to_string(runs[2].path().join("config.toml")).unwrap();
        let mut config: toml::Table = config.parse().unwrap();
        config.remove("architecture");
        config.insert("network".into(), "mine".into());
        std::fs::write(runs[2].path().join("config.toml"), config.to_string()).unwrap();
        let custom = compare_on(&runs, &data, Device::Cpu).unwrap();
        let row = &custom.runs[2];
        assert!(row.test.is_none() && row.mcnemar.is_none() && row.verdict.is_none());
        assert_eq!((row.val_loss, row.epochs), (Some(row.history.epochs[0].val_loss), 1));
        assert_eq!(row.val_accuracy.map(|accuracy| accuracy.total), Some(12));
        assert!(custom.footer().contains("run3: not evaluated"), "{custom}");
        assert!(custom.footer().contains("custom network"), "{custom}");
        let build = |config: &RunConfig| -> Result<Option<Box<dyn Network>>> {
            assert_eq!(config.network, "mine");
            Ok(Some(Box::new(crate::model::SeedCnn::new(Device::Cpu, 1)?)))
        };
        let built = compare_with(&runs, &data, Device::Cpu, build).unwrap();
        assert_eq!(built.runs[2].test, three.runs[2].test);
        assert!(built.runs[2].not_evaluated.is_none());
        assert!(compare_on(&runs[2..], &data, Device::Cpu).is_err(), "nothing to compare");
        // The baseline is the first that was evaluated, and a run without weights keeps its curves.
        std::fs::remove_file(runs[0].weights()).unwrap();
        let rest = compare_on(&runs, &data, Device::Cpu).unwrap();
        assert_eq!(rest.baseline, "run2");
        assert!(rest.runs[0].not_evaluated.is_some() && rest.runs[1].mcnemar.is_none());
        let missing = RunFolder::at(folder.path().join("none"));
        assert!(compare_on(&[missing], &data, Device::Cpu).is_err());
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
