//! Faces in videos: [`Video`] reads frames through ffmpeg, and [`Predictor::predict_video`] tracks each face.
//!
//! Memory does not grow with the number of pixels: only one frame is in memory at a time, and a row for each face
//! in it.

mod analysis;
mod ffmpeg;
mod frames;
mod source;
mod timeline;
mod writer;

pub use analysis::{VideoOptions, VideoStep};
pub use frames::{Frame, Frames, FramesEnd};
pub use source::Video;
pub use timeline::{CsvRows, Sighting, Timeline};
pub use writer::VideoWriter;

#[cfg(doc)]
use crate::deploy::Predictor;
