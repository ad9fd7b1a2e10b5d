//! Lets a network compute, for tests/test_networks.py.
//!
//!     network_trace ARCHITECTURE.toml OUT.safetensors
//!
//! The network, with initial weights, takes three training steps on random images, so that nothing is
//! as it began. OUT gets its weights by name below `weights.`, `images` f32 [8, 1, 48, 48], and the
//! `logits` f32 [8, 7] that it gives without dropout.

use std::process::ExitCode;

use fer_nb::error::{Error, Result};
use fer_nb::model::Architecture;
use tch::{Device, Kind, Reduction, Tensor};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [config, to] => trace(config, to),
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

fn trace(config: &str, to: &str) -> Result<()> {
    let text = std::fs::read_to_string(config).map_err(|error| Error::io("read", config, error))?;
    let architecture: Architecture = toml::from_str(&text)
        .map_err(|error| Error::config(config, error, "an architecture with its settings"))?;
    let mut network = architecture.build(Device::Cpu, 3)?;
    tch::manual_seed(5);
    let images = |count| Tensor::f_rand([count, 1, 48, 48], (Kind::Float, Device::Cpu));
    for _ in 0..3 {
        let labels = Tensor::f_randint(7, [16], (Kind::Int64, Device::Cpu))?;
        let logits = network.forward_t(&images(16)?, true)?;
        let mean = Reduction::Mean;
        let loss = logits.f_cross_entropy_loss(&labels, None::<Tensor>, mean, -100, 0.0)?;
        let gradient = network.parameters().gradient(&loss)?;
        let learnt = network.parameters().count();
        network.parameters_mut().update(|weights| {
            let step = gradient.f_mul_scalar(0.01)?;
            Ok(weights.f_narrow(0, 0, learnt)?.f_sub_(&step).map(|_| ())?)
        })?;
    }
    let images = images(8)?;
    let logits = tch::no_grad(|| network.forward_t(&images, false))?;
    let mut tensors = vec![("images".to_string(), images), ("logits".to_string(), logits)];
    for (name, tensor) in network.parameters().named_tensors()? {
        tensors.push((format!("weights.{name}"), tensor));
    }
    Ok(Tensor::write_safetensors(&tensors, to)?)
}
