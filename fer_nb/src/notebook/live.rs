//! Outputs that show, and change, while a cell runs.
//!
//! evcxr shows a cell's value when the cell has ended. This project's kernel also takes outputs from
//! stdout: a line that begins with an escape sequence for applications (APC, ECMA-48 8.3.2) and holds
//! JSON is an output, and is never shown as text. An output has an id, by which any later cell can
//! change it.

use crate::common::machine::{notebook_is_live, print_line};
use crate::notebook;

/// The type under which a cell's last value tells the kernel its id.
const ID_MIME: &str = "application/vnd.fer-nb.display-id";

/// Shows an output, as HTML and as text: in place of every output of this id, in whichever cell, or in
/// the running cell if there is none. Without this project's kernel, in a terminal or in plain evcxr,
/// nothing happens.
pub(super) fn show(id: &str, html: &str, text: &str) {
    if notebook_is_live() {
        print_line(&line(id, html, text));
    }
}

/// Puts out a cell's last value under an id, as HTML and as text.
pub(super) fn emit(id: &str, html: &str, text: &str) {
    notebook::emit(html, text);
    if notebook_is_live() {
        evcxr_runtime::mime_type(ID_MIME).text(id);
    }
}

/// The line for the kernel. JSON escapes control characters, so it can neither break the line nor end
/// the sequence.
fn line(id: &str, html: &str, text: &str) -> String {
    let message = serde_json::json!({
        "action": "show",
        "id": id,
        "data": { "text/html": html, "text/plain": text },
    });
    format!("\x1b_fer_nb;{message}\x1b\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_nothing_in_it_can_end() {
        let html = "<b>ä</b>\n\x1b\\ \"x\"";
        let line = line("curves-1", html, "two\nlines");
        assert_eq!(line.lines().count(), 1);
        let body = line.strip_prefix("\x1b_fer_nb;").unwrap().strip_suffix("\x1b\\").unwrap();
        assert!(!body.contains('\x1b'));
        let message: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(message["action"], "show");
        assert_eq!(message["id"], "curves-1");
        assert_eq!(message["data"]["text/html"], html);
        assert_eq!(message["data"]["text/plain"], "two\nlines");
    }
}
