//! A trained network for other programs: TorchScript and ONNX. The page of [`Format::Web`] is `deploy/web`.
//!
//! Both files take images as they are stored and return calibrated probabilities, so that no step is left
//! to the caller. Input: `images` u8 [N, 1, 48, 48] on 0 to 255, for any N from 1. Output: `probs` f32
//! [N, 7] in the order of the classes, with the temperature applied; ONNX also has `logits` f32 [N, 7]
//! without it. (A trace in TorchScript returns one tensor.)
//!
//! Faces that were cut out of photos need a step before that, if the network does not standardize images: the light of
//! FER2013's images, as `light` in ONNX's metadata and the model card say it. A data set's images don't get it.

pub(in crate::deploy) mod graph;
mod onnx;
pub(in crate::deploy) mod proto;
mod torch_script;

use std::path::Path;

use crate::common::files::replace_file;
use crate::common::{Error, Result, named};
use crate::evaluate::Temperature;
use crate::model::Network;

/// The format of an exported network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Weights in float16, for this crate and PyTorch.
    Safetensors,
    /// The network, once with float32 weights and once with float16 weights, for onnxruntime and other programs.
    Onnx,
    /// The network for libtorch, from Python, C++ and Rust.
    TorchScript,
    /// A page that finds and classifies faces in the browser alone.
    Web,
}

named! {
    Format: "format",
    Safetensors => "safetensors",
    Onnx => "onnx",
    TorchScript => "torchscript",
    Web => "web",
}

/// A network with the temperature of its probabilities.
pub struct Exported<'a> {
    /// The trained network.
    pub network: &'a dyn Network,
    /// Divides the logits.
    pub temperature: Temperature,
    /// Names and texts for readers of the file, written to ONNX's metadata.
    pub about: &'a [(&'a str, String)],
}

impl Exported<'_> {
    /// Writes the network as ONNX, opset 17, from its [plan](Network::plan). Weights are stored in float32 or, with
    /// `half`, in float16; the computation is in float32 either way.
    ///
    /// # Errors
    /// [`Error::Input`] if the plan does not fit the network or has an operation without counterpart in
    /// ONNX; [`Error::Io`] if the file can't be written.
    pub fn save_onnx(&self, path: impl AsRef<Path>, half: bool) -> Result<()> {
        let path = path.as_ref();
        let bytes = onnx::to_bytes(self, half)?;
        replace_file(path, |temporary| {
            std::fs::write(temporary, &bytes).map_err(|error| Error::io("write", path, error))
        })
    }

    /// Writes the network as TorchScript, in float32: its method `forward` returns `probs`.
    ///
    /// # Errors
    /// [`Error::Input`] if the network is not on the CPU or its parameters are not frozen; [`Error::Io`] if the
    /// file can't be written; errors of libtorch.
    pub fn save_torch_script(&self, path: impl AsRef<Path>) -> Result<()> {
        torch_script::save(self, path.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        assert!(matches!("pickle".parse::<Format>(), Err(Error::Setting { .. })));
    }
}
