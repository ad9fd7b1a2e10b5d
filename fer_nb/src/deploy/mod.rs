//! Stage 6, deployment: a trained network in use.
//!
//! [`PhotoFiles`] finds photos in folders, [`Photo`] reads one, [`FaceDetector`] finds its faces, [`Predictor`]
//! returns a [`Prediction`] for each, [`Video`] reads frames through ffmpeg, [`publish`] exports a run, and its
//! [`ModelCard`] describes the intended and excluded uses of the network.

mod detector;
pub mod export;
mod face;
mod light;
mod model_card;
mod page;
mod photo;
mod photo_copies;
mod photo_files;
mod png_rows;
mod prediction;
mod predictor;
mod publish;
#[cfg(feature = "serve")]
pub mod serve;
mod tracking;
mod video;
mod web;

pub use detector::{FaceDetector, NoFace};
pub use export::Format;
pub use face::FaceBox;
pub use model_card::ModelCard;
pub use photo::Photo;
pub use photo_files::{PassedOver, PhotoFile, PhotoFiles};
pub use prediction::Prediction;
pub use predictor::{Face, Predictor};
pub use publish::{Published, PublishedFile, check_formats, check_target, publish};
pub use video::{
    CsvRows, Frame, Frames, FramesEnd, Sighting, Timeline, Video, VideoOptions, VideoStep,
    VideoWriter,
};
