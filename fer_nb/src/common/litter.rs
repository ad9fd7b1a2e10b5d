//! Files and folders that operating systems add to those of users.

use std::ffi::OsStr;

/// Whether a file or folder of this name is a system's, not the user's: hidden ones (".DS_Store", "._x.jpg"),
/// what macOS puts into archives, what file servers, Windows and notebooks leave.
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
