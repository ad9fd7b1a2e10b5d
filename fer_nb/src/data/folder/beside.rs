//! What lies around data and is passed over, in words.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::inside::{Inside, below};
use crate::common::file_kind::FileKind;
use crate::common::{Result, text};

/// Reasons to pass over entries.
pub(super) const NO_PART: &str = "folders that are no part";
pub(super) const PROGRAMS: &str = "folders of programs: environments, runs, figures";
pub(super) const DEAD: &str = "links that lead nowhere";

/// Folders that were passed over, with the number of files below each.
pub(super) fn folders(root: &Path, paths: &[PathBuf]) -> Vec<String> {
    let one = |path: &PathBuf| {
        let files = text::plural(below(&root.join(path)), "file");
        format!("{} ({files})", text::shown(path))
    };
    paths.iter().map(one).collect()
}

/// Files that were passed over; what data may be packed in is named for what it is.
pub(super) fn files(root: &Path, folder: &Path, names: &[OsString]) -> Vec<String> {
    const LOOKED_AT: usize = 20;
    let one = |(index, name): (usize, &OsString)| {
        let path = folder.join(name);
        let kind = if index < LOOKED_AT { FileKind::at(&root.join(&path)) } else { None };
        match kind.filter(|kind| kind.may_hold_data()) {
            Some(kind) => format!("{} ({kind})", text::shown(&path)),
            None => text::shown(&path),
        }
    };
    names.iter().enumerate().map(one).collect()
}

/// What lies around the data's folder in the path that was given.
pub(in crate::data) struct Around {
    /// The reason for passing it over.
    pub(in crate::data) why: &'static str,
    pub(in crate::data) names: Vec<String>,
    /// Whether it may have been meant to be read.
    pub(in crate::data) is_doubtful: bool,
}

/// What lies around the data's folder in the path that was given.
///
/// # Errors
/// [`Error::Io`] if a folder can't be read.
pub(in crate::data) fn around(given: &Path, data: &Path) -> Result<Vec<Around>> {
    let Ok(way) = data.strip_prefix(given) else { return Ok(Vec::new()) };
    let (mut above, mut found) = (PathBuf::new(), Vec::new());
    for step in way.components() {
        let Component::Normal(step) = step else { continue };
        let inside = Inside::of(&given.join(&above))?;
        let others = inside.folders.iter().filter(|name| *name != step);
        let others: Vec<PathBuf> = others.map(|name| above.join(name)).collect();
        let programs: Vec<PathBuf> = inside.programs.iter().map(|name| above.join(name)).collect();
        let dead = inside.dead.iter().map(|name| text::shown(above.join(name))).collect();
        for (why, names, is_doubtful) in [
            ("folders beside the data", folders(given, &others), true),
            ("files beside the data", files(given, &above, &inside.files), false),
            (DEAD, dead, true),
            (PROGRAMS, folders(given, &programs), false),
        ] {
            found.push(Around { why, names, is_doubtful });
        }
        above.push(step);
    }
    Ok(found)
}

/// The names of the files and folders next to these tables of one folder, escaped.
///
/// # Errors
/// [`Error::Io`] if the folder can't be read.
pub(in crate::data) fn beside(tables: &[PathBuf]) -> Result<Vec<String>> {
    let folder = tables.first().and_then(|table| table.parent());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let inside = Inside::of(folder)?;
    let is_table = |name: &&OsString| tables.iter().any(|table| table.file_name() == Some(name));
    let files = inside.files.iter().filter(|name| !is_table(name)).map(text::shown);
    let others = inside.folders.iter().chain(&inside.programs);
    let others: Vec<PathBuf> = others.map(PathBuf::from).collect();
    Ok(files.chain(folders(folder, &others)).collect())
}

/// The names of other tables in a table's folder, escaped.
pub(in crate::data) fn tables_beside(table: &Path) -> Vec<String> {
    let folder = table.parent().filter(|folder| !folder.as_os_str().is_empty());
    let inside = Inside::of(folder.unwrap_or(Path::new(".")));
    let files = inside.map(|inside| inside.files).unwrap_or_default();
    let is_other = |name: &&OsString| {
        Some(name.as_os_str()) != table.file_name() && is_called_table(Path::new(name))
    };
    files.iter().filter(is_other).map(text::shown).collect()
}

pub(super) fn is_called_table(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ["csv", "tsv"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}
