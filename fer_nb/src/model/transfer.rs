//! [`transfer`]: loads the weights of one network into another where names and shapes match.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use tch::Tensor;

use super::file_names::{FileNames, is_counter};
use super::name_map::NameMap;
use super::network::Network;
use super::tensor_file::Check;
use super::weights;
use crate::common::{Error, Result, text};

/// The result of [`transfer`], by the network's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Loaded from the file.
    pub loaded: Vec<String>,
    /// Loaded into the first channels of a tensor that is larger here, by [`transfer_widened`].
    pub widened: Vec<String>,
    /// Unchanged because the file lacks them.
    pub missing: Vec<String>,
    /// Unchanged because the shapes differ: name, shape in the file, shape in the network.
    pub mismatched: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// Tensors of the file, by the file's names, that the network lacks.
    pub unused: Vec<String>,
    /// The prefixes of the map's rules that no name in the file starts with.
    pub idle_rules: Vec<String>,
}

/// The number of different shapes that are listed.
const SHAPES: usize = 5;

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = self.loaded.len() + self.widened.len();
        let all = loaded + self.missing.len() + self.mismatched.len();
        write!(f, "{loaded} of {} loaded", text::plural(all, "tensor"))?;
        if !self.widened.is_empty() {
            write!(f, ", {} of them widened", self.widened.len())?;
        }
        if !self.missing.is_empty() {
            write!(f, "\nnot in the file: {}", text::list(&self.missing))?;
        }
        for (name, found, expected) in self.mismatched.iter().take(SHAPES) {
            write!(f, "\ndifferent shape: {name} is {found:?} in the file, {expected:?} here")?;
        }
        if self.mismatched.len() > SHAPES {
            let more = text::count(self.mismatched.len() - SHAPES);
            write!(f, "\ndifferent shape: {more} more")?;
        }
        if !self.unused.is_empty() {
            write!(f, "\nnot used: {}", text::list(&shown(&self.unused)))?;
        }
        Ok(())
    }
}

/// Loads the tensors of a safetensors file whose names and shapes match: weights of this crate (f32 or f16), or a
/// PyTorch state dict whose names `names` maps to the network's; prefixes of all names, such as `module.`, need no
/// rule. All other weights stay unchanged.
///
/// To train only the others at first, freeze the loaded ones with `rates` of a
/// [`TrainConfig`](crate::train::TrainConfig) or with [`Parameters::freeze`](super::Parameters::freeze).
///
/// # Errors
/// [`Error::Missing`] if the file does not exist, [`Error::File`] if it is not a safetensors file or no tensor
/// matches.
pub fn transfer(
    network: &mut dyn Network,
    path: impl AsRef<Path>,
    names: &NameMap,
) -> Result<Transfer> {
    load(network, path.as_ref(), names, false)
}

/// [`transfer`] from a network of the same layers with fewer channels or units: its weights become the first
/// channels of each layer. Weights from a new channel to an old one begin at 0, so the network predicts what the
/// smaller one does; weights into new channels stay as drawn, and so both learn from the first step (a variant of
/// Chen, Goodfellow and Shlens, "Net2Net", 2016).
///
/// # Errors
/// As [`transfer`]; [`Error::Setting`] for a `vit`, whose layer normalisation mixes old and new units.
pub fn transfer_widened(
    network: &mut dyn Network,
    path: impl AsRef<Path>,
    names: &NameMap,
) -> Result<Transfer> {
    if network.name() == "vit" {
        return Err(Error::setting("widen", true, "a network of convolutions, not a vit"));
    }
    load(network, path.as_ref(), names, true)
}

fn load(network: &mut dyn Network, path: &Path, names: &NameMap, widen: bool) -> Result<Transfer> {
    let mut own = network.parameters().named_tensors()?;
    let found = weights::read(path, Check::IfPresent)?;
    let in_file: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let names = {
        let own = own.iter().map(|(name, _)| name.clone());
        FileNames::new(network, own, &in_file, names)
    };
    let mut result = Transfer { idle_rules: names.idle_rules(&in_file), ..Transfer::default() };
    let mut fitting: BTreeMap<String, (&str, &Tensor)> = BTreeMap::new();
    for (name, tensor) in &found {
        let mapped = names.map(name);
        match names.is_own(&mapped) {
            true => {
                if let Some((other, _)) = fitting.insert(mapped.clone(), (name, tensor)) {
                    let problem =
                        format!("both {other} and {name} would be the network's {mapped}");
                    return Err(Error::file(path, problem, "Give each name a different rule."));
                }
            }
            false if is_counter(name) => {}
            false => result.unused.push(name.clone()),
        }
    }
    for (name, tensor) in &mut own {
        match fitting.get(name) {
            None => result.missing.push(name.clone()),
            Some((_, other)) if widen && is_wider(tensor, other) => {
                *tensor = widened(tensor, other)?;
                result.widened.push(name.clone());
            }
            Some((_, other)) if other.size() != tensor.size() => {
                result.mismatched.push((name.clone(), other.size(), tensor.size()));
            }
            Some((_, other)) => {
                *tensor = other.shallow_clone();
                result.loaded.push(name.clone());
            }
        }
    }
    if result.loaded.is_empty() && result.widened.is_empty() {
        let problem = match result.mismatched.first() {
            Some((name, found, expected)) => format!(
                "no tensor fits: names match, but shapes don't, such as {name} with {found:?} for {expected:?}"
            ),
            None => format!("no tensor fits: the file has {}", few(&shown(&result.unused))),
        };
        let hint = format!(
            "The network has {}. Map the names, for example with --weights-map {}=….",
            few(&result.missing),
            result
                .unused
                .first()
                .and_then(|name| name.rsplit_once('.'))
                .map_or("OLD", |(name, _)| name),
        );
        return Err(Error::file(path, problem, hint));
    }
    network.parameters_mut().load_named(&own, path)?;
    Ok(result)
}

/// Whether a weight has more outputs or inputs than `other`, fewer of neither, and is the same otherwise.
fn is_wider(tensor: &Tensor, other: &Tensor) -> bool {
    let (size, other) = (tensor.size(), other.size());
    let sides = size.len().min(2);
    size.len() == other.len()
        && size != other
        && size[sides..] == other[sides..]
        && size.iter().zip(&other).all(|(new, old)| new >= old)
}

/// A weight [outputs, inputs, …] or a vector of channels, with `other` as its first outputs and inputs; 0 from new
/// inputs to old outputs.
fn widened(tensor: &Tensor, other: &Tensor) -> Result<Tensor> {
    let wide = tensor.f_empty_like()?;
    wide.shallow_clone().f_copy_(tensor)?;
    let mut old = wide.f_narrow(0, 0, other.size()[0])?;
    let mut place = match *other.size() {
        [_] => old,
        [_, inputs, ..] => {
            let _ = old.f_zero_()?;
            old.f_narrow(1, 0, inputs)?
        }
        [] => return Ok(wide),
    };
    place.f_copy_(other)?;
    Ok(wide)
}

/// The first three names, and how many more there are.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {} more", text::count(more)) } else { String::new() };
    format!("{}{more}", names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// Names of a file, for a message.
fn shown(names: &[String]) -> Vec<String> {
    names.iter().map(text::shown).collect()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::model::{ResNet, ResNetConfig, SeedCnn, Vgg, VggConfig};

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
    fn a_wider_network_predicts_what_the_narrower_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("narrow.safetensors");
        let vgg = |channels: &[i64], hidden, seed| {
            let config = VggConfig {
                channels: channels.to_vec(),
                convolutions: vec![1; channels.len()],
                hidden,
                ..VggConfig::default()
            };
            Box::new(Vgg::new(Device::Cpu, seed, config).unwrap()) as Box<dyn Network>
        };
        let pairs = [
            (vgg(&[4, 6], 8, 1), vgg(&[6, 9], 12, 2)),
            (Box::new(resnet(&[4, 8], 1)), Box::new(resnet(&[8, 12], 2))),
        ];
        for (narrow, mut wide) in pairs {
            weights::save(&*narrow, &path).unwrap();
            let report = transfer_widened(&mut *wide, &path, &NameMap::identity()).unwrap();
            assert!(report.missing.is_empty() && report.mismatched.is_empty(), "{report}");
            assert!(report.to_string().contains("of them widened"), "{report}");
            let images = Tensor::rand([3, 1, 48, 48], (Kind::Float, Device::Cpu));
            let [one, other] =
                [&narrow, &wide].map(|network| network.forward_t(&images, false).unwrap());
            let gap = (one - other).abs().max().double_value(&[]);
            assert!(gap < 1e-4, "{}: {gap}", wide.name());
            // Without being asked, and from a wider network, nothing is cut or filled in.
            let report = transfer(&mut *wide, &path, &NameMap::identity()).unwrap();
            assert!(report.widened.is_empty() && !report.mismatched.is_empty(), "{report}");
        }
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
