//! A folder with one page that finds and classifies faces in the browser alone: the detector and a network as ONNX,
//! onnxruntime-web, and what connects them. Any host of files serves it; nothing is sent and nothing is loaded from
//! elsewhere.

mod model;
mod runtime;

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use self::model::{File, Model};
use self::runtime::Runtime;
use super::ModelCard;
use super::detector::FaceDetector;
use super::export::Exported;
use super::page;
use crate::common::files::TEMPORARY_PREFIX;
use crate::common::{Error, Result};
use crate::evaluate::Threshold;

/// The page's folder within that of an export.
pub(super) const FOLDER: &str = "web";
/// What the page reads first. A folder that has it was written by an export.
const MODEL: &str = "model.json";

/// The page itself.
const INDEX: &str = include_str!("page/index.html");
/// Its other files, in addition to those of [`page::FILES`].
const FILES: [(&str, &str); 25] = [
    ("web.css", include_str!("page/web.css")),
    ("licences.txt", include_str!("page/licences.txt")),
    ("opened.js", include_str!("page/opened.js")),
    ("app.js", include_str!("page/app.js")),
    ("camera.js", include_str!("page/camera.js")),
    ("card.js", include_str!("page/card.js")),
    ("engine.js", include_str!("page/engine.js")),
    ("keeper.js", include_str!("page/keeper.js")),
    ("markdown.js", include_str!("page/markdown.js")),
    ("offline.js", include_str!("page/offline.js")),
    ("tracks.js", include_str!("page/tracks.js")),
    ("worker/worker.js", include_str!("page/worker/worker.js")),
    ("worker/detector.js", include_str!("page/worker/detector.js")),
    ("worker/face.js", include_str!("page/worker/face.js")),
    ("worker/faces.js", include_str!("page/worker/faces.js")),
    ("worker/light.js", include_str!("page/worker/light.js")),
    ("worker/jpeg/color.js", include_str!("page/worker/jpeg/color.js")),
    ("worker/jpeg/exif.js", include_str!("page/worker/jpeg/exif.js")),
    ("worker/jpeg/huffman.js", include_str!("page/worker/jpeg/huffman.js")),
    ("worker/jpeg/idct.js", include_str!("page/worker/jpeg/idct.js")),
    ("worker/jpeg/jpeg.js", include_str!("page/worker/jpeg/jpeg.js")),
    ("worker/jpeg/scan.js", include_str!("page/worker/jpeg/scan.js")),
    ("worker/jpeg/zigzag.js", include_str!("page/worker/jpeg/zigzag.js")),
    ("worker/photo.js", include_str!("page/worker/photo.js")),
    ("worker/pixels.js", include_str!("page/worker/pixels.js")),
];
/// The networks' places in the folder.
const DETECTOR: &str = "detector.onnx";
const NETWORK: &str = "network.onnx";

/// Name and content of the files that are the same in each export.
fn files() -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
    let fixed = page::FILES.into_iter().chain(FILES);
    let index = ("index.html", Cow::Owned(page::whole(INDEX)));
    std::iter::once(index).chain(fixed.map(|(name, text)| (name, Cow::Borrowed(text))))
}

/// Whether the page can be written into the folder of an export.
///
/// # Errors
/// [`Error::Missing`] without onnxruntime-web; [`Error::WouldOverwrite`] if the page's folder holds something else.
pub(super) fn check(to: &Path) -> Result<()> {
    Runtime::find()?;
    let folder = to.join(FOLDER);
    let is_empty = || fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_none());
    match folder.symlink_metadata() {
        Ok(_) if !folder.join(MODEL).is_file() && !is_empty() => {
            let hint = "Give another folder, or move it away.";
            Err(Error::would_overwrite(&folder, "something else than an exported page", hint))
        }
        _ => Ok(()),
    }
}

/// Writes the page into the folder of an export, in place of an earlier one, and returns its size in bytes. Weights
/// are stored in float16; `trained_on` is the title of the network's training data.
///
/// # Errors
/// As [`check`]; [`Error::Io`] if a file can't be written; as [`Exported::save_onnx`].
pub(super) fn write(
    to: &Path,
    exported: &Exported<'_>,
    threshold: Threshold,
    card: &ModelCard,
    trained_on: &str,
) -> Result<u64> {
    check(to)?;
    let failed = |error| Error::io("write", to, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    // As any folder that the user makes; those above it, too.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let temporary = builder.tempdir_in(to).map_err(failed)?;
    let page = temporary.path().join(FOLDER);
    for (name, text) in files() {
        write_file(&page, name, text.as_bytes())?;
    }
    let runtime = Runtime::find()?;
    runtime.copy_to(&page)?;
    write_file(&page, DETECTOR, &FaceDetector::onnx()?)?;
    exported.save_onnx(page.join(NETWORK), true)?;
    let names = files().map(|(name, _)| name);
    let names = names.chain(Runtime::NAMES).chain([DETECTOR, NETWORK]);
    let files = names.map(|name| File::of(&page, name)).collect::<Result<Vec<_>>>()?;
    let model = Model::new(exported, threshold, card, trained_on, &runtime, files)?;
    let json = model.to_json()?;
    write_file(&page, MODEL, json.as_bytes())?;
    replace(&page, &to.join(FOLDER), temporary.path())?;
    Ok(model.bytes() + json.len() as u64)
}

fn write_file(page: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = page.join(name);
    let folder = path.parent().unwrap_or(page);
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    fs::write(&path, bytes).map_err(|error| Error::io("write", &path, error))
}

/// Puts a folder in the place of another one, which goes with the temporary one.
fn replace(page: &Path, place: &Path, temporary: &Path) -> Result<()> {
    let before = temporary.join("before");
    match fs::rename(place, &before) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("replace", place, error));
        }
        _ => {}
    }
    fs::rename(page, place).map_err(|error| {
        // What was there is better than nothing.
        let _ = fs::rename(&before, place);
        Error::io("write", place, error)
    })
}

/// Removes the page of an earlier export, whose weights are other ones.
pub(super) fn remove(to: &Path) -> Result<()> {
    let folder = to.join(FOLDER);
    let removed = match folder.join(MODEL).is_file() {
        // Of a link only the link is this export's.
        true if folder.is_symlink() => fs::remove_file(&folder),
        true => fs::remove_dir_all(&folder),
        false => return Ok(()),
    };
    removed.map_err(|error| Error::io("remove", &folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join(FOLDER);
        fs::create_dir(&page).unwrap();
        fs::write(page.join("homework.txt"), "mine").unwrap();
        let refused = check(folder.path());
        // Without onnxruntime-web that is said first.
        assert!(
            matches!(refused, Err(Error::WouldOverwrite { .. } | Error::Missing { .. })),
            "{refused:?}"
        );
        remove(folder.path()).unwrap();
        assert!(page.join("homework.txt").is_file());
        fs::write(page.join(MODEL), "{}").unwrap();
        remove(folder.path()).unwrap();
        assert!(!page.exists());
    }

    #[test]
    fn every_file_of_the_page_is_exported_and_names_only_such_files() {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/deploy");
        let known =
            |name: &str| files().any(|(file, _)| file == name) || Runtime::NAMES.contains(&name);
        let folders =
            [("web/page", ""), ("web/page", "worker"), ("web/page", "worker/jpeg"), ("page", "")];
        for (root, below) in folders {
            let root = deploy.join(root);
            for file in fs::read_dir(root.join(below)).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                let is_part =
                    name.ends_with(".rs") || ["stage.html", "answer.html"].contains(&name);
                assert!(path.is_dir() || is_part || known(name), "{name} is not exported");
            }
        }
        for (name, text) in files() {
            let folder = Path::new(name).parent().unwrap();
            for imported in text.split("from \"./").skip(1) {
                let imported = imported.split('"').next().unwrap();
                let path = folder.join(imported);
                assert!(known(path.to_str().unwrap()), "{name} imports {imported}");
            }
            let elsewhere = text.replace("http://localhost:", "").contains("://");
            assert!(name == "icon.svg" || !elsewhere, "{name} names another host");
        }
    }
}
