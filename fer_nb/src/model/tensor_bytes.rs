//! [`TensorBytes`]: a tensor's numbers in the form of files.

use safetensors::tensor::Dtype;
use tch::{Device, Kind, Tensor};

use crate::common::{Error, Result};

/// A tensor's numbers as bytes, row by row, little-endian.
pub(crate) struct TensorBytes {
    pub(crate) data: Vec<u8>,
}

impl TensorBytes {
    /// The bytes of a tensor on any device, in any memory format.
    ///
    /// # Errors
    /// [`Error::Input`] for a dtype that files do not support; errors of libtorch.
    pub(crate) fn of(tensor: &Tensor) -> Result<Self> {
        let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
        let kind = tensor.kind();
        dtype_of(kind)?;
        let mut data = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut data, tensor.numel())?;
        Ok(Self { data })
    }
}

/// The name of a dtype in safetensors files.
///
/// # Errors
/// [`Error::Input`] for a dtype that files do not support.
pub(super) fn dtype_of(kind: Kind) -> Result<Dtype> {
    Ok(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Half => Dtype::F16,
        Kind::Int64 => Dtype::I64,
        Kind::Uint8 => Dtype::U8,
        other => {
            let expected = "f16, bf16, f32, f64, i64 or u8";
            return Err(Error::input("a tensor's dtype", format!("{other:?}"), expected));
        }
    })
}
