//! [`checkpoint_of`]: TensorFlow's checkpoints, which are several files of one name.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::plain_file::PlainFile;

/// What the index of a checkpoint ends with: the number of LevelDB's tables, 0xDB4775248B80FB57.
const END: [u8; 8] = [0x57, 0xFB, 0x80, 0x8B, 0x24, 0x75, 0x47, 0xDB];

/// The checkpoint that a path leads to, without the endings of its files, as TensorFlow calls it: "model.ckpt" for
/// that name alone, for model.ckpt.index, model.ckpt.meta and model.ckpt.data-00000-of-00001; the one in a folder; the
/// variables of a SavedModel. `None` if there is none.
pub(crate) fn checkpoint_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let folder = || path.parent().unwrap_or(Path::new(""));
    if path.is_dir() {
        return in_folder(path);
    }
    if matches!(name.as_str(), "checkpoint" | "saved_model.pb") {
        let folder = folder();
        return in_folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let is_part = matches!(&*ending, "index" | "meta") || ending.starts_with("data-");
    let checkpoint = if is_part { path.with_extension("") } else { path.to_path_buf() };
    is_checkpoint(&checkpoint).then_some(checkpoint)
}

/// The one checkpoint in a folder, or of the SavedModel that it is.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    const MOST: usize = 1000;
    let saved = folder.join("variables").join("variables");
    if is_checkpoint(&saved) {
        return Some(saved);
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
    let paths = entries.map(|entry| entry.path());
    let indices = paths.filter(|path| path.extension().is_some_and(|end| end == "index"));
    let mut found: Vec<PathBuf> =
        indices.map(|path| path.with_extension("")).filter(|path| is_checkpoint(path)).collect();
    // Of several, the last one: ckpt-9 before ckpt-10.
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    found.pop()
}

fn is_checkpoint(path: &Path) -> bool {
    let mut index = OsString::from(path);
    index.push(".index");
    let end = || {
        let mut file = PlainFile::open(Path::new(&index)).ok()?;
        let mut end = [0; END.len()];
        file.seek(SeekFrom::End(-(END.len() as i64))).ok()?;
        file.read_exact(&mut end).ok()?;
        Some(end)
    };
    end() == Some(END)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_of_its_files_leads_to_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(checkpoint_of(folder.path()), None);
        fs::write(at("model.ckpt.index"), [b"names and places", &END[..]].concat()).unwrap();
        fs::write(at("other.index"), b"a book's").unwrap();
        for name in [
            "",
            "model.ckpt",
            "model.ckpt.index",
            "model.ckpt.meta",
            "model.ckpt.data-00000-of-00001",
            "checkpoint",
        ] {
            assert_eq!(checkpoint_of(&at(name)), Some(at("model.ckpt")), "{name}");
        }
        for name in ["other", "other.index", "model", "none/model.ckpt"] {
            assert_eq!(checkpoint_of(&at(name)), None, "{name}");
        }
        fs::create_dir(at("variables")).unwrap();
        fs::copy(at("model.ckpt.index"), at("variables/variables.index")).unwrap();
        assert_eq!(checkpoint_of(&at("saved_model.pb")), Some(at("variables/variables")));
    }
}
