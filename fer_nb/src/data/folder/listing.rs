//! Which image files a data set's folders hold.

use std::fs;
use std::path::Path;

use crate::common::{Error, Result};
use crate::emotion::Emotion;

/// The two folders that the root has to have, which are also the `usage` of their images.
pub(super) const USAGES: [&str; 2] = ["train", "test"];

/// One image file that was found, not yet opened.
pub(super) struct Found {
    /// Path below the root, with slashes.
    pub(super) source: String,
    pub(super) usage: &'static str,
    pub(super) emotion: Emotion,
}

const LAYOUT: &str = "Expected are train/<class> and test/<class> with images in each of angry, \
                      disgust, fear, happy, neutral, sad and surprise; see data/README.md";

const ALL_SEVEN: &str = "Expected are all seven of angry, disgust, fear, happy, neutral, sad and \
                         surprise, in train and in test.";

/// Finds the image files below `root`: classes in index order, files in byte order of their names; and
/// the paths of whatever else lies there, which is passed over.
///
/// # Errors
/// [`Error::Missing`] for the root or a class that is not there; [`Error::File`] for a class that is
/// unknown or holds no image.
pub(super) fn listed(root: &Path) -> Result<(Vec<Found>, Vec<String>)> {
    let (mut files, mut passed_over) = (Vec::new(), Vec::new());
    check_root(root)?;
    for usage in USAGES {
        list_usage(root, usage, &mut files, &mut passed_over)?;
    }
    Ok((files, passed_over))
}

fn check_root(root: &Path) -> Result<()> {
    let metadata = fs::metadata(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::missing("FER2013", root, format!("{LAYOUT}.")),
        _ => Error::io("read", root, error),
    })?;
    if !metadata.is_dir() {
        return Err(Error::file(root, "is not a folder", format!("{LAYOUT}.")));
    }
    let missing: Vec<&str> =
        USAGES.into_iter().filter(|usage| !root.join(usage).is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // The two usual slips: the folder within, and the folder around the one that was meant.
    let hint = if root.join("angry").is_dir() {
        format!("These are class folders: give the folder above. {LAYOUT}.")
    } else {
        format!("{LAYOUT}.")
    };
    Err(Error::file(root, format!("has no folder {}", missing.join(" and no folder ")), hint))
}

/// Adds the image files of `<root>/<usage>` to `files`, and whatever else lies there to `passed_over`.
fn list_usage(
    root: &Path,
    usage: &'static str,
    files: &mut Vec<Found>,
    passed_over: &mut Vec<String>,
) -> Result<()> {
    let folder = root.join(usage);
    let mut present = [false; Emotion::COUNT];
    for (name, kind) in entries(&folder)? {
        // To the letter: the folder is opened by the class's own name below.
        match (kind, Emotion::ALL.into_iter().find(|emotion| emotion.name() == name)) {
            (Kind::File | Kind::Other, _) => passed_over.push(format!("{usage}/{name}")),
            (Kind::Folder, Some(emotion)) => present[emotion.index()] = true,
            (Kind::Folder, None) => {
                return Err(Error::file(
                    folder.join(&name),
                    "is not a class of FER2013",
                    format!(
                        "Class folders are {}: rename it, or move it elsewhere.",
                        Emotion::names().join(", ")
                    ),
                ));
            }
        }
    }
    for emotion in Emotion::ALL {
        let class = folder.join(emotion.name());
        if !present[emotion.index()] {
            return Err(Error::missing(format!("the class folder {emotion}"), &class, ALL_SEVEN));
        }
        let before = files.len();
        for (name, kind) in entries(&class)? {
            let source = format!("{usage}/{emotion}/{name}");
            if kind == Kind::File && is_image_name(&name) {
                files.push(Found { source, usage, emotion });
            } else {
                passed_over.push(source);
            }
        }
        if files.len() == before {
            return Err(Error::file(
                class,
                "holds no .jpg, .jpeg or .png file",
                "Every class needs images in train and in test.",
            ));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File,
    Folder,
    /// A broken link, a pipe: nothing that can be read.
    Other,
}

/// What lies in a folder, in byte order of the names. Hidden files (".DS_Store", "._x.jpg") are no
/// part of the data and never mentioned.
fn entries(folder: &Path) -> Result<Vec<(String, Kind)>> {
    let refused = |error| Error::io("read", folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let mut kind = entry.file_type().map_err(refused)?;
        if kind.is_symlink() {
            // What a link points to counts; only links cost the extra question.
            kind = fs::metadata(entry.path()).map_or(kind, |target| target.file_type());
        }
        let kind = match kind {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        };
        found.push((name, kind));
    }
    found.sort_unstable();
    Ok(found)
}

fn is_image_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}
