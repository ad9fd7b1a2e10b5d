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

/// Major and minor compute capability of a CUDA device, from the driver; `None` where it can't tell.
/// libtorch knows it too, but tch does not pass it on.
pub(super) fn compute_capability(index: usize) -> Option<(i32, i32)> {
    use libloading::os::unix::{Library, Symbol};
    type Init = unsafe extern "C" fn(u32) -> i32;
    type Get = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type Attribute = unsafe extern "C" fn(*mut i32, i32, i32) -> i32;
    // CUdevice_attribute in the driver's interface
    const MAJOR: i32 = 75;
    const MINOR: i32 = 76;
    // SAFETY: the three functions have these signatures in every version of the CUDA driver's
    // interface, and each writes one int to the address it is given.
    unsafe {
        let driver = Library::open(Some("libcuda.so.1"), libloading::os::unix::RTLD_LAZY).ok()?;
        let init: Symbol<Init> = driver.get(b"cuInit\0").ok()?;
        let get: Symbol<Get> = driver.get(b"cuDeviceGet\0").ok()?;
        let attribute: Symbol<Attribute> = driver.get(b"cuDeviceGetAttribute\0").ok()?;
        let (mut device, mut major, mut minor) = (0, 0, 0);
        let done = init(0) == 0
            && get(&mut device, i32::try_from(index).ok()?) == 0
            && attribute(&mut major, MAJOR, device) == 0
            && attribute(&mut minor, MINOR, device) == 0;
        std::mem::forget(driver); // libtorch uses it too
        done.then_some((major, minor))
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
