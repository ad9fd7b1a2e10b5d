//! Calls of the C++ files in this folder, with gradients by libtorch's autograd.

use std::ffi::{CStr, c_char, c_void};

use tch::{TchError, Tensor};

use crate::common::Result;

/// The tensor that a C++ function writes to the given address, or `None` if it does not support its arguments.
///
/// # Errors
/// The function's message, as an error of libtorch.
///
/// # Safety
/// `function` writes null or an `at::Tensor*` without another owner to the address, and returns null or a string
/// allocated with malloc that nothing else frees.
pub(super) unsafe fn call(
    function: impl FnOnce(*mut *mut c_void) -> *mut c_char,
) -> Result<Option<Tensor>> {
    let mut out = std::ptr::null_mut();
    let message = function(&mut out);
    // SAFETY: promised by the caller. The message is copied before it is freed.
    unsafe {
        if !message.is_null() {
            let text = CStr::from_ptr(message).to_string_lossy().into_owned();
            libc::free(message.cast());
            return Err(TchError::Torch(text).into());
        }
        Ok((!out.is_null()).then(|| Tensor::from_ptr(out.cast())))
    }
}

/// The `at::Tensor*` of a tensor, for a function that only reads it.
pub(super) fn address(tensor: &Tensor) -> *const c_void {
    tensor.as_ptr().cast()
}
