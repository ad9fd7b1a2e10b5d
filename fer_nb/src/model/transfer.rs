//! [`transfer`]: the weights of one network that fit another.

use std::fmt;
use std::path::Path;

use super::name_map::NameMap;
use super::network::Network;
use super::weights;
use crate::common::{Error, Result};

/// The result of [`transfer`], by the network's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Loaded from the file.
    pub loaded: Vec<String>,
    /// Unchanged because the file lacks them.
    pub missing: Vec<String>,
    /// Unchanged because the shapes differ: name, shape in the file, shape in the network.
    pub mismatched: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// Tensors of the file, by its own names, that the network lacks.
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
            write!(f, "\ndifferent shape: {name} is {found:?} in the file, {expected:?} here")?;
        }
        if !self.unused.is_empty() {
            write!(f, "\nnot used: {}", self.unused.join(", "))?;
        }
        Ok(())
    }
}

/// Loads the tensors of a safetensors file whose names and shapes fit: this crate's weights (f32 or f16),
/// or a PyTorch state dict whose names `names` maps to the network's. All other weights stay unchanged.
///
/// To train only those at first, freeze the loaded ones by `rates` of a
/// [`TrainConfig`](crate::train::TrainConfig) or by [`Parameters::freeze`](super::Parameters::freeze).
///
/// # Errors
/// [`Error::Missing`] without the file, [`Error::File`] if it is no safetensors file or nothing in it fits.
pub fn transfer(
    network: &mut dyn Network,
    path: impl AsRef<Path>,
    names: &NameMap,
) -> Result<Transfer> {
    let path = path.as_ref();
    let mut own = network.parameters().named_tensors()?;
    let found = weights::read(path)?;
    let mut result = Transfer::default();
    for (name, _) in &found {
        let mapped = names.map(name);
        // PyTorch counts the batches that a normalisation has seen; no network uses it.
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
            "The network's weights are {}, ...; NameMap::rename maps other names to them.",
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
        let refused = transfer(&mut other, &path, &NameMap::identity());
        assert!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
    }
}
