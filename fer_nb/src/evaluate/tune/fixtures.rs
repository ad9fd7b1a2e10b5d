//! What tests of studies begin with.

use crate::data::{FaceData, SampleConfig};
use crate::train::{Monitor, Recipe};

pub(super) fn data() -> FaceData {
    FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap()
}

/// Two epochs, compared in accuracy.
pub(super) fn recipe() -> Recipe {
    let mut recipe = Recipe::default();
    recipe.train.epochs = 2;
    recipe.train.batch_size = 16;
    recipe.choice.monitor = Monitor::ValAccuracy;
    recipe.choice.plateau = false;
    recipe.choice.patience = None;
    recipe
}

/// Dropout draws from libtorch's generator, which the tests of a process share.
pub(super) fn without_dropout() -> Recipe {
    let mut recipe = recipe();
    recipe.set("network.block_dropout", "0.0").unwrap();
    recipe.set("network.hidden_dropout", "0.0").unwrap();
    recipe
}
