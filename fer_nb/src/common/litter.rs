//! Files and folders that operating systems add to users' folders.

use std::ffi::OsStr;

/// Whether a file or folder of this name belongs to a system, not to the user: hidden files (".DS_Store",
/// "._x.jpg"), macOS' additions to archives, files of file servers, Windows and notebooks.
pub(crate) fn is_litter(name: &OsStr) -> bool {
    const NAMES: [&str; 9] = [
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    ];
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b".")
        || NAMES.iter().any(|known| bytes.eq_ignore_ascii_case(known.as_bytes()))
}
