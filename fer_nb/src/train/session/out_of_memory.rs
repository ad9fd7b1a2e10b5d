//! Errors for too little memory, with what to do.

use crate::common::{Error, Failure};

/// Suggests a batch size if libtorch ran out of memory in `epoch`, from 1.
pub(crate) fn explain(error: Error, batch_size: usize, epoch: usize) -> Error {
    match error {
        Error::Tensor { source, .. } if is_out_of_memory(&source) => {
            let hint = match batch_size / 2 {
                0 => "Close other programs that use the device, or use a smaller network".into(),
                half => {
                    format!("Try batch_size = {half}, or close other programs that use the device")
                }
            };
            Error::Training { epoch, cause: Failure::OutOfMemory { batch_size }, hint }
        }
        other => other,
    }
}

/// Whether libtorch ran out of memory; tch provides only its message, or that of cuDNN or cuBLAS.
fn is_out_of_memory(error: &tch::TchError) -> bool {
    let text = error.to_string();
    ["out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED"]
        .iter()
        .any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn too_little_memory_names_the_batch_size_to_try() {
        // libtorch refuses a petabyte on any machine.
        let error = Tensor::f_zeros([1 << 50], (Kind::Uint8, Device::Cpu)).unwrap_err();
        let Error::Training { epoch: 3, cause, hint } = explain(error.into(), 1024, 3) else {
            panic!()
        };
        assert_eq!(cause, Failure::OutOfMemory { batch_size: 1024 });
        assert!(hint.contains("512"), "{hint}");
    }
}
