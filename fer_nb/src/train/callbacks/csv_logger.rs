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
    /// The rows of the file.
    rows: Vec<EpochRecord>,
}

impl CsvLogger {
    /// Writes to this file; an existing file is replaced.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), append: false, rows: Vec::new() }
    }

    /// Keeps the rows of the file, as Keras' `append=True` does.
    pub fn append(mut self) -> Self {
        self.append = true;
        self
    }

    /// The path of the file.
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
        // The epochs so far belong to a resumed training.
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
        // The whole file is written each time: it has a few kilobytes, and never an incomplete row.
        History { epochs: self.rows.clone(), ..History::default() }.save(&self.path)
    }
}
