//! A data set as images in folders named after the classes, below train and test or not.

pub(super) mod beside;
mod class_place;
mod image_files;
mod inside;
mod listing;
mod outcome;
mod packed;
pub(super) mod place;
mod programs;
mod seen;

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use self::image_files::is_called_image;
use self::listing::{Found, listed};
use self::outcome::{Outcome, changes, check_classes, noun};
use super::dataset::{Dataset, Origin};
use super::decode::decode;
use super::loaded::{Loaded, compact};
use super::options::DataOptions;
use super::part::Part;
use super::pixels::PIXELS;
use crate::common::file_kind::{FileKind, HEAD};
use crate::common::plain_file::{self, PlainFile};
use crate::common::{Result, text};
use crate::project::Task;

/// Reads all images below `root`: parts in order, classes in index order, files in byte order of their paths.
///
/// Content decides what a file is, not its name. One that can't be decoded is set aside and named in a note;
/// colour and other sizes are converted and counted in a note; what is no image is passed over and counted.
///
/// # Errors
/// As [`listed`]; [`Error::File`], with the folder, if more than half of a class can't be decoded, or nothing
/// can; [`Error::Stopped`] after the files in flight if the user stops it.
pub(super) fn load(root: &Path, options: &DataOptions) -> Result<Loaded> {
    let mut listing = listed(root, options)?;
    let files = std::mem::take(&mut listing.files);
    let task = Task::begin("loading images", Some(files.len()))?;
    let mut images = vec![0u8; files.len() * PIXELS];
    let outcomes: Result<Vec<Outcome>> = images
        .par_chunks_exact_mut(PIXELS)
        .zip(&files)
        .with_min_len(16)
        .map(|(out, file)| {
            let outcome = read(&root.join(&file.path), out);
            task.step(1)?;
            Ok(outcome)
        })
        .collect();
    let outcomes = outcomes?;

    listing.layout.changes = changes(root, &files, &outcomes);
    let keep: Vec<bool> =
        outcomes.iter().map(|outcome| matches!(outcome, Outcome::Image(_))).collect();
    compact(&mut images, &keep);
    check_classes(root, &files, &outcomes)?;
    for (file, outcome) in files.iter().zip(&outcomes) {
        let noun = match outcome {
            Outcome::Other(kind) => kind.to_string(),
            Outcome::PassedOver(noun) => noun.clone(),
            Outcome::Image(_) | Outcome::Broken(_) | Outcome::Unreadable(_) => continue,
        };
        listing.layout.pass_over(&noun, 1);
        if let Some(row) = listing.layout.rows.get_mut(file.row) {
            row.images = row.images.saturating_sub(1);
        }
    }
    let mut keep = keep.into_iter();
    let files: Vec<Found> = files.into_iter().filter(|_| keep.next().unwrap_or(false)).collect();

    let labels: Vec<u8> = files.iter().map(|file| file.emotion.index() as u8).collect();
    let usages: Vec<&'static str> = files.iter().map(|file| file.usage).collect();
    let parts: Vec<Part> = files.iter().map(|file| file.part).collect();
    let sources = files.iter().map(|file| text::shown(&file.path)).collect();
    let origin = Origin::of(root, false, &labels, &parts);
    let dataset = Dataset::new(images, labels, sources, usages, origin)?;
    let notes = listing.layout.leave_out_classes(options);
    Ok(Loaded { dataset, parts, layout: listing.layout, notes })
}

/// Reads a file into `out`, u8 [48 × 48]. Of one that is not called an image, only the beginning is read at
/// first: a class's folder may hold a film.
fn read(path: &Path, out: &mut [u8]) -> Outcome {
    let mut bytes = Vec::new();
    let mut read = || -> std::io::Result<Option<Outcome>> {
        let mut file = PlainFile::open(path)?;
        if !is_called_image(path) {
            file.by_ref().take(HEAD as u64).read_to_end(&mut bytes)?;
            match FileKind::of(&bytes) {
                Some(kind) if kind.is_image() => {}
                Some(kind) if kind.is_other_picture() => return Ok(Some(Outcome::Other(kind))),
                kind => return Ok(Some(Outcome::PassedOver(noun(kind, path)))),
            }
        }
        file.read_rest(&mut bytes, plain_file::IMAGE)?;
        Ok(None)
    };
    match read() {
        Ok(None) => {}
        Ok(Some(outcome)) => return outcome,
        Err(error) => return Outcome::Unreadable(error.to_string()),
    }
    match decode(&bytes, out) {
        Ok(converted) => Outcome::Image(converted),
        Err(problem) => Outcome::Broken(problem),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::common::Error;
    use crate::data::fixtures::{self, Tree};
    use crate::data::options::Numbering;
    use crate::emotion::Emotion;

    fn load_from(root: &Path) -> Result<Loaded> {
        load(root, &DataOptions::default())
    }

    /// The folder or file that the error names.
    fn refused(root: &Path) -> PathBuf {
        match load_from(root).err() {
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
        let loaded = load_from(tree.path()).unwrap();
        let table = loaded.dataset.table().unwrap();
        let sources: Vec<_> = table.column("source").unwrap().str().unwrap().iter().collect();
        let names = ["0000.png", "B.png", "a10.PNG", "a9.png", "b.png"];
        let expected: Vec<_> = names.iter().map(|name| format!("train/fear/{name}")).collect();
        let found: Vec<_> = sources[2..7].iter().map(|name| name.unwrap().to_string()).collect();
        assert_eq!(found, expected);
        assert_eq!(sources[0], Some("train/angry/0000.png"));
        assert_eq!(sources.last(), Some(&Some("test/surprise/0000.png")));
        assert_eq!(loaded.parts.iter().filter(|part| **part == Part::Test).count(), 7);
        assert_eq!(loaded.said(), Vec::<String>::new());
    }

    #[test]
    fn other_images_are_called_by_their_folder() {
        let tree = Tree::new(2, 1);
        tree.write("train/sad/Training_1.png", &fixtures::png(501));
        let own = load_from(tree.path()).unwrap().dataset.origin().clone();
        let folder = tree.path().file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(own, Origin::Custom { path: tree.path().to_path_buf(), name: folder.clone() });
        assert_eq!(own.title(), folder);
        assert!(own.to_string().ends_with("(not FER2013)"), "{own}");
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
        let loaded = load_from(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 3 * 7 + 7 - 2 + 1);
        assert_eq!(loaded.said().len(), 2);
        assert_eq!(
            loaded.said()[0],
            "Set aside 3 files of 30 that can't be decoded: train/angry/0000.png (0 bytes), \
             train/happy/0001.png (a web page, expected JPEG, PNG, WebP or \
             BMP), train/sad/0001.jpg (cut short)"
        );
        assert!(loaded.said()[1].ends_with("train/sad/readme.txt"), "{}", loaded.said()[1]);
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

    #[cfg(target_os = "linux")]
    #[test]
    fn files_that_the_system_does_not_read_are_counted_apart() {
        let tree = Tree::new(3, 1);
        // It can be opened, and not read, also by root.
        let refusing = |name: &str| {
            std::os::unix::fs::symlink("/proc/self/mem", tree.path().join(name)).unwrap();
        };
        refusing("train/happy/x.png");
        tree.write("train/sad/y.png", b"");
        let notes = load_from(tree.path()).unwrap().said();
        assert!(
            notes[0].starts_with("Set aside 1 file of 30 that can't be decoded: train/sad/y.png"),
            "{notes:?}"
        );
        let unreadable = "Set aside 1 file of 30 that can't be read: train/happy/x.png (";
        assert!(notes[1].starts_with(unreadable), "{notes:?}");
        (0..3).for_each(|number| refusing(&format!("train/happy/x{number}.png")));
        let Err(Error::File { path, problem, hint, .. }) = load_from(tree.path()) else { panic!() };
        assert_eq!(path, tree.path().join("train/happy"));
        assert!(
            problem.starts_with("4 of its 7 files can't be read") && hint.contains("chmod"),
            "{problem}"
        );
    }

    #[test]
    fn conversions_are_counted() {
        let tree = Tree::new(1, 1);
        tree.write("test/sad/big.png", &fixtures::encode(image::GrayImage::new(64, 50).into()));
        let red = image::RgbImage::from_pixel(48, 48, image::Rgb([255, 0, 0]));
        tree.write("test/sad/red.png", &fixtures::encode(red.into()));
        let loaded = load_from(tree.path()).unwrap();
        assert_eq!(
            loaded.said(),
            [
                "Converted 1 image to 8-bit gray: test/sad/red.png",
                "Scaled 1 image to 48×48 pixels: test/sad/big.png",
            ]
        );
    }

    #[test]
    fn a_class_that_is_broken_or_unknown_is_said() {
        let tree = Tree::new(3, 1);
        let at = |part: &str| tree.path().join(part);
        for index in 0..2 {
            tree.write(&format!("train/fear/000{index}.png"), b"\x89PNG\r\n\x1A\nnothing");
        }
        assert_eq!(refused(tree.path()), at("train/fear"));
        tree.write("train/fear/0001.png", &fixtures::png(7));
        assert_eq!(load_from(tree.path()).unwrap().said().len(), 1);
        tree.write("train/contempt/a.png", &fixtures::png(1));
        let loaded = load_from(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 27);
        assert!(
            loaded.said()[1].starts_with("Left out 1 image of class contempt"),
            "{:?}",
            loaded.said()
        );
        let map = "contempt=disgust".parse().unwrap();
        let mapped = load(tree.path(), &DataOptions { map, ..Default::default() }).unwrap();
        assert_eq!(mapped.dataset.len(), 28);
        let file = at("train/sad/0000.png");
        assert_eq!(refused(&file), file);
    }

    #[test]
    fn numbers_are_asked_about() {
        let tree = Tree::empty();
        for number in 0..7 {
            tree.write(&format!("train/{number}/a.png"), &fixtures::png(number));
        }
        let Err(Error::File { path, hint, .. }) = load_from(tree.path()) else { panic!() };
        assert_eq!(path, tree.path().join("train"));
        for part in ["kaggle (0 angry", "alphabetical (0 angry", "raf-db do not fit"] {
            assert!(hint.contains(part), "{hint}");
        }
        let classes = Some(Numbering::Alphabetical);
        let read = load(tree.path(), &DataOptions { classes, ..Default::default() }).unwrap();
        assert_eq!(read.dataset.class_counts(), [1; 7]);
        assert_eq!(read.layout.rows[4].taken_for(), "train, neutral");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_of_any_bytes_are_opened_and_shown_escaped() {
        use std::os::unix::ffi::OsStrExt;
        let tree = Tree::new(1, 1);
        let name = std::ffi::OsStr::from_bytes(b"\xbf\xf8.png");
        fs::write(tree.path().join("train/sad").join(name), fixtures::png(9)).unwrap();
        let loaded = load_from(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 15);
        let table = loaded.dataset.table().unwrap();
        let sources = table.column("source").unwrap().str().unwrap().clone();
        assert!(sources.iter().any(|source| source == Some("train/sad/\\xbf\\xf8.png")));
    }

    #[test]
    fn persons_below_a_class_and_archives_around_it_are_walked() {
        let tree = Tree::empty();
        for (index, class) in ["Anger", "0_happy", "Sadness"].into_iter().enumerate() {
            let seed = 10 * index as u32;
            tree.write(&format!("archive/data/train/{class}/S005/001/a.png"), &fixtures::png(seed));
            tree.write(&format!("archive/data/train/{class}/S007/a.png"), &fixtures::png(seed + 1));
        }
        tree.write("archive/__MACOSX/train/Anger/._a.png", b"x");
        let found = place::find(tree.path(), &DataOptions::default(), |_| None).unwrap();
        assert_eq!(found, place::Place::Folders(tree.path().join("archive/data")));
        let loaded = load_from(&tree.path().join("archive/data")).unwrap();
        assert_eq!(loaded.dataset.class_counts(), [2, 0, 0, 2, 0, 2, 0]);
        tree.write("archive/other/test/happy/a.png", &fixtures::png(50));
        let several = place::find(tree.path(), &DataOptions::default(), |_| None);
        assert!(matches!(several, Err(Error::File { .. })), "{several:?}");
    }

    #[test]
    fn nothing_that_decodes_is_an_error() {
        let tree = Tree::new(1, 1);
        for usage in ["train", "test"] {
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
        let loaded = load_from(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 15);
        let broken = loaded.layout.passed_over.get("links that lead nowhere");
        assert_eq!(broken, Some(&1));
        // Back to the root, and to the class itself.
        link("", "train/sad/again");
        link("train/sad", "train/sad/self");
        let loaded = load_from(tree.path()).unwrap();
        assert_eq!(loaded.dataset.len(), 15);
        assert_eq!(loaded.layout.passed_over.get("links to a folder above"), Some(&2));
    }

    #[test]
    fn two_readings_are_an_error() {
        let tree = Tree::new(1, 1);
        tree.write("Training/happy/0.png", &fixtures::png(70));
        let Err(error) = load_from(tree.path()) else { panic!("two readings") };
        let message = error.to_string();
        assert!(message.contains("Training") && message.contains("train part"), "{message}");
        // A table beside folders of images.
        let tree = Tree::empty();
        tree.write("images/train/happy/0.png", &fixtures::png(1));
        let find = |name: &'static str| {
            let is_table = move |path: &Path| path.ends_with(name).then_some(3);
            place::find(tree.path(), &DataOptions::default(), is_table)
        };
        assert!(find("other.csv").is_ok());
        tree.write("fer2013.csv", b"emotion,pixels,Usage");
        let message = find("fer2013.csv").unwrap_err().to_string();
        assert!(message.contains("fer2013.csv") && message.contains("images"), "{message}");
    }
}
