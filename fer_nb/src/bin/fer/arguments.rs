//! Arguments that several subcommands take.

use std::path::{Path, PathBuf};

use fer_nb::data::FaceData;
use fer_nb::error::{Error, Result};
use fer_nb::model::{Architecture, Network};
use fer_nb::train::Recipe;
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
