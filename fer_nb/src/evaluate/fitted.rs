//! Values fitted for a run's best weights after training, saved beside them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::common::files::{file_fingerprint, read_toml, write_toml};
use crate::common::{Error, Result};
use crate::train::RunFolder;

/// The key with the fingerprint of the weights: a run that is retrained has others.
const WEIGHTS: &str = "weights";

/// What to do about a file that can't be used.
pub(super) const REFIT: &str = "Delete it; `fer evaluate` fits it again.";

/// Writes a table of values to `file` in the run's folder, with the fingerprint of its best weights.
///
/// # Errors
/// [`Error::Io`] if there are no weights, or the file can't be written.
pub(super) fn save(run: &RunFolder, file: &str, values: &impl Serialize) -> Result<()> {
    let mut table = toml::Table::try_from(values)
        .map_err(|error| Error::input(file, error, "values that TOML can hold"))?;
    table.insert(WEIGHTS.into(), file_fingerprint(run.weights())?.into());
    write_toml(run.path().join(file), &table)
}

/// The values that [`save`] wrote for the run's present best weights; `None` if it wrote none, or for
/// other weights.
///
/// # Errors
/// [`Error::File`] if the file holds something else.
pub(super) fn of_run<T: DeserializeOwned>(run: &RunFolder, file: &str) -> Result<Option<T>> {
    let path = run.path().join(file);
    let what = "what was fitted for a run";
    let Some(mut table) = read_toml::<toml::Table>(&path, what, REFIT)? else { return Ok(None) };
    let weights = table.remove(WEIGHTS);
    let values = table
        .try_into()
        .map_err(|error: toml::de::Error| Error::file(&path, error.message(), REFIT))?;
    Ok((weights == Some(file_fingerprint(run.weights())?.into())).then_some(values))
}
