//! A run's weights made ready for others: smaller, in the formats of other programs, with their card.

use std::fmt;
use std::path::Path;

use tch::{Device, Kind};

use super::ModelCard;
use super::export::{Exported, Format};
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::evaluate::{Accuracy, Evaluation, Protocol, Temperature, Threshold, evaluate};
use crate::model::{Network, weights};
use crate::train::RunFolder;

const ONNX: &str = "model.onnx";
const ONNX_HALF: &str = "model_f16.onnx";
const TORCH_SCRIPT: &str = "model.pt";

/// What was handed out.
#[derive(Debug, Clone)]
pub struct Published {
    /// The float16 weights on the test images.
    pub test: Evaluation,
    /// What was written.
    pub files: Vec<HandedFile>,
}

/// A file that was handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct HandedFile {
    /// Its name within the folder.
    pub name: &'static str,
    /// The kind of its weights: "float32" or "float16".
    pub weights: &'static str,
    /// Its size.
    pub bytes: u64,
    /// How many test images these very weights have right.
    pub accuracy: Accuracy,
}

/// Writes what others need of a run into the folder `to`, which can be used as a run folder itself: the
/// best weights in float16 (`best.safetensors`), `config.toml` without paths of this machine,
/// `history.csv`, temperature and threshold, and `model_card.md` with the figures of these very weights. The
/// formats add `model.onnx`, `model_f16.onnx` and `model.pt`; see [`super::export`] for what they take
/// and give. Those that an earlier call left and this one doesn't write are removed: they hold other weights.
///
/// `command` is what trained the weights, for the card.
///
/// # Errors
/// Where the run is missing or learnt from another kind of data; where `to` is the run itself, whose weights
/// would be rounded for good; where a file can't be written.
pub fn publish(
    run: &RunFolder,
    data: &FaceData,
    to: impl AsRef<Path>,
    command: &str,
    formats: &[Format],
    device: Device,
) -> Result<Published> {
    run.check_data(data)?;
    let handed = RunFolder::at(to.as_ref());
    std::fs::create_dir_all(handed.path())
        .map_err(|error| Error::io("create", handed.path(), error))?;
    if is_same(run.path(), handed.path())? {
        let expected = "another folder than the run's own, which keeps its float32 weights";
        return Err(Error::setting("to", handed.path().display(), expected));
    }
    if handed.checkpoint().is_file() {
        let expected = "another folder, since a run that was trained is in this one";
        return Err(Error::setting("to", handed.path().display(), expected));
    }
    let mut config = run.config()?;
    config.data = config.data_title.clone();
    config.train.initial_weights =
        config.train.initial_weights.map(|weights| without_folders(&weights));
    let teachers = &mut config.train.distillation.teachers;
    *teachers = teachers.iter().map(|teacher| without_folders(teacher)).collect();
    let protocol = Protocol::of(Some(&config), data)?;
    let about =
        [("trained_on", protocol.trained_on.clone()), ("measured_on", protocol.measured_on)];
    let whole = run.network(device)?;
    for name in [ONNX, ONNX_HALF, TORCH_SCRIPT] {
        remove(&handed.path().join(name))?;
    }
    weights::save_with(&*whole, handed.weights(), Kind::Half, &about)?;
    handed.save_config(&config)?;
    handed.save_history(&run.history()?)?;
    // From here on, with what the rounding left.
    let rounded = handed.network(device)?;
    let held_back = run.held_back(data)?;
    let mut temperature = Temperature::default();
    if !held_back.is_empty() {
        let validation = evaluate(&*rounded, &held_back)?;
        temperature = Temperature::fit(&validation);
        temperature.save(&handed)?;
        let validation = validation.at_temperature(temperature)?;
        Threshold::fit(&validation, Threshold::RIGHT)?.save(&handed)?;
    }
    let test = evaluate(&*rounded, &data.test)?;
    let half = |name| file(&handed, name, "float16", test.accuracy());
    let mut files = vec![half("best.safetensors")?];
    if formats.iter().any(|format| *format != Format::Safetensors) {
        let full = evaluate(&*whole, &data.test)?.accuracy();
        // Files for anywhere are made where everybody can open them.
        let mut on_cpu = run.network(Device::Cpu)?;
        on_cpu.parameters_mut().freeze("")?; // a trace takes no weights that learn
        let network: &dyn Network = &*on_cpu;
        let exported = Exported { network, temperature, about: &about };
        let path = |name| handed.path().join(name);
        if formats.contains(&Format::Onnx) {
            exported.save_onnx(path(ONNX), false)?;
            exported.save_onnx(path(ONNX_HALF), true)?;
            files.push(file(&handed, ONNX, "float32", full)?);
            files.push(half(ONNX_HALF)?);
        }
        if formats.contains(&Format::TorchScript) {
            exported.save_torch_script(path(TORCH_SCRIPT))?;
            files.push(file(&handed, TORCH_SCRIPT, "float32", full)?);
        }
    }
    let mut card = ModelCard::of_run(&handed, data, &test)?;
    card.notes
        .push("The weights are rounded to float16; all figures are of the rounded ones.".into());
    let handed = Published { test, files };
    card.notes.push(handed.table());
    if !command.is_empty() {
        card.hardware += &format!(" Command: `{command}`.");
    }
    card.save(to.as_ref().join("model_card.md"))?;
    Ok(handed)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// A run's or a file's name: folders of this machine say nothing to others.
fn without_folders(name: &str) -> String {
    Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether both are one folder, by whatever names and links.
fn is_same(one: &Path, other: &Path) -> Result<bool> {
    let real =
        |path: &Path| std::fs::canonicalize(path).map_err(|error| Error::io("read", path, error));
    Ok(real(one)? == real(other)?)
}

fn file(
    handed: &RunFolder,
    name: &'static str,
    weights: &'static str,
    accuracy: Accuracy,
) -> Result<HandedFile> {
    let path = handed.path().join(name);
    let bytes = std::fs::metadata(&path).map_err(|error| Error::io("read", &path, error))?.len();
    Ok(HandedFile { name, weights, bytes, accuracy })
}

impl Published {
    /// The files as a table in Markdown.
    fn table(&self) -> String {
        let mut text =
            String::from("| file | weights | MB | accuracy |\n| --- | --- | ---: | ---: |");
        for HandedFile { name, weights, bytes, accuracy } in &self.files {
            let megabytes = *bytes as f64 / 1e6;
            text += &format!("\n| {name} | {weights} | {megabytes:.1} | {:.4} |", accuracy.value);
        }
        text
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.test)?;
        for HandedFile { name, weights, bytes, accuracy } in &self.files {
            let megabytes = *bytes as f64 / 1e6;
            write!(
                f,
                "\n{name:<18}{weights:<10}{megabytes:>5.1} MB   accuracy {:.4}",
                accuracy.value
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::train::Recipe;

    #[test]
    fn what_is_handed_out_is_a_run_of_half_the_size() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = Recipe::default();
        recipe.train.epochs = 1;
        recipe.train.batch_size = 16;
        let run = RunFolder::at(folder.path().join("run"));
        recipe.trainer(Device::Cpu, run.path()).unwrap().fit(&data).unwrap();
        let to = folder.path().join("out");
        let test =
            publish(&run, &data, &to, "fer train --epochs 1", &Format::ALL, Device::Cpu).unwrap();
        let before = std::fs::read(run.weights()).unwrap();
        let itself = folder.path().join("out/../run");
        let message = publish(&run, &data, itself, "", &[], Device::Cpu).unwrap_err().to_string();
        assert!(message.starts_with("to = ") && message.contains("another folder"), "{message}");
        assert_eq!(std::fs::read(run.weights()).unwrap(), before);
        let again = folder.path().join("again");
        publish(&run, &data, &again, "", &Format::ALL, Device::Cpu).unwrap();
        publish(&run, &data, &again, "", &[Format::TorchScript], Device::Cpu).unwrap();
        let left =
            ["model.onnx", "model_f16.onnx", "model.pt"].map(|name| again.join(name).exists());
        assert_eq!(left, [false, false, true]);
        let names: Vec<_> = test.files.iter().map(|file| file.name).collect();
        assert_eq!(names, ["best.safetensors", "model.onnx", "model_f16.onnx", "model.pt"]);
        assert!(test.files[2].bytes < test.files[1].bytes * 51 / 100);
        let test = test.test;
        let handed = RunFolder::at(&to);
        let bytes = |run: &RunFolder| std::fs::metadata(run.weights()).unwrap().len();
        assert!(bytes(&handed) < bytes(&run) / 2 + 2048);
        let again = evaluate(&*handed.network(Device::Cpu).unwrap(), &data.test).unwrap();
        assert_eq!(again, test);
        assert_ne!(Temperature::of_run(&handed).unwrap(), Temperature::default());
        let card = std::fs::read_to_string(to.join("model_card.md")).unwrap();
        for part in [
            "Command: `fer train --epochs 1`",
            "divided by a temperature",
            "measured on made-up sample's test part (35 images)",
            "rounded to float16",
            "| model_f16.onnx | float16 | 2.9 | ",
        ] {
            assert!(card.contains(part), "{part}: {card}");
        }
    }
}
