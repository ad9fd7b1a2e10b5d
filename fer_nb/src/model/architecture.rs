//! [`Architecture`]: the crate's networks by name, with their settings, as saved in a run's `config.toml`.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::network::Network;
use super::resnet::{ResNet, ResNetConfig};
use super::seed_cnn::{SeedCnn, SeedCnnConfig};
use super::vgg::{Vgg, VggConfig};
use super::vit::{Vit, VitConfig};
use crate::common::{Result, parsed};

/// A network's name and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Architecture {
    /// [`SeedCnn`]
    SeedCnn(SeedCnnConfig),
    /// [`Vgg`]
    Vgg(VggConfig),
    /// [`ResNet`]
    Resnet(ResNetConfig),
    /// [`Vit`]
    Vit(VitConfig),
}

// A name without settings gives the default settings.
parsed! {
    Architecture: "network",
    "seed_cnn" => Architecture::default(),
    "vgg" => Architecture::Vgg(VggConfig::default()),
    "resnet" => Architecture::Resnet(ResNetConfig::default()),
    "vit" => Architecture::Vit(VitConfig::default()),
}

impl Architecture {
    /// Every architecture's name.
    pub const NAMES: [&str; 4] = ["seed_cnn", "vgg", "resnet", "vit"];

    /// The name: "seed_cnn".
    pub const fn name(&self) -> &'static str {
        match self {
            Architecture::SeedCnn(_) => "seed_cnn",
            Architecture::Vgg(_) => "vgg",
            Architecture::Resnet(_) => "resnet",
            Architecture::Vit(_) => "vit",
        }
    }

    /// The architecture of a network of this crate; `None` for a custom network.
    pub fn of(network: &dyn Network) -> Option<Self> {
        let mut settings = network.settings()?;
        settings.insert("name".into(), network.name().into());
        settings.try_into().ok()
    }

    /// The network in one sentence, for model cards.
    pub(crate) fn about(&self) -> String {
        match self {
            Architecture::SeedCnn(_) => "Three blocks of two 3×3 convolutions with ReLU, 2×2 maximum \
                and dropout (32, 64, 128 channels), then 256 units with ReLU, dropout, 7 units with \
                softmax."
                .into(),
            Architecture::Vgg(VggConfig { channels, convolutions, hidden, .. }) => format!(
                "VGG: {convolutions:?} 3×3 convolutions of {channels:?} channels with batch \
                 normalisation and ReLU, 2×2 maxima, then {hidden} units with ReLU, dropout, 7 units \
                 with softmax."
            ),
            Architecture::Resnet(ResNetConfig { channels, blocks, reduction, .. }) => format!(
                "ResNet: {blocks:?} pre-activation residual blocks of {channels:?} channels{}, the \
                 mean of each channel, dropout, 7 units with softmax.",
                if reduction.is_some() { " with squeeze and excitation" } else { "" }
            ),
            Architecture::Vit(VitConfig { width, depth, heads, .. }) => format!(
                "Compact vision transformer: two 3×3 convolutions make 12×12 tokens of {width} \
                 numbers; {depth} blocks with {heads} heads; a weighted mean of the tokens, 7 units \
                 with softmax."
            ),
        }
    }

    /// The network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::common::Error::Setting) for a setting out of range; errors of libtorch.
    pub fn build(&self, device: Device, seed: u64) -> Result<Box<dyn Network>> {
        Ok(match self {
            Architecture::SeedCnn(config) => {
                Box::new(SeedCnn::with_config(device, seed, config.clone())?)
            }
            Architecture::Vgg(config) => Box::new(Vgg::new(device, seed, config.clone())?),
            Architecture::Resnet(config) => Box::new(ResNet::new(device, seed, config.clone())?),
            Architecture::Vit(config) => Box::new(Vit::new(device, seed, config.clone())?),
        })
    }
}

impl Default for Architecture {
    /// The original project's network.
    fn default() -> Self {
        Architecture::SeedCnn(SeedCnnConfig::default())
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;
    use crate::common::Error;
    use crate::model::{Parameters, Plan};

    #[test]
    fn names_settings_and_networks_belong_together() {
        for name in Architecture::NAMES {
            let architecture: Architecture = name.parse().unwrap();
            assert_eq!(architecture.name(), name);
            let text = toml::to_string(&architecture).unwrap();
            assert!(text.starts_with(&format!("name = \"{name}\"\n")), "{text}");
            assert_eq!(toml::from_str::<Architecture>(&text).unwrap(), architecture);
            let network = architecture.build(Device::Cpu, 1).unwrap();
            assert_eq!(network.name(), name);
            assert_eq!(Architecture::of(&*network), Some(architecture));
        }
        assert!(matches!("alexnet".parse::<Architecture>(), Err(Error::Setting { .. })));
        assert!(toml::from_str::<Architecture>("name = \"seed_cnn\"\ndropout = 1").is_err());
    }

    /// A network that the crate doesn't know.
    struct Own(SeedCnn);

    impl Network for Own {
        fn name(&self) -> &'static str {
            "own"
        }
        fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
            self.0.forward_t(images, train)
        }
        fn parameters(&self) -> &Parameters {
            self.0.parameters()
        }
        fn parameters_mut(&mut self) -> &mut Parameters {
            self.0.parameters_mut()
        }
        fn plan(&self) -> Plan {
            self.0.plan()
        }
    }

    #[test]
    fn settings_are_kept_and_custom_networks_have_none() {
        for architecture in small() {
            let network = architecture.build(Device::Cpu, 1).unwrap();
            assert_eq!(Architecture::of(&network), Some(architecture));
        }
        let own = Own(SeedCnn::new(Device::Cpu, 1).unwrap());
        assert_eq!(Architecture::of(&own), None);
        assert!(matches!(own.features(&Tensor::from(1.0)), Err(Error::Input { .. })));
    }

    /// Each architecture, small enough for a test.
    fn small() -> [Architecture; 4] {
        let text = [
            "name = \"seed_cnn\"",
            "name = \"vgg\"\nchannels = [4, 8]\nconvolutions = [1, 2]\nhidden = 16",
            "name = \"resnet\"\nchannels = [4, 8]\nblocks = [1, 2]\nreduction = 4",
            "name = \"vit\"\nwidth = 16\ndepth = 2\nheads = 2",
        ];
        text.map(|text| toml::from_str(text).unwrap())
    }

    #[test]
    fn features_and_head_are_the_forward_pass() {
        tch::manual_seed(1);
        let images = Tensor::rand([3, 1, 48, 48], (Kind::Float, Device::Cpu));
        for architecture in small() {
            let network = architecture.build(Device::Cpu, 2).unwrap();
            // So that running statistics are not what they began as.
            let _ = network.forward_t(&images, true).unwrap();
            let logits = network.forward_t(&images, false).unwrap();
            assert_eq!(logits.size(), [3, 7]);
            let features = network.features(&images).unwrap();
            assert_eq!((features.size().len(), features.size()[0]), (4, 3));
            assert_eq!(network.head(&features).unwrap(), logits, "{architecture}");
            assert_ne!(network.forward_t(&images, true).unwrap(), logits, "{architecture}");
            let summary = network.summary();
            assert_eq!(summary.trainable(), network.parameters().count(), "{architecture}");
            assert_eq!(summary.total(), network.parameters().flat().size()[0]);
            assert!(summary.flops() > 10_000 && summary.layers.iter().all(|l| !l.layer.is_empty()));
        }
    }

    #[test]
    fn every_network_computes_in_bfloat16() {
        tch::manual_seed(1);
        let images = Tensor::rand([4, 1, 48, 48], (Kind::Float, Device::Cpu));
        for architecture in small() {
            let mut network = architecture.build(Device::Cpu, 2).unwrap();
            network.parameters_mut().set_kind(Kind::BFloat16).unwrap();
            let logits = network.forward_t(&images, true).unwrap();
            assert_eq!(logits.kind(), Kind::Float);
            let loss = logits.f_cross_entropy_loss(
                &Tensor::from_slice(&[0i64, 1, 2, 3]),
                None::<Tensor>,
                tch::Reduction::Mean,
                -100,
                0.0,
            );
            let gradient = network.parameters().gradient(&loss.unwrap()).unwrap();
            assert_eq!(gradient.kind(), Kind::Float);
            let norm = gradient.norm().double_value(&[]);
            assert!(norm.is_finite() && norm > 0.0, "{architecture}: {norm}");
        }
    }

    #[test]
    fn a_frozen_normalisation_keeps_its_statistics() {
        let images = Tensor::rand([4, 1, 48, 48], (Kind::Float, Device::Cpu));
        for architecture in &small()[1..3] {
            let mut network = architecture.build(Device::Cpu, 2).unwrap();
            let before = network.parameters().snapshot().unwrap();
            network.parameters_mut().freeze("").unwrap();
            let _ = network.forward_t(&images, true).unwrap();
            assert_eq!(network.parameters().flat(), before, "{architecture}");
            network.parameters_mut().unfreeze("norm").unwrap();
            let _ = network.forward_t(&images, true).unwrap();
            assert_ne!(network.parameters().flat(), before, "{architecture}");
        }
    }
}
