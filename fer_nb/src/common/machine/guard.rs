//! Panics of other crates, as values.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of `work`, or the message of its panic: for crates that may panic on untrusted input. State that
/// `work` has changed must not be used after a panic.
///
/// # Errors
/// The panic's message.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| 7), Ok(7));
        let index = std::hint::black_box(3);
        assert_eq!(guarded(|| assert!(index < 3, "too far")), Err("too far".into()));
        assert!(guarded(|| [1, 2][index]).unwrap_err().contains("out of bounds"));
    }
}
