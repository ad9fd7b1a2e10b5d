//! [`SeedCnn`]: the network of the original Keras project.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::checks;
use super::layers::{Conv, Dense, dropout, fit_side, pool_relu_dropout, read_images};
use super::name_map::NameMap;
use super::network::{Network, from_parts};
use super::parameters::{Parameters, ParametersBuilder};
use super::plan::{Operation, Plan};
use super::weights;
use crate::common::{Result, brief};
use crate::data::SIDE;
use crate::emotion::Emotion;
use crate::project::pretrained;

/// Channels of the three blocks.
const CHANNELS: [i64; 3] = [32, 64, 128];
/// Units of the hidden dense layer.
const HIDDEN: i64 = 256;
/// Height and width of the last block's output, and its number of activations: 6 × 6 × 128.
const LAST_SIDE: i64 = SIDE as i64 / 8;
const FLAT: i64 = LAST_SIDE * LAST_SIDE * CHANNELS[2];

/// Settings of a [`SeedCnn`]. The defaults are the original project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedCnnConfig {
    /// Share of activations that each block drops in training; at least 0 and below 1.
    pub block_dropout: f64,
    /// Share of hidden units that are dropped in training; at least 0 and below 1.
    pub hidden_dropout: f64,
}

impl Default for SeedCnnConfig {
    fn default() -> Self {
        Self { block_dropout: 0.25, hidden_dropout: 0.5 }
    }
}

/// Three blocks of two 3×3 convolutions with ReLU, max pooling and dropout, then two dense layers;
/// 1,468,135 parameters.
pub struct SeedCnn {
    parameters: Parameters,
    convolutions: [[Conv; 2]; 3],
    hidden: Dense,
    output: Dense,
    config: SeedCnnConfig,
}

brief!(SeedCnn, |network| "{:?}", network.parameters);

impl SeedCnn {
    /// The network with default settings and Keras' initial weights (Glorot-uniform, zero biases) drawn
    /// from `seed`.
    ///
    /// # Errors
    /// If libtorch can't allocate the weights.
    pub fn new(device: Device, seed: u64) -> Result<Self> {
        Self::with_config(device, seed, SeedCnnConfig::default())
    }

    /// [`SeedCnn::with_config`] with these shares.
    pub fn with_dropout(
        device: Device,
        seed: u64,
        block_dropout: f64,
        hidden_dropout: f64,
    ) -> Result<Self> {
        Self::with_config(device, seed, SeedCnnConfig { block_dropout, hidden_dropout })
    }

    /// [`SeedCnn::new`] with other settings.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::common::Error::Setting) for a setting out of range; errors of libtorch.
    pub fn with_config(device: Device, seed: u64, config: SeedCnnConfig) -> Result<Self> {
        checks::share("block_dropout", config.block_dropout)?;
        checks::share("hidden_dropout", config.hidden_dropout)?;
        let mut builder = ParametersBuilder::default();
        let mut channels = 1;
        let mut block = 0;
        let convolutions = CHANNELS.map(|out| {
            block += 1;
            let first = Conv::with_bias(&mut builder, format!("conv{block}_1"), [channels, out]);
            let second = Conv::with_bias(&mut builder, format!("conv{block}_2"), [out, out]);
            channels = out;
            [first, second]
        });
        let hidden = Dense::new(&mut builder, "dense1", [FLAT, HIDDEN]);
        let output = Dense::new(&mut builder, "dense2", [HIDDEN, Emotion::COUNT as i64]);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, convolutions, hidden, output, config })
    }

    /// The network with the pretrained weights of data/pretrained/seed_cnn, trained on FER2013. Their model card
    /// describes the training and the excluded uses.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::common::Error::Missing) if the file does not exist.
    pub fn pretrained(device: Device) -> Result<Self> {
        let mut network = Self::new(device, 0)?;
        weights::load(&mut network, pretrained("seed_cnn").join("best.safetensors"))?;
        Ok(network)
    }

    /// The output of the last block, with dropout if `train`.
    fn head_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let SeedCnnConfig { block_dropout, hidden_dropout } = self.config;
        let parameters = &self.parameters;
        let xs = pool_relu_dropout(features, block_dropout, train)?;
        let xs = fit_side(&xs, LAST_SIDE)?;
        // [B, 128, 6, 6] is flattened channel by channel, as in PyTorch. Keras flattens pixel by pixel: the same
        // network with another order of the hidden layer's inputs.
        let hidden = self.hidden.forward(parameters, &xs.f_flatten(1, -1)?)?.f_relu_()?;
        let hidden = dropout(&hidden, hidden_dropout, train)?;
        Ok(self.output.forward(parameters, &hidden)?.f_to_kind(Kind::Float)?)
    }

    /// The output of the last block's convolutions before ReLU: [B, 128, 12, 12].
    fn features_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut xs = read_images(&self.parameters, images, false)?;
        for (index, [first, second]) in self.convolutions.iter().enumerate() {
            if index > 0 {
                xs = pool_relu_dropout(&xs, self.config.block_dropout, train)?;
            }
            xs = first.forward(&self.parameters, &xs)?.f_relu_()?;
            xs = second.forward(&self.parameters, &xs)?;
        }
        Ok(xs)
    }
}

impl Network for SeedCnn {
    from_parts!("seed_cnn");

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.features_t(images, false)?.f_relu()?)
    }

    /// The same network as a PyTorch `nn.Sequential`, which numbers its layers.
    fn aliases(&self) -> NameMap {
        let places = ["0", "2", "6", "8", "12", "14"].into_iter();
        let convolutions = places.zip(self.convolutions.iter().flatten().map(Conv::name));
        let dense = [("19", self.hidden.name()), ("22", self.output.name())];
        convolutions.chain(dense).fold(NameMap::identity(), |names, (place, layer)| {
            names.rename(format!("{place}."), format!("{layer}."))
        })
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        for (block, convolutions) in (1..).zip(&self.convolutions) {
            for conv in convolutions {
                plan = plan.layer(conv.name(), [conv.operation(), Operation::Relu]);
            }
            plan = plan
                .layer(format!("pool{block}"), [Operation::MaxPool])
                .layer(format!("dropout{block}"), [Operation::Dropout]);
        }
        plan.layer("flatten", [Operation::Flatten])
            .layer(self.hidden.name(), [self.hidden.operation(), Operation::Relu])
            .layer("dropout4", [Operation::Dropout])
            .layer(self.output.name(), [self.output.operation()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;

    #[test]
    fn the_table_is_the_originals_to_the_last_parameter() {
        let network = SeedCnn::new(Device::Cpu, 0).unwrap();
        let summary = network.summary();
        let counts: Vec<i64> = summary
            .layers
            .iter()
            .map(|layer| layer.parameters)
            .filter(|count| *count > 0)
            .collect();
        assert_eq!(counts, [320, 9_248, 18_496, 36_928, 73_856, 147_584, 1_179_904, 1_799]);
        assert_eq!(summary.total(), 1_468_135);
        assert_eq!(summary.total(), network.parameters().count());
        // 9 · (2,304 · 1,056 + 576 · 6,144 + 144 · 24,576) multiplications of convolutions, and
        // 4608 · 256 + 256 · 7 of dense layers.
        assert_eq!(summary.flops(), 2 * (85_598_208 + 1_181_440));
        let footer = "Total params: 1,468,135 (5.60 MB)\n\
                      Input: (None, 48, 48, 1), 173.6 MFLOPs per image";
        assert_eq!(summary.footer(), footer);
    }

    #[test]
    fn logits_come_in_rows_and_dropout_only_in_training() {
        let network = SeedCnn::new(Device::Cpu, 0).unwrap();
        let images = Tensor::rand([3, 1, 48, 48], (Kind::Float, Device::Cpu));
        let first = network.forward_t(&images, false).unwrap();
        assert_eq!(first.size(), [3, 7]);
        assert_eq!(first, network.forward_t(&images, false).unwrap());
        assert_ne!(first, network.forward_t(&images, true).unwrap());
    }

    #[test]
    fn seeds_decide_the_weights_and_glorot_their_range() {
        let weights = |seed| SeedCnn::new(Device::Cpu, seed).unwrap().parameters().flat();
        assert_eq!(weights(1), weights(1));
        assert_ne!(weights(1), weights(2));
        let first = weights(1).narrow(0, 0, 288);
        let limit = (6.0f64 / (9.0 + 288.0)).sqrt();
        assert!(first.abs().max().double_value(&[]) <= limit);
        assert!(first.std(true).double_value(&[]) > limit / 3.0f64.sqrt() * 0.8);
    }

    #[test]
    fn shares_outside_their_range_are_named() {
        let config = SeedCnnConfig { block_dropout: 1.0, ..SeedCnnConfig::default() };
        let error = SeedCnn::with_config(Device::Cpu, 0, config).unwrap_err();
        assert!(matches!(error, Error::Setting { name, .. } if name == "network.block_dropout"));
    }
}
