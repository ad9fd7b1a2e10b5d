//! The folders of a project: its root, its runs, its figures.

use std::path::{Path, PathBuf};

use crate::common::{Error, Result, text};

/// The project's root: `$FER_ROOT`, or the nearest folder at or above the current one that contains both `fer_nb/`
/// and `notebooks/`, or the folder in which this program was built.
pub fn root() -> Result<PathBuf> {
    if let Some(root) = std::env::var_os("FER_ROOT") {
        return Ok(root.into());
    }
    let here = std::env::current_dir().map_err(|error| Error::io("read", ".", error))?;
    let is_root =
        |folder: &&Path| folder.join("fer_nb").is_dir() && folder.join("notebooks").is_dir();
    // A program that was built in a project can use it from any folder.
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let found = here.ancestors().find(is_root).or_else(|| built_in.filter(is_root));
    found.map(Path::to_path_buf).ok_or_else(|| {
        let hint = "Work inside the project's folder, or set FER_ROOT to it.";
        Error::missing("The project (a folder with fer_nb/ and notebooks/)", &here, hint)
    })
}

/// The run folder of this name: below `$FER_RUNS_DIR`, or `<root>/runs`, or `./runs` outside a project.
pub fn runs(name: &str) -> PathBuf {
    folder("FER_RUNS_DIR", "runs").join(name)
}

/// The path for a figure of this name: below `$FER_FIGURES_DIR`, or `<root>/build/figures`.
pub fn figures(name: &str) -> PathBuf {
    folder("FER_FIGURES_DIR", "build/figures").join(name)
}

/// The pretrained weights, each a folder of `data/pretrained`. The first is the default for photos if no run is
/// named; it has the best results on validation images.
pub const PRETRAINED: &[&str] = &["vgg", "seed_cnn"];

/// The folder of pretrained weights of this name: `<root>/data/pretrained/<name>`. It has the files of a run
/// folder, so that it can be used as one.
pub fn pretrained(name: &str) -> PathBuf {
    root().unwrap_or_default().join("data/pretrained").join(name)
}

/// Suggestions for the name of a missing run or missing weights, for a message's hint: the most similar name, the
/// existing runs, and the pretrained weights.
pub(crate) fn known(name: &str) -> String {
    let folder = runs("");
    let mut own: Vec<String> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("best.safetensors").is_file())
        .map(|entry| text::shown(entry.file_name()))
        .collect();
    own.sort_unstable();
    let ours = PRETRAINED.iter().filter(|name| pretrained(name).is_dir()).copied();
    let ours: Vec<&str> = ours.collect();
    let all: Vec<&str> = own.iter().map(String::as_str).chain(ours.iter().copied()).collect();
    let meant = match text::nearest(name, &all) {
        Some(near) if near != name => format!("Did you mean {near}? "),
        _ => String::new(),
    };
    let own = match own.is_empty() {
        true => format!("No runs in {}", text::shown(&folder)),
        false => format!("Runs in {}: {}", text::shown(&folder), text::list(&own)),
    };
    let ours = match ours.is_empty() {
        true => String::new(),
        false => format!("; pretrained weights: {}", ours.join(", ")),
    };
    format!("{meant}{own}{ours}.")
}

/// A file of the crate: `fer_nb/assets/<name>` of the project in which this program was built, or of the one at the
/// root.
pub(crate) fn asset(name: &str) -> PathBuf {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name);
    match built_in.exists() {
        true => built_in,
        false => root().unwrap_or_default().join("fer_nb/assets").join(name),
    }
}

/// A file of the set-up: `<root>/build/<name>`.
pub(crate) fn built(name: &str) -> PathBuf {
    root().unwrap_or_default().join("build").join(name)
}

/// A file of the project: `<root>/data/<name>`.
pub fn data_file(name: &str) -> PathBuf {
    root().unwrap_or_default().join("data").join(name)
}

fn folder(variable: &str, below_root: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(folder) => folder.into(),
        None => root().unwrap_or_default().join(below_root),
    }
}
