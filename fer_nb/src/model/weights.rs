//! Weights files: safetensors, written so that a crash leaves the file before intact.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Kind, Tensor};

use super::network::Network;
use super::seed_cnn::SeedCnn;
use super::tensor_bytes::{TensorBytes, serialize};
use crate::common::files::replace_file;
use crate::common::{Error, Result};

/// Writes a network's weights to a safetensors file: f32, PyTorch's shapes, names such as
/// `conv1_1.weight`. The file appears whole or not at all; one that was there is kept until then.
pub fn save(network: &dyn Network, path: impl AsRef<Path>) -> Result<()> {
    save_with(network, path, Kind::Float, &[])
}

/// [`save`] in `kind`, with what a reader should know as the file's metadata. [`Kind::Half`] is half the
/// size, and keeps three decimal digits of each weight.
pub fn save_with(
    network: &dyn Network,
    path: impl AsRef<Path>,
    kind: Kind,
    metadata: &[(&str, String)],
) -> Result<()> {
    let path = path.as_ref();
    let tensors = network
        .parameters()
        .named_tensors()?
        .into_iter()
        .map(|(name, tensor)| Ok((name, TensorBytes::of(&tensor.f_to_kind(kind)?)?)))
        .collect::<Result<Vec<_>>>()?;
    let own = [
        ("format", "pt".to_string()), // as PyTorch's tools ask for it
        ("network", network.name().to_string()),
        ("fer_nb", env!("CARGO_PKG_VERSION").to_string()),
    ];
    let metadata: BTreeMap<String, String> =
        own.iter().chain(metadata).map(|(key, text)| (key.to_string(), text.clone())).collect();
    let hint = "Is the disk full? The file before, if there was one, is kept.";
    let failed = |error: String| Error::file(path, format!("could not be written: {error}"), hint);
    let bytes = serialize(tensors, &metadata).map_err(|error| failed(error.to_string()))?;
    replace_file(path, |temporary| {
        std::fs::write(temporary, &bytes).map_err(|error| failed(error.to_string()))
    })
}

/// Loads weights from a safetensors file, ours (f32 or f16) or a PyTorch `nn.Sequential` state dict of
/// the seed CNN. Nothing is changed unless every name and shape fits; [`transfer`](super::transfer())
/// loads what fits.
pub fn load(network: &mut dyn Network, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let tensors: Vec<_> = read(path)?
        .into_iter()
        .map(|(name, tensor)| (SeedCnn::from_sequential_name(&name), tensor))
        .collect();
    network.parameters_mut().load_named(&tensors, path)
}

/// The tensors of a safetensors file, by name.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Tensor)>> {
    if !path.is_file() {
        let hint = "Train first: notebook 04_training, or `fer train`.";
        return Err(Error::missing("A weights file", path, hint));
    }
    Tensor::read_safetensors(path).map_err(|error| {
        let problem = format!("not a whole safetensors file: {error}");
        Error::file(path, problem, "Copy it again, or train again.")
    })
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn weights_go_to_disk_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/best.safetensors");
        let source = SeedCnn::new(Device::Cpu, 1).unwrap();
        save(&source, &path).unwrap();
        let mut target = SeedCnn::new(Device::Cpu, 2).unwrap();
        load(&mut target, &path).unwrap();
        assert_eq!(target.parameters().flat(), source.parameters().flat());
        let files: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(files.len(), 1, "no temporary file is left");
    }

    #[test]
    fn half_the_bytes_keep_three_digits() {
        let folder = tempfile::tempdir().unwrap();
        let (full, half) = (folder.path().join("full"), folder.path().join("half"));
        let source = SeedCnn::new(Device::Cpu, 1).unwrap();
        save(&source, &full).unwrap();
        let metadata = [("trained_on", "FER2013".to_string())];
        save_with(&source, &half, Kind::Half, &metadata).unwrap();
        let header = std::fs::read(&half).unwrap()[8..300].to_vec();
        let header = String::from_utf8_lossy(&header).into_owned();
        assert!(header.contains(r#""trained_on":"FER2013""#), "{header}");
        assert!(header.contains(r#""network":"seed_cnn""#), "{header}");
        let bytes = |path| std::fs::metadata(path).unwrap().len();
        assert!(bytes(&half) < bytes(&full) / 2 + 1024 && bytes(&half) > 2 * 1_468_135);
        let mut target = SeedCnn::new(Device::Cpu, 2).unwrap();
        load(&mut target, &half).unwrap();
        let (found, expected) = (target.parameters().flat(), source.parameters().flat());
        assert_eq!(found.kind(), Kind::Float);
        assert!(found.allclose(&expected, 1e-3, 1e-7, false));
    }

    #[test]
    fn the_same_weights_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let bytes: Vec<_> = (0..8)
            .map(|number| {
                let path = folder.path().join(number.to_string());
                let metadata = [("card", "\"a\"\n".to_string()), ("b", String::new())];
                save_with(&network, &path, Kind::Float, &metadata).unwrap();
                std::fs::read(path).unwrap()
            })
            .collect();
        assert!(bytes.iter().all(|file| file == &bytes[0]));
        let (length, header) = safetensors::SafeTensors::read_metadata(&bytes[0]).unwrap();
        let metadata = header.metadata().clone().unwrap();
        assert_eq!((metadata["card"].as_str(), metadata.len()), ("\"a\"\n", 5));
        assert_eq!(length % 8, 0);
    }

    #[test]
    fn a_file_cut_short_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let mut network = SeedCnn::new(Device::Cpu, 1).unwrap();
        assert!(load(&mut network, &path).unwrap_err().to_string().contains("is missing at"));
        save(&network, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 4, 8, 100, 1000, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = load(&mut network, &path).unwrap_err().to_string();
            assert!(error.contains("best.safetensors: not a whole"), "{length}: {error}");
        }
    }
}
