//! [`CsvLogger`]: writes a row for each epoch to a csv file.

use std::path::{Path, PathBuf};

use super::{Callback, EpochEnd, TrainBegin};
use crate::common::Result;
use crate::common::check::ensure;
use crate::common::text::shown;
use crate::train::record::{EpochRecord, History};

/// Keras' `CSVLogger`: writes each epoch's metrics to a file, with the columns of `history.csv`.
#[derive(Debug)]
pub struct CsvLogger {
    path: PathBuf,
    append: bool,
    /// Rows that the file has.
    rows: Vec<EpochRecord>,
}

impl CsvLogger {
    /// Writes to this file; one that is there is replaced.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), append: false, rows: Vec::new() }
    }

    /// Keeps the rows that the file has, as Keras' `append=True` does.
    pub fn append(mut self) -> Self {
        self.append = true;
        self
    }

    /// Where the rows go.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Callback for CsvLogger {
    fn name(&self) -> &'static str {
        "CSVLogger"
    }

    fn validate(&self) -> Result<()> {
        let (ok, path) = (!self.path.is_dir(), shown(&self.path));
        ensure(ok, "CSVLogger.path", path, "a file, not a folder")
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn on_train_begin(&mut self, begin: &TrainBegin<'_>) -> Result<()> {
        // The epochs so far belong to a training that is continued.
        self.rows = match self.append && self.path.is_file() {
            true => History::load(&self.path, "")?.epochs,
            false => Vec::new(),
        };
        for record in &begin.history.epochs {
            if !self.rows.contains(record) {
                self.rows.push(*record);
            }
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        self.rows.push(epoch.record);
        // Written whole each time: a few kilobytes, and never half a row.
        History { epochs: self.rows.clone(), ..History::default() }.save(&self.path)
    }
}
