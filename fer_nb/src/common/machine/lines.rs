//! Lines on stdout, for a person who watches.

use std::io::Write;

/// Prints a line at once. A reader that went away (`fer train | head`, or a `tee` that got the same
/// Ctrl-C) must not end a training.
pub(crate) fn print_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Whether a notebook's kernel passes on at once what is printed, and can show outputs while a cell
/// runs. The kernel says so.
pub(crate) fn notebook_is_live() -> bool {
    std::env::var("FER_LIVE_OUTPUT").is_ok_and(|value| value == "1")
}
