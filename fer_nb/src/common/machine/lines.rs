//! Lines on stdout, for a person who is watching.

use std::io::Write;
use std::sync::OnceLock;

/// Prints a line at once. A closed pipe (`fer train | head`, or a `tee` that received the same Ctrl-C) must not end
/// a training.
pub(crate) fn print_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The secret that the notebook's kernel shares with this process, if a kernel started it. A printed file name or
/// downloaded text does not contain it, so it cannot imitate a message.
fn secret() -> Option<&'static str> {
    static SECRET: OnceLock<Option<String>> = OnceLock::new();
    SECRET
        .get_or_init(|| std::env::var("FER_LIVE_OUTPUT").ok().filter(|value| !value.is_empty()))
        .as_deref()
}

/// Whether a notebook's kernel displays printed text at once, and can show outputs while a cell runs.
pub(crate) fn notebook_is_live() -> bool {
    secret().is_some()
}

/// Prints progress: in a notebook as a line that the next one replaces, otherwise as a permanent line.
pub(crate) fn print_status(text: &str) {
    if notebook_is_live() {
        let data = serde_json::json!({ "text/plain": text });
        print_line(&for_kernel(&serde_json::json!({ "action": "progress", "data": data })));
    } else {
        print_line(text);
    }
}

/// The line with a message for a notebook's kernel. JSON escapes control characters, so the message can neither
/// break the line nor end the sequence.
pub(crate) fn for_kernel(message: &serde_json::Value) -> String {
    format!("\x1b_fer_nb;{};{message}\x1b\\", secret().unwrap_or_default())
}
