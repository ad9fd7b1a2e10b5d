//! TorchScript, by tracing: libtorch writes down what one forward pass does.

use std::path::Path;

use tch::{CModule, Device, Kind, Tensor, no_grad};

use super::Exported;
use crate::data::SIDE;
use crate::error::{Error, Result};
use crate::model::to_float;
use crate::project::replace_file;

/// Writes the network to `path`.
pub fn save(exported: &Exported<'_>, path: &Path) -> Result<()> {
    let device = exported.network.parameters().device();
    if device != Device::Cpu {
        let expected = "a network on the CPU, so that the file can be opened anywhere";
        return Err(Error::config("device", format!("{device:?}"), expected));
    }
    if !exported.network.parameters().spans().is_empty() {
        let expected = "a frozen one: network.parameters_mut().freeze(\"\")";
        return Err(Error::config("network", "one that learns", expected));
    }
    let side = SIDE as i64;
    // Two images, so that a batch's size is not taken for a dimension of one.
    let images = Tensor::f_zeros([2, 1, side, side], (Kind::Uint8, device))?;
    let mut failed = None;
    let traced = no_grad(|| {
        CModule::create_by_tracing("FerNb", "forward", &[images], &mut |inputs: &[Tensor]| {
            match probs(exported, inputs) {
                Ok(probs) => vec![probs],
                Err(error) => {
                    failed = Some(error);
                    Vec::new()
                }
            }
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let traced = traced?;
    replace_file(path, |temporary| {
        // libtorch names what is inside after the file, up to the last dot, and takes no empty name.
        let named = temporary.with_extension("pt");
        traced.save(&named)?;
        std::fs::rename(&named, temporary).map_err(|error| Error::io("write", path, error))
    })
}

fn probs(exported: &Exported<'_>, inputs: &[Tensor]) -> Result<Tensor> {
    let images = inputs.first().ok_or_else(|| Error::config("inputs", 0, "images"))?;
    let logits = exported.network.forward_t(&to_float(images)?, false)?;
    Ok(logits.f_div_scalar(exported.temperature.temperature)?.f_softmax(-1, Kind::Float)?)
}
