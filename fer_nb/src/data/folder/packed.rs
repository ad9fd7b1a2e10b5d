//! Data that is still packed, or in a file of another kind: named, with the command that helps for each.

use std::path::{Path, PathBuf};

use super::inside::Inside;
use crate::common::file_kind::FileKind;
use crate::common::way_out::Wanted;
use crate::common::{Error, text};

/// At most so many files of a folder, and so many folders, are looked at.
const LOOKED_AT: usize = 500;

/// The error for folders in which no data was found, if they hold files that data may be packed in, or nothing but
/// files of known kinds; `None` else. `root` is what was given.
pub(super) fn packed(root: &Path, folders: &[PathBuf]) -> Option<Error> {
    let mut packed = Vec::new();
    let (mut seen, mut others) = (0, Vec::new());
    for folder in folders.iter().take(LOOKED_AT) {
        let Ok(inside) = Inside::of(folder) else { continue };
        for name in inside.files.iter().take(LOOKED_AT) {
            let path = folder.join(name);
            seen += 1;
            match FileKind::at(&path) {
                Some(kind) if kind.may_hold_data() => packed.push((path, kind)),
                Some(kind) if !kind.is_image() && has_way_out(&path, kind) => {
                    others.push((path, kind))
                }
                _ => {}
            }
        }
    }
    // Of many files a page or a text is no reason.
    let found = if packed.is_empty() && others.len() == seen { others } else { packed };
    match &found[..] {
        [] => None,
        [(path, kind)] => {
            Some(Error::file(path, format!("is {kind}"), kind.way_out(path, Wanted::Data)))
        }
        several => Some(several_files(root, several)),
    }
}

fn has_way_out(path: &Path, kind: FileKind) -> bool {
    !kind.way_out(path, Wanted::Data).is_empty()
}

/// The error for several files, with a command for each.
fn several_files(root: &Path, files: &[(PathBuf, FileKind)]) -> Error {
    const MOST: usize = 10;
    let name = |(path, kind): &(PathBuf, FileKind)| {
        let path = path.strip_prefix(root).unwrap_or(path);
        format!("{} ({kind})", text::shown(path))
    };
    let names: Vec<String> = files.iter().map(name).collect();
    let problem = format!(
        "has neither folders of classes nor a table of images, but {}: {}",
        text::plural(files.len(), "file"),
        text::list(&names)
    );
    let commands: Vec<String> =
        files.iter().take(MOST).filter_map(|(path, kind)| kind.unpack(path)).collect();
    let mut hint = match commands.is_empty() {
        true => String::new(),
        false => format!("Unpack each, and give the folder again: {}.", commands.join("; ")),
    };
    // One sentence for each other kind.
    let mut kinds: Vec<FileKind> = Vec::new();
    for (path, kind) in files.iter().filter(|(_, kind)| !kind.is_archive()) {
        if !kinds.contains(kind) {
            kinds.push(*kind);
            let space = if hint.is_empty() { "" } else { " " };
            hint += &format!("{space}{}", kind.way_out(path, Wanted::Data));
        }
    }
    Error::file(root, problem, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Tree;

    #[test]
    fn each_packed_file_gets_its_command() {
        let tree = Tree::empty();
        let said = || packed(tree.path(), &[tree.path().into()]).map(|error| error.to_string());
        assert_eq!(said(), None);
        tree.write("page.html", b"<!doctype html>");
        assert!(said().unwrap().contains("signed in"));
        tree.write("README", b"text");
        assert_eq!(said(), None);
        tree.write("a.zip", b"PK\x03\x04train/angry/1.jpg");
        assert!(said().unwrap().contains("a.zip: is a zip archive. Unpack it: unzip"));
        tree.write("b c.7z", b"7z\xbc\xaf\x27\x1c");
        tree.write("d.parquet", b"PAR1....");
        let said = said().unwrap();
        for part in ["a.zip -d /", "/a; 7z x '", "b c.7z (a 7z archive)", "pandas.read_parquet"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
