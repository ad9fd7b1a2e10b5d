//! FER2013 as images in folders: `train/<class>/*.jpg` and `test/<class>/*.jpg`.

mod listing;

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use self::listing::{Found, USAGES, listed};
use super::dataset::{Dataset, Origin, TRAINING_COUNTS};
use super::decode::{Converted, decode};
use super::loaded::{Loaded, compact};
use super::pixels::PIXELS;
use crate::common::{Error, Result, text};
use crate::emotion::Emotion;
use crate::project::Task;

/// Reads all images below `root`, classes in index order and files in byte order of their names.
///
/// A file that can't be decoded is set aside and named in a note; colour and other sizes are
/// converted and counted in a note.
///
/// # Errors
/// [`Error::Missing`] or [`Error::File`], with the folder, if `train` or `test` is missing, if a class
/// is missing, unknown or empty, or if no file can be decoded; [`Error::Stopped`] after the files in
/// flight if the user stops it.
pub(super) fn load(root: &Path) -> Result<Loaded> {
    let (mut files, passed_over) = listed(root)?;
    let task = Task::begin("loading images", Some(files.len()))?;
    let mut images = vec![0u8; files.len() * PIXELS];
    let outcomes: Result<Vec<Result<Converted, String>>> = images
        .par_chunks_exact_mut(PIXELS)
        .zip(&files)
        .with_min_len(16)
        .map(|(out, file)| {
            let bytes = fs::read(root.join(&file.source)).map_err(|error| error.to_string());
            let outcome = bytes.and_then(|bytes| decode(&bytes, out));
            task.step(1)?;
            Ok(outcome)
        })
        .collect();
    let outcomes = outcomes?;

    let notes = notes(&files, &outcomes, &passed_over);
    let keep: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    compact(&mut images, &keep);
    let total = files.len();
    let mut keep = keep.into_iter();
    files.retain(|_| keep.next().unwrap_or(false));
    check_classes(root, total, &files, &outcomes)?;

    let labels: Vec<u8> = files.iter().map(|file| file.emotion.index() as u8).collect();
    let usages: Vec<&'static str> = files.iter().map(|file| file.usage).collect();
    let is_test = usages.iter().map(|usage| *usage == "test").collect();
    let sources: Vec<String> = files.into_iter().map(|file| file.source).collect();
    let origin = origin(root, &sources, &labels);
    let dataset = Dataset::new(images, labels, sources, usages, origin)?;
    Ok(Loaded { dataset, is_test, notes })
}

/// The source of the images. A folder is treated as FER2013 if most of its file names match FER2013's
/// pattern ("Training_3908.jpg"), or if each class has as many training images, since the set is also
/// distributed with other names.
fn origin(root: &Path, sources: &[String], labels: &[u8]) -> Origin {
    let named = sources.iter().filter(|source| {
        let file = source.rsplit('/').next().unwrap_or_default();
        NAMES.iter().any(|name| file.starts_with(name))
    });
    let mut counts = [0; Emotion::COUNT];
    for (_, label) in sources.iter().zip(labels).filter(|(source, _)| source.starts_with("train/"))
    {
        if let Some(count) = counts.get_mut(usize::from(*label)) {
            *count += 1;
        }
    }
    if 2 * named.count() > sources.len() || counts == TRAINING_COUNTS {
        return Origin::Folder(root.to_path_buf());
    }
    // "." has no name of its own.
    let whole = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|c| !c.is_control()).take(TITLE_LENGTH).collect();
    let name = if name.is_empty() { "custom images".into() } else { name };
    Origin::Custom { path: root.to_path_buf(), name }
}

/// The beginnings of FER2013's file names, by Kaggle's column Usage.
const NAMES: [&str; 3] = ["Training_", "PublicTest_", "PrivateTest_"];

/// The most characters of a folder's name that a figure's title has room for.
const TITLE_LENGTH: usize = 32;

/// Notes on files that were set aside, converted or passed over, in sentences.
fn notes(
    files: &[Found],
    outcomes: &[Result<Converted, String>],
    passed_over: &[String],
) -> Vec<String> {
    let all = || files.iter().zip(outcomes);
    let bad = |(file, outcome): (&Found, &Result<_, String>)| {
        Some(format!("{} ({})", file.source, outcome.as_ref().err()?))
    };
    let bad: Vec<String> = all().filter_map(bad).collect();
    let converted = |how: fn(&Converted) -> bool| -> Vec<String> {
        let files = all().filter(|(_, outcome)| outcome.as_ref().is_ok_and(how));
        files.map(|(file, _)| file.source.clone()).collect()
    };
    let (colored, sized) = (converted(|how| how.color), converted(|how| how.size));
    let total = text::count(files.len());
    let images = |names: &[String]| text::plural(names.len(), "image");
    let entries = text::plural(passed_over.len(), "entry").replace("entrys", "entries");
    let bad_files = text::plural(bad.len(), "file");
    [
        (&bad[..], format!("Set aside {bad_files} of {total} that can't be decoded")),
        (&colored, format!("Converted {} to 8-bit gray", images(&colored))),
        (&sized, format!("Scaled {} to 48×48 pixels", images(&sized))),
        (
            passed_over,
            format!(
                "Passed over {entries} that is not a .jpg, .jpeg or .png file in a class folder"
            ),
        ),
    ]
    .into_iter()
    .filter(|(names, _)| !names.is_empty())
    .map(|(names, what)| format!("{what}: {}", text::list(names)))
    .collect()
}

/// Every class needs an image that can be decoded, in train and in test.
fn check_classes(
    root: &Path,
    total: usize,
    usable: &[Found],
    outcomes: &[Result<Converted, String>],
) -> Result<()> {
    let first = || outcomes.iter().find_map(|outcome| outcome.as_ref().err().cloned());
    if usable.is_empty() {
        return Err(Error::file(
            root,
            format!(
                "none of the {} can be decoded; the first: {}",
                text::plural(total, "file"),
                first().unwrap_or_default()
            ),
            "Expected are JPEG or PNG images.",
        ));
    }
    for usage in USAGES {
        for emotion in Emotion::ALL {
            if !usable.iter().any(|file| file.usage == usage && file.emotion == emotion) {
                return Err(Error::file(
                    root.join(usage).join(emotion.name()),
                    "holds no image that can be decoded",
                    "Every class needs images in train and in test.",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data::fixtures::{self, Tree};

    /// The folder or file that the error names.
    fn refused(root: &Path) -> PathBuf {
        match load(root).err() {
            Some(Error::File { path, .. } | Error::Missing { path, .. }) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn images_come_in_class_order_and_byte_order_of_names() {
        let tree = Tree::new(1, 1);
        for name in ["b.png", "B.png", "a10.PNG", "a9.png"] {
            tree.write(&format!("train/fear/{name}"), &fixtures::png(90));
        }
        let loaded = load(tree.path()).unwrap();
        let table = loaded.dataset.table().unwrap();
        let sources: Vec<_> = table.column("source").unwrap().str().unwrap().iter().collect();
        let names = ["0000.png", "B.png", "a10.PNG", "a9.png", "b.png"];
        let expected: Vec<_> = names.iter().map(|name| format!("train/fear/{name}")).collect();
        let found: Vec<_> = sources[2..7].iter().map(|name| name.unwrap().to_string()).collect();
        assert_eq!(found, expected);
        assert_eq!(sources[0], Some("train/angry/0000.png"));
        assert_eq!(sources.last(), Some(&Some("test/surprise/0000.png")));
        assert_eq!(loaded.is_test.iter().filter(|test| **test).count(), 7);
        assert_eq!(loaded.notes, Vec::<String>::new());
    }

    #[test]
    fn only_fer2013_is_called_fer2013() {
        let tree = Tree::new(2, 1);
        let named = |tree: &Tree| load(tree.path()).unwrap().dataset.origin().clone();
        let own = named(&tree);
        let folder = tree.path().file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(own, Origin::Custom { path: tree.path().to_path_buf(), name: folder.clone() });
        assert_eq!(own.title(), folder);
        assert!(own.to_string().ends_with("(not FER2013)"), "{own}");

        // 21 files of other names are there.
        for index in 0..21 {
            tree.write(&format!("train/sad/Training_{index}.png"), &fixtures::png(500 + index));
        }
        assert_eq!(named(&tree), own);
        tree.write("test/sad/PublicTest_7.png", &fixtures::png(600));
        assert_eq!(named(&tree), Origin::Folder(tree.path().to_path_buf()));

        // Renamed, but as many of each class.
        let labels = TRAINING_COUNTS.iter().zip(0..).flat_map(|(count, label)| vec![label; *count]);
        let labels: Vec<u8> = labels.collect();
        let mut sources: Vec<_> =
            labels.iter().map(|label| format!("train/{label}/im.png")).collect();
        let root = Path::new("renamed");
        assert!(origin(root, &sources, &labels).is_fer2013());
        sources[0] = "test/0/im.png".into();
        assert_eq!(origin(root, &sources, &labels).title(), "renamed");
    }

    #[test]
    fn bad_files_are_set_aside_and_named_and_the_rest_stays_in_order() {
        let tree = Tree::new(3, 1);
        let whole = fixtures::jpeg(120);
        tree.write("train/angry/0000.png", b"");
        tree.write("train/happy/0001.png", b"<html>not found</html>");
        tree.write("train/sad/0001.jpg", &whole[..whole.len() - 20]);
        tree.write("train/sad/0003.jpg", &whole);
        tree.write("train/sad/readme.txt", b"hello");
        tree.write("train/.DS_Store", b"x");
        let loaded = load(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 3 * 7 + 7 - 2 + 1);
        assert_eq!(loaded.notes.len(), 2);
        assert_eq!(
            loaded.notes[0],
            "Set aside 3 files of 30 that can't be decoded: train/angry/0000.png (0 bytes), \
             train/happy/0001.png (not a JPEG or PNG image), train/sad/0001.jpg (cut short)"
        );
        assert!(loaded.notes[1].ends_with("train/sad/readme.txt"), "{}", loaded.notes[1]);
        // Every image still stands beside its own name and label.
        let table = loaded.dataset.table().unwrap();
        let sources = table.column("source").unwrap().str().unwrap().clone();
        for (index, (image, emotion)) in loaded.dataset.iter().enumerate() {
            let source = sources.get(index).unwrap();
            assert!(source.contains(emotion.name()));
            let mut alone = vec![0; PIXELS];
            decode(&fs::read(tree.path().join(source)).unwrap(), &mut alone).unwrap();
            assert_eq!(image, alone, "{source}");
        }
    }

    #[test]
    fn conversions_are_counted() {
        let tree = Tree::new(1, 1);
        tree.write("test/sad/big.png", &fixtures::encode(image::GrayImage::new(64, 50).into()));
        let red = image::RgbImage::from_pixel(48, 48, image::Rgb([255, 0, 0]));
        tree.write("test/sad/red.png", &fixtures::encode(red.into()));
        let loaded = load(tree.path()).unwrap();
        assert_eq!(
            loaded.notes,
            [
                "Converted 1 image to 8-bit gray: test/sad/red.png",
                "Scaled 1 image to 48×48 pixels: test/sad/big.png",
            ]
        );
    }

    #[test]
    fn every_folder_that_is_wrong_is_named() {
        let nowhere = Path::new("/nowhere/at/all");
        assert_eq!(refused(nowhere), nowhere);
        let tree = Tree::new(1, 1);
        let at = |part: &str| tree.path().join(part);
        fs::remove_dir_all(at("test")).unwrap();
        assert_eq!(refused(tree.path()), tree.path());
        let inner = load(&at("train")).err();
        assert!(matches!(inner, Some(Error::File { hint, .. }) if hint.contains("folder above")));

        let tree = Tree::new(1, 1);
        let at = |part: &str| tree.path().join(part);
        tree.write("train/happiness/a.png", &fixtures::png(1));
        assert_eq!(refused(tree.path()), at("train/happiness"));
        fs::rename(at("train/happiness"), at("happiness")).unwrap();
        fs::rename(at("train/happy"), at("train/Happy")).unwrap();
        assert_eq!(refused(tree.path()), at("train/Happy"));
        fs::rename(at("train/Happy"), at("train/happy")).unwrap();
        fs::rename(at("test/disgust"), at("disgust")).unwrap();
        assert_eq!(refused(tree.path()), at("test/disgust"));
        fs::rename(at("disgust"), at("test/disgust")).unwrap();
        tree.write("train/fear/0000.png", b"nothing");
        assert_eq!(refused(tree.path()), at("train/fear"));
        fs::remove_file(at("train/fear/0000.png")).unwrap();
        assert_eq!(refused(tree.path()), at("train/fear"));
        let file = at("train/sad/0000.png");
        assert_eq!(refused(&file), file);
    }

    #[test]
    fn nothing_that_decodes_is_an_error() {
        let tree = Tree::new(1, 1);
        for usage in USAGES {
            for emotion in Emotion::ALL {
                tree.write(&format!("{usage}/{emotion}/0000.png"), b"");
            }
        }
        assert_eq!(refused(tree.path()), tree.path());
    }

    #[cfg(unix)]
    #[test]
    fn links_count_as_what_they_point_to() {
        let tree = Tree::new(1, 1);
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(tree.path().join(target), tree.path().join(name)).unwrap();
        };
        link("train/sad/0000.png", "train/sad/1.png");
        link("train/sad/nowhere.png", "train/sad/2.png");
        let loaded = load(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 15);
        assert_eq!(loaded.notes.len(), 1);
        assert!(loaded.notes[0].ends_with("train/sad/2.png"), "{}", loaded.notes[0]);
    }
}
