//! [`TensorBytes`]: a tensor for the writer of safetensors files.

use std::borrow::Cow;

use safetensors::tensor::{Dtype, View};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// A tensor's numbers as bytes, row by row, little-endian.
pub(crate) struct TensorBytes {
    dtype: Dtype,
    shape: Vec<usize>,
    pub data: Vec<u8>,
}

impl TensorBytes {
    /// Of a tensor of any device and memory format.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
        let kind = tensor.kind();
        let mut data = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut data, tensor.numel())?;
        let dtype = match kind {
            Kind::Float => Dtype::F32,
            Kind::Double => Dtype::F64,
            Kind::BFloat16 => Dtype::BF16,
            Kind::Half => Dtype::F16,
            Kind::Int64 => Dtype::I64,
            Kind::Uint8 => Dtype::U8,
            other => {
                let expected = "f16, bf16, f32, f64, i64 or u8";
                return Err(Error::config("tensor of a file", format!("{other:?}"), expected));
            }
        };
        Ok(Self { dtype, shape: tensor.size().iter().map(|&size| size as usize).collect(), data })
    }
}

impl View for TensorBytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}
