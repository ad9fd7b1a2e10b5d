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

// So that a notebook needs no dependency but this one.
pub use {polars, tch};

/// Everything that a notebook uses by name.
pub mod prelude {
    pub use crate::common::{Error, Result};
    pub use crate::data::{
        Audit, Augmentation, ClassDistribution, Dataset, FaceData, Fer2013, SampleConfig,
    };
    pub use crate::deploy::{
        Face, FaceDetector, Format, ModelCard, Photo, Prediction, Predictor, Published, publish,
    };
    pub use crate::emotion::Emotion;
    pub use crate::evaluate::tune::{Sampler, Space, Study};
    pub use crate::evaluate::{
        ClassificationReport, Comparison, ConfusionMatrix, Evaluation, Protocol, SeedSpread,
        Temperature, TestTimeAugmentation, Threshold, Trust, compare, evaluate, evaluate_with,
        grad_cam, original,
    };
    pub use crate::model::{
        Architecture, NameMap, Network, ResNet, ResNetConfig, SeedCnn, SeedCnnConfig, Summary, Vgg,
        VggConfig, Vit, VitConfig, to_float, transfer, weights,
    };
    pub use crate::notebook::{LiveCurves, ShowFrame, Table, gallery};
    pub use crate::plot::{
        Annotated, Figure, annotate, attention, augmentation_preview, predictions,
    };
    pub use crate::project::{
        Environment, Precision, data_file, device, figures, param, pretrained, runs,
    };
    pub use crate::train::Monitor::{Accuracy, Loss, ValAccuracy, ValLoss};
    pub use crate::train::{
        BackupAndRestore, BatchEnd, Callback, ClassWeights, CsvLogger, Distillation, EarlyStopping,
        EpochEnd, EpochRecord, History, LossConfig, Mixing, ModelCheckpoint, Monitor, Optimizer,
        RangeTestConfig, Recipe, ReduceLrOnPlateau, RunConfig, RunFolder, Sampling, Schedule,
        TensorBoard, TerminateOnNan, TrainBegin, TrainConfig, Trainer,
    };
    pub use polars::prelude::DataFrame;
    pub use tch::{Device, Kind, Tensor};
}
