//! [`Runtime`]: onnxruntime-web, which the set-up brings through npm.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Error, Result};
use crate::project::built;

/// Its folder below `build/`.
const FOLDER: &str = "onnxruntime-web";
/// What is taken of it, and the name in the page's folder. Some hosts know `.mjs` as no script.
const PARTS: [(&str, &str); 2] = [
    ("dist/ort.wasm.bundle.min.mjs", "onnxruntime/ort.js"),
    ("dist/ort-wasm-simd-threaded.wasm", "onnxruntime/ort.wasm"),
];

/// onnxruntime-web as npm has it.
pub(super) struct Runtime {
    folder: PathBuf,
    /// The version that its package.json names.
    pub(super) version: String,
}

impl Runtime {
    /// Its files in the page's folder.
    pub(super) const NAMES: [&'static str; 2] = [PARTS[0].1, Self::WASM];
    /// The largest of them.
    pub(super) const WASM: &'static str = PARTS[1].1;

    /// Looks for it where the set-up puts it.
    ///
    /// # Errors
    /// [`Error::Missing`] with the command that brings it.
    pub(super) fn find() -> Result<Self> {
        let folder = built(FOLDER);
        let is_whole = PARTS.iter().all(|(name, _)| folder.join(name).is_file());
        match version(&folder) {
            Some(version) if is_whole => Ok(Self { folder, version }),
            _ => {
                let what = "onnxruntime-web, which --format web needs,";
                Err(Error::missing(what, folder, hint()))
            }
        }
    }

    /// Copies what the page needs of it.
    pub(super) fn copy_to(&self, page: &Path) -> Result<()> {
        for (from, to) in PARTS {
            let (from, to) = (self.folder.join(from), page.join(to));
            let folder = to.parent().unwrap_or(page);
            fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
            let bytes = fs::read(&from).map_err(|error| Error::io("read", &from, error))?;
            fs::write(&to, bytes).map_err(|error| Error::io("write", &to, error))?;
        }
        Ok(())
    }
}

/// What brings it: npm first, if there is none.
fn hint() -> &'static str {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|folder| folder.join("npm").is_file()) {
        true => "Run `make setup`, which fetches it through npm.",
        false => "Install npm (`sudo apt install npm`), then run `make setup`, which fetches it.",
    }
}

fn version(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(package.get("version")?.as_str()?.to_string())
}
