//! The crate's error type. A message says what happened and where (file, row, field or epoch), what
//! was expected, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use super::text::{shown, told};

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every error of the crate, by kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "a variant's documentation names its fields")]
pub enum Error {
    /// A hyperparameter, option or environment variable outside its range.
    #[error("{} = {}: expected {expected}", told(name), told(value))]
    Setting { name: String, value: String, expected: String },

    /// An argument that does not fit: a tensor's shape, a number of images, a photo without a face.
    #[error("{}: found {}, expected {expected}", told(what), told(found))]
    Input { what: String, found: String, expected: String },

    /// A file or folder whose content can't be used.
    #[error("{}{}: {}. {hint}", shown(path), comma(place), told(problem))]
    File { path: PathBuf, place: Place, problem: String, hint: String },

    /// A file or folder that an earlier step writes and that does not exist.
    #[error("{what} is missing at {}. {hint}", shown(path))]
    Missing { what: String, path: PathBuf, hint: String },

    /// A file or folder that another process is using.
    #[error("{} is in use by {by}. {hint}", shown(path))]
    InUse { path: PathBuf, by: String, hint: String },

    /// A file or folder that is kept, because writing to it would replace `what`.
    #[error("{} holds {what}, which is not overwritten. {hint}", shown(path))]
    WouldOverwrite { path: PathBuf, what: String, hint: String },

    /// Training failed.
    #[error("training stopped in epoch {epoch}: {cause}. {hint}")]
    Training { epoch: usize, cause: Failure, hint: String },

    /// The user stopped the work, with Ctrl-C or a notebook's Stop button. Only the result is lost.
    #[error("stopped by the user while {what}, {progress}")]
    Stopped { what: String, progress: String },

    /// The operating system denied reading or writing a file.
    #[error("cannot {action} {}: {source}", shown(path))]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    /// libtorch reported an error; `doing` is the step in which it happened.
    #[error("{doing}: {}", first_line(source))]
    Tensor { doing: Cow<'static, str>, source: tch::TchError },

    /// A figure could not be drawn.
    #[error("figure '{figure}' could not be drawn: {problem}")]
    Figure { figure: String, problem: String },

    /// A table could not be built or read.
    #[error("table: {0}")]
    Table(#[from] polars::error::PolarsError),
}

/// The place of an error in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "a variant's documentation names its fields")]
pub enum Place {
    /// The whole file.
    #[default]
    Whole,
    /// The first line, with the names of the columns.
    Header,
    /// A row of a table, counted from 1 without the header, and the line it starts on, if known.
    Row { row: u64, line: Option<u64> },
    /// A line of a text, from 1.
    Line(u64),
    /// An offset in bytes, from 0.
    Byte(u64),
    /// A key or the name of a tensor.
    Key(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Header => f.write_str("header"),
            Place::Row { row, line: None } => write!(f, "row {row}"),
            Place::Row { row, line: Some(line) } => write!(f, "row {row} (line {line})"),
            Place::Line(line) => write!(f, "line {line}"),
            Place::Byte(byte) => write!(f, "byte {byte}"),
            Place::Key(key) => f.write_str(key),
        }
    }
}

/// Why a training failed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "a variant's documentation names its fields")]
pub enum Failure {
    /// A loss that is NaN or infinite; `metric` is "loss" or "val_loss". `batch` and `batches` are the batch, from
    /// 1, and the number of batches per epoch; without a batch, the value was found after the epoch.
    Diverged { metric: &'static str, value: f64, learning_rate: f64, batch: Option<[usize; 2]> },
    /// The device has too little memory for batches of this size.
    OutOfMemory { batch_size: usize },
    /// An earlier call failed within this epoch, so the weights are in the middle of a step.
    Earlier,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Diverged { metric, value, learning_rate, batch } => {
                write!(f, "{metric} became {value} at learning rate {learning_rate:e}")?;
                match batch {
                    Some([batch, batches]) => write!(f, " in batch {batch} of {batches}"),
                    None => f.write_str(" by the end of the epoch"),
                }
            }
            Failure::OutOfMemory { batch_size } => {
                write!(f, "the device's memory does not suffice for batches of {batch_size}")
            }
            Failure::Earlier => f.write_str(
                "an earlier fit failed there, and an epoch can't be resumed in its middle",
            ),
        }
    }
}

impl Error {
    /// A setting out of range: its name, the given value, the expected one.
    pub fn setting(
        name: impl Into<String>,
        value: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Setting { name: name.into(), value: value.to_string(), expected: expected.into() }
    }

    /// An argument that does not fit: its name, the given value, the expected one.
    pub fn input(
        what: impl Into<String>,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Error::Input { what: what.into(), found: found.to_string(), expected: expected.into() }
    }

    /// An unusable file or folder: path, problem, what to do.
    pub fn file(
        path: impl AsRef<Path>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::file_at(path, Place::Whole, problem, hint)
    }

    /// A file that is unusable at one place.
    pub fn file_at(
        path: impl AsRef<Path>,
        place: Place,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Error::File {
            path: path.as_ref().to_path_buf(),
            place,
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// A missing result of an earlier step: its name, its path, what to do.
    pub fn missing(
        what: impl Into<String>,
        path: impl AsRef<Path>,
        hint: impl Into<String>,
    ) -> Self {
        Error::Missing { what: what.into(), path: path.as_ref().to_path_buf(), hint: hint.into() }
    }

    /// A path that is in use: by whom ("another training"), what to do.
    pub fn in_use(path: impl AsRef<Path>, by: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::InUse { path: path.as_ref().to_path_buf(), by: by.into(), hint: hint.into() }
    }

    /// A path that is not overwritten: its content ("a finished run"), what to do.
    pub fn would_overwrite(
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let path = path.as_ref().to_path_buf();
        Error::WouldOverwrite { path, what: what.into(), hint: hint.into() }
    }

    /// Work that the user stopped, "loading images", and its progress, "after 10 of 300".
    pub fn stopped(what: impl Into<String>, progress: impl Into<String>) -> Self {
        Error::Stopped { what: what.into(), progress: progress.into() }
    }

    /// Adds the file's name to an error about a value in the file; other errors stay.
    pub(crate) fn in_file(self, path: impl AsRef<Path>, hint: impl Into<String>) -> Self {
        match self {
            Error::Input { what: name, found, expected }
            | Error::Setting { name, value: found, expected } => {
                let problem = format!("{found}, expected {expected}");
                Self::file_at(path, Place::Key(name), problem, hint)
            }
            other => other,
        }
    }

    /// A file that can't be read or written; `action` is a verb: "read", "write", "create".
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { action, path: path.as_ref().to_path_buf(), source }
    }
}

/// The name of a libtorch error's step until [`During::during`] replaces it.
const LIBTORCH: &str = "libtorch";

impl From<tch::TchError> for Error {
    fn from(source: tch::TchError) -> Self {
        Error::Tensor { doing: Cow::Borrowed(LIBTORCH), source }
    }
}

/// Names the step in which libtorch reported an error: `network.forward_t(&xs, true).during("the forward pass")?`.
/// The innermost step counts; errors of other kinds stay unchanged.
pub(crate) trait During<T>: Sized {
    fn during(self, step: impl Into<Cow<'static, str>>) -> Result<T> {
        self.during_step(|| step.into())
    }

    /// [`During::during`] with a name that is built only if it is needed.
    fn during_step(self, step: impl FnOnce() -> Cow<'static, str>) -> Result<T>;
}

impl<T, E: Into<Error>> During<T> for std::result::Result<T, E> {
    fn during_step(self, step: impl FnOnce() -> Cow<'static, str>) -> Result<T> {
        self.map_err(|error| match error.into() {
            Error::Tensor { doing, source } if doing == LIBTORCH => {
                Error::Tensor { doing: step(), source }
            }
            other => other,
        })
    }
}

/// The place after the path, unless it is the whole file.
fn comma(place: &Place) -> String {
    if *place == Place::Whole { String::new() } else { format!(", {}", told(place.to_string())) }
}

/// libtorch's messages have a C++ stack trace after the first line, which does not help the reader of a notebook.
fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_where_and_what_to_do() {
        let row = |row| Place::Row { row, line: None };
        let error = Error::file_at("fer2013.csv", row(3), "class 7", "Classes are 0 to 6.");
        assert_eq!(error.to_string(), "fer2013.csv, row 3: class 7. Classes are 0 to 6.");
        let error = Error::file("train", "no class folders", "See data/README.md.");
        assert_eq!(error.to_string(), "train: no class folders. See data/README.md.");
        let error = Error::setting("epochs", 0, "1 or more");
        assert_eq!(error.to_string(), "epochs = 0: expected 1 or more");
    }

    #[test]
    fn what_a_stranger_wrote_stays_one_line_without_control_characters() {
        for error in [
            Error::file_at("a.csv", Place::Key("x\x1b[2J".into()), "class 'a\nb\x1b[31m'", "Hint."),
            Error::setting("a\nb", "c\x07", "d"),
            Error::input("a", "b\r\x1b]0;c\x07", "d").in_file("run.toml", "Hint."),
        ] {
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn what_a_stranger_wrote_is_told_by_its_ends() {
        let long = format!("class {}", "né".repeat(50_000));
        for error in [
            Error::file_at("a.csv", Place::Key(long.clone()), &long, "Hint."),
            Error::setting(&long, &long, "d"),
            Error::input(&long, &long, "d"),
        ] {
            let text = error.to_string();
            assert!(text.chars().count() < 2000 && text.contains("class né"), "{text}");
            let ends = ["né. Hint.", "né: expected d", "né, expected d"];
            assert!(ends.iter().any(|end| text.ends_with(end)), "{text}");
        }
        let short = "x".repeat(900);
        assert_eq!(Error::file("a", &short, "Hint.").to_string(), format!("a: {short}. Hint."));
    }

    #[test]
    fn the_innermost_step_names_a_refusal_of_libtorch() {
        let refused = || Err::<(), _>(tch::TchError::Torch("shapes differ\nat line 1".into()));
        let error = refused().during("the forward pass").during("training").unwrap_err();
        let Error::Tensor { doing, .. } = &error else { panic!("{error:?}") };
        assert_eq!(doing, "the forward pass");
        assert_eq!(error.to_string().lines().count(), 1, "the C++ stack trace is left out");
        let other = Err::<(), _>(Error::setting("epochs", 0, "1 or more")).during("training");
        assert!(matches!(other, Err(Error::Setting { .. })));
    }
}
