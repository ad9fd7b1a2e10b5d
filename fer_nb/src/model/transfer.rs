//! Weights of one network put into another, where names and shapes fit.

use std::fmt;
use std::path::Path;

use super::network::Network;
use super::weights;
use crate::common::{Error, Result};

/// How names in a file become names of a network. Without a rule a name stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameMap {
    rules: Vec<(String, String)>,
}

impl NameMap {
    /// Every name stays as it is.
    pub fn identity() -> Self {
        Self::default()
    }

    /// Names that begin with `from` begin with `to` instead, or are `to` if `from` is the whole name.
    /// Where several rules fit, the longest `from` counts.
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.rules.push((from.into(), to.into()));
        self
    }

    /// The network's name for a name in the file.
    pub fn map(&self, name: &str) -> String {
        let fitting = self.rules.iter().filter(|(from, _)| name.starts_with(from.as_str()));
        match fitting.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{to}{}", &name[from.len()..]),
            None => name.to_string(),
        }
    }
}

/// What [`transfer`] did, by the network's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Loaded from the file.
    pub loaded: Vec<String>,
    /// Left as they were, since the file has nothing for them.
    pub missing: Vec<String>,
    /// Left as they were, since the file's have another shape: name, shape in the file, shape here.
    pub mismatched: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// In the file, under its own names, but of no use here.
    pub unused: Vec<String>,
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.loaded.len() + self.missing.len() + self.mismatched.len();
        write!(f, "{} of {all} tensors loaded", self.loaded.len())?;
        if !self.missing.is_empty() {
            write!(f, "\nnot in the file: {}", self.missing.join(", "))?;
        }
        for (name, found, expected) in &self.mismatched {
            write!(f, "\nof another shape: {name} is {found:?} in the file, {expected:?} here")?;
        }
        if !self.unused.is_empty() {
            write!(f, "\nnot used: {}", self.unused.join(", "))?;
        }
        Ok(())
    }
}

/// Loads what fits from a safetensors file: weights of this crate's (f32 or f16), or a PyTorch state
/// dict whose names `names` turns into the network's. What does not fit stays as it was.
///
/// To train only the rest at first, freeze what was loaded: `rates` of a
/// [`TrainConfig`](crate::train::TrainConfig), or [`Parameters::freeze`](super::Parameters::freeze).
///
/// # Errors
/// Where the file is missing or broken, or nothing in it fits.
pub fn transfer(
    network: &mut dyn Network,
    path: impl AsRef<Path>,
    names: &NameMap,
) -> Result<Transfer> {
    let path = path.as_ref();
    let mut own = network.parameters().named_tensors()?;
    let found = weights::read(path)?;
    let mut result =
        Transfer { loaded: vec![], missing: vec![], mismatched: vec![], unused: vec![] };
    for (name, _) in &found {
        let mapped = names.map(name);
        // PyTorch's count of the batches that a normalisation saw says nothing about the network.
        let counts = name.ends_with("num_batches_tracked");
        if !counts && own.iter().all(|(name, _)| *name != mapped) {
            result.unused.push(name.clone());
        }
    }
    for (name, tensor) in &mut own {
        match found.iter().find(|(other, _)| names.map(other) == *name) {
            None => result.missing.push(name.clone()),
            Some((_, other)) if other.size() != tensor.size() => {
                result.mismatched.push((name.clone(), other.size(), tensor.size()));
            }
            Some((_, other)) => {
                *tensor = other.shallow_clone();
                result.loaded.push(name.clone());
            }
        }
    }
    if result.loaded.is_empty() {
        let known: Vec<_> = own.iter().take(3).map(|(name, _)| name.as_str()).collect();
        let hint = format!(
            "The network's names are {} and so on; NameMap::rename turns others into them.",
            known.join(", ")
        );
        return Err(Error::file(path, "nothing in it fits", hint));
    }
    network.parameters_mut().load_named(&own, path)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::model::{ResNet, ResNetConfig, SeedCnn};

    fn resnet(channels: &[i64], seed: u64) -> ResNet {
        let blocks = vec![1; channels.len()];
        let channels = channels.to_vec();
        let config = ResNetConfig { channels, blocks, ..ResNetConfig::default() };
        ResNet::new(Device::Cpu, seed, config).unwrap()
    }

    fn named(network: &dyn Network, name: &str) -> Tensor {
        let tensors = network.parameters().named_tensors().unwrap();
        tensors.into_iter().find(|(other, _)| other == name).unwrap().1
    }

    #[test]
    fn what_fits_is_loaded_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.safetensors");
        let source = resnet(&[4, 8], 1);
        weights::save(&source, &path).unwrap();
        let mut target = resnet(&[4, 8, 16], 2);
        let before = named(&target, "stage3.1.conv1.weight");
        let report = transfer(&mut target, &path, &NameMap::identity()).unwrap();
        let same = |name| assert_eq!(named(&target, name), named(&source, name));
        same("stage2.1.conv2.weight");
        same("stage1.1.norm1.running_var");
        assert_eq!(named(&target, "stage3.1.conv1.weight"), before);
        assert!(report.missing.iter().all(|name| name.starts_with("stage3.1.")), "{report}");
        let mismatched: Vec<_> =
            report.mismatched.iter().map(|(name, _, _)| name.as_str()).collect();
        assert!(mismatched.contains(&"output.weight"), "{report}");
        assert!(report.to_string().contains("output.weight is [7, 8] in the file, [7, 16] here"));
        assert!(report.unused.is_empty());
    }

    #[test]
    fn a_pytorch_state_dict_comes_through_a_map_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("torch.safetensors");
        tch::manual_seed(1);
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let tensors = [
            ("conv1.weight", random(&[4, 1, 3, 3])),
            ("layer1.0.conv1.weight", random(&[4, 4, 3, 3])),
            ("layer1.0.bn1.weight", random(&[4])),
            ("layer1.0.bn1.num_batches_tracked", Tensor::from_slice(&[3i64])),
            ("fc.weight", random(&[1000, 8])),
        ];
        Tensor::write_safetensors(&tensors, &path).unwrap();
        let names = NameMap::identity()
            .rename("conv1", "stem")
            .rename("layer1.0", "stage1.1")
            .rename("layer1.0.bn1", "stage1.1.norm1");
        assert_eq!(names.map("layer1.0.bn1.weight"), "stage1.1.norm1.weight");
        let mut target = resnet(&[4, 8], 2);
        let report = transfer(&mut target, &path, &names).unwrap();
        let expected = ["stem.weight", "stage1.1.norm1.weight", "stage1.1.conv1.weight"];
        assert_eq!(report.loaded, expected);
        assert_eq!(report.unused, ["fc.weight"]);
        assert_eq!(named(&target, "stem.weight"), tensors[0].1);

        let mut other = SeedCnn::new(Device::Cpu, 1).unwrap();
        let message = transfer(&mut other, &path, &NameMap::identity()).unwrap_err().to_string();
        assert!(message.contains("nothing in it fits"), "{message}");
        assert!(message.contains("conv1_1.weight"), "{message}");
    }
}
