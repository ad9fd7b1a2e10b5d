//! [`History`]: the metrics of each epoch, and their file.

use std::fmt;
use std::path::Path;

use polars::prelude::{DataFrame, df};

use super::epoch::EpochRecord;
use super::stop_reason::StopReason;
use crate::common::files::replace_file;
use crate::common::text::plural;
use crate::common::{Error, Place, Result, plain_file};
use crate::data::column;

/// What to do about a file of a run that can't be read but is also in its checkpoint.
pub(crate) const RESTORE_HINT: &str = "`fer train --run NAME --resume` restores it if \
    last/checkpoint.safetensors is intact; if not, `fer train --run NAME --overwrite` retrains.";

/// The metrics of a run's completed epochs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// A record for each epoch, in order.
    pub epochs: Vec<EpochRecord>,
    /// Why training ended before its last epoch, or `None`.
    pub stopped: Option<StopReason>,
    /// The data's name in titles: "FER2013", "made-up sample" or the name of a folder.
    pub title: String,
}

impl History {
    /// The epoch with the lowest validation loss.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.epochs
            .iter()
            .filter(|record| record.val_loss.is_finite())
            .min_by(|a, b| a.val_loss.total_cmp(&b.val_loss))
    }

    /// Whether the user stopped training, so that it can be resumed.
    pub fn stopped_by_user(&self) -> bool {
        self.stopped.as_ref().is_some_and(StopReason::is_user)
    }

    /// A table with a row for each epoch, with the columns of `history.csv`: `epoch` (u32), `loss`, `accuracy`,
    /// `val_loss`, `val_accuracy`, `learning_rate`, `seconds` (f64).
    ///
    /// # Errors
    /// [`Error::Table`] if polars reports an error.
    pub fn to_table(&self) -> Result<DataFrame> {
        let epochs = &self.epochs;
        Ok(df!(
            "epoch" => column(epochs, |epoch| epoch.epoch as u32),
            "loss" => column(epochs, |epoch| epoch.loss),
            "accuracy" => column(epochs, |epoch| epoch.accuracy),
            "val_loss" => column(epochs, |epoch| epoch.val_loss),
            "val_accuracy" => column(epochs, |epoch| epoch.val_accuracy),
            "learning_rate" => column(epochs, |epoch| epoch.learning_rate),
            "seconds" => column(epochs, |epoch| epoch.seconds),
        )?)
    }

    /// Writes `history.csv`, as a whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        replace_file(path, |temporary| {
            let failed = |error: csv::Error| Error::io("write", path, error.into());
            let mut writer = csv::Writer::from_path(temporary).map_err(failed)?;
            for record in &self.epochs {
                writer.serialize(record).map_err(failed)?;
            }
            writer.flush().map_err(|error| Error::io("write", path, error))
        })
    }

    /// Reads `history.csv`; `title` is the name of the run's data.
    pub fn load(path: impl AsRef<Path>, title: impl Into<String>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_file() {
            let hint = "Train first: notebook 04_training, or `fer train`.";
            return Err(Error::missing("A training history", path, hint));
        }
        let unreadable = |error: csv::Error| {
            let place = error.position().map_or(Place::Whole, |at| Place::Line(at.line()));
            Error::file_at(path, place, format!("not a history: {error}"), RESTORE_HINT)
        };
        let text = plain_file::read(path, plain_file::TABLE);
        let text = text.map_err(|source| Error::io("read", path, source))?;
        let mut reader = csv::Reader::from_reader(&text[..]);
        let epochs = reader.deserialize().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        Ok(Self { epochs, stopped: None, title: title.into() })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", plural(self.epochs.len(), "epoch"), self.title)?;
        if let Some(best) = self.best() {
            write!(
                f,
                "; best epoch {}: val_loss {:.4}, val_accuracy {:.4}",
                best.epoch, best.val_loss, best.val_accuracy
            )?;
        }
        if let Some(reason) = &self.stopped {
            write!(f, "; {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, val_loss: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            loss: 1.0,
            accuracy: 0.5,
            val_loss,
            val_accuracy: 0.4,
            learning_rate: 1e-3,
            seconds: 2.5,
        }
    }

    #[test]
    fn a_history_survives_the_disk_and_knows_its_best_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/history.csv");
        let epochs = vec![record(1, 1.5), record(2, 1.2), record(3, f64::NAN)];
        let history = History { epochs, stopped: None, title: "FER2013".into() };
        history.save(&path).unwrap();
        let header = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds";
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(header));
        let loaded = History::load(&path, "FER2013").unwrap();
        assert_eq!(loaded.best(), Some(&history.epochs[1]));
        assert_eq!(loaded.epochs[..2], history.epochs[..2]);
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        assert!(matches!(History::load(&path, ""), Err(Error::Missing { .. })));
        std::fs::write(&path, "epoch,loss\n1,x\n").unwrap();
        let error = History::load(&path, "").unwrap_err();
        assert!(matches!(error, Error::File { place: Place::Line(2), .. }), "{error:?}");
    }
}
