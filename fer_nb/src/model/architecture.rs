//! [`Architecture`]: which network, with its settings, as a run's `config.toml` keeps it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::network::Network;
use super::seed_cnn::{SeedCnn, SeedCnnConfig};
use crate::error::{Error, Result};

/// A network that can be built: its name and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Architecture {
    /// [`SeedCnn`]
    SeedCnn(SeedCnnConfig),
}

impl Architecture {
    /// Every architecture's name.
    pub const NAMES: [&str; 1] = ["seed_cnn"];

    /// The name: "seed_cnn".
    pub const fn name(&self) -> &'static str {
        match self {
            Architecture::SeedCnn(_) => "seed_cnn",
        }
    }

    /// The network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Config`] where a setting is out of range; whatever libtorch refuses.
    pub fn build(&self, device: Device, seed: u64) -> Result<Box<dyn Network>> {
        Ok(match self {
            Architecture::SeedCnn(config) => {
                Box::new(SeedCnn::with_config(device, seed, config.clone())?)
            }
        })
    }
}

impl Default for Architecture {
    /// The original project's network.
    fn default() -> Self {
        Architecture::SeedCnn(SeedCnnConfig::default())
    }
}

impl FromStr for Architecture {
    type Err = Error;

    /// A name, in which `-` is as good as `_`; the settings are the defaults.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_lowercase().replace('-', "_").as_str() {
            "seed_cnn" => Ok(Architecture::default()),
            _ => Err(Error::config("network", text, Self::NAMES.join(", "))),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(network.architecture(), Some(architecture));
        }
        let message = "alexnet".parse::<Architecture>().unwrap_err().to_string();
        assert!(message.starts_with("network = alexnet: expected seed_cnn"), "{message}");
        assert!(toml::from_str::<Architecture>("name = \"seed_cnn\"\ndropout = 1").is_err());
    }
}
