//! A trained network for programs of others: TorchScript and ONNX.
//!
//! Both files take images as they are stored and give calibrated probabilities, so that nothing is left to
//! be done wrongly: `images` u8 [N, 1, 48, 48] on 0 to 255 in, for any N from 1; `probs` f32 [N, 7] out, by
//! class index, with the temperature within; from ONNX also `logits` f32 [N, 7], without it. (A trace in
//! TorchScript gives one tensor.)

mod networks;
mod onnx;
mod torch_script;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::common::files::replace_file;
use crate::common::{Error, Result};
use crate::evaluate::Temperature;
use crate::model::Network;

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Weights in float16, for this crate and PyTorch.
    Safetensors,
    /// A whole network with float32 weights, and one with float16 weights, for onnxruntime and others.
    Onnx,
    /// A whole network for libtorch, from Python, C++ and Rust.
    TorchScript,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Safetensors, Self::Onnx, Self::TorchScript];

    /// The name: "torchscript".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::TorchScript => "torchscript",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = |format: &Self| format.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(known).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::setting("format", text, names)
        })
    }
}

/// A network with what belongs to its answers.
pub struct Exported<'a> {
    /// The trained network.
    pub network: &'a dyn Network,
    /// What its logits are divided by.
    pub temperature: Temperature,
    /// What a reader of the file should know, as names and texts: written into ONNX's metadata.
    pub about: &'a [(&'a str, String)],
}

impl Exported<'_> {
    /// Writes the network as ONNX, opset 17, with weights in float32 or, where `half`, in float16, which
    /// are computed with in float32 all the same.
    ///
    /// # Errors
    /// [`Error::Setting`] for a network of one's own, whose layers are not known here; where the file
    /// can't be written.
    pub fn save_onnx(&self, path: impl AsRef<Path>, half: bool) -> Result<()> {
        let path = path.as_ref();
        let bytes = onnx::to_bytes(self, half)?;
        replace_file(path, |temporary| {
            std::fs::write(temporary, &bytes).map_err(|error| Error::io("write", path, error))
        })
    }

    /// Writes the network as TorchScript, in float32: its method `forward` gives `probs`.
    ///
    /// # Errors
    /// [`Error::Setting`] where the network is not on the CPU, or its parameters are not frozen; whatever
    /// libtorch refuses; where the file can't be written.
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
        let message = "pickle".parse::<Format>().unwrap_err().to_string();
        assert_eq!(message, "format = pickle: expected safetensors, onnx, torchscript");
    }
}
