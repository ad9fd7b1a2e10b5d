//! What lies in a folder.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::programs::is_programs;
use crate::common::litter::is_litter;
use crate::common::{Error, Result, text};
use crate::data::options::{Class, DataOptions, number};
use crate::data::part::{Part, Usage};

/// What lies in a folder, in byte order of the names.
pub(super) struct Inside {
    pub(super) folders: Vec<OsString>,
    pub(super) files: Vec<OsString>,
    /// Folders that programs made, which hold no data.
    pub(super) programs: Vec<OsString>,
    /// Entries that are a system's.
    pub(super) litter: usize,
    /// Links that lead nowhere, which may stand for folders as well as for files.
    pub(super) dead: Vec<OsString>,
    /// Pipes, sockets and devices.
    pub(super) special: Vec<OsString>,
}

impl Inside {
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let refused = |error| Error::io("read", folder, error);
        let mut inside = Self {
            folders: Vec::new(),
            programs: Vec::new(),
            files: Vec::new(),
            litter: 0,
            dead: Vec::new(),
            special: Vec::new(),
        };
        for entry in fs::read_dir(folder).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name();
            if is_litter(&name) {
                inside.litter += 1;
                continue;
            }
            let mut kind = entry.file_type().map_err(refused)?;
            if kind.is_symlink() {
                // What a link points to counts; only links cost the extra question.
                kind = fs::metadata(entry.path()).map_or(kind, |target| target.file_type());
            }
            match kind {
                kind if kind.is_dir() => inside.folders.push(name),
                kind if kind.is_file() => inside.files.push(name),
                kind if kind.is_symlink() => inside.dead.push(name),
                _ => inside.special.push(name),
            }
        }
        let (programs, others) = std::mem::take(&mut inside.folders)
            .into_iter()
            .partition(|name| is_programs(&folder.join(name)));
        (inside.programs, inside.folders) = (programs, others);
        let bytes =
            |one: &OsString, other: &OsString| one.as_encoded_bytes().cmp(other.as_encoded_bytes());
        let Self { folders, programs, files, dead, special, .. } = &mut inside;
        for names in [folders, programs, files, dead, special] {
            names.sort_unstable_by(bytes);
        }
        Ok(inside)
    }

    /// The folders that are parts, with what they are for.
    pub(super) fn parts(&self) -> Vec<(&OsString, Usage)> {
        let names: Vec<Option<&str>> = self.folders.iter().map(|name| name.to_str()).collect();
        let parts = Part::of_siblings(&names);
        self.folders.iter().zip(parts).filter_map(|(name, part)| Some((name, part?))).collect()
    }

    /// Whether a folder is named after a class, or most are numbered.
    pub(super) fn has_class(&self, options: &DataOptions) -> bool {
        let names = || self.folders.iter().map(text::shown);
        let numbers = names().filter(|name| number(name).is_some()).count();
        names().any(|name| matches!(options.class(&name, None), Class::Is(_)))
            || (numbers >= 2 && 2 * numbers > self.folders.len())
    }
}

/// How many files lie below a folder. Links to folders are not followed, and a huge tree is not counted to its end.
pub(super) fn below(folder: &Path) -> usize {
    const MOST: usize = 200_000;
    let (mut files, mut folders) = (0, vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop().filter(|_| files < MOST) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => files += 1,
            }
        }
    }
    files
}
