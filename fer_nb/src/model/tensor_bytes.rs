//! [`serialize`] and [`TensorBytes`]: safetensors files, the same bytes for the same content.

use std::collections::BTreeMap;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView};
use tch::{Device, Kind, Tensor};

use crate::common::{Error, Result};

/// The bytes of a safetensors file: the length of the header (u64, little-endian), the header (JSON), the
/// tensors. The library writes metadata in a hash map's order, which changes from call to call; here it
/// comes first in the header, sorted by name.
pub(crate) fn serialize<Name>(
    tensors: Vec<(Name, TensorBytes)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, SafeTensorError>
where
    Name: AsRef<str> + Ord + std::fmt::Display,
{
    const LENGTH: usize = size_of::<u64>();
    let views = tensors
        .iter()
        .map(|(name, TensorBytes { dtype, shape, data })| {
            Ok((name, TensorView::new(*dtype, shape.clone(), data)?))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    let plain = safetensors::serialize(views, &None)?;
    drop(tensors);
    let (length, rest) = plain.split_first_chunk().ok_or(SafeTensorError::HeaderTooSmall)?;
    let (header, data) = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(SafeTensorError::InvalidHeaderLength)?;
    let names = header.strip_prefix(b"{").ok_or(SafeTensorError::InvalidHeaderStart)?;
    let metadata = serde_json::to_string(metadata)?;
    let comma = if names.starts_with(b"}") { "" } else { "," };
    let mut bytes = vec![0; LENGTH];
    bytes.reserve_exact(plain.len() + metadata.len() + 2 * LENGTH);
    bytes.extend_from_slice(format!("{{\"__metadata__\":{metadata}{comma}").as_bytes());
    bytes.extend_from_slice(names);
    bytes.resize(bytes.len().next_multiple_of(LENGTH), b' '); // aligned, because readers map the data
    let length = (bytes.len() - LENGTH) as u64;
    bytes[..LENGTH].copy_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(data);
    Ok(bytes)
}

/// A tensor's numbers as bytes, row by row, little-endian.
pub(crate) struct TensorBytes {
    dtype: Dtype,
    shape: Vec<usize>,
    pub(crate) data: Vec<u8>,
}

impl TensorBytes {
    /// The bytes of a tensor on any device, in any memory format.
    ///
    /// # Errors
    /// [`Error::Input`] for a dtype that files don't have here; whatever libtorch refuses.
    pub(crate) fn of(tensor: &Tensor) -> Result<Self> {
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
                return Err(Error::input("a tensor's dtype", format!("{other:?}"), expected));
            }
        };
        Ok(Self { dtype, shape: tensor.size().iter().map(|&size| size as usize).collect(), data })
    }
}
