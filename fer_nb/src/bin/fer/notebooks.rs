//! `fer notebooks`: the project's notebooks, executed without a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;
use fer_nb::error::{Error, Result};
use fer_nb::project::root;

use crate::arguments::DataPath;
use crate::outputs::Outputs;

/// Executes the project's notebooks without a browser, or lists them.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    Run(Run),
    /// Lists the notebooks in order.
    List,
}

/// Executes notebooks in order, and writes HTML pages, slides and figures.
///
/// The first cell that fails ends the run; the report shows the cell and its output. The exit status is 0 if
/// every cell succeeded. Example: fer notebooks run 03 04 --set epochs=5 --set
/// learning_rate=0.002 --out try5
#[derive(clap::Args)]
struct Run {
    /// The notebooks to execute: 04, 04_training or a path [default: all six].
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Set a hyperparameter: with epochs=5, param("epochs", 35) in a cell returns 5. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,

    /// The folder for pages, slides and figures, below notebooks/, slides/ and figures/ [default: build/
    /// in the project's folder]. It does not change the folder of runs; FER_RUNS_DIR does.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    data: DataPath,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = root()?;
    match &args.command {
        Action::Run(args) => execute(args, &root),
        Action::List => {
            let names = notebooks(&root)?.into_iter().map(|(name, _)| name + "\n");
            crate::say(&names.collect::<String>())
        }
    }
}

/// Replaces this process by the runner, so that the runner receives Ctrl-C and sets the exit status.
fn execute(args: &Run, root: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let python = root.join(".venv/bin/python");
    let runner = root.join(".setup/run_notebooks.py");
    for (what, path) in [("The project's Python", &python), ("The notebook runner", &runner)] {
        if !path.is_file() {
            let hint = "Run `make setup` in the project's folder.";
            return Err(Error::missing(what, path, hint));
        }
    }
    let mut command = Command::new(&python);
    command.arg(&runner);
    let found = notebooks(root)?;
    let named = args.names.iter().map(|name| notebook(name, &found)).collect::<Result<Vec<_>>>()?;
    command.args(&named);
    let every: Vec<PathBuf> = found.into_iter().map(|(_, path)| path).collect();
    check_settings(&args.set, if named.is_empty() { &every } else { &named })?;
    // Cells run in the folder of their notebook. Relative paths of the command line and of the environment start
    // in the current folder, as for every other subcommand, so they are made absolute.
    for name in ["FER_RUNS_DIR", "FER_FIGURES_DIR", "FER2013_DIR"] {
        if let Some(path) = std::env::var_os(name).filter(|path| !path.is_empty()) {
            command.env(name, absolute(Path::new(&path))?);
        }
    }
    args.data.of(Outputs::default().folder("out", args.out.as_deref())).check()?;
    if let Some(out) = &args.out {
        let out = absolute(out)?;
        command.arg("--out").arg(&out).env("FER_FIGURES_DIR", out.join("figures"));
    }
    if let Some(data) = args.data.path() {
        if !data.exists() {
            let hint = "Expected is a folder with train/ and test/, or fer2013.csv.";
            return Err(Error::missing("the data", data, hint));
        }
        command.env("FER2013_DIR", absolute(data)?);
    }
    command.envs(args.data.variables());
    for (name, value) in &args.set {
        command.env(format!("FER_{}", name.to_uppercase()), value);
    }
    Err(Error::io("start", python, command.exec()))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path, error))
}

/// Settings of every notebook that no cell reads with `param`.
const ALWAYS: [&str; 1] = ["device"];

/// Fails for a setting that no cell of these notebooks reads: it would have no effect.
fn check_settings(set: &[(String, String)], paths: &[PathBuf]) -> Result<()> {
    let mut known: Vec<String> = ALWAYS.map(String::from).to_vec();
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        // In the file, quotes within a cell are escaped.
        for part in text.split("param(\\\"").skip(1) {
            known.extend(part.split('\\').next().map(String::from));
        }
    }
    known.sort();
    known.dedup();
    match set.iter().find(|(name, _)| !known.contains(&name.to_lowercase())) {
        Some((name, value)) => {
            let expected = format!("a setting of these notebooks: {}", known.join(", "));
            Err(Error::setting(format!("--set {name}"), value, expected))
        }
        None => Ok(()),
    }
}

/// A `NAME=VALUE` of `--set`.
fn setting(text: &str) -> std::result::Result<(String, String), String> {
    const EXPECTED: &str = "expected NAME=VALUE, such as epochs=5";
    let (name, value) = text.split_once('=').ok_or(EXPECTED)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("{EXPECTED}, with a NAME of letters, digits and _"));
    }
    Ok((name.to_string(), value.to_string()))
}

/// Name and path of the project's notebooks, in their order.
fn notebooks(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let folder = root.join("notebooks");
    let entries = std::fs::read_dir(&folder).map_err(|error| Error::io("read", &folder, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<(String, PathBuf)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "ipynb"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_string(), path)))
        .collect();
    found.sort();
    Ok(found)
}

/// The notebook of "04", "04_training" or a path.
fn notebook(name: &str, found: &[(String, PathBuf)]) -> Result<PathBuf> {
    let named = |(known, _): &&(String, PathBuf)| {
        known == name || known.split_once('_').is_some_and(|(number, _)| number == name)
    };
    if let Some((_, path)) = found.iter().find(named) {
        return Ok(path.clone());
    }
    let path = Path::new(name);
    if path.is_file() {
        return absolute(path);
    }
    let known: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    Err(Error::setting("notebook", name, format!("a path or one of {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_names_and_values() {
        let pair = |name: &str, value: &str| Ok((name.to_string(), value.to_string()));
        assert_eq!(setting("epochs=5"), pair("epochs", "5"));
        assert_eq!(setting("photo=a=b.jpg"), pair("photo", "a=b.jpg"));
        for wrong in ["epochs", "=5", "learning-rate=1", "a b=1", ""] {
            assert!(setting(wrong).unwrap_err().starts_with("expected NAME=VALUE"), "{wrong}");
        }
    }

    #[test]
    fn notebooks_have_a_number_a_name_and_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("04_training.ipynb");
        std::fs::write(&path, "").unwrap();
        let found = vec![("04_training".to_string(), path.clone())];
        for name in ["04", "04_training", path.to_str().unwrap()] {
            assert_eq!(notebook(name, &found).unwrap(), path);
        }
        let message = notebook("4", &found).unwrap_err().to_string();
        assert_eq!(message, "notebook = 4: expected a path or one of 04_training");
    }
}
