//! One error type for the whole crate. A message says what went wrong and where (file, row, field
//! or epoch), what was expected, and what to do about it.

use std::path::{Path, PathBuf};

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, as values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hyperparameter or option outside its range; found before any work starts.
    #[error("{field} = {value}: expected {expected}")]
    Config { field: String, value: String, expected: String },

    /// Input data that can't be used. `place` is `row 17`, or empty where the whole file is meant.
    #[error("{}{}: {problem}. {hint}", path.display(), place_suffix(place))]
    Data { path: PathBuf, place: String, problem: String, hint: String },

    /// A weights or run file that can't be used.
    #[error("{}: {problem}. {hint}", path.display())]
    Weights { path: PathBuf, problem: String, hint: String },

    /// Something an earlier stage makes and did not.
    #[error("{what} is missing at {}. {hint}", path.display())]
    Missing { what: String, path: PathBuf, hint: String },

    /// Training had to end.
    #[error("training stopped in epoch {epoch}: {problem}. {hint}")]
    Training { epoch: usize, problem: String, hint: String },

    /// The user stopped it: Ctrl-C, or Stop in a notebook. Nothing but the result is lost.
    #[error("stopped by the user while {what}, {progress}")]
    Stopped { what: String, progress: String },

    /// The operating system refused to read or write a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    /// libtorch refused an operation.
    #[error("{context}: {}", first_line(source))]
    Tensor { context: String, source: tch::TchError },

    /// A figure could not be drawn.
    #[error("figure '{figure}' could not be drawn: {problem}")]
    Figure { figure: String, problem: String },

    /// A table could not be built or read.
    #[error("table: {0}")]
    Table(#[from] polars::error::PolarsError),
}

impl Error {
    /// A hyperparameter out of range: its name, the value given, what was expected.
    pub fn config(
        field: impl Into<String>,
        value: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Config { field: field.into(), value: value.to_string(), expected: expected.into() }
    }

    /// Unusable input data: file, place within it (may be empty), problem, what to do.
    pub fn data(
        path: impl AsRef<Path>,
        place: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Error::Data {
            path: path.as_ref().to_path_buf(),
            place: place.into(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// An unusable weights or run file: file, problem, what to do.
    pub fn weights(
        path: impl AsRef<Path>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Error::Weights {
            path: path.as_ref().to_path_buf(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// What an earlier stage should have left: its name, where it should be, what to do.
    pub fn missing(
        what: impl Into<String>,
        path: impl AsRef<Path>,
        hint: impl Into<String>,
    ) -> Self {
        Error::Missing { what: what.into(), path: path.as_ref().to_path_buf(), hint: hint.into() }
    }

    /// Work that the user stopped, "loading images", and how far it was, "after 10 of 300".
    pub fn stopped(what: impl Into<String>, progress: impl Into<String>) -> Self {
        Error::Stopped { what: what.into(), progress: progress.into() }
    }

    /// A file that can't be read or written; `action` is a verb: "read", "write", "create".
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { action, path: path.as_ref().to_path_buf(), source }
    }
}

/// Says where in the crate's work a libtorch error came from: `xs.f_add(&ys).during("adding")?`.
pub trait TensorContext<T> {
    /// Wraps a libtorch error with what was being done.
    fn during(self, context: impl Into<String>) -> Result<T>;
}

impl<T> TensorContext<T> for std::result::Result<T, tch::TchError> {
    fn during(self, context: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Tensor { context: context.into(), source })
    }
}

/// An operation that has no better context than its place in the source: the stage is in the text.
impl From<tch::TchError> for Error {
    fn from(source: tch::TchError) -> Self {
        Error::Tensor { context: "libtorch".into(), source }
    }
}

fn place_suffix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(", {place}") }
}

/// libtorch's messages carry a C++ stack trace after the first line; nobody reads it in a notebook.
fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_where_and_what_to_do() {
        let error = Error::data("fer2013.csv", "row 3", "class 7", "Classes are 0 to 6.");
        assert_eq!(error.to_string(), "fer2013.csv, row 3: class 7. Classes are 0 to 6.");
        let error = Error::data("train", "", "no class folders", "See data/README.md.");
        assert_eq!(error.to_string(), "train: no class folders. See data/README.md.");
        let error = Error::config("epochs", 0, "1 or more");
        assert_eq!(error.to_string(), "epochs = 0: expected 1 or more");
    }
}
