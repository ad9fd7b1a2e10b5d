//! [`Optimizer`]: the optimizer and its hyperparameters.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::common::{Result, check, parsed};

/// The algorithm that computes a step from a gradient. The learning rate is separate, because schedules and
/// callbacks change it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.
    Adam {
        /// Decay of the mean of gradients per step; at least 0 and below 1.
        beta1: f64,
        /// Decay of the mean of squared gradients per step; at least 0 and below 1.
        beta2: f64,
        /// Added to the root of the second mean; above 0.
        epsilon: f64,
        /// The factor of the weights that is added to the gradient (L2 regularisation); 0 or more.
        weight_decay: f64,
    },
    /// Adam with weight decay that shrinks the weights directly, separate from the gradient (Loshchilov and Hutter,
    /// "Decoupled Weight Decay Regularization", 2019).
    AdamW {
        /// As for Adam.
        beta1: f64,
        /// As for Adam.
        beta2: f64,
        /// As for Adam.
        epsilon: f64,
        /// The share of each weight, times the learning rate, by which a step shrinks it; 0 or more.
        weight_decay: f64,
    },
    /// Stochastic gradient descent with momentum, as PyTorch defines it: the velocity is the decayed
    /// sum of gradients, and the learning rate multiplies the velocity.
    Sgd {
        /// Decay of the velocity per step; at least 0 and below 1. 0 is plain gradient descent.
        momentum: f64,
        /// Looks ahead along the velocity (Sutskever et al., "On the importance of initialization
        /// and momentum in deep learning", 2013).
        nesterov: bool,
        /// The factor of the weights that is added to the gradient; 0 or more.
        weight_decay: f64,
    },
    /// Momentum with an orthogonalised step, for the weights of convolutions and hidden dense layers, each as a
    /// matrix [outputs, inputs · window] (Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
    /// 2024). AdamW, with betas 0.9 and 0.95 and epsilon 1e-8, trains all other weights and the last layer. The
    /// usual learning rate is 0.02.
    Muon {
        /// Decay of the momentum per step; at least 0 and below 1.
        momentum: f64,
        /// AdamW's learning rate as a multiple of Muon's; above 0.
        adamw_rate: f64,
        /// As for AdamW, for both.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// Adam with Keras' defaults: beta1 0.9, beta2 0.999, epsilon 1e-7, no weight decay.
    pub const fn adam() -> Self {
        Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 }
    }

    /// AdamW with Adam's defaults and this weight decay (PyTorch's default is 0.01).
    pub const fn adamw(weight_decay: f64) -> Self {
        Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay }
    }

    /// SGD with Nesterov momentum and no weight decay.
    pub const fn sgd(momentum: f64) -> Self {
        Optimizer::Sgd { momentum, nesterov: true, weight_decay: 0.0 }
    }

    /// Muon with momentum 0.95, AdamW at a tenth of its learning rate, and no weight decay.
    pub const fn muon() -> Self {
        Optimizer::Muon { momentum: 0.95, adamw_rate: 0.1, weight_decay: 0.0 }
    }

    /// The optimizer's name: "Adam".
    pub const fn name(&self) -> &'static str {
        match self {
            Optimizer::Adam { .. } => "Adam",
            Optimizer::AdamW { .. } => "AdamW",
            Optimizer::Sgd { .. } => "SGD",
            Optimizer::Muon { .. } => "Muon",
        }
    }

    /// The strength of weight decay; its effect depends on the optimizer.
    pub(crate) const fn weight_decay(&self) -> f64 {
        let (Optimizer::Adam { weight_decay, .. }
        | Optimizer::AdamW { weight_decay, .. }
        | Optimizer::Sgd { weight_decay, .. }
        | Optimizer::Muon { weight_decay, .. }) = self;
        *weight_decay
    }

    /// Returns an error for the first hyperparameter out of range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Optimizer::Adam { beta1, beta2, epsilon, .. }
            | Optimizer::AdamW { beta1, beta2, epsilon, .. } => {
                check::part("optimizer.beta1", beta1)?;
                check::part("optimizer.beta2", beta2)?;
                check::positive("optimizer.epsilon", epsilon)?;
            }
            Optimizer::Sgd { momentum, nesterov, .. } => {
                check::part("optimizer.momentum", momentum)?;
                let (ok, expected) =
                    (!nesterov || momentum > 0.0, "above 0, because nesterov needs it");
                check::ensure(ok, "optimizer.momentum", momentum, expected)?;
            }
            Optimizer::Muon { momentum, adamw_rate, .. } => {
                check::part("optimizer.momentum", momentum)?;
                check::positive("optimizer.adamw_rate", adamw_rate)?;
            }
        }
        check::not_negative("optimizer.weight_decay", self.weight_decay())
    }
}

parsed! {
    Optimizer: "optimizer",
    "adam" => Optimizer::adam(),
    "adamw" => Optimizer::adamw(0.01),
    "sgd" => Optimizer::sgd(0.9),
    "muon" => Optimizer::muon(),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::adam()
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Optimizer::Adam { beta1, beta2, epsilon, .. }
            | Optimizer::AdamW { beta1, beta2, epsilon, .. } => {
                write!(f, "{name}, betas {beta1} and {beta2}, epsilon {epsilon:e}")?;
            }
            Optimizer::Sgd { momentum, nesterov, .. } => {
                let kind = if *nesterov { "Nesterov momentum" } else { "momentum" };
                write!(f, "{name}, {kind} {momentum}")?;
            }
            Optimizer::Muon { momentum, adamw_rate, .. } => {
                write!(f, "{name}, momentum {momentum}, AdamW at {adamw_rate} of its rate")?;
            }
        }
        match self.weight_decay() {
            0.0 => Ok(()),
            decay => write!(f, ", weight decay {decay}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_range_is_named() {
        let message = |optimizer: Optimizer| optimizer.validate().unwrap_err().to_string();
        assert_eq!(
            message(Optimizer::adamw(-1.0)),
            "optimizer.weight_decay = -1: expected a number, 0 or more"
        );
        assert_eq!(
            message(Optimizer::sgd(0.0)),
            "optimizer.momentum = 0: expected above 0, because nesterov needs it"
        );
        let Optimizer::Adam { beta1, beta2, weight_decay, .. } = Optimizer::adam() else {
            unreachable!()
        };
        let adam = Optimizer::Adam { beta1, beta2, epsilon: f64::NAN, weight_decay };
        assert_eq!(message(adam), "optimizer.epsilon = NaN: expected a number above 0");
    }

    #[test]
    fn the_config_file_names_it() {
        let text = toml::to_string(&Optimizer::sgd(0.9)).unwrap();
        assert!(text.starts_with("name = \"sgd\"\nmomentum = 0.9\n"), "{text}");
        assert_eq!(toml::from_str::<Optimizer>(&text).unwrap(), Optimizer::sgd(0.9));
    }
}
