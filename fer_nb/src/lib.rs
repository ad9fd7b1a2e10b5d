//! Facial-emotion recognition as a Rust notebook workflow.
//!
//! The modules are the workflow's stages, in order: [`project`], [`data`], [`model`], [`train`],
//! [`evaluate`], [`deploy`]; each uses only those before it. [`plot`] and [`notebook`] look at
//! results. A notebook starts with `use fer_nb::prelude::*;`, and this is a whole run:
//!
//! ```no_run
//! use fer_nb::prelude::*;
//!
//! let data = FaceData::open()?; // FER2013 where it is found, else made-up faces
//! let config = TrainConfig { epochs: 2, ..TrainConfig::default() };
//! let mut trainer = Trainer::new(SeedCnn::new(device()?, config.seed)?, config)?
//!     .run_folder(runs("baseline"))
//!     .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(3))
//!     .callback(ModelCheckpoint::best(ValLoss, runs("baseline")));
//! let history = trainer.fit(&data)?;
//! println!("{history}\n{}", trainer.evaluate(&data.test)?.classification_report());
//! # Ok::<(), Error>(())
//! ```

pub(crate) mod common;
pub mod data;
pub mod deploy;
pub mod emotion;
pub mod evaluate;
pub mod model;
pub mod notebook;
pub mod plot;
pub mod project;
pub mod train;

pub use common::error;

// So that a notebook needs no other dependency.
pub use {plotters, polars, tch};

/// The names that the six notebooks use, and those for a custom callback and a custom network. Everything else is
/// in the modules of the stages.
pub mod prelude {
    pub use crate::common::frame::{FrameCsv, read_csv};
    pub use crate::common::{Error, Result};
    pub use crate::data::{Augmentation, Dataset, FaceData, Fer2013, SampleConfig};
    pub use crate::deploy::{
        FaceDetector, Format, ModelCard, Photo, PhotoFiles, Predictor, Video, VideoOptions, publish,
    };
    pub use crate::emotion::Emotion;
    pub use crate::evaluate::tune::{Pruner, Space, Study, StudyConfig};
    pub use crate::evaluate::{
        Protocol, Temperature, TestTimeAugmentation, Threshold, Trust, across, compare, evaluate,
        evaluate_with, grad_cam, original, robustness,
    };
    pub use crate::model::{
        Architecture, Init, Network, Parameters, ParametersBuilder, SeedCnn, Summary, to_float,
    };
    pub use crate::notebook::{Formats, LiveCurves, Shown, Table, display, gallery};
    pub use crate::notebook::{ShowResult as _, ShowValue as _}; // for the last value of a cell
    pub use crate::plot::{Theme, annotate, attention, augmentation_preview, predictions};
    pub use crate::project::{
        Environment, Precision, data_file, device, figures, param, pretrained, runs,
    };
    pub use crate::train::Monitor::{ValAccuracy, ValLoss};
    pub use crate::train::{
        BackupAndRestore, BatchEnd, Callback, EarlyStopping, EpochEnd, EpochRecord, History,
        ModelCheckpoint, Optimizer, RangeTestConfig, Recipe, ReduceLrOnPlateau, RunChoice,
        RunFolder, Schedule, TrainBegin, TrainConfig, Trainer,
    };
    pub use crate::{plotters, polars, tch}; // so that cells use them without another `:dep`
    pub use polars::prelude::DataFrame; // evcxr needs a path to name a variable's type
    pub use tch::{Device, Kind, Tensor};
}
