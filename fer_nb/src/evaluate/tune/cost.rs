//! [`Cost`]: the second objective of a study.

use serde::{Deserialize, Serialize};
use tch::Device;

use crate::common::{Result, named};
use crate::train::Recipe;

/// A second objective of a study: what a network costs, of which less is better. It follows from the recipe alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Floating-point operations of one image's forward pass, as in the network's
    /// [`Summary`](crate::model::Summary).
    Flops,
    /// Trainable parameters and the rest, such as means of normalisation layers.
    Parameters,
}

named! { Cost: "cost", Flops => "flops", Parameters => "parameters" }

impl Cost {
    /// What the recipe's network costs.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::common::Error::Setting) for a network that can't be built.
    pub(super) fn of(self, recipe: &Recipe) -> Result<f64> {
        let summary = recipe.network.build(Device::Cpu, 0)?.summary();
        Ok(match self {
            Cost::Flops => summary.flops() as f64,
            Cost::Parameters => summary.total() as f64,
        })
    }

    /// As texts show it: "24.1 MFLOPs", "1.47 M parameters".
    pub(crate) fn shown(self, value: f64) -> String {
        match self {
            Cost::Flops => format!("{:.1} MFLOPs", value / 1e6),
            Cost::Parameters => format!("{:.2} M parameters", value / 1e6),
        }
    }
}
