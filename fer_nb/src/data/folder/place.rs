//! [`find`]: where below a path the data is, in folders or tables.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::beside::is_called_table;
use super::image_files::{has_image, is_called_image};
use super::inside::Inside;
use super::packed::packed;
use super::programs::may_hold_data;
use super::seen::{LAYOUT, MAPPED, seen};
use crate::common::{Error, Result, command, text};
use crate::data::class_check::how_to_map;
use crate::data::csv;
use crate::data::options::DataOptions;
use crate::data::part::Part;
use crate::emotion::Emotion;

/// How deep below the root the parts or classes may lie, as archives unpack themselves.
const WRAPPED: usize = 4;

/// Tables that are taken before others in the same folder.
const KNOWN: [&str; 2] = ["fer2013.csv", "icml_face_data.csv"];

/// What is at a path: folders of parts or classes, or a table, or one for each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) enum Place {
    Folders(PathBuf),
    /// One or more tables in this folder, by part: train.csv, val.csv, test.csv.
    Tables(Vec<PathBuf>),
}

impl Place {
    fn paths(&self) -> &[PathBuf] {
        match self {
            Place::Folders(path) => std::slice::from_ref(path),
            Place::Tables(paths) => paths,
        }
    }
}

/// Whether these are the tables of different parts, such as train.csv and test.csv.
fn are_parts(tables: &[PathBuf]) -> bool {
    let usages: BTreeSet<_> =
        Part::of_files(tables).into_iter().flatten().map(|(_, usage)| usage).collect();
    tables.len() > 1 && usages.len() == tables.len()
}

/// Whether there are folders of classes, or of parts that hold folders of images: a program's source may have a folder
/// `test`, too.
fn has_images(folder: &Path, inside: &Inside, options: &DataOptions) -> bool {
    let parts = inside.parts();
    inside.has_class(options)
        || parts.iter().any(|(name, _)| holds_classes(&folder.join(name), options))
}

/// Whether a part's folder holds folders of classes or of images, also with one more folder around them.
fn holds_classes(part: &Path, options: &DataOptions) -> bool {
    let mut part = part.to_path_buf();
    for _ in 0..=WRAPPED {
        let Ok(inside) = Inside::of(&part) else { return false };
        if inside.has_class(options)
            || inside.folders.iter().any(|name| holds_image(&part.join(name)))
        {
            return true;
        }
        let [only] = &inside.folders[..] else { return false };
        part.push(only);
    }
    false
}

/// Whether one of the first files in a folder is an image.
fn holds_image(folder: &Path) -> bool {
    let files = Inside::of(folder).map(|inside| inside.files).unwrap_or_default();
    has_image(folder, &files.iter().map(PathBuf::from).collect::<Vec<_>>())
}

/// The data at `root` or in the folders that an archive wrapped around it: the nearest.
///
/// # Errors
/// [`Error::Missing`] for a path that is not there; [`Error::File`] if there is no data, or several that are
/// equally near: the message lists them.
pub(in crate::data) fn find(
    root: &Path,
    options: &DataOptions,
    is_table: impl Fn(&Path) -> Option<usize>,
) -> Result<Place> {
    if !root.exists() {
        return Err(Error::missing("The data", root, LAYOUT));
    }
    let (mut visited, mut unsorted) = (Vec::new(), Vec::new());
    // Data may be in a folder that is called as a program's, if it is nowhere else.
    for among_programs in [false, true] {
        let search = Search { root, options, among_programs };
        visited.clear();
        if let Some(place) = search.nearest(&is_table, &mut visited, &mut unsorted)? {
            return Ok(place);
        }
        if !unsorted.is_empty() {
            break;
        }
    }
    if let Some(error) = unsorted_images(&visited) {
        return Err(error);
    }
    match &unsorted[..] {
        [] => {}
        [one] => return Ok(one.clone()),
        several => return Err(several_places(root, several)?),
    }
    if let Some(error) = packed(root, &visited) {
        return Err(error);
    }
    if let Some(error) = only_table(&visited).and_then(|path| csv::why_no_table(&path)) {
        return Err(error);
    }
    if let Some((folder, names)) = unknown_classes(&visited) {
        let problem = format!(
            "has no class that is one of the seven; its folders are {}",
            text::list(&names)
        );
        return Err(Error::file(folder, problem, how_to_map(&names)));
    }
    let problem = format!("has neither folders of classes nor a table of images; {}", seen(root));
    Err(Error::file(root, problem, format!("{LAYOUT} {MAPPED}")))
}

/// Where data is looked for.
struct Search<'a> {
    root: &'a Path,
    options: &'a DataOptions,
    /// Whether folders that are called as a program's are looked into, too.
    among_programs: bool,
}

impl Search<'_> {
    /// The nearest place with images. The folders that were looked into are added to `visited`, and to `unsorted` the
    /// nearest ones with parts in which no folder holds images.
    fn nearest(
        &self,
        is_table: &impl Fn(&Path) -> Option<usize>,
        visited: &mut Vec<PathBuf>,
        unsorted: &mut Vec<Place>,
    ) -> Result<Option<Place>> {
        let mut level = vec![self.root.to_path_buf()];
        for _ in 0..=WRAPPED {
            visited.extend(level.iter().cloned());
            let (mut found, mut below, mut with_parts) = (Vec::new(), Vec::new(), Vec::new());
            for folder in &level {
                let inside = Inside::of(folder)?;
                let mut folders: Vec<PathBuf> =
                    inside.folders.iter().map(|name| folder.join(name)).collect();
                if has_images(folder, &inside, self.options) {
                    found.push(Place::Folders(folder.clone()));
                    continue;
                }
                if !inside.parts().is_empty() {
                    with_parts.push(Place::Folders(folder.clone()));
                }
                let best = best_tables(folder, &inside, is_table);
                if !best.is_empty() {
                    // Folders of images beside a table may be the same images, or others.
                    for beside in &folders {
                        if has_images(beside, &Inside::of(beside)?, self.options) {
                            found.push(Place::Folders(beside.clone()));
                        }
                    }
                }
                if self.among_programs {
                    let programs = inside.programs.iter().map(|name| folder.join(name));
                    folders.extend(programs.filter(|path| may_hold_data(path)));
                }
                match best.is_empty() {
                    true => below.extend(folders),
                    false if are_parts(&best) => found.push(Place::Tables(best)),
                    false => found.extend(best.into_iter().map(|table| Place::Tables(vec![table]))),
                }
            }
            match &found[..] {
                [one] => return Ok(Some(one.clone())),
                [] => level = below,
                several => return Err(several_places(self.root, several)?),
            }
            if unsorted.is_empty() {
                *unsorted = with_parts;
            }
        }
        Ok(None)
    }
}

/// The tables in a folder: those with all columns before those with fewer, and those of known names before others.
fn best_tables(
    folder: &Path,
    inside: &Inside,
    is_table: &impl Fn(&Path) -> Option<usize>,
) -> Vec<PathBuf> {
    let tables = inside.files.iter().map(|name| folder.join(name));
    let tables: Vec<_> = tables.filter_map(|path| Some((is_table(&path)?, path))).collect();
    let most = tables.iter().map(|(columns, _)| *columns).max();
    let best = tables.into_iter().filter(|(columns, _)| Some(*columns) == most);
    let mut best: Vec<PathBuf> = best.map(|(_, path)| path).collect();
    let known = |path: &PathBuf| {
        path.file_name().is_some_and(|name| KNOWN.iter().any(|known| name == *known))
    };
    if best.iter().any(known) {
        best.retain(known);
    }
    best
}

/// The error for several data sets that are equally near.
fn several_places(root: &Path, several: &[Place]) -> Result<Error> {
    if let Some(error) = detection(root, &Inside::of(root)?) {
        return Ok(error);
    }
    let paths = several.iter().flat_map(Place::paths);
    let names: Vec<String> = paths.map(text::shown).collect();
    let problem = format!("could be {} data sets: {}", names.len(), text::list(&names));
    Ok(Error::file(root, problem, "Give the path of the one that is meant."))
}

/// The error for a data set for object detection, which has boxes in `labels` for the images in `images`, around the
/// parts or below them; `None` for any other.
pub(super) fn detection(root: &Path, inside: &Inside) -> Option<Error> {
    let is_pair = |inside: &Inside| {
        let has = |word: &str| inside.folders.iter().any(|name| name.eq_ignore_ascii_case(word));
        has("images") && has("labels")
    };
    let below = |name: &OsString| Inside::of(&root.join(name)).is_ok_and(|inside| is_pair(&inside));
    (is_pair(inside) || inside.folders.iter().any(below)).then(|| {
        let problem = "seems to be a data set for object detection: folders images and labels, and none for each class";
        let hint = "Sort the faces, cut out by their boxes, into folders named after the classes.";
        Error::file(root, problem, format!("{hint} {LAYOUT}"))
    })
}

/// The one file in these folders that is called a table, if no image is next to it.
fn only_table(folders: &[PathBuf]) -> Option<PathBuf> {
    let files = |folder: &PathBuf| {
        let names = Inside::of(folder).map(|inside| inside.files).unwrap_or_default();
        names.into_iter().map(|name| folder.join(name)).collect::<Vec<_>>()
    };
    let files: Vec<PathBuf> = folders.iter().flat_map(files).collect();
    let mut tables = files.iter().filter(|path| is_called_table(path));
    let (table, None) = (tables.next()?, tables.next()) else { return None };
    let has_images = files.iter().any(|path| is_called_image(path));
    (!has_images).then(|| table.clone())
}

/// The error for images that a table or their names sort into classes, and no folders.
fn unsorted_images(visited: &[PathBuf]) -> Option<Error> {
    let table = visited.iter().find_map(|folder| table_of_files(folder));
    table.or_else(|| {
        let (folder, commands) = visited.iter().find_map(|folder| called_as_classes(folder))?;
        let problem = "has images of classes in no folders of their own";
        Some(Error::file(folder, problem, format!("Sort them by their names: {commands}")))
    })
}

/// The error for a table of the names of image files in a folder.
fn table_of_files(folder: &Path) -> Option<Error> {
    let files = Inside::of(folder).map(|inside| inside.files).unwrap_or_default();
    let mut tables =
        files.iter().map(|name| folder.join(name)).filter(|path| is_called_table(path));
    tables.find_map(|path| csv::file_names::of_files(&path))
}

/// A folder whose images are called as classes, happy_001.jpg, and the commands that sort them into folders.
fn called_as_classes(folder: &Path) -> Option<(&Path, String)> {
    const LOOKED_AT: usize = 10_000;
    let files = Inside::of(folder).map(|inside| inside.files).unwrap_or_default();
    let stems = files.iter().filter(|name| is_called_image(Path::new(name))).take(LOOKED_AT);
    let stems: Vec<&str> = stems.filter_map(|name| Path::new(name).file_stem()?.to_str()).collect();
    let class = |stem: &&str| {
        let mut words = stem.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 2);
        words.find(|word| Emotion::from_word(word).is_some()).map(str::to_string)
    };
    let named: Vec<String> = stems.iter().filter_map(class).collect();
    let words: BTreeSet<&String> = named.iter().collect();
    (words.len() > 1 && 2 * named.len() > stems.len()).then_some(())?;
    // "unhappy" before "happy", which is in it.
    let mut words: Vec<&String> = words.into_iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let place = command::path(folder);
    let folders: Vec<String> = words.iter().map(|word| format!("{place}/{word}")).collect();
    let moves: Vec<String> =
        words.iter().map(|word| format!("mv {place}/*{word}*.* {place}/{word}")).collect();
    Some((folder, format!("mkdir {} && {}", folders.join(" "), moves.join(" && "))))
}

/// The first of these folders in which there are a few folders of images and nothing else, as of classes in another
/// language, and their names.
fn unknown_classes(folders: &[PathBuf]) -> Option<(&PathBuf, Vec<String>)> {
    const CLASSES: std::ops::RangeInclusive<usize> = 2..=12;
    folders.iter().find_map(|folder| {
        let inside = Inside::of(folder).ok()?;
        let is_one = CLASSES.contains(&inside.folders.len())
            && inside.folders.iter().all(|name| holds_image(&folder.join(name)));
        is_one.then(|| (folder, inside.folders.iter().map(text::shown).collect()))
    })
}
