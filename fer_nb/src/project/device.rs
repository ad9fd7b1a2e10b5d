//! The device for computing.

use tch::{Cuda, Device};

use crate::common::machine::{load_compiler, load_cuda};
use crate::common::text::plural;
use crate::common::{Error, Result};

/// The environment variable that selects a device.
const VARIABLE: &str = "FER_DEVICE";

/// The device selected by `$FER_DEVICE`: `cpu`, `cuda` or `cuda:N`. If the variable is not set, the first CUDA
/// device, or the CPU if the machine has none.
///
/// # Errors
/// [`Error::Setting`] for another value, and for a CUDA device that does not exist.
pub fn device() -> Result<Device> {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let wanted = wanted.trim();
    if wanted.eq_ignore_ascii_case("cpu") {
        return Ok(Device::Cpu);
    }
    let missing = load_cuda();
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if count > 0 {
        load_compiler();
    }
    chosen(wanted, count, &missing)
}

/// The device of this name if there are `count` CUDA devices; without a name, the first CUDA device or the CPU.
/// `missing` is the reason why libtorch's CUDA part could not be loaded, or empty.
fn chosen(name: &str, count: usize, missing: &str) -> Result<Device> {
    let index = match name.to_ascii_lowercase().as_str() {
        "" if count == 0 => return Ok(Device::Cpu),
        "cpu" => return Ok(Device::Cpu),
        "" | "cuda" => Some(0),
        other => other.strip_prefix("cuda:").and_then(|index| index.parse().ok()),
    };
    let there = match count {
        0 if missing.contains("cannot open shared object file") => {
            // The set-up does not install CUDA's libraries on a machine without a GPU.
            format!(
                "CUDA can't be loaded: {missing}; `FER_GPU=1 make setup` installs its libraries"
            )
        }
        0 if !missing.is_empty() => format!("CUDA can't be loaded: {missing}"),
        0 => "no CUDA device was found".to_string(),
        1 => "only cuda:0 was found".to_string(),
        _ => format!("cuda:0 to cuda:{} were found", count - 1),
    };
    match index {
        None => Err(Error::setting(VARIABLE, name, "cpu, cuda or cuda:N")),
        Some(index) if index >= count => {
            Err(Error::setting(VARIABLE, name, format!("cpu, cuda or cuda:N; {there}")))
        }
        Some(index) => Ok(Device::Cuda(index)),
    }
}

/// "2 threads": the threads that compute on the CPU.
pub(super) fn threads() -> String {
    plural(usize::try_from(tch::get_num_threads()).unwrap_or(1), "thread")
}

/// A device as named in reports: "CPU, 2 threads" or "CUDA device 0 of 1".
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("CUDA device {index} of {}", Cuda::device_count()),
        Device::Cpu => format!("CPU, {}", threads()),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_and_has_to_be_there() {
        assert_eq!(chosen("", 0, "").unwrap(), Device::Cpu);
        assert_eq!(chosen("", 2, "").unwrap(), Device::Cuda(0));
        assert_eq!(chosen("CPU", 2, "").unwrap(), Device::Cpu);
        assert_eq!(chosen("cuda", 1, "").unwrap(), Device::Cuda(0));
        assert_eq!(chosen("CUDA:1", 2, "").unwrap(), Device::Cuda(1));
        let message = |name, count| chosen(name, count, "").unwrap_err().to_string();
        assert_eq!(message("gpu", 1), "FER_DEVICE = gpu: expected cpu, cuda or cuda:N");
        assert_eq!(message("cuda:x", 1), "FER_DEVICE = cuda:x: expected cpu, cuda or cuda:N");
        assert!(message("cuda", 0).ends_with("cuda:N; no CUDA device was found"));
        assert!(message("cuda:4", 4).ends_with("cuda:0 to cuda:3 were found"));
        let message = chosen("cuda", 0, "libcublas.so.13: not found").unwrap_err().to_string();
        assert!(message.ends_with("CUDA can't be loaded: libcublas.so.13: not found"), "{message}");
        let missing = "libcudnn.so.9: cannot open shared object file: No such file or directory";
        let message = chosen("cuda", 0, missing).unwrap_err().to_string();
        assert!(message.ends_with("`FER_GPU=1 make setup` installs its libraries"), "{message}");
    }
}
