//! Settings of the user: each with its range, its name in files, and its default.

mod distillation;
mod images;
mod loss;
mod mixing;
pub(crate) mod off;
mod optimizer;
mod sampling;
mod schedule;
mod sizes;
mod train_config;

pub use distillation::Distillation;
pub use images::ImageChoice;
pub use loss::{ClassWeights, LossConfig};
pub use mixing::Mixing;
pub use optimizer::Optimizer;
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use sizes::SizeSchedule;
pub use train_config::TrainConfig;
