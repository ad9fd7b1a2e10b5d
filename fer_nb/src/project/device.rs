//! The device to compute on.

use tch::{Cuda, Device};

/// The first CUDA device where there is one, else the CPU. `$FER_DEVICE=cpu` asks for the CPU.
pub fn device() -> Device {
    if std::env::var("FER_DEVICE").is_ok_and(|name| name.eq_ignore_ascii_case("cpu")) {
        return Device::Cpu;
    }
    load_cuda();
    Device::cuda_if_available()
}

/// A device as reports name it: "CPU, 2 threads" or "CUDA device 0 of 1".
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("CUDA device {index} of {}", Cuda::device_count()),
        Device::Cpu => format!("CPU, {} threads", tch::get_num_threads()),
        other => format!("{other:?}"),
    }
}

/// The linker drops libtorch_cuda because no symbol of it is named, and libtorch then finds no GPU.
/// Opening the library makes it register itself. Where it can't be opened, there is no CUDA.
#[cfg(target_os = "linux")]
fn load_cuda() {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
    // SAFETY: opening libtorch_cuda runs its initialisers, as linking it would have done; the
    // handle is leaked on purpose, since registered kernels must stay for the process's life.
    if let Ok(library) = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_LAZY | RTLD_GLOBAL) }
    {
        std::mem::forget(library);
    }
}

#[cfg(not(target_os = "linux"))]
fn load_cuda() {}
