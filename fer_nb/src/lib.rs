//! Facial-emotion recognition as a Rust notebook workflow.
//!
//! The modules are the stages of the workflow, in order: [`project`], [`data`], [`model`], [`train`], [`evaluate`],
//! [`deploy`]; each uses only the earlier ones. [`plot`] and [`notebook`] display results. [`prelude`] has the names
//! for a notebook or a program, and [`error::Error`] every error. This is a whole run:
//!
//! ```no_run
//! use fer_nb::prelude::*;
//!
//! // Stages 1 and 2: the device, and the data. Without FER2013 the data is made-up faces.
//! let (device, data) = (device()?, FaceData::open()?);
//! println!("{data}\n{}", data.audit()?);
//!
//! // Stages 3 and 4: a network and its training, which writes a run folder. After a crash, the same
//! // program resumes the training.
//! let config = TrainConfig { epochs: 2, ..TrainConfig::default() };
//! let network = SeedCnn::new(device, config.seed)?;
//! let mut trainer = Trainer::new(network, &config)?
//!     .run_folder(runs("baseline"))
//!     .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(3))
//!     .callback(ModelCheckpoint::best(ValLoss, runs("baseline")))
//!     .callback(BackupAndRestore);
//! let history = trainer.fit(&data)?;
//! history.curves()?.save(figures("curves.svg"))?;
//!
//! // Stage 5: the weights of the best epoch on the test images.
//! let run = RunFolder::at(runs("baseline"));
//! let test = evaluate(&run.network(device)?, &data.test)?;
//! println!("{test}\n{}", test.classification_report());
//! test.confusion_matrix().figure()?.save(figures("confusion.png"))?;
//!
//! // Stage 6: predictions for a photo, and files for other programs.
//! let predictor = Predictor::load(run.path(), device)?;
//! let photo = Photo::open("photo.jpg")?;
//! for face in predictor.predict_photo(&photo, &FaceDetector::for_photos())? {
//!     println!("{}", face.prediction);
//! }
//! publish(&run, &data, "out", "", &[Format::Onnx], device)?;
//! # Ok::<(), Error>(())
//! ```
//!
//! A custom network implements [`Network`](model::Network), a custom callback [`Callback`](train::Callback); the
//! folder `examples` has a program for each.

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
    pub use crate::evaluate::tune::{Cost, Pruner, Space, Study, StudyConfig};
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
