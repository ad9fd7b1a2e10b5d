//! [`Vgg`]: stages of 3×3 convolutions with batch normalisation.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::checks;
use super::layers::{BatchNorm, Conv, Dense, dropout, fit_side, max_pool, read_images};
use super::network::{Network, from_parts};
use super::parameters::{Parameters, ParametersBuilder};
use super::plan::{Operation, Plan};
use crate::common::{Result, brief};
use crate::data::SIDE;
use crate::emotion::Emotion;

/// Settings of a [`Vgg`]. The default has four stages of two convolutions, as in the network for which
/// Khaireddin and Chen ("Facial Emotion Recognition: State of the Art Performance on FER2013", 2021)
/// reported 73.28 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VggConfig {
    /// Channels of each stage, 1 or more. Each stage halves height and width at its end, so a network has 1 to 5
    /// stages.
    pub channels: Vec<i64>,
    /// Number of convolutions of each stage, 1 or more.
    pub convolutions: Vec<i64>,
    /// Units of the hidden dense layer; 1 or more.
    pub hidden: i64,
    /// Share of features and of hidden units that are dropped in training; at least 0 and below 1.
    pub dropout: f64,
    /// Whether each image is [standardized](super::layers::standardize) first, so that the network handles dark and
    /// pale photos.
    pub standardize: bool,
}

impl Default for VggConfig {
    fn default() -> Self {
        let (channels, convolutions) = (vec![64, 128, 256, 512], vec![2, 2, 2, 2]);
        Self { channels, convolutions, hidden: 512, dropout: 0.5, standardize: false }
    }
}

/// Stages of 3×3 convolutions with batch normalisation and ReLU, each stage with 2×2 max pooling at its end
/// (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015;
/// batch normalisation as in torchvision's `vgg_bn`), then two dense layers.
pub struct Vgg {
    parameters: Parameters,
    config: VggConfig,
    stages: Vec<Vec<(Conv, BatchNorm)>>,
    hidden: Dense,
    output: Dense,
}

brief!(Vgg, |network| "{:?}", network.parameters);

impl Vgg {
    /// The network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::common::Error::Setting) for a setting out of range; errors of libtorch.
    pub fn new(device: Device, seed: u64, config: VggConfig) -> Result<Self> {
        checks::stages(&config.channels, "convolutions", &config.convolutions)?;
        checks::positive("hidden", config.hidden)?;
        checks::share("dropout", config.dropout)?;
        let mut builder = ParametersBuilder::default();
        let mut input = 1;
        let mut stages = Vec::new();
        for (stage, (&output, &count)) in
            config.channels.iter().zip(&config.convolutions).enumerate()
        {
            let mut layers = Vec::new();
            for index in 0..count {
                let place = format!("{}_{}", stage + 1, index + 1);
                let conv = Conv::new(&mut builder, format!("conv{place}"), [input, output], 3, 1);
                layers.push((conv, BatchNorm::new(&mut builder, format!("norm{place}"), output)));
                input = output;
            }
            stages.push(layers);
        }
        let side = SIDE as i64 >> config.channels.len();
        let classes = Emotion::COUNT as i64;
        let hidden = Dense::new(&mut builder, "hidden", [input * side * side, config.hidden]);
        let output = Dense::new(&mut builder, "output", [config.hidden, classes]);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, config, stages, hidden, output })
    }

    /// The output of the last stage before its max pooling.
    fn features_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut xs = read_images(&self.parameters, images, self.config.standardize)?;
        for (index, stage) in self.stages.iter().enumerate() {
            let is_pooled = index + 1 < self.stages.len();
            for (place, (conv, norm)) in stage.iter().enumerate() {
                let convolved = conv.forward(&self.parameters, &xs)?;
                xs = if is_pooled && place + 1 == stage.len() {
                    norm.forward_relu_pool(&self.parameters, &convolved, train)?
                } else {
                    norm.forward_relu(&self.parameters, &convolved, train)?
                };
            }
        }
        Ok(xs)
    }

    fn head_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let side = SIDE as i64 >> self.stages.len();
        let xs = fit_side(&max_pool(features)?, side)?.f_flatten(1, -1)?;
        let xs = dropout(&xs, self.config.dropout, train)?;
        let hidden = self.hidden.forward(&self.parameters, &xs)?.f_relu_()?;
        let hidden = dropout(&hidden, self.config.dropout, train)?;
        Ok(self.output.forward(&self.parameters, &hidden)?.f_to_kind(Kind::Float)?)
    }
}

impl Network for Vgg {
    from_parts!("vgg");

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        self.features_t(images, false)
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        if self.config.standardize {
            plan = plan.layer("standardize", [Operation::Standardize]);
        }
        for (stage, layers) in (1..).zip(&self.stages) {
            for (conv, norm) in layers {
                plan = plan
                    .layer(conv.name(), [conv.operation()])
                    .layer(norm.name(), [norm.operation(), Operation::Relu]);
            }
            plan = plan.layer(format!("pool{stage}"), [Operation::MaxPool]);
        }
        plan.layer("flatten", [Operation::Flatten])
            .layer("dropout1", [Operation::Dropout])
            .layer(self.hidden.name(), [self.hidden.operation(), Operation::Relu])
            .layer("dropout2", [Operation::Dropout])
            .layer(self.output.name(), [self.output.operation()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_what_there_is() {
        let network = Vgg::new(Device::Cpu, 0, VggConfig::default()).unwrap();
        let summary = network.summary();
        assert_eq!(summary.trainable(), network.parameters().count());
        assert_eq!(summary.total(), network.parameters().flat().size()[0]);
        // 8 convolutions without biases, their norms, and dense 4608 → 512 → 7.
        assert_eq!(summary.trainable(), 9 * 520_256 + 3_840 + 4_609 * 512 + 513 * 7);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |change: fn(&mut VggConfig)| {
            let mut config = VggConfig::default();
            change(&mut config);
            Vgg::new(Device::Cpu, 0, config).unwrap_err().to_string()
        };
        assert!(message(|c| c.channels = vec![8; 6]).starts_with("network.channels = [8, 8, "));
        assert!(
            message(|c| c.convolutions = vec![0; 4]).starts_with("network.convolutions = [0, ")
        );
        assert!(message(|c| c.hidden = 0).starts_with("network.hidden = 0"));
        assert!(message(|c| c.dropout = -0.1).starts_with("network.dropout = -0.1"));
    }
}
