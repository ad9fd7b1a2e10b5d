//! Weights files: safetensors, replaced as a whole, so that a crash leaves the previous file intact.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use tch::{Kind, Tensor};

use super::file_names::{FileNames, is_counter};
use super::name_map::NameMap;
use super::network::Network;
use super::tensor_file::{self, Check, Problem, TensorFile};
use crate::common::command::path as word;
use crate::common::file_kind::FileKind;
use crate::common::files::{file_fingerprint, read_toml};
use crate::common::tensorflow::checkpoint_of;
use crate::common::text::shown;
use crate::common::way_out::Wanted;
use crate::common::{Error, Place, Result};
use crate::project::known;

/// Writes a network's weights to a safetensors file: f32, PyTorch's shapes, names such as `conv1_1.weight`. It
/// replaces a previous file after the new one is complete.
///
/// # Errors
/// [`Error::Io`] if the file can't be written.
pub fn save(network: &dyn Network, path: impl AsRef<Path>) -> Result<()> {
    save_with(network, path, Kind::Float, &[])
}

/// [`save`] in another dtype and with metadata. [`Kind::Half`] halves the file and keeps three decimal
/// digits of each weight.
///
/// # Errors
/// As [`save`].
pub fn save_with(
    network: &dyn Network,
    path: impl AsRef<Path>,
    kind: Kind,
    metadata: &[(&str, String)],
) -> Result<()> {
    let path = path.as_ref();
    let tensors = network.parameters().named_tensors()?;
    let own = [
        ("format", "pt".to_string()), // required by PyTorch's tools
        ("network", network.name().to_string()),
        ("fer_nb", env!("CARGO_PKG_VERSION").to_string()),
    ];
    let metadata: BTreeMap<String, String> =
        own.iter().chain(metadata).map(|(key, text)| (key.to_string(), text.clone())).collect();
    tensor_file::write(path, &tensors, Some(kind), metadata)
}

/// Loads weights from a safetensors file (f32 or f16) by the network's names, also with a common prefix such as
/// `module.`, or by the names of [`Network::aliases`]. [`transfer`](super::transfer()) loads files that match only
/// in part.
///
/// # Errors
/// [`Error::Missing`] if the file does not exist, [`Error::File`] if it is not a safetensors file, if bytes have
/// changed since the crate wrote it, or if any name or shape does not match; then nothing is changed.
pub fn load(network: &mut dyn Network, path: impl AsRef<Path>) -> Result<()> {
    load_with(network, path.as_ref(), Check::IfPresent)
}

/// [`load`] without comparing the checksum.
///
/// # Errors
/// As [`load`], except for changed bytes.
pub fn load_unchecked(network: &mut dyn Network, path: impl AsRef<Path>) -> Result<()> {
    load_with(network, path.as_ref(), Check::Off)
}

fn load_with(network: &mut dyn Network, path: &Path, checksum: Check) -> Result<()> {
    let found = read(path, checksum)?;
    let own = network.parameters().named_tensors()?.into_iter().map(|(name, _)| name);
    let in_file: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let rules = NameMap::identity();
    let names = FileNames::new(network, own, &in_file, &rules);
    let found = found.iter().filter(|(name, _)| !names.is_beside(name));
    let mapped = found.map(|(name, tensor)| (names.map(name), tensor.shallow_clone()));
    let tensors: Vec<_> =
        mapped.filter(|(name, _)| names.is_own(name) || !is_counter(name)).collect();
    network.parameters_mut().load_named(&tensors, path)
}

/// Checks whether a path leads to readable weights, by the file's first bytes.
///
/// # Errors
/// [`Error::Missing`] if the file does not exist; [`Error::File`] for another format, with what to do.
pub(crate) fn check(path: &Path) -> Result<()> {
    const HINT: &str = "A safetensors file is expected.";
    let is_other = |kind: FileKind| {
        Error::file(path, format!("this is {kind}"), kind.way_out(path, Wanted::Weights))
    };
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        // TensorFlow calls a checkpoint by the name that its files have in common.
        _ if checkpoint_of(path).is_some() => is_other(FileKind::TensorFlow),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Error::missing("A weights file", path, what_is_there(path))
        }
        _ => Error::io("read", path, error),
    })?;
    if found.is_dir() {
        return Err(match checkpoint_of(path) {
            Some(_) => is_other(FileKind::TensorFlow),
            None => {
                let inside = weights_in(path);
                let hint = if inside.is_empty() { HINT } else { &inside };
                Error::file(path, "this is a folder", hint.trim_end())
            }
        });
    }
    if let Some(error) = one_of_several(path) {
        return Err(error);
    }
    match FileKind::open(path).map_err(|error| Error::io("read", path, error))? {
        Some(FileKind::Safetensors) => Ok(()),
        Some(kind) => Err(is_other(kind)),
        None => Err(Error::file(path, "this is not a safetensors file", HINT)),
    }
}

/// Suggestions for missing weights: files next to them, runs, pretrained weights.
fn what_is_there(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let beside = weights_in(folder);
    // A run's weights are called as all runs' are; its folder has the name.
    let is_of_run = path.file_name().is_some_and(|name| name == BEST);
    let named = if is_of_run { folder } else { path };
    format!("{beside}{}", known(&shown(named.file_stem().unwrap_or_default())))
}

/// What files of weights end in, those of other programs among them.
pub(crate) const ENDINGS: [&str; 12] = [
    "safetensors",
    "pth",
    "pt",
    "ckpt",
    "bin",
    "h5",
    "hdf5",
    "keras",
    "onnx",
    "npz",
    "gguf",
    "tflite",
];

/// "Weights in runs: a.safetensors, b.pth. ", or nothing for a folder without any.
fn weights_in(folder: &Path) -> String {
    const LISTED: usize = 5;
    let is_called_weights = |path: &Path| {
        let end = path.extension().unwrap_or_default();
        ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<String> = entries
        .filter(|entry| is_called_weights(&entry.path()))
        .map(|entry| shown(entry.file_name()))
        .collect();
    files.sort_unstable();
    let more = if files.len() > LISTED { ", …" } else { "" };
    files.truncate(LISTED);
    match files.is_empty() {
        true => String::new(),
        false => format!("Weights in {}: {}{more}. ", shown(folder), files.join(", ")),
    }
}

/// The error for one of several files that hold a network's weights together, "model-00001-of-00003.safetensors";
/// `None` for a whole one.
fn one_of_several(path: &Path) -> Option<Error> {
    let stem = path.file_stem()?.to_str()?;
    let (before, all) = stem.rsplit_once("-of-")?;
    let (name, number) = before.rsplit_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let several = is_number(number) && is_number(all) && all.parse::<u32>().ok()? > 1;
    several.then_some(())?;
    let ending = path.extension()?.to_str()?;
    let index = path.with_file_name(format!("{name}.{ending}.index.json"));
    let hint = match index.is_file() {
        true => FileKind::ShardIndex.way_out(&index, Wanted::Weights),
        false => format!("Copy the others and {name}.{ending}.index.json next to it."),
    };
    let all = all.trim_start_matches('0');
    Some(Error::file(path, format!("this is one of {all} files that belong together"), hint))
}

/// The maximum size of a weights file: 500 million parameters in float32.
const LARGEST: u64 = 2 << 30;

/// The weights file of a run.
pub(crate) const BEST: &str = "best.safetensors";
/// Files with values that were fitted for the weights next to them.
pub(crate) const TEMPERATURE: &str = "temperature.toml";
pub(crate) const CERTAINTY: &str = "certainty.toml";
/// The key with the fingerprint of the weights that such values were fitted for: a retrained run has other weights.
pub(crate) const FITTED_FOR: &str = "weights";
/// What to do about such a file if it is unusable.
pub(crate) const REFIT: &str = "Delete it; `fer evaluate` fits it again.";

/// What verifies a weights file. Displayed, it is a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Integrity {
    /// The file has a checksum, which [`load`] compares, or the values next to it were fitted for exactly this
    /// file.
    Known,
    /// The file has a checksum, and the values in this file next to it were fitted for other weights.
    OtherFit(&'static str),
    /// No checksum: an older version wrote the file, or another program.
    Unknown,
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Integrity::Known => f.write_str("the weights are those that were written"),
            Integrity::OtherFit(file) => write!(
                f,
                "{file} was fitted for other weights and is not used; `fer evaluate` fits it again"
            ),
            Integrity::Unknown => f.write_str(
                "the weights have no checksum, because an older version wrote them: damage would not be detected",
            ),
        }
    }
}

/// What verifies a weights file.
///
/// # Errors
/// [`Error::Missing`] if the file does not exist, [`Error::File`] if it is not a safetensors file, or if it has no
/// checksum and the values next to it were fitted for another file.
pub fn integrity(path: impl AsRef<Path>) -> Result<Integrity> {
    let path = path.as_ref();
    check(path)?;
    let file = TensorFile::open(path, LARGEST).map_err(|problem| refused(path, problem))?;
    integrity_of(path, &file)
}

fn integrity_of(path: &Path, file: &TensorFile) -> Result<Integrity> {
    let is_runs = path.file_name().is_some_and(|name| name == BEST);
    let mut known = if file.is_sealed() { Integrity::Known } else { Integrity::Unknown };
    for name in [TEMPERATURE, CERTAINTY].into_iter().filter(|_| is_runs) {
        let fitted = path.with_file_name(name);
        let Some(table) = read_toml::<toml::Table>(&fitted, "a file of fitted values", REFIT)?
        else {
            continue;
        };
        let fingerprint = table
            .get(FITTED_FOR)
            .and_then(toml::Value::as_str)
            .ok_or_else(|| Error::file(&fitted, format!("has no key {FITTED_FOR}"), REFIT))?;
        let fits = fingerprint == file_fingerprint(path)?;
        known = match (known, fits) {
            (Integrity::Unknown, true) => Integrity::Known,
            (_, true) => known,
            (_, false) if file.is_sealed() => Integrity::OtherFit(name),
            (_, false) => {
                let problem = format!(
                    "these are not the weights that {name} was fitted for: bytes have changed"
                );
                let hint = format!(
                    "The file is damaged: copy it again, or train again. If it was replaced on purpose, delete \
                     {name}. {UNCHECKED}"
                );
                return Err(Error::file(path, problem, hint));
            }
        };
    }
    Ok(known)
}

/// The tensors of a safetensors file, by name.
pub(super) fn read(path: &Path, checksum: Check) -> Result<Vec<(String, Tensor)>> {
    check(path)?;
    let file = TensorFile::open(path, LARGEST).map_err(|problem| refused(path, problem))?;
    if checksum != Check::Off {
        integrity_of(path, &file)?;
    }
    let tensors = file.read(checksum).map_err(|problem| refused(path, problem))?;
    // Otherwise every photo would seem to be the cause.
    for (name, tensor) in &tensors {
        if tensor.is_floating_point() && tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            let place = Place::Key(shown(name));
            let problem = "holds numbers that are not finite";
            return Err(Error::file_at(
                path,
                place,
                problem,
                "Copy the file again, or train again.",
            ));
        }
    }
    Ok(tensors)
}

const UNCHECKED: &str =
    "--unchecked-weights of `fer evaluate`, `fer predict` and `fer serve` reads it anyway.";

fn refused(path: &Path, problem: Problem) -> Error {
    match problem {
        Problem::Io(error) => Error::io("read", path, error),
        Problem::Changed { .. } => {
            let hint = format!("The file is damaged: copy it again, or train again. {UNCHECKED}");
            Error::file(path, problem.to_string(), hint)
        }
        Problem::Dtype { .. } => {
            let (from, to) = (word(path), word(path.with_extension("float32.safetensors")));
            let hint = format!(
                "Save it in float32: python3 -c \"import sys, safetensors.torch as s; s.save_file({{k: v.float() \
                 for k, v in s.load_file(sys.argv[1]).items()}}, sys.argv[2])\" {from} {to}"
            );
            Error::file(path, problem.to_string(), hint)
        }
        Problem::Broken(why) => {
            let problem = format!("not a complete safetensors file: {why}");
            Error::file(path, problem, "Copy or train it again.")
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::model::SeedCnn;

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
    fn the_seed_cnn_reads_a_sequential_state_dict_of_pytorch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("torch.safetensors");
        let source = SeedCnn::new(Device::Cpu, 1).unwrap();
        let places = ["0", "2", "6", "8", "12", "14", "19", "22"];
        let tensors = source.parameters().named_tensors().unwrap();
        let tensors: Vec<_> = tensors
            .iter()
            .enumerate()
            .map(|(index, (name, tensor))| {
                let (_, part) = name.split_once('.').unwrap();
                (format!("{}.{part}", places[index / 2]), tensor)
            })
            .collect();
        Tensor::write_safetensors(&tensors, &path).unwrap();
        let mut target = SeedCnn::new(Device::Cpu, 2).unwrap();
        load(&mut target, &path).unwrap();
        assert_eq!(target.parameters().flat(), source.parameters().flat());
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
        assert_eq!((metadata["card"].as_str(), metadata.len()), ("\"a\"\n", 7));
        assert_eq!(length % 8, 0);
    }

    #[test]
    fn a_file_cut_short_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let mut network = SeedCnn::new(Device::Cpu, 1).unwrap();
        assert!(matches!(load(&mut network, &path), Err(Error::Missing { .. })));
        save(&network, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 4, 8, 100, 1000, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let refused = load(&mut network, &path);
            assert!(
                matches!(&refused, Err(Error::File { path: at, .. }) if *at == path),
                "{length}"
            );
        }
    }
}
