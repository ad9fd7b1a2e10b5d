//! [`SeedCnn`]: the network of the Keras project that this one carries on.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;
use super::dropout::dropout;
use super::network::Network;
use super::parameters::{Init, ParameterId, Parameters, ParametersBuilder};
use super::summary::{LayerSummary, Summary};
use crate::data::SIDE;
use crate::emotion::Emotion;
use crate::error::{Error, Result};

/// Channels of the three blocks.
const CHANNELS: [i64; 3] = [32, 64, 128];
/// Units of the hidden dense layer.
const HIDDEN: i64 = 256;
/// Numbers that the last block puts out: 6 × 6 × 128.
const FLAT: i64 = (SIDE as i64 / 8) * (SIDE as i64 / 8) * CHANNELS[2];

/// Weight and bias of a convolution or a dense layer.
#[derive(Debug, Clone, Copy)]
struct Layer {
    weight: ParameterId,
    bias: ParameterId,
}

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
    convolutions: [[Layer; 2]; 3],
    hidden: Layer,
    output: Layer,
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
                return Err(Error::config(field, share, "at least 0 and below 1"));
            }
        }
        let mut builder = ParametersBuilder::default();
        let mut channels = 1;
        let mut block = 0;
        let convolutions = CHANNELS.map(|out| {
            block += 1;
            let first = conv(&mut builder, &format!("conv{block}_1"), channels, out);
            let second = conv(&mut builder, &format!("conv{block}_2"), out, out);
            channels = out;
            [first, second]
        });
        let hidden = dense(&mut builder, "dense1", FLAT, HIDDEN);
        let output = dense(&mut builder, "dense2", HIDDEN, Emotion::COUNT as i64);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, convolutions, hidden, output, config })
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

    fn conv(&self, xs: &Tensor, layer: Layer) -> Result<Tensor> {
        let weight = self.parameters.get(layer.weight)?;
        let bias = self.parameters.get(layer.bias)?;
        Ok(xs.f_conv2d(weight, Some(bias), [1, 1], [1, 1], [1, 1], 1)?)
    }

    fn dense(&self, xs: &Tensor, layer: Layer) -> Result<Tensor> {
        let weight = self.parameters.get(layer.weight)?;
        Ok(xs.f_linear(weight, Some(self.parameters.get(layer.bias)?))?)
    }
}

impl Network for SeedCnn {
    fn name(&self) -> &'static str {
        "seed_cnn"
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut xs = images.f_to_kind(self.parameters.kind())?;
        for [first, second] in self.convolutions {
            xs = self.conv(&self.conv(&xs, first)?.f_relu_()?, second)?;
            // ReLU after the pooling is ReLU before it, since both are monotonic, and has a quarter
            // of the numbers to go through. In place, because no backward pass needs its input.
            xs = xs.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu_()?;
            xs = dropout(&xs, self.config.block_dropout, train)?;
        }
        // [B, 128, 6, 6] flattens channel by channel, as PyTorch does; Keras would flatten pixel by
        // pixel, which is the same network with the hidden layer's inputs in another order.
        let hidden = self.dense(&xs.f_flatten(1, -1)?, self.hidden)?.f_relu_()?;
        let logits = self.dense(&dropout(&hidden, self.config.hidden_dropout, train)?, self.output)?;
        Ok(logits.f_to_kind(Kind::Float)?)
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
        let mut layers = Vec::new();
        let mut row = |layer: String, output: &[i64], parameters: i64| {
            layers.push(LayerSummary { layer, output: output.to_vec(), parameters });
        };
        let (mut side, mut channels) = (SIDE as i64, 1);
        for (index, out) in CHANNELS.into_iter().enumerate() {
            let block = index + 1;
            for (number, input) in [(1, channels), (2, out)] {
                let count = out * (input * 9 + 1);
                row(format!("conv{block}_{number} (Conv2D)"), &[side, side, out], count);
            }
            side /= 2;
            channels = out;
            row(format!("pool{block} (MaxPooling2D)"), &[side, side, out], 0);
            row(format!("dropout{block} (Dropout)"), &[side, side, out], 0);
        }
        let classes = Emotion::COUNT as i64;
        row("flatten (Flatten)".into(), &[FLAT], 0);
        row("dense1 (Dense)".into(), &[HIDDEN], HIDDEN * (FLAT + 1));
        row("dropout4 (Dropout)".into(), &[HIDDEN], 0);
        row("dense2 (Dense)".into(), &[classes], classes * (HIDDEN + 1));
        Summary { network: self.name().into(), layers }
    }
}

fn conv(builder: &mut ParametersBuilder, name: &str, input: i64, output: i64) -> Layer {
    let init = Init::GlorotUniform { fan_in: input * 9, fan_out: output * 9 };
    Layer {
        weight: builder.add(format!("{name}.weight"), &[output, input, 3, 3], init),
        bias: builder.add(format!("{name}.bias"), &[output], Init::Zeros),
    }
}

fn dense(builder: &mut ParametersBuilder, name: &str, input: i64, output: i64) -> Layer {
    let init = Init::GlorotUniform { fan_in: input, fan_out: output };
    Layer {
        weight: builder.add(format!("{name}.weight"), &[output, input], init),
        bias: builder.add(format!("{name}.bias"), &[output], Init::Zeros),
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
        assert_eq!(summary.footer(), "Total params: 1,468,135 (5.60 MB)");
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
