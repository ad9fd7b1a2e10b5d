//! Stage 6, deployment: a trained network put to use.
//!
//! [`mod@image`] turns any photo into the 48×48 gray pixels that the network was trained on,
//! [`Prediction`] is its answer for one of them, and [`ModelCard`] says in plain words what a
//! trained network is for and what it isn't.

mod hand_out;
pub mod image;
pub mod model_card;
pub mod prediction;
mod predictor;

pub use hand_out::hand_out;
pub use model_card::ModelCard;
pub use prediction::Prediction;
pub use predictor::Predictor;
