//! Whether files are images, by their names and by what they begin with.

use std::path::{Path, PathBuf};

use crate::common::file_kind::FileKind;

/// Whether a file is called as an image that is read.
pub(super) fn is_called_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let known = ["jpg", "jpeg", "jfif", "png", "webp", "bmp"];
    extension.is_some_and(|is| known.iter().any(|known| is.eq_ignore_ascii_case(known)))
}

/// Whether one of the first files is an image, by its content or by its name.
pub(super) fn has_image(root: &Path, files: &[PathBuf]) -> bool {
    const LOOKED_AT: usize = 10;
    files.iter().take(LOOKED_AT).any(|path| {
        is_called_image(path) || FileKind::at(&root.join(path)).is_some_and(FileKind::is_image)
    })
}
