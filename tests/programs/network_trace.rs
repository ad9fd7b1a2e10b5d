//! Computes a network's logits, for tests/test_networks.py.
//!
//!     network_trace ARCHITECTURE.toml OUT.safetensors
//!
//! The network takes three training steps on random images, so that no weight has its initial value. OUT
//! gets the weights with names that begin with `weights.`, and for each side S of the images `images.S`
//! f32 [8, 1, S, S] and their `logits.S` f32 [8, 7] without dropout.

mod trained;

use std::process::ExitCode;

use fer_nb::error::{Error, Result};
use tch::{Device, Kind, Tensor};
use trained::trained;

/// 48 is what networks are for; training may see the others.
const SIDES: [i64; 4] = [48, 24, 40, 96];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [config, to] => trace(config, to),
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

fn trace(config: &str, to: &str) -> Result<()> {
    let images = |count, side| Tensor::f_rand([count, 1, side, side], (Kind::Float, Device::Cpu));
    let network = trained(config, |count| Ok(images(count, 48)?))?;
    let mut tensors = Vec::new();
    for side in SIDES {
        let images = images(8, side)?;
        let logits = tch::no_grad(|| network.forward_t(&images, false))?;
        tensors.push((format!("images.{side}"), images));
        tensors.push((format!("logits.{side}"), logits));
    }
    for (name, tensor) in network.parameters().named_tensors()? {
        tensors.push((format!("weights.{name}"), tensor));
    }
    Ok(Tensor::write_safetensors(&tensors, to)?)
}
