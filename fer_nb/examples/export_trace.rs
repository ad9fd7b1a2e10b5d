//! Lets a network compute and exports it, for tests/test_export.py.
//!
//!     export_trace ARCHITECTURE.toml FOLDER TEMPERATURE
//!
//! The network, with initial weights, takes three training steps on random images, so that nothing is as
//! it began. FOLDER gets model.onnx, model_f16.onnx and model.pt with this temperature, and
//! trace.safetensors with `images` u8 [64, 1, 48, 48] and the network's own `logits` f32 [64, 7].

use std::path::Path;
use std::process::ExitCode;

use fer_nb::deploy::export::Exported;
use fer_nb::error::{Error, Result};
use fer_nb::evaluate::Temperature;
use fer_nb::model::{Architecture, to_float};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [config, folder, temperature] => trace(config, Path::new(folder), temperature),
        _ => Err(Error::config("arguments", arguments.join(" "), "see the top of the source")),
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
    let text = std::fs::read_to_string(config).map_err(|error| Error::io("read", config, error))?;
    let architecture: Architecture = toml::from_str(&text)
        .map_err(|error| Error::config(config, error, "an architecture with its settings"))?;
    let temperature = temperature
        .parse()
        .map_err(|_| Error::config("temperature", temperature, "a number above 0"))?;
    let mut network = architecture.build(Device::Cpu, 3)?;
    tch::manual_seed(5);
    let images = |count| Tensor::f_randint(256, [count, 1, 48, 48], (Kind::Uint8, Device::Cpu));
    for _ in 0..3 {
        let labels = Tensor::f_randint(7, [16], (Kind::Int64, Device::Cpu))?;
        let logits = network.forward_t(&to_float(&images(16)?)?, true)?;
        let mean = Reduction::Mean;
        let loss = logits.f_cross_entropy_loss(&labels, None::<Tensor>, mean, -100, 0.0)?;
        let gradient = network.parameters().gradient(&loss)?;
        let learnt = network.parameters().count();
        network.parameters_mut().update(|weights| {
            let step = gradient.f_mul_scalar(0.05)?;
            Ok(weights.f_narrow(0, 0, learnt)?.f_sub_(&step).map(|_| ())?)
        })?;
    }
    network.parameters_mut().freeze("")?;
    let images = images(64)?;
    let logits = no_grad(|| network.forward_t(&to_float(&images)?, false))?;
    let exported = Exported {
        network: &*network,
        temperature: Temperature { temperature },
        about: &[("trained_on", "random images".into())],
    };
    exported.save_onnx(folder.join("model.onnx"), false)?;
    exported.save_onnx(folder.join("model_f16.onnx"), true)?;
    exported.save_torch_script(folder.join("model.pt"))?;
    let tensors = [("images", images), ("logits", logits)];
    Ok(Tensor::write_safetensors(&tensors, folder.join("trace.safetensors"))?)
}
