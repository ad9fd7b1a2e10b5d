//! Parts of CUDA that linking libtorch does not load, and values that tch does not provide.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, Symbol};
use tch::{Cuda, Device};

/// Major and minor compute capability of a CUDA device, from the driver; `None` if the driver does not report it.
/// libtorch knows it too, but tch does not provide it.
pub(crate) fn compute_capability(index: usize) -> Option<(i32, i32)> {
    type Attribute = unsafe extern "C" fn(*mut i32, i32, i32) -> i32;
    // CUdevice_attribute in the driver's interface
    const MAJOR: i32 = 75;
    const MINOR: i32 = 76;
    ask_driver(index, |driver, device| {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the function has this signature in every version of the CUDA driver's interface, and
        // writes one int to the address it is given.
        let done = unsafe {
            let attribute: Symbol<Attribute> = driver.get(b"cuDeviceGetAttribute\0").ok()?;
            attribute(&mut major, MAJOR, device) == 0 && attribute(&mut minor, MINOR, device) == 0
        };
        done.then_some((major, minor))
    })
}

/// A CUDA device's name, "NVIDIA H200", from the driver; `None` if the driver does not report it.
pub(crate) fn gpu_name(index: usize) -> Option<String> {
    type GetName = unsafe extern "C" fn(*mut u8, i32, i32) -> i32;
    ask_driver(index, |driver, device| {
        let mut name = [0u8; 256];
        // SAFETY: the function has this signature in every version of the CUDA driver's interface, and writes at
        // most the given number of bytes, the last of which is 0.
        let done = unsafe {
            let get_name: Symbol<GetName> = driver.get(b"cuDeviceGetName\0").ok()?;
            get_name(name.as_mut_ptr(), name.len() as i32, device) == 0
        };
        let name = std::ffi::CStr::from_bytes_until_nul(&name).ok().filter(|_| done)?;
        Some(name.to_string_lossy().into_owned())
    })
}

/// Calls `ask` with the CUDA driver and its handle of a device; `None` if the device does not exist.
fn ask_driver<T>(index: usize, ask: impl FnOnce(&Library, i32) -> Option<T>) -> Option<T> {
    type Init = unsafe extern "C" fn(u32) -> i32;
    type Get = unsafe extern "C" fn(*mut i32, i32) -> i32;
    // SAFETY: the two functions have these signatures in every version of the CUDA driver's interface,
    // and the second writes one int to the address it is given.
    let (driver, device) = unsafe {
        let driver = Library::open(Some("libcuda.so.1"), RTLD_LAZY).ok()?;
        let mut device = 0;
        let init: Symbol<Init> = driver.get(b"cuInit\0").ok()?;
        let get: Symbol<Get> = driver.get(b"cuDeviceGet\0").ok()?;
        if init(0) != 0 || get(&mut device, i32::try_from(index).ok()?) != 0 {
            return None;
        }
        (driver, device)
    };
    let answer = ask(&driver, device);
    std::mem::forget(driver); // libtorch uses it too
    answer
}

/// Opens libtorch_cuda, which then registers itself. The linker drops this library because no symbol refers to it,
/// and libtorch then finds no GPU. If it can't be opened, CUDA is not available; returns the reason.
pub(crate) fn load_cuda() -> String {
    open_for_good("libtorch_cuda.so".as_ref())
}

fn open_for_good(library: &std::ffi::OsStr) -> String {
    // SAFETY: opening a library of libtorch runs its initialisers, as linking would; the handle is leaked on
    // purpose, because registered kernels must stay for the lifetime of the process.
    match unsafe { Library::open(Some(library), RTLD_LAZY | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            String::new()
        }
        Err(error) => error.to_string(),
    }
}

/// cuDNN compiles some convolutions when they are first needed. Its compiler looks for one of its libraries by name
/// only, and finds it if the library is already open; Python's torch opens both too. If this fails, cuDNN uses
/// other convolutions.
pub(crate) fn load_compiler() {
    for library in compiler_libraries() {
        open_for_good(library.as_os_str());
    }
}

/// The runtime compiler's libraries, the builtins first: they lie next to the CUDA runtime that libtorch has
/// loaded.
fn compiler_libraries() -> Vec<std::path::PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let runtime = maps.lines().find_map(|line| {
        let path = line.find('/').map(|start| std::path::Path::new(&line[start..]))?;
        path.file_name()?.to_str()?.starts_with("libcudart.so").then(|| path.to_path_buf())
    });
    let Some(folder) = runtime.as_deref().and_then(std::path::Path::parent) else {
        return Vec::new();
    };
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let ours =
                name.starts_with("libnvrtc-builtins.so.") || name.starts_with("libnvrtc.so.");
            ours && !name.contains(".alt.")
        })
        .collect();
    found.sort(); // "libnvrtc-builtins" before "libnvrtc."
    found
}

/// While this value lives, cuDNN finds the fastest algorithm for each new convolution by timing them.
#[derive(Debug)]
pub(crate) struct ConvolutionTrials(());

impl ConvolutionTrials {
    /// Switches it on for a CUDA device; has no effect for another.
    pub(crate) fn on(device: Device) -> Option<Self> {
        device.is_cuda().then(|| {
            Cuda::cudnn_set_benchmark(true);
            Self(())
        })
    }
}

impl Drop for ConvolutionTrials {
    fn drop(&mut self) {
        Cuda::cudnn_set_benchmark(false);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_part_is_opened_before_it() {
        tch::get_num_threads(); // loads libtorch, and the CUDA runtime if it has one
        let names: Vec<_> = compiler_libraries()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        match &names[..] {
            [] => {} // a libtorch for CPUs only
            [part, whole] => {
                assert!(part.starts_with("libnvrtc-builtins.so."), "{names:?}");
                assert!(whole.starts_with("libnvrtc.so."), "{names:?}");
            }
            _ => panic!("{names:?}"),
        }
    }
}
