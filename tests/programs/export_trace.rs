//! Exports a network and computes its logits, for tests/test_export.py.
//!
//!     export_trace ARCHITECTURE.toml|RUN FOLDER TEMPERATURE
//!
//! RUN is the folder of a run, whose best weights are exported; for it, portrait.safetensors has `face` u8
//! [1, 1, 48, 48], a face cut out of a photo at a quarter of its light, and the `probs` f32 [1, 7] that `fer predict`
//! would give. A network of an architecture takes three
//! training steps on random images, so that no weight has its initial value. FOLDER gets model.onnx,
//! model_f16.onnx and model.pt with this temperature, and trace.safetensors with `images` u8
//! [64, 1, 48, 48] and the network's own `logits` f32 [64, 7].

mod trained;

use std::path::Path;
use std::process::ExitCode;

use fer_nb::deploy::export::Exported;
use fer_nb::deploy::{FaceDetector, Photo, Predictor};
use fer_nb::error::{Error, Result};
use fer_nb::evaluate::Temperature;
use fer_nb::model::to_float;
use fer_nb::project::data_file;
use fer_nb::train::RunFolder;
use image::DynamicImage;
use tch::{Device, Kind, Tensor, no_grad};
use trained::trained;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [config, folder, temperature] => trace(config, Path::new(folder), temperature),
        _ => Err(Error::input("arguments", arguments.join(" "), "those at the top of the source")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn trace(config: &str, folder: &Path, temperature: &str) -> Result<()> {
    let temperature = temperature
        .parse()
        .map_err(|_| Error::setting("temperature", temperature, "a number above 0"))?;
    let images = |count| Tensor::f_randint(256, [count, 1, 48, 48], (Kind::Uint8, Device::Cpu));
    let mut network = match config.ends_with(".toml") {
        true => trained(config, |count| to_float(&images(count)?))?,
        false => RunFolder::at(config).network(Device::Cpu)?,
    };
    if !config.ends_with(".toml") {
        in_the_dark(config, folder)?;
    }
    network.parameters_mut().freeze("")?;
    let images = images(64)?;
    let logits = no_grad(|| network.forward_t(&to_float(&images)?, false))?;
    let exported = Exported {
        network: &*network,
        temperature: Temperature::new(temperature)?,
        about: &[("trained_on", "random images".into())],
    };
    exported.save_onnx(folder.join("model.onnx"), false)?;
    exported.save_onnx(folder.join("model_f16.onnx"), true)?;
    exported.save_torch_script(folder.join("model.pt"))?;
    let tensors = [("images", images), ("logits", logits)];
    Ok(Tensor::write_safetensors(&tensors, folder.join("trace.safetensors"))?)
}

fn in_the_dark(run: &str, folder: &Path) -> Result<()> {
    let portrait = Photo::open(data_file("pictures/portrait.jpg"))?;
    let mut dark = portrait.rgb().clone();
    dark.iter_mut().for_each(|value| *value /= 4);
    let dark = Photo::from(DynamicImage::ImageRgb8(dark));
    let faces =
        Predictor::load(run, Device::Cpu)?.predict_photo(&dark, &FaceDetector::for_photos())?;
    let [face] = faces[..] else {
        return Err(Error::input("faces of the portrait", faces.len(), "one"));
    };
    let pixels = Tensor::f_from_slice(&face.area.crop(dark.gray())?)?.f_reshape([1, 1, 48, 48])?;
    let probs = Tensor::f_from_slice(face.prediction.probs())?.f_reshape([1, 7])?;
    let tensors = [("face", pixels), ("probs", probs)];
    Ok(Tensor::write_safetensors(&tensors, folder.join("portrait.safetensors"))?)
}
