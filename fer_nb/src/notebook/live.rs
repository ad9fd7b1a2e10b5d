//! Outputs that appear and change while a cell runs.
//!
//! evcxr displays a cell's value after the cell has ended. This project's kernel also reads outputs from stdout: a
//! line that starts with an escape sequence for applications (APC, ECMA-48 8.3.2) and contains the kernel's secret
//! and JSON is an output, and is never displayed as text. An output has an id, by which any later cell can change
//! it.

use crate::common::machine::{for_kernel, notebook_is_live, print_line};
use crate::notebook::Formats;

/// The MIME type by which a cell's last value tells the kernel its id.
const ID_MIME: &str = "application/vnd.fer-nb.display-id";

/// The formats of a changeable output, by its id.
pub(super) fn named(id: &str, html: &str, text: &str) -> Formats {
    let formats = Formats::html(html, text);
    if notebook_is_live() { formats.and(ID_MIME, id) } else { formats }
}

/// Displays an output, as HTML and as text: it replaces every output of this id in any cell, or appears in the
/// running cell if there is none. It has no effect without this project's kernel, in a terminal or in plain evcxr.
pub(super) fn show(id: &str, html: &str, text: &str) {
    if notebook_is_live() {
        print_line(&line("show", Some(id), &Formats::html(html, text)));
    }
}

/// Displays an output in the running cell, below its other outputs.
pub(super) fn display(formats: &Formats) {
    let id = formats.parts().find(|(mime, _)| *mime == ID_MIME).map(|(_, id)| id);
    print_line(&line("display", id, formats));
}

/// Tells the kernel that the cell has failed, with the reason.
pub(super) fn fail(reason: &str) {
    print_line(&line("fail", None, &Formats::text(reason)));
}

/// The line for the kernel.
fn line(action: &str, id: Option<&str>, formats: &Formats) -> String {
    let parts = formats.parts().filter(|(mime, _)| *mime != ID_MIME);
    let data: serde_json::Map<String, serde_json::Value> =
        parts.map(|(mime, content)| (mime.to_string(), content.into())).collect();
    let message = serde_json::json!({ "action": action, "id": id, "data": data });
    for_kernel(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_nothing_in_it_can_end() {
        let html = "<b>ä</b>\n\x1b\\ \"x\"";
        let line = line("show", Some("curves-1"), &Formats::html(html, "two\nlines"));
        assert_eq!(line.lines().count(), 1);
        let body = line.strip_prefix("\x1b_fer_nb;;").unwrap().strip_suffix("\x1b\\").unwrap();
        assert!(!body.contains('\x1b'));
        let message: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(message["action"], "show");
        assert_eq!(message["id"], "curves-1");
        assert_eq!(message["data"]["text/html"], html);
        assert_eq!(message["data"]["text/plain"], "two\nlines");
    }
}
