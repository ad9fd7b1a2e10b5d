//! [`publish`]: exports a run's weights in float16 and in the formats of other programs, with their model card.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use tch::{Device, Kind};

use super::ModelCard;
use super::export::{Exported, Format};
use super::web;
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::evaluate::{
    Accuracy, Evaluation, Protocol, Temperature, Threshold, evaluate, overlap_note,
};
use crate::model::{Network, weights};
use crate::train::RunFolder;

const ONNX: &str = "model.onnx";
const ONNX_HALF: &str = "model_f16.onnx";
const TORCH_SCRIPT: &str = "model.pt";
const WEB: &str = "web/";

/// The files that [`publish`] wrote.
#[derive(Debug, Clone)]
pub struct Published {
    /// The evaluation of the float16 weights on the test images.
    pub test: Evaluation,
    /// One entry for each file with weights.
    pub files: Vec<PublishedFile>,
    /// How the data was read: skipped or converted images, in sentences.
    pub notes: Vec<String>,
}

/// A file with a run's weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedFile {
    /// Its name within the folder; the name of a folder ends in a slash.
    pub name: &'static str,
    /// The dtype of its weights: "float32" or "float16".
    pub weights: &'static str,
    /// Its size, in bytes; for a folder, with all its content.
    pub bytes: u64,
    /// The accuracy of exactly these weights on the test images.
    pub accuracy: Accuracy,
}

/// Exports a run to the folder `to`, which can be used as a run folder: the best weights in float16
/// (`best.safetensors`), `config.toml` without paths of this machine, `history.csv`, temperature and threshold, and
/// `model_card.md` with the metrics of exactly these weights. The formats add `model.onnx`, `model_f16.onnx` and
/// `model.pt`, see [`super::export`] for their inputs and outputs, and `web/`, a static page. Files of an earlier
/// export that this one does not write are removed, because they hold other weights.
///
/// `command` is the command that trained the weights, for the card; it may be empty.
///
/// # Errors
/// [`Error::Missing`] for a run that does not exist; as [`RunFolder::check_data`] for one that was trained on drawn
/// faces if these are photos; [`Error::Input`] for data without test images; [`Error::WouldOverwrite`] if `to` is
/// this run or another trained one, whose float32 weights would be lost; [`Error::Io`] if a file can't be written;
/// as [`check_formats`].
pub fn publish(
    run: &RunFolder,
    data: &FaceData,
    to: impl AsRef<Path>,
    command: &str,
    formats: &[Format],
    device: Device,
) -> Result<Published> {
    run.check_data(data)?;
    data.require_test()?;
    let folder = RunFolder::at(to.as_ref());
    check_target(run, folder.path())?;
    check_formats(formats, folder.path())?;
    let mut config = run.config()?;
    config.data = config.data_title.clone();
    config.train.initial_weights =
        config.train.initial_weights.map(|weights| without_folders(&weights));
    let teachers = &mut config.train.distillation.teachers;
    *teachers = teachers.iter().map(|teacher| without_folders(teacher)).collect();
    let protocol = Protocol::of(Some(&config), data)?;
    let about =
        [("trained_on", protocol.trained_on.clone()), ("measured_on", protocol.measured_on)];
    // Everything that can fail for bad input comes before the first file.
    let (whole, history) = (run.network(device)?, run.history()?);
    let kept = (Temperature::of_run(run)?, Threshold::of_run(run)?);
    std::fs::create_dir_all(folder.path())
        .map_err(|error| Error::io("create", folder.path(), error))?;
    for name in [ONNX, ONNX_HALF, TORCH_SCRIPT] {
        remove(&folder.path().join(name))?;
    }
    web::remove(folder.path())?;
    weights::save_with(&*whole, folder.weights(), Kind::Half, &about)?;
    folder.save_config(&config)?;
    folder.save_history(&history)?;
    // From this line on with the rounded weights.
    let rounded = folder.network(device)?;
    let held_back = run.held_back(data)?;
    let (temperature, threshold) = match run.is_of(data)? && !held_back.is_empty() {
        true => {
            let validation = evaluate(&*rounded, &held_back)?;
            let temperature = Temperature::fit(&validation);
            let validation = validation.at_temperature(temperature)?;
            (temperature, Threshold::fit(&validation, Threshold::RIGHT)?)
        }
        // A run is not published with values fitted on other images.
        false => kept,
    };
    if (temperature, threshold) != (Temperature::default(), Threshold::default()) {
        temperature.write(&folder)?;
        threshold.write(&folder)?;
    }
    let test = evaluate(&*rounded, &data.test)?;
    let half = |name| file(&folder, name, "float16", test.accuracy());
    let mut files = vec![half("best.safetensors")?];
    if formats.iter().any(|format| [Format::Onnx, Format::TorchScript].contains(format)) {
        let full = evaluate(&*whole, &data.test)?.accuracy();
        // Weights saved from the CPU can be opened on every machine.
        let mut on_cpu = run.network(Device::Cpu)?;
        on_cpu.parameters_mut().freeze("")?; // a trace can't have trainable weights
        let network: &dyn Network = &*on_cpu;
        let exported = Exported { network, temperature, about: &about };
        let path = |name| folder.path().join(name);
        if formats.contains(&Format::Onnx) {
            exported.save_onnx(path(ONNX), false)?;
            exported.save_onnx(path(ONNX_HALF), true)?;
            files.push(file(&folder, ONNX, "float32", full)?);
            files.push(half(ONNX_HALF)?);
        }
        if formats.contains(&Format::TorchScript) {
            exported.save_torch_script(path(TORCH_SCRIPT))?;
            files.push(file(&folder, TORCH_SCRIPT, "float32", full)?);
        }
    }
    let mut card = ModelCard::of_run(&folder, data, &test)?;
    // Taken from the run, because the export has no list of its images.
    card.overlap = overlap_note(run, data)?;
    card.notes
        .push("The weights are rounded to float16; all metrics are of the rounded ones.".into());
    let mut published = Published { test, files, notes: data.notes.clone() };
    card.notes.push(published.table());
    if !command.is_empty() {
        card.hardware += &format!(" Command: `{command}`.");
    }
    card.save(to.as_ref().join("model_card.md"))?;
    if formats.contains(&Format::Web) {
        let network: &dyn Network = &*folder.network(Device::Cpu)?;
        let exported = Exported { network, temperature, about: &about };
        let bytes = web::write(folder.path(), &exported, threshold, &card, &config.data_title)?;
        let accuracy = published.test.accuracy();
        published.files.push(PublishedFile { name: WEB, weights: "float16", bytes, accuracy });
    }
    Ok(published)
}

/// Checks whether these formats can be written to a folder, which need not exist.
///
/// # Errors
/// [`Error::Missing`] for [`Format::Web`] if npm has not installed the page's requirements;
/// [`Error::WouldOverwrite`] if the folder's `web/` is not an exported page.
pub fn check_formats(formats: &[Format], to: impl AsRef<Path>) -> Result<()> {
    match formats.contains(&Format::Web) {
        true => web::check(to.as_ref()),
        false => Ok(()),
    }
}

/// Checks whether a run can be exported to a folder, which need not exist.
///
/// # Errors
/// [`Error::WouldOverwrite`] for a folder with a trained run, in particular the run to export.
pub fn check_target(run: &RunFolder, to: impl AsRef<Path>) -> Result<()> {
    let folder = RunFolder::at(to.as_ref());
    if is_same(run.path(), folder.path()) || folder.checkpoint().is_file() {
        let what = "a trained run with its float32 weights";
        return Err(Error::would_overwrite(folder.path(), what, "Give another folder."));
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// A run's or a file's name, without the folders of this machine.
fn without_folders(name: &str) -> String {
    Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether both are the same folder, for any names and links.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some() && real(one) == real(other)
}

fn file(
    folder: &RunFolder,
    name: &'static str,
    weights: &'static str,
    accuracy: Accuracy,
) -> Result<PublishedFile> {
    let path = folder.path().join(name);
    let bytes = std::fs::metadata(&path).map_err(|error| Error::io("read", &path, error))?.len();
    Ok(PublishedFile { name, weights, bytes, accuracy })
}

impl Published {
    /// The files as a table in Markdown.
    fn table(&self) -> String {
        let mut text =
            String::from("| file | weights | MB | accuracy |\n| --- | --- | ---: | ---: |");
        for PublishedFile { name, weights, bytes, accuracy } in &self.files {
            let megabytes = *bytes as f64 / 1e6;
            text += &format!("\n| {name} | {weights} | {megabytes:.1} | {:.4} |", accuracy.value);
        }
        text
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.test)?;
        for note in &self.notes {
            write!(f, "\nNote: {note}.")?;
        }
        for PublishedFile { name, weights, bytes, accuracy } in &self.files {
            let (megabytes, accuracy) = (*bytes as f64 / 1e6, accuracy.value);
            write!(f, "\n{name:<18}{weights:<10}{megabytes:>5.1} MB   accuracy {accuracy:.4}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::train::Recipe;

    /// The formats that need no npm.
    const FILES: [Format; 3] = [Format::Safetensors, Format::Onnx, Format::TorchScript];

    #[test]
    fn what_is_published_is_a_run_of_half_the_size() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = Recipe::default();
        recipe.train.epochs = 1;
        recipe.train.batch_size = 16;
        let run = RunFolder::at(folder.path().join("run"));
        recipe.trainer(Device::Cpu, run.path()).unwrap().fit(&data).unwrap();
        let to = folder.path().join("out");
        let test = publish(&run, &data, &to, "fer train --epochs 1", &FILES, Device::Cpu).unwrap();
        let before = std::fs::read(run.weights()).unwrap();
        let itself = folder.path().join("out/../run");
        for kept in [itself.as_path(), run.path()] {
            let refused = publish(&run, &data, kept, "", &[], Device::Cpu);
            assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");
        }
        assert_eq!(std::fs::read(run.weights()).unwrap(), before);
        let again = folder.path().join("again");
        publish(&run, &data, &again, "", &FILES, Device::Cpu).unwrap();
        publish(&run, &data, &again, "", &[Format::TorchScript], Device::Cpu).unwrap();
        let left =
            ["model.onnx", "model_f16.onnx", "model.pt"].map(|name| again.join(name).exists());
        assert_eq!(left, [false, false, true]);
        let names: Vec<_> = test.files.iter().map(|file| file.name).collect();
        assert_eq!(names, ["best.safetensors", "model.onnx", "model_f16.onnx", "model.pt"]);
        assert!(test.files[2].bytes < test.files[1].bytes * 51 / 100);
        let test = test.test;
        let published = RunFolder::at(&to);
        let bytes = |run: &RunFolder| std::fs::metadata(run.weights()).unwrap().len();
        assert!(bytes(&published) < bytes(&run) / 2 + 2048);
        let again = evaluate(&*published.network(Device::Cpu).unwrap(), &data.test).unwrap();
        assert_eq!(again, test);
        assert_ne!(Temperature::of_run(&published).unwrap(), Temperature::default());
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
