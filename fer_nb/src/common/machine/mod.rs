//! The machine: CUDA, memory, threads, signals, the terminal, and panics of other crates.

mod cuda;
mod file_size;
mod guard;
mod interrupt;
mod lines;
mod memory;
mod threads;

pub(crate) use cuda::ConvolutionTrials;
pub(crate) use cuda::{compute_capability, gpu_name, load_compiler, load_cuda};
pub use file_size::fail_large_writes;
pub(crate) use guard::guarded;
pub use interrupt::Interrupt;
pub(crate) use lines::{for_kernel, notebook_is_live, print_line, print_status};
#[cfg(feature = "serve")]
pub(crate) use memory::give_back_freed_memory;
pub use memory::{keep_freed_memory, resident_memory};
pub(crate) use threads::fix_threads;
