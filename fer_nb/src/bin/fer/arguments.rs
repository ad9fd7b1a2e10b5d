//! Arguments that several subcommands take.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fer_nb::data::{ClassMap, DataOptions, FaceData, Numbering};
use fer_nb::error::{Error, Result};
use fer_nb::model::weights::{self, Integrity};
use fer_nb::model::{Architecture, Network};
use fer_nb::project::{data_file, option, runs, shown};
use fer_nb::train::{ChoiceReason, Recipe, RunChoice, RunFolder};
use serde::Serialize;
use tch::Device;

use crate::outputs::Outputs;

/// `--data PATH`.
#[derive(clap::Args)]
pub(crate) struct DataPath {
    /// A folder with a subfolder of images for each class, with or without train/ and test/ above them, or a table
    /// such as fer2013.csv [default: FER2013_DIR, data/fer2013, data/fer2013.csv, or the made-up sample].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

/// `--data PATH --data PATH`.
#[derive(clap::Args)]
pub(crate) struct DataPaths {
    /// A folder with a subfolder of images for each class, with or without train/ and test/ above them, or a table
    /// such as fer2013.csv; repeat it to compare data sets in one table [default: FER2013_DIR, data/fer2013,
    /// data/fer2013.csv, or the made-up sample].
    #[arg(long, value_name = "PATH")]
    data: Vec<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

/// How ambiguous data is read. Each option applies to every data set for which it has an effect.
#[derive(clap::Args)]
struct Reading {
    /// What numbered classes mean: kaggle (0 angry … 4 sad, 5 surprise, 6 neutral), alphabetical (0 angry …
    /// 4 neutral, 5 sad, 6 surprise), alphabetical-8 (0 angry, 1 contempt …), affectnet (0 neutral … 6 angry),
    /// ferplus (0 neutral, 1 happy … 7 contempt), ck+ (0 neutral, 1 angry, 2 contempt …) or raf-db (1 surprise …
    /// 7 neutral) [default: FER_CLASSES].
    #[arg(long, value_name = "NUMBERING")]
    classes: Option<Numbering>,

    /// Read a class of the data as one of the seven, or skip it: contempt=disgust or contempt=none; may be
    /// repeated [default: FER_MAP].
    #[arg(long, value_name = "CLASS=CLASS")]
    map: Vec<ClassMap>,

    /// The share of each class used for testing if the data has no train and test parts, such as 0.2
    /// [default: FER_TEST_SHARE, else all of it].
    #[arg(long, value_name = "SHARE")]
    test_share: Option<f64>,
}

impl DataPath {
    /// Loads the data; see [`FaceData::open_with`]. An option without effect on it is an error.
    pub(crate) fn open(&self) -> Result<FaceData> {
        let data = self.reading.open(self.data.as_deref())?;
        self.reading.said().check_effect(std::slice::from_ref(&data))?;
        Ok(data)
    }

    /// The given path.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// The data among what a command reads.
    pub(crate) fn of(&self, outputs: Outputs) -> Outputs {
        of_data(outputs, self.data.as_slice())
    }

    /// The environment variables that make another process read the data the same way.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let DataOptions { classes, map, test_share } = self.reading.said();
        let classes = classes.map(|is| ("FER_CLASSES", is.to_string()));
        let map = (map != ClassMap::default()).then(|| ("FER_MAP", map.to_string()));
        let share = test_share.map(|share| ("FER_TEST_SHARE", share.to_string()));
        classes.into_iter().chain(map).chain(share).collect()
    }

    /// The options, each with its value, that select the same data and read it the same way; empty if none was given.
    fn options(&self) -> Vec<(&'static str, OsString)> {
        let Reading { classes, map, test_share } = &self.reading;
        let data = self.data.iter().map(|path| ("--data", path.into()));
        let classes = classes.iter().map(|is| ("--classes", is.to_string().into()));
        let maps = map.iter().map(|map| ("--map", map.to_string().into()));
        let share = test_share.iter().map(|share| ("--test-share", share.to_string().into()));
        data.chain(classes).chain(maps).chain(share).collect()
    }

    /// [`DataPath::options`] as the arguments of a program.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let word = |(name, value): (&str, OsString)| {
            let mut word = OsString::from(format!("{name}="));
            word.push(value);
            word
        };
        self.options().into_iter().map(word).collect()
    }

    /// [`DataPath::options`] for a command line that is shown to the user, with a blank before each.
    pub(crate) fn again(&self) -> String {
        let word = |(name, value): (&str, OsString)| format!(" {}", option(name, value));
        self.options().into_iter().map(word).collect()
    }
}

impl DataPaths {
    /// Loads all data sets in the given order, or, without `--data`, the data that is found. An option without
    /// effect on any of them is an error.
    pub(crate) fn open(&self) -> Result<Vec<FaceData>> {
        let sets = match self.data.is_empty() {
            true => vec![self.reading.open(None)?],
            false => {
                self.data.iter().map(|path| self.reading.open(Some(path))).collect::<Result<_>>()?
            }
        };
        self.reading.said().check_effect(&sets)?;
        Ok(sets)
    }

    /// The data among what a command reads.
    pub(crate) fn of(&self, outputs: Outputs) -> Outputs {
        of_data(outputs, &self.data)
    }

    /// The given paths.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.data
    }
}

/// Data sets among what a command reads: the given ones, else the places that are searched.
fn of_data(outputs: Outputs, named: &[PathBuf]) -> Outputs {
    let variable = std::env::var_os("FER2013_DIR").filter(|path| !path.is_empty());
    let paths = match (named, variable) {
        ([], Some(path)) => vec![path.into()],
        ([], None) => ["fer2013", "fer2013.csv"].map(data_file).into(),
        (named, _) => named.to_vec(),
    };
    paths.into_iter().fold(outputs, |outputs, path| outputs.reads("the data", path))
}

impl Reading {
    /// The options of the command line, without the environment, whose variables are for many commands.
    fn said(&self) -> DataOptions {
        let map = self.map.iter().cloned().fold(ClassMap::default(), ClassMap::with);
        DataOptions { classes: self.classes, map, test_share: self.test_share }
    }

    fn open(&self, path: Option<&Path>) -> Result<FaceData> {
        for (index, map) in self.map.iter().enumerate() {
            let mut before = self.map.iter().take(index);
            if let Some(class) = before.find_map(|other| map.contradicts(other)) {
                return Err(Error::setting("map", format!("{class}=…"), "each class once"));
            }
        }
        let (said, found) = (self.said(), DataOptions::from_env()?);
        let options = DataOptions {
            classes: said.classes.or(found.classes),
            test_share: said.test_share.or(found.test_share),
            map: found.map.with(said.map),
        };
        FaceData::open_with(path, &options)
    }
}

/// The folder below runs/ with this name, or an absolute path unchanged. A name that leads out of runs/ is an
/// error.
pub(crate) fn folder_in_runs(option: &'static str, name: &str) -> Result<PathBuf> {
    use std::path::Component::{CurDir, Normal};
    let path = Path::new(name);
    let mut parts = path.components();
    let is_below = parts.all(|part| matches!(part, Normal(_) | CurDir));
    let is_name = is_below && path.components().any(|part| matches!(part, Normal(_)));
    match !name.trim().is_empty() && (path.is_absolute() || is_name) {
        true => Ok(runs(name)),
        false => {
            let expected = "a name for a folder below runs/, or an absolute path";
            Err(Error::setting(option, crate::quoted(name), expected))
        }
    }
}

/// The run that is taken if none is named.
const DEFAULT_RUN: &str = "baseline";

/// `--run NAME` of commands that predict.
#[derive(clap::Args)]
pub(crate) struct AskedRun {
    /// The run whose weights are used: a folder below runs/, a path, or pretrained weights such as
    /// seed_cnn [default: baseline if it was trained on photos, else the best pretrained weights].
    #[arg(long)]
    run: Option<String>,

    /// Use the weights even if their bytes have changed since they were written. Temperature and threshold, which
    /// were fitted for other bytes, are then not used.
    #[arg(long)]
    unchecked_weights: bool,
}

impl AskedRun {
    /// Whether weights with a wrong checksum are used.
    pub(crate) fn is_unchecked(&self) -> bool {
        self.unchecked_weights
    }

    /// The run that predicts photos. If the user did not name it, a line on stderr says how it was chosen.
    pub(crate) fn for_photos(&self) -> Result<(RunFolder, Option<String>)> {
        self.chosen(|| RunChoice::for_photos(runs(DEFAULT_RUN)))
    }

    /// The run that is evaluated on this data, with the same line.
    pub(crate) fn for_data(&self, data: &FaceData) -> Result<RunFolder> {
        Ok(self.chosen(|| RunChoice::for_data(runs(DEFAULT_RUN), data))?.0)
    }

    /// The run, if one is named, among what a command reads.
    pub(crate) fn of(&self, outputs: Outputs) -> Outputs {
        match &self.run {
            Some(name) => outputs.reads_run(RunFolder::named(name).path()),
            None => outputs,
        }
    }

    /// The run, and a line on stderr if its weights have no valid checksum, or if values next to them were fitted
    /// for other weights.
    fn chosen(
        &self,
        default: impl Fn() -> Result<RunChoice>,
    ) -> Result<(RunFolder, Option<String>)> {
        let (run, why) = self.named_or(default)?;
        if self.unchecked_weights {
            return Ok((run.unchecked(), why));
        }
        if run.weights().is_file() {
            match weights::integrity(run.weights())? {
                Integrity::Known => {}
                note => crate::complain(&format!("{}: {note}", shown(run.path()))),
            }
        }
        Ok((run, why))
    }

    fn named_or(
        &self,
        default: impl Fn() -> Result<RunChoice>,
    ) -> Result<(RunFolder, Option<String>)> {
        if let Some(name) = &self.run {
            return Ok((RunFolder::named(name), None));
        }
        let choice = default()?;
        let why = match choice.reason {
            ChoiceReason::Own => None,
            ChoiceReason::NoRun | ChoiceReason::DrawnFaces => Some(choice.to_string()),
        };
        if let Some(why) = &why {
            let hint = match choice.reason {
                ChoiceReason::DrawnFaces => format!(" (--run {DEFAULT_RUN} uses the run)"),
                _ => String::new(),
            };
            crate::complain(&format!("{why}{hint}"));
        }
        Ok((choice.run, why))
    }
}

/// `--json FILE`.
#[derive(clap::Args)]
pub(crate) struct JsonFile {
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl JsonFile {
    /// The file, if one is given, among what a command writes.
    pub(crate) fn of(&self, outputs: Outputs) -> Outputs {
        outputs.file("json", self.json.as_deref())
    }

    /// Writes metrics to the file, if one is given.
    pub(crate) fn write(&self, metrics: &impl Serialize) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let json = serde_json::to_string_pretty(metrics)
            .map_err(|error| Error::io("write", path, std::io::Error::other(error)))?;
        std::fs::write(path, json + "\n").map_err(|source| Error::io("write", path, source))
    }
}

/// A recipe by name or file, with the values that `--set PATH=VALUE` changes.
pub(crate) fn recipe(name: &str, changes: &[String]) -> Result<Recipe> {
    check_set(changes, std::iter::empty())?;
    let mut recipe = Recipe::open(name)?;
    for change in changes {
        let (path, value) = assignment(change)?;
        recipe.set(path, value)?;
    }
    Ok(recipe)
}

/// Fails if two `--set` change one value, or if one changes the value of an option with that path in the recipe.
pub(crate) fn check_set<'a>(
    changes: &[String],
    options: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<()> {
    let is_part = |path: &str, of: &str| {
        path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut before: Vec<&str> = Vec::new();
    for change in changes {
        let (path, _) = assignment(change)?;
        let mut options = options.clone();
        if let Some((option, _)) = options.find(|(_, of)| is_part(path, of) || is_part(of, path)) {
            let expected = format!("a value that --{option} does not also set");
            return Err(Error::setting("set", change, expected));
        }
        if before.contains(&path) {
            return Err(Error::setting("set", change, "each value once"));
        }
        before.push(path);
    }
    Ok(())
}

fn assignment(change: &str) -> Result<(&str, &str)> {
    let (path, value) =
        change.split_once('=').ok_or_else(|| Error::setting("set", change, "PATH=VALUE"))?;
    Ok((path.trim(), value.trim()))
}

/// `--network NAME --set SETTING=VALUE`.
#[derive(clap::Args)]
pub(crate) struct NetworkChoice {
    /// The network, with its default settings.
    #[arg(long, default_value = "seed_cnn")]
    network: Architecture,

    /// Change one setting of the network, such as channels=[32,64,128,256]; may be repeated.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
}

impl NetworkChoice {
    /// The network with initial weights drawn from `seed`.
    pub(crate) fn build(&self, device: Device, seed: u64) -> Result<Box<dyn Network>> {
        let mut recipe = Recipe { network: self.network.clone(), ..Recipe::default() };
        for change in &self.set {
            let (path, value) = assignment(change)?;
            recipe.set(&format!("network.{path}"), value)?;
        }
        recipe.network.build(device, seed)
    }
}
