//! Stage 6, deployment: a trained network put to use.
//!
//! [`mod@image`] turns any photo into the 48×48 gray pixels that the network was trained on,
//! [`FaceDetector`] finds the faces of a larger one, [`Prediction`] is the answer for one of them, and
//! [`ModelCard`] says in plain words what a trained network is for and what it isn't.

pub mod export;
pub mod face;
pub mod image;
pub mod model_card;
pub mod prediction;
mod predictor;
mod publish;
#[cfg(feature = "serve")]
pub mod serve;

pub use export::Format;
pub use face::{FaceBox, FaceDetector};
pub use image::Photo;
pub use model_card::ModelCard;
pub use prediction::Prediction;
pub use predictor::{Face, Predictor};
pub use publish::{HandedFile, Published, publish};
