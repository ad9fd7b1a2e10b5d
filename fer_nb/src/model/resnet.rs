//! [`ResNet`]: residual blocks with squeeze and excitation, for images of 48×48.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::checks;
use super::layers::{BatchNorm, Conv, Dense, SqueezeExcitation, dropout, global_mean, read_images};
use super::network::{Network, from_parts};
use super::parameters::{Parameters, ParametersBuilder};
use super::plan::{Operation, Plan};
use crate::common::{Result, brief};
use crate::emotion::Emotion;

/// Settings of a [`ResNet`]. The default has ResNet-18's blocks and widths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResNetConfig {
    /// Channels of each stage, 1 or more. Every stage but the first halves height and width, so a network has 1 to
    /// 5 stages.
    pub channels: Vec<i64>,
    /// Number of residual blocks of each stage, 1 or more.
    pub blocks: Vec<i64>,
    /// Channels divided by units of squeeze and excitation, 1 or more; `None` for blocks without it, 0 in a file.
    #[serde(with = "zero_is_none")]
    pub reduction: Option<i64>,
    /// Share of the last features that are dropped in training; at least 0 and below 1.
    pub dropout: f64,
    /// Whether each image is [standardized](super::layers::standardize) first, so that the network handles dark and
    /// pale photos.
    pub standardize: bool,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        let (channels, blocks) = (vec![64, 128, 256, 512], vec![2, 2, 2, 2]);
        Self { channels, blocks, reduction: Some(16), dropout: 0.3, standardize: false }
    }
}

/// `None` is 0 in a file: TOML has no null, and a missing key means the default.
mod zero_is_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        number: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.unwrap_or(0).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        Ok(Some(i64::deserialize(deserializer)?).filter(|number| *number != 0))
    }
}

/// Normalisation and ReLU before each convolution, and a shortcut around both (He et al., "Identity Mappings in
/// Deep Residual Networks", 2016).
#[derive(Debug)]
struct Block {
    name: String,
    norm1: BatchNorm,
    conv1: Conv,
    norm2: BatchNorm,
    conv2: Conv,
    squeeze: Option<SqueezeExcitation>,
    /// The projection of the shortcut, if channels or size change.
    shortcut: Option<Conv>,
}

impl Block {
    fn new(
        builder: &mut ParametersBuilder,
        name: String,
        [input, output]: [i64; 2],
        stride: i64,
        reduction: Option<i64>,
    ) -> Self {
        let part = |part: &str| format!("{name}.{part}");
        let changes = stride != 1 || input != output;
        Self {
            norm1: BatchNorm::new(builder, part("norm1"), input),
            conv1: Conv::new(builder, part("conv1"), [input, output], 3, stride),
            norm2: BatchNorm::new(builder, part("norm2"), output),
            conv2: Conv::new(builder, part("conv2"), [output, output], 3, 1),
            squeeze: reduction
                .map(|reduction| SqueezeExcitation::new(builder, &*name, output, reduction)),
            shortcut: changes
                .then(|| Conv::new(builder, part("shortcut"), [input, output], 1, stride)),
            name,
        }
    }

    /// In the order of [`Block::forward`].
    fn operations(&self) -> Vec<Operation> {
        let mut active = vec![self.norm1.operation(), Operation::Relu];
        let mut body = vec![self.conv1.operation(), self.norm2.operation()];
        body.extend([Operation::Relu, self.conv2.operation()]);
        body.extend(self.squeeze.as_ref().map(SqueezeExcitation::operation));
        let Some(shortcut) = &self.shortcut else {
            active.extend(body);
            return vec![Operation::Residual { body: active, shortcut: vec![] }];
        };
        active.push(Operation::Residual { body, shortcut: vec![shortcut.operation()] });
        active
    }

    fn forward(&self, parameters: &Parameters, xs: &Tensor, train: bool) -> Result<Tensor> {
        let active = self.norm1.forward_relu(parameters, xs, train)?;
        let around = match &self.shortcut {
            None => xs.shallow_clone(),
            Some(shortcut) => shortcut.forward(parameters, &active)?,
        };
        let ys = self.conv1.forward(parameters, &active)?;
        let ys = self.norm2.forward_relu(parameters, &ys, train)?;
        let mut ys = self.conv2.forward(parameters, &ys)?;
        if let Some(squeeze) = &self.squeeze {
            ys = squeeze.forward(parameters, &ys)?;
        }
        Ok(ys.f_add(&around)?)
    }
}

/// A 3×3 convolution that keeps all 48×48 pixels, stages of pre-activation residual blocks, the mean
/// of each channel, and one dense layer.
pub struct ResNet {
    parameters: Parameters,
    config: ResNetConfig,
    stem: Conv,
    blocks: Vec<Block>,
    norm: BatchNorm,
    output: Dense,
}

brief!(ResNet, |network| "{:?}", network.parameters);

impl ResNet {
    /// The network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::common::Error::Setting) for a setting out of range; errors of libtorch.
    pub fn new(device: Device, seed: u64, config: ResNetConfig) -> Result<Self> {
        checks::stages(&config.channels, "blocks", &config.blocks)?;
        checks::positive("reduction", config.reduction.unwrap_or(1))?;
        checks::share("dropout", config.dropout)?;
        let mut builder = ParametersBuilder::default();
        let mut input = config.channels.first().copied().unwrap_or(1);
        let stem = Conv::new(&mut builder, "stem", [1, input], 3, 1);
        let mut blocks = Vec::new();
        for (stage, (&output, &count)) in config.channels.iter().zip(&config.blocks).enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let name = format!("stage{}.{}", stage + 1, index + 1);
                let channels = [input, output];
                blocks.push(Block::new(&mut builder, name, channels, stride, config.reduction));
                input = output;
            }
        }
        let norm = BatchNorm::new(&mut builder, "norm", input);
        let output = Dense::new(&mut builder, "output", [input, Emotion::COUNT as i64]);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, config, stem, blocks, norm, output })
    }

    fn features_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut xs = read_images(&self.parameters, images, self.config.standardize)?;
        xs = self.stem.forward(&self.parameters, &xs)?;
        for block in &self.blocks {
            xs = block.forward(&self.parameters, &xs, train)?;
        }
        self.norm.forward_relu(&self.parameters, &xs, train)
    }

    fn head_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let means = dropout(&global_mean(features)?, self.config.dropout, train)?;
        Ok(self.output.forward(&self.parameters, &means)?.f_to_kind(Kind::Float)?)
    }
}

impl Network for ResNet {
    from_parts!("resnet");

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        self.features_t(images, false)
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        if self.config.standardize {
            plan = plan.layer("standardize", [Operation::Standardize]);
        }
        plan = plan.layer(self.stem.name(), [self.stem.operation()]);
        for block in &self.blocks {
            plan = plan.block(&block.name, "PreActBlock", block.operations());
        }
        plan.layer(self.norm.name(), [self.norm.operation(), Operation::Relu])
            .layer("mean", [Operation::GlobalMean])
            .layer("dropout", [Operation::Dropout])
            .layer(self.output.name(), [self.output.operation()])
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
        assert!(message(|c| c.reduction = Some(0)).starts_with("network.reduction = 0"));
    }

    #[test]
    fn a_file_has_0_for_no_squeeze_and_excitation() {
        let read = |text| toml::from_str::<ResNetConfig>(text).unwrap();
        let without = read("reduction = 0");
        assert_eq!(without.reduction, None);
        assert!(toml::to_string(&without).unwrap().contains("reduction = 0\n"));
        assert_eq!(read("reduction = 8").reduction, Some(8));
        assert_eq!(read(""), ResNetConfig::default());
        assert!(ResNet::new(Device::Cpu, 0, read("reduction = -1")).is_err());
    }
}
