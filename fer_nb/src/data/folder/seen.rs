//! What lies at a path that is no data set, in words: so that an error says what was found there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::common::litter::is_litter;
use crate::common::text;

/// What data is expected to look like.
pub(super) const LAYOUT: &str = "Expected are folders of images named after the classes (angry, disgust, fear, \
                                 happy, neutral, sad, surprise), below train and test or not, or a table such \
                                 as fer2013.csv; see data/README.md.";

/// What takes a name for a class.
pub(super) const MAPPED: &str = "Other names for classes: --map NAME=CLASS, or FER_MAP.";

/// At most so many folders around the data are looked through.
const WRAPPED: usize = 4;
/// How many names are listed.
const LISTED: usize = 5;

/// "found in KDEF: folders: AF01, AF02; files: 19 .jpg, 1 .csv, the first AF01AFS.jpg". Folders that hold nothing but
/// one more folder are passed through.
pub(super) fn seen(root: &Path) -> String {
    let mut folder = root.to_path_buf();
    for _ in 0..WRAPPED {
        match entries(&folder) {
            (folders, files) if folders.len() == 1 && files.is_empty() => folder.push(&folders[0]),
            _ => break,
        }
    }
    let (folders, files) = entries(&folder);
    let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
    let place = match below.as_os_str().is_empty() {
        true => String::new(),
        false => format!(" in {}", text::shown(below)),
    };
    let mut found = Vec::new();
    if !folders.is_empty() {
        let names: Vec<String> = folders.iter().take(LISTED).map(text::shown).collect();
        let more = match folders.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        found.push(format!("folders: {}{more}", names.join(", ")));
    }
    if !files.is_empty() {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for name in &files {
            let extension = Path::new(name).extension().unwrap_or_default();
            *kinds.entry(text::shown(extension).to_lowercase()).or_default() += 1;
        }
        let mut kinds: Vec<(String, usize)> = kinds.into_iter().collect();
        kinds.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        let others: usize = kinds.iter().skip(LISTED).map(|(_, count)| count).sum();
        let listed = kinds.iter().take(LISTED).map(|(kind, count)| match kind.as_str() {
            "" => format!("{} without extension", text::count(*count)),
            kind => format!("{} .{kind}", text::count(*count)),
        });
        let others = (others > 0).then(|| format!("{} others", text::count(others)));
        let kinds: Vec<String> = listed.chain(others).collect();
        let first = files.first().map(text::shown).unwrap_or_default();
        found.push(format!("files: {}, the first {first}", kinds.join(", ")));
    }
    match found.is_empty() {
        true => format!("there is nothing{place}"),
        false => format!("found{place}: {}", found.join("; ")),
    }
}

/// Names of folders and of files, in byte order, without what systems leave behind.
fn entries(folder: &Path) -> (Vec<OsString>, Vec<OsString>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if is_litter(&name) {
            continue;
        }
        let names = if entry.path().is_dir() { &mut folders } else { &mut files };
        names.push(name);
    }
    folders.sort_unstable();
    files.sort_unstable();
    (folders, files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Tree;

    #[test]
    fn folders_and_kinds_of_files_are_named() {
        let tree = Tree::empty();
        assert_eq!(seen(tree.path()), "there is nothing");
        for name in ["AF01AFS.JPG", "AF01ANS.jpg", "labels.csv", "README"] {
            tree.write(&format!("kdef/images/{name}"), b"x");
        }
        assert_eq!(
            seen(tree.path()),
            "found in kdef/images: files: 2 .jpg, 1 without extension, 1 .csv, the first AF01AFS.JPG"
        );
        for number in 1..=7 {
            tree.write(&format!("kdef/images/AF{number:02}/a.jpg"), b"x");
        }
        let text = seen(&tree.path().join("kdef/images"));
        assert!(
            text.starts_with("found: folders: AF01, AF02, AF03, AF04, AF05 and 2 more; "),
            "{text}"
        );
    }
}
