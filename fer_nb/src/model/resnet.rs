//! [`ResNet`]: residual blocks with squeeze and excitation, for images of 48×48.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;
use super::dropout::dropout;
use super::layers::{BatchNorm, Conv, Dense, SqueezeExcitation, global_mean, squeezed};
use super::network::Network;
use super::parameters::{Parameters, ParametersBuilder};
use super::summary::{Layer, Summary};
use crate::common::{Error, Result};
use crate::data::SIDE;
use crate::emotion::Emotion;

/// Settings of a [`ResNet`]. The default has ResNet-18's blocks and widths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResNetConfig {
    /// Channels of each stage, 1 or more; every stage but the first halves height and width, so there
    /// are 1 to 5.
    pub channels: Vec<i64>,
    /// Residual blocks of each stage, 1 or more, as many as there are stages.
    pub blocks: Vec<i64>,
    /// What squeeze and excitation divides channels by; 0 does without.
    pub reduction: i64,
    /// Share of the last features that are dropped in training; at least 0 and below 1.
    pub dropout: f64,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        let (channels, blocks) = (vec![64, 128, 256, 512], vec![2, 2, 2, 2]);
        Self { channels, blocks, reduction: 16, dropout: 0.3 }
    }
}

impl ResNetConfig {
    /// Names the first value outside its range.
    pub fn validate(&self) -> Result<()> {
        let Self { channels, blocks, reduction, dropout } = self;
        if !(1..=5).contains(&channels.len()) || channels.iter().any(|count| *count < 1) {
            let expected = "1 to 5 numbers, each 1 or more";
            return Err(Error::setting("network.channels", format!("{channels:?}"), expected));
        }
        if blocks.len() != channels.len() || blocks.iter().any(|count| *count < 1) {
            let expected = format!("{} numbers, each 1 or more", channels.len());
            return Err(Error::setting("network.blocks", format!("{blocks:?}"), expected));
        }
        if *reduction < 0 {
            return Err(Error::setting("network.reduction", reduction, "0 or more"));
        }
        if !(0.0..1.0).contains(dropout) {
            return Err(Error::setting("network.dropout", dropout, "at least 0 and below 1"));
        }
        Ok(())
    }
}

/// Normalisation and ReLU before each convolution, and a path around both (He et al., "Identity
/// Mappings in Deep Residual Networks", 2016).
#[derive(Debug)]
struct Block {
    norm1: BatchNorm,
    conv1: Conv,
    norm2: BatchNorm,
    conv2: Conv,
    squeeze: Option<SqueezeExcitation>,
    /// Where channels or size change.
    shortcut: Option<Conv>,
}

impl Block {
    fn new(
        builder: &mut ParametersBuilder,
        name: &str,
        (input, output): (i64, i64),
        stride: i64,
        reduction: i64,
    ) -> Self {
        let part = |part: &str| format!("{name}.{part}");
        let changes = stride != 1 || input != output;
        Self {
            norm1: BatchNorm::new(builder, &part("norm1"), input),
            conv1: Conv::new(builder, &part("conv1"), (input, output), 3, stride),
            norm2: BatchNorm::new(builder, &part("norm2"), output),
            conv2: Conv::new(builder, &part("conv2"), (output, output), 3, 1),
            squeeze: (reduction > 0)
                .then(|| SqueezeExcitation::new(builder, name, output, reduction)),
            shortcut: changes
                .then(|| Conv::new(builder, &part("shortcut"), (input, output), 1, stride)),
        }
    }

    fn forward(&self, parameters: &Parameters, xs: &Tensor, train: bool) -> Result<Tensor> {
        let active = self.norm1.forward(parameters, xs, train)?.f_relu_()?;
        let around = match &self.shortcut {
            None => xs.shallow_clone(),
            Some(shortcut) => shortcut.forward(parameters, &active)?,
        };
        let ys = self.conv1.forward(parameters, &active)?;
        let ys = self.norm2.forward(parameters, &ys, train)?.f_relu_()?;
        let mut ys = self.conv2.forward(parameters, &ys)?;
        if let Some(squeeze) = &self.squeeze {
            ys = squeeze.forward(parameters, &ys)?;
        }
        Ok(ys.f_add(&around)?)
    }
}

/// A 3×3 convolution that keeps all 48×48 pixels, stages of pre-activation residual blocks, the mean
/// of each channel, and one dense layer.
#[derive(Debug)]
pub struct ResNet {
    parameters: Parameters,
    config: ResNetConfig,
    stem: Conv,
    blocks: Vec<Block>,
    norm: BatchNorm,
    output: Dense,
}

impl ResNet {
    /// The network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting is out of range; whatever libtorch refuses.
    pub fn new(device: Device, seed: u64, config: ResNetConfig) -> Result<Self> {
        config.validate()?;
        let mut builder = ParametersBuilder::default();
        let mut input = config.channels.first().copied().unwrap_or(1);
        let stem = Conv::new(&mut builder, "stem", (1, input), 3, 1);
        let mut blocks = Vec::new();
        for (stage, (&output, &count)) in config.channels.iter().zip(&config.blocks).enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let name = format!("stage{}.{}", stage + 1, index + 1);
                let shape = (input, output);
                blocks.push(Block::new(&mut builder, &name, shape, stride, config.reduction));
                input = output;
            }
        }
        let norm = BatchNorm::new(&mut builder, "norm", input);
        let output = Dense::new(&mut builder, "output", input, Emotion::COUNT as i64);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, config, stem, blocks, norm, output })
    }

    fn features_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut xs = images.f_to_kind(self.parameters.kind())?;
        xs = self.stem.forward(&self.parameters, &xs)?;
        for block in &self.blocks {
            xs = block.forward(&self.parameters, &xs, train)?;
        }
        Ok(self.norm.forward(&self.parameters, &xs, train)?.f_relu_()?)
    }

    fn head_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let means = dropout(&global_mean(features)?, self.config.dropout, train)?;
        Ok(self.output.forward(&self.parameters, &means)?.f_to_kind(Kind::Float)?)
    }
}

impl Network for ResNet {
    fn name(&self) -> &'static str {
        "resnet"
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head_t(&self.features_t(images, train)?, train)
    }

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        self.features_t(images, false)
    }

    fn head(&self, features: &Tensor) -> Result<Tensor> {
        self.head_t(features, false)
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    fn architecture(&self) -> Option<Architecture> {
        Some(Architecture::Resnet(self.config.clone()))
    }

    fn summary(&self) -> Summary {
        let mut side = SIDE as i64;
        let mut input = self.config.channels.first().copied().unwrap_or(1);
        let mut layers = vec![Layer::conv(1, input, 3, side).named("stem (Conv2D)")];
        for (stage, (&output, &count)) in
            self.config.channels.iter().zip(&self.config.blocks).enumerate()
        {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                side = (side + stride - 1) / stride;
                let mut parts = vec![
                    Layer::batch_norm(input, side),
                    Layer::conv(input, output, 3, side),
                    Layer::batch_norm(output, side),
                    Layer::conv(output, output, 3, side),
                ];
                if self.config.reduction > 0 {
                    let units = squeezed(output, self.config.reduction);
                    parts.extend([Layer::dense(output, units), Layer::dense(units, output)]);
                }
                if stride != 1 || input != output {
                    parts.push(Layer::conv(input, output, 1, side));
                }
                let name = format!("stage{}.{} (PreActBlock)", stage + 1, index + 1);
                layers.push(Layer::sum(parts, &[side, side, output]).named(name));
                input = output;
            }
        }
        let classes = Emotion::COUNT as i64;
        layers.extend([
            Layer::batch_norm(input, side).named("norm (BatchNormalization)"),
            Layer::free(&[input]).named("mean (GlobalAveragePooling2D)"),
            Layer::free(&[input]).named("dropout (Dropout)"),
            Layer::dense(input, classes).named("output (Dense)"),
        ]);
        Summary::new(self.name(), layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resnet_18s_blocks_have_about_its_parameters() {
        let network = ResNet::new(Device::Cpu, 0, ResNetConfig::default()).unwrap();
        let summary = network.summary();
        assert_eq!(summary.trainable(), network.parameters().count());
        assert_eq!(summary.total(), network.parameters().flat().size()[0]);
        // Convolutions, those around blocks, norms, squeeze and excitation, output. torchvision's
        // resnet18 for one channel and seven classes has 11.17 million.
        let by_hand = 10_986_048 + 172_032 + 7_808 + 89_080 + 3_591;
        assert_eq!(summary.trainable(), by_hand);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |change: fn(&mut ResNetConfig)| {
            let mut config = ResNetConfig::default();
            change(&mut config);
            ResNet::new(Device::Cpu, 0, config).unwrap_err().to_string()
        };
        assert!(
            message(|c| c.channels = vec![]).starts_with("network.channels = []: expected 1 to 5")
        );
        assert!(message(|c| c.blocks = vec![1]).starts_with("network.blocks = [1]: expected 4 "));
        assert!(message(|c| c.dropout = 1.0).starts_with("network.dropout = 1"));
        assert!(message(|c| c.reduction = -1).starts_with("network.reduction = -1"));
    }
}
