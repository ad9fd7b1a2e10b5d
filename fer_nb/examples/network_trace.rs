//! Lets a network compute, for tests/test_networks.py.
//!
//!     network_trace ARCHITECTURE.toml OUT.safetensors
//!
//! The network, with initial weights, takes three training steps on random images, so that nothing is
//! as it began. OUT gets its weights by name below `weights.`, `images` f32 [8, 1, 48, 48], and the
//! `logits` f32 [8, 7] that it gives without dropout.

mod trained;

use std::process::ExitCode;

use fer_nb::error::{Error, Result};
use tch::{Device, Kind, Tensor};
use trained::trained;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [config, to] => trace(config, to),
        _ => Err(Error::setting("arguments", arguments.join(" "), "see the top of the source")),
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
    let images = |count| Tensor::f_rand([count, 1, 48, 48], (Kind::Float, Device::Cpu));
    let network = trained(config, |count| Ok(images(count)?))?;
    let images = images(8)?;
    let logits = tch::no_grad(|| network.forward_t(&images, false))?;
    let mut tensors = vec![("images".to_string(), images), ("logits".to_string(), logits)];
    for (name, tensor) in network.parameters().named_tensors()? {
        tensors.push((format!("weights.{name}"), tensor));
    }
    Ok(Tensor::write_safetensors(&tensors, to)?)
}
