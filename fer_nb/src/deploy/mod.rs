//! Stage 6, deployment: a trained network put to use.
//!
//! [`Photo`] reads any picture, [`FaceDetector`] finds its faces, [`Predictor`] gives a [`Prediction`]
//! for each, [`publish`] exports a run, and its [`ModelCard`] says what the network is for and what not.

pub mod export;
mod face;
mod model_card;
mod photo;
mod prediction;
mod predictor;
mod publish;
#[cfg(feature = "serve")]
pub mod serve;

pub use export::Format;
pub use face::{FaceBox, FaceDetector};
pub use model_card::ModelCard;
pub use photo::Photo;
pub use prediction::Prediction;
pub use predictor::{Face, Predictor};
pub use publish::{Published, PublishedFile, publish};
