//! What is fitted for a run's best weights after training, and kept beside them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::common::files::{file_fingerprint, replace_file};
use crate::common::{Error, Result};
use crate::train::RunFolder;

/// Which weights it was fitted for: a run that is trained again has others.
const WEIGHTS: &str = "weights";

/// Writes a table of values to `file` in the run's folder, with the fingerprint of its best weights.
///
/// # Errors
/// Where there are no weights, or the file can't be written.
pub fn save(run: &RunFolder, file: &str, values: &impl Serialize) -> Result<()> {
    let path = run.path().join(file);
    let what = |error: toml::ser::Error| Error::setting(file, error, "what TOML can hold");
    let mut table = toml::Table::try_from(values).map_err(what)?;
    table.insert(WEIGHTS.into(), file_fingerprint(run.weights())?.into());
    let text = toml::to_string(&table).map_err(what)?;
    replace_file(&path, |temporary| {
        std::fs::write(temporary, text).map_err(|error| Error::io("write", &path, error))
    })
}

/// What [`save`] kept for the run's best weights as they are now; `None` where it kept nothing, or for
/// other weights.
///
/// # Errors
/// Where the file holds something else.
pub fn of_run<T: DeserializeOwned>(run: &RunFolder, file: &str) -> Result<Option<T>> {
    let path = run.path().join(file);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
    let wrong = |error: toml::de::Error| {
        Error::file(&path, error.message(), "Delete it; `fer evaluate` fits it anew.")
    };
    let mut table: toml::Table = toml::from_str(&text).map_err(wrong)?;
    let weights = table.remove(WEIGHTS);
    let values = table.try_into().map_err(wrong)?;
    Ok((weights == Some(file_fingerprint(run.weights())?.into())).then_some(values))
}
