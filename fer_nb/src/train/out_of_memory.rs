//! What a trainer says where memory does not suffice.

use super::trainer::Trainer;
use crate::common::{Error, Failure};

impl Trainer {
    /// Says what to do where libtorch's own message doesn't.
    pub(super) fn explain(&self, error: Error) -> Error {
        let batch_size = self.config.batch_size;
        match error {
            Error::Tensor { source, .. } if is_out_of_memory(&source) => Error::Training {
                epoch: self.history.epochs.len() + 1,
                cause: Failure::OutOfMemory { batch_size },
                hint: match batch_size {
                    ..2 => "Close what else uses the device, or take a smaller network".into(),
                    _ => format!(
                        "Try batch_size = {}, or close what else uses the device",
                        batch_size / 2
                    ),
                },
            },
            other => other,
        }
    }
}

/// Whether libtorch ran out of memory; its message, or cuDNN's or cuBLAS', is all that tch passes on.
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
    use crate::model::SeedCnn;
    use crate::train::TrainConfig;

    #[test]
    fn too_little_memory_names_the_batch_size_to_try() {
        let config = TrainConfig { batch_size: 1024, ..TrainConfig::default() };
        let trainer = Trainer::new(SeedCnn::new(Device::Cpu, 1).unwrap(), config).unwrap();
        // libtorch refuses a petabyte on any machine.
        let error = Tensor::f_zeros([1 << 50], (Kind::Uint8, Device::Cpu)).unwrap_err();
        let message = trainer.explain(error.into()).to_string();
        assert!(message.contains("does not suffice for batches of 1024"), "{message}");
        assert!(message.contains("Try batch_size = 512"), "{message}");
    }
}
