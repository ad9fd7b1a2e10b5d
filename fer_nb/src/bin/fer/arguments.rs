//! Arguments that several subcommands take.

use std::path::PathBuf;

use fer_nb::data::FaceData;
use fer_nb::error::Result;
use serde::Serialize;

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
}

/// `--json FILE`.
#[derive(clap::Args)]
pub(crate) struct JsonFile {
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl JsonFile {
    /// Writes metrics to the file, if one is given.
    pub(crate) fn write(&self, metrics: &impl Serialize) -> Result<()> {
        self.json.as_deref().map_or(Ok(()), |path| crate::write_json(path, metrics))
    }
}
