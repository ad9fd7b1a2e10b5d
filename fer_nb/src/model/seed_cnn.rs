//! [`SeedCnn`]: the network of the Keras project that this one carries on.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;
use super::dropout::dropout;
use super::layers::{Conv, Dense};
use super::network::Network;
use super::parameters::{Parameters, ParametersBuilder};
use super::pool::pool_relu_dropout;
use super::summary::{Layer, Summary};
use super::weights;
use crate::common::{Error, Result};
use crate::data::SIDE;
use crate::emotion::Emotion;
use crate::project::pretrained;

/// Channels of the three blocks.
const CHANNELS: [i64; 3] = [32, 64, 128];
/// Units of the hidden dense layer.
const HIDDEN: i64 = 256;
/// Numbers that the last block puts out: 6 × 6 × 128.
const FLAT: i64 = (SIDE as i64 / 8) * (SIDE as i64 / 8) * CHANNELS[2];

/// Settings of a [`SeedCnn`]. The default is the original project's.
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
#[derive(Debug)]
pub struct SeedCnn {
    parameters: Parameters,
    convolutions: [[Conv; 2]; 3],
    hidden: Dense,
    output: Dense,
    config: SeedCnnConfig,
}

impl SeedCnn {
    /// The network with Keras' initial weights (Glorot uniform, zero biases) drawn from `seed`, and
    /// dropout of 0.25 after each block and 0.5 after the hidden layer.
    pub fn new(device: Device, seed: u64) -> Result<Self> {
        Self::with_config(device, seed, SeedCnnConfig::default())
    }

    /// [`SeedCnn::new`] with other shares of dropped activations, each at least 0 and below 1.
    pub fn with_dropout(
        device: Device,
        seed: u64,
        block_dropout: f64,
        hidden_dropout: f64,
    ) -> Result<Self> {
        Self::with_config(device, seed, SeedCnnConfig { block_dropout, hidden_dropout })
    }

    /// [`SeedCnn::new`] with other settings.
    pub fn with_config(device: Device, seed: u64, config: SeedCnnConfig) -> Result<Self> {
        let SeedCnnConfig { block_dropout, hidden_dropout } = config;
        for (field, share) in [("block_dropout", block_dropout), ("hidden_dropout", hidden_dropout)]
        {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::setting(field, share, "at least 0 and below 1"));
            }
        }
        let mut builder = ParametersBuilder::default();
        let mut channels = 1;
        let mut block = 0;
        let convolutions = CHANNELS.map(|out| {
            block += 1;
            let first = Conv::keras(&mut builder, &format!("conv{block}_1"), channels, out);
            let second = Conv::keras(&mut builder, &format!("conv{block}_2"), out, out);
            channels = out;
            [first, second]
        });
        let hidden = Dense::new(&mut builder, "dense1", FLAT, HIDDEN);
        let output = Dense::new(&mut builder, "dense2", HIDDEN, Emotion::COUNT as i64);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, convolutions, hidden, output, config })
    }

    /// The network with the weights that come with the project, data/pretrained/seed_cnn, which were
    /// trained on FER2013; the model card there says how, and what they must not be used for.
    ///
    /// # Errors
    /// Where the weights are not there.
    pub fn pretrained(device: Device) -> Result<Self> {
        let mut network = Self::new(device, 0)?;
        weights::load(&mut network, pretrained("seed_cnn").join("best.safetensors"))?;
        Ok(network)
    }

    /// This network's name for a parameter of the same network written as a PyTorch
    /// `nn.Sequential`, where layers are numbered; other names stay as they are.
    pub fn from_sequential_name(name: &str) -> String {
        const LAYERS: [(&str, &str); 8] = [
            ("0", "conv1_1"),
            ("2", "conv1_2"),
            ("6", "conv2_1"),
            ("8", "conv2_2"),
            ("12", "conv3_1"),
            ("14", "conv3_2"),
            ("19", "dense1"),
            ("22", "dense2"),
        ];
        let Some((number, kind)) = name.split_once('.') else { return name.to_string() };
        match LAYERS.iter().find(|(key, _)| *key == number) {
            Some((_, layer)) => format!("{layer}.{kind}"),
            None => name.to_string(),
        }
    }

    /// Logits of what the last block's convolutions put out, with dropout in `train`.
    fn classify(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let SeedCnnConfig { block_dropout, hidden_dropout } = self.config;
        let parameters = &self.parameters;
        let xs = pool_relu_dropout(features, block_dropout, train)?;
        // [B, 128, 6, 6] flattens channel by channel, as PyTorch does; Keras would flatten pixel by
        // pixel, which is the same network with the hidden layer's inputs in another order.
        let hidden = self.hidden.forward(parameters, &xs.f_flatten(1, -1)?)?.f_relu_()?;
        let hidden = dropout(&hidden, hidden_dropout, train)?;
        Ok(self.output.forward(parameters, &hidden)?.f_to_kind(Kind::Float)?)
    }

    /// What the last block's convolutions put out, before ReLU: [B, 128, 12, 12].
    fn convolve(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut xs = images.f_to_kind(self.parameters.kind())?;
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
    fn name(&self) -> &'static str {
        "seed_cnn"
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.classify(&self.convolve(images, train)?, train)
    }

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.convolve(images, false)?.f_relu()?)
    }

    fn head(&self, features: &Tensor) -> Result<Tensor> {
        self.classify(features, false)
    }

    fn architecture(&self) -> Option<Architecture> {
        Some(Architecture::SeedCnn(self.config.clone()))
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    fn summary(&self) -> Summary {
        let (mut side, mut channels) = (SIDE as i64, 1);
        let mut layers = Vec::new();
        for (block, out) in (1..).zip(CHANNELS) {
            for (number, input) in [(1, channels), (2, out)] {
                let conv = Layer::conv(input, out, 3, side).with_parameters(out);
                layers.push(conv.named(format!("conv{block}_{number} (Conv2D)")));
            }
            side /= 2;
            channels = out;
            let pooled = Layer::free(&[side, side, out]);
            layers.push(pooled.clone().named(format!("pool{block} (MaxPooling2D)")));
            layers.push(pooled.named(format!("dropout{block} (Dropout)")));
        }
        layers.extend([
            Layer::free(&[FLAT]).named("flatten (Flatten)"),
            Layer::dense(FLAT, HIDDEN).named("dense1 (Dense)"),
            Layer::free(&[HIDDEN]).named("dropout4 (Dropout)"),
            Layer::dense(HIDDEN, Emotion::COUNT as i64).named("dense2 (Dense)"),
        ]);
        Summary::new(self.name(), layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                      Input: (None, 48, 48, 1), 173.6 MFLOPs an image";
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
        let error = SeedCnn::with_dropout(Device::Cpu, 0, 1.0, 0.5).unwrap_err();
        assert_eq!(error.to_string(), "block_dropout = 1: expected at least 0 and below 1");
    }
}
