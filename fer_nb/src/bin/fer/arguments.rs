//! Arguments that several subcommands take.

use std::path::{Path, PathBuf};

use fer_nb::data::FaceData;
use fer_nb::error::{Error, Result};
use fer_nb::model::{Architecture, Network};
use fer_nb::project::runs;
use fer_nb::train::{ChoiceReason, Recipe, RunChoice, RunFolder};
use serde::Serialize;
use tch::Device;

/// `--data PATH`.
#[derive(clap::Args)]
pub(crate) struct DataPath {
    /// A folder with train/ and test/, or a fer2013.csv; searched for where it is not given.
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
}

impl DataPath {
    /// Loads the data; see [`FaceData::open_or`].
    pub(crate) fn open(&self) -> Result<FaceData> {
        FaceData::open_or(self.data.as_deref())
    }

    /// The argument for the command line that is to be typed next; empty if none was given.
    pub(crate) fn again(&self) -> String {
        let quoted = |path: &PathBuf| crate::quoted(&path.to_string_lossy());
        self.data.as_ref().map_or_else(String::new, |path| format!(" --data {}", quoted(path)))
    }
}

/// The run that is taken if none is named.
const DEFAULT_RUN: &str = "baseline";

/// `--run NAME` of commands that ask a network.
#[derive(clap::Args)]
pub(crate) struct AskedRun {
    /// The run whose weights are used: a folder below runs/, a path, or weights that come with the
    /// project, such as seed_cnn [default: baseline if it was trained on photos, else the best of those
    /// that come with the project].
    #[arg(long)]
    run: Option<String>,
}

impl AskedRun {
    /// The run that answers for photos, and how it was chosen if it is not the user's: a line on stderr
    /// says so.
    pub(crate) fn for_photos(&self) -> Result<(RunFolder, Option<String>)> {
        self.chosen(|| RunChoice::for_photos(runs(DEFAULT_RUN)))
    }

    /// The run that is evaluated on this data, with the same line.
    pub(crate) fn for_data(&self, data: &FaceData) -> Result<RunFolder> {
        Ok(self.chosen(|| RunChoice::for_data(runs(DEFAULT_RUN), data))?.0)
    }

    fn chosen(
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
                ChoiceReason::DrawnFaces => format!(" (--run {DEFAULT_RUN} asks the run)"),
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
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl JsonFile {
    /// Checks the file, if one is given, before the work whose metrics are written there.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        match !is_folder && folder.is_none_or(Path::is_dir) {
            true => Ok(()),
            false => Err(Error::setting("json", path.display(), "a file in a folder that exists")),
        }
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
    let mut recipe = Recipe::open(name)?;
    for change in changes {
        let (path, value) = assignment(change)?;
        recipe.set(path, value)?;
    }
    Ok(recipe)
}

fn assignment(change: &str) -> Result<(&str, &str)> {
    let (path, value) =
        change.split_once('=').ok_or_else(|| Error::setting("set", change, "PATH=VALUE"))?;
    Ok((path.trim(), value.trim()))
}

/// `--network NAME --set SETTING=VALUE`.
#[derive(clap::Args)]
pub(crate) struct NetworkChoice {
    /// Which network, with its default settings.
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
