//! Which image files a data set's folders hold, for which part and class.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::inside::{Inside, below};
use super::packed::packed;
use super::seen::seen;
use crate::common::file_kind::FileKind;
use crate::common::{Error, Result, text};
use crate::data::class_check::{how_to_map, which_numbering};
use crate::data::csv;
use crate::data::layout::{Layout, LayoutRow};
use crate::data::options::{Class, DataOptions};
use crate::data::part::Part;
use crate::emotion::Emotion;

/// One file in a class's folder, not yet opened.
pub(super) struct Found {
    /// Path below the root.
    pub(super) path: PathBuf,
    /// What the data calls the part: "train", "PublicTest".
    pub(super) usage: &'static str,
    pub(super) part: Part,
    pub(super) emotion: Emotion,
}

/// The files of a data set, by part, class and byte order of their paths, and how the folders were read.
pub(super) struct Listing {
    pub(super) files: Vec<Found>,
    pub(super) layout: Layout,
}

pub(super) const LAYOUT: &str = "Expected are folders of images named after the classes (angry, disgust, fear, \
                                 happy, neutral, sad, surprise), below train and test or not, or a table such \
                                 as fer2013.csv; see data/README.md.";

/// What takes a name for a class.
const MAPPED: &str = "Other names for classes: --map NAME=CLASS, or FER_MAP.";

/// How deep below a class's folder its images may lie, by person or session.
const DEEPEST: usize = 6;
/// How deep below the root the parts or classes may lie, as archives unpack themselves.
const WRAPPED: usize = 4;

/// Lists the files below `root`, which has parts or classes.
///
/// # Errors
/// [`Error::Io`] for a folder that can't be read; [`Error::Setting`] for numbered classes whose numbering is not
/// said; [`Error::File`] if no class is found.
pub(super) fn listed(root: &Path, options: &DataOptions) -> Result<Listing> {
    if !root.is_dir() {
        return Err(match root.exists() {
            true => Error::file(root, "is not a folder", LAYOUT),
            false => Error::missing("The data", root, LAYOUT),
        });
    }
    let mut listing = Listing { files: Vec::new(), layout: Layout::default() };
    let inside = Inside::of(root)?;
    let parts: Vec<_> =
        inside.folders.iter().filter_map(|name| Some((name, Part::of(name.to_str()?)?))).collect();
    check_readings(root, &parts)?;
    if parts.is_empty() {
        listing.layout.without_parts = true;
        listing.add_part(root, Path::new(""), (Part::Test, "test"), options)?;
    }
    for part in [Part::Train, Part::Validation, Part::Test] {
        for (name, (is, usage)) in parts.iter().filter(|(_, (is, _))| *is == part) {
            listing.add_part(root, Path::new(name), (*is, *usage), options)?;
        }
    }
    if !parts.is_empty() {
        let others =
            inside.folders.iter().filter(|name| !parts.iter().any(|(part, _)| part == name));
        let others: Vec<PathBuf> = others.map(PathBuf::from).collect();
        listing.layout.name_passed_over("folders that are no part", folders(root, &others));
        listing
            .layout
            .name_passed_over("files beside the parts", files(root, Path::new(""), &inside.files));
    }
    listing.layout.pass_over("the system's own files", inside.litter);
    listing.layout.own_validation = parts.iter().any(|(_, (part, _))| *part == Part::Validation);
    if listing.layout.rows.iter().all(|row| row.class.is_none()) {
        let part = parts.first().map_or(root.to_path_buf(), |(name, _)| root.join(name));
        let places = parts.iter().map(|(name, _)| root.join(name)).chain([root.to_path_buf()]);
        if let Some(error) = packed(&part, &places.collect::<Vec<_>>()) {
            return Err(error);
        }
        listing.layout.check_classes(root, options)?;
        let problem = format!("has no folder of a class with an image in it; {}", seen(&part));
        return Err(Error::file(root, problem, format!("{LAYOUT} {MAPPED}")));
    }
    listing.layout.check_classes(root, options)?;
    Ok(listing)
}

/// Folders that were passed over, with the number of files below each.
fn folders(root: &Path, paths: &[PathBuf]) -> Vec<String> {
    let one = |path: &PathBuf| {
        let files = text::plural(below(&root.join(path)), "file");
        format!("{} ({files})", text::shown(path))
    };
    paths.iter().map(one).collect()
}

/// Files that were passed over; what data may be packed in is named for what it is.
fn files(root: &Path, folder: &Path, names: &[OsString]) -> Vec<String> {
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

/// What lies around the data's folder in the path that was given, by the reason for passing it over.
///
/// # Errors
/// [`Error::Io`] if a folder can't be read.
pub(in crate::data) fn around(
    given: &Path,
    data: &Path,
) -> Result<Vec<(&'static str, Vec<String>)>> {
    let Ok(way) = data.strip_prefix(given) else { return Ok(Vec::new()) };
    let (mut above, mut found) = (PathBuf::new(), Vec::new());
    for step in way.components() {
        let Component::Normal(step) = step else { continue };
        let inside = Inside::of(&given.join(&above))?;
        let others = inside.folders.iter().filter(|name| *name != step);
        let others: Vec<PathBuf> = others.map(|name| above.join(name)).collect();
        found.push(("folders beside the data", folders(given, &others)));
        found.push(("files beside the data", files(given, &above, &inside.files)));
        above.push(step);
    }
    Ok(found)
}

/// Refuses two folders that are the same part, such as train and Training: the same images, or two data sets.
/// PublicTest and PrivateTest are one test part in two pieces.
fn check_readings(root: &Path, parts: &[(&OsString, (Part, &'static str))]) -> Result<()> {
    for part in [Part::Train, Part::Validation, Part::Test] {
        let of_part: Vec<_> = parts.iter().filter(|(_, (is, _))| *is == part).collect();
        let mut usages: Vec<_> = of_part.iter().map(|(_, (_, usage))| *usage).collect();
        usages.sort_unstable();
        if of_part.len() > 1 && usages != ["PrivateTest", "PublicTest"] {
            let names: Vec<_> = of_part.iter().map(|(name, _)| text::shown(name)).collect();
            let problem = format!("{} could each be the {part} part", text::list(&names));
            let hint = "Move the ones that are not meant out of the folder.";
            return Err(Error::file(root, problem, hint));
        }
    }
    Ok(())
}

impl Listing {
    /// Adds the classes below `<root>/<folder>`, as images of one part.
    fn add_part(
        &mut self,
        root: &Path,
        folder: &Path,
        (part, usage): (Part, &'static str),
        options: &DataOptions,
    ) -> Result<()> {
        let mut folder = folder.to_path_buf();
        let mut inside = Inside::of(&root.join(&folder))?;
        // "train/train/angry", as some archives unpack themselves.
        while let ([only], false) = (&inside.folders[..], inside.has_class(options)) {
            folder.push(only);
            inside = Inside::of(&root.join(&folder))?;
        }
        self.layout.pass_over("the system's own files", inside.litter);
        self.layout
            .name_passed_over("files beside the classes", files(root, &folder, &inside.files));
        let mut classes = Vec::new();
        for name in inside.folders {
            let class = match options.class(&text::shown(&name), options.classes) {
                Class::Is(emotion) => Some(emotion),
                Class::LeftOut => None,
                Class::Number => return Err(numbered(&root.join(&folder))),
            };
            classes.push((class, name));
        }
        classes.sort_by_key(|(class, _)| class.map_or(Emotion::COUNT, Emotion::index));
        for (class, name) in classes {
            let path = folder.join(&name);
            let mut files = Vec::new();
            self.walk(root, &path, 0, &mut files)?;
            files.sort_unstable_by(|one, other| {
                one.as_os_str().as_encoded_bytes().cmp(other.as_os_str().as_encoded_bytes())
            });
            if class.is_none() && !has_image(root, &files) {
                let over = folders(root, &[path]);
                self.layout.name_passed_over("folders without images", over);
                continue;
            }
            let found = text::shown(path.as_os_str());
            let name = text::shown(name);
            self.layout.rows.push(LayoutRow { found, name, part, class, images: files.len() });
            if let Some(emotion) = class {
                self.files.extend(files.into_iter().map(|path| Found {
                    path,
                    usage,
                    part,
                    emotion,
                }));
            }
        }
        Ok(())
    }

    /// Adds the paths of all files below a class's folder.
    fn walk(
        &mut self,
        root: &Path,
        folder: &Path,
        depth: usize,
        files: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let inside = Inside::of(&root.join(folder))?;
        files.extend(inside.files.iter().map(|name| folder.join(name)));
        self.layout.pass_over("the system's own files", inside.litter);
        let paths =
            |names: &[OsString]| names.iter().map(|name| folder.join(name)).collect::<Vec<_>>();
        let broken = paths(&inside.broken).iter().map(text::shown).collect();
        self.layout.name_passed_over("links that lead nowhere", broken);
        if depth == DEEPEST {
            let deep = folders(root, &paths(&inside.folders));
            self.layout.name_passed_over("folders that lie too deep", deep);
            return Ok(());
        }
        let here = fs::canonicalize(root.join(folder)).unwrap_or_default();
        for name in &inside.folders {
            let below = folder.join(name);
            // A link to a folder that this one lies in would bring in all classes, again and again.
            if fs::canonicalize(root.join(&below)).is_ok_and(|below| here.starts_with(below)) {
                self.layout.name_passed_over("links to a folder above", vec![text::shown(&below)]);
                continue;
            }
            self.walk(root, &below, depth + 1, files)?;
        }
        Ok(())
    }
}

/// Whether one of the first files is an image, by its content or by its name.
fn has_image(root: &Path, files: &[PathBuf]) -> bool {
    const LOOKED_AT: usize = 10;
    files.iter().take(LOOKED_AT).any(|path| {
        super::is_called_image(path)
            || FileKind::at(&root.join(path)).is_some_and(FileKind::is_image)
    })
}

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
    let parts: Vec<_> = tables.iter().filter_map(|table| Part::of_file(table)).collect();
    let usages: BTreeSet<_> = parts.iter().map(|(_, usage)| usage).collect();
    tables.len() > 1 && usages.len() == tables.len()
}

/// Whether there are folders of parts or classes.
fn has_images(inside: &Inside, options: &DataOptions) -> bool {
    let is_part = |name: &OsString| name.to_str().and_then(Part::of).is_some();
    inside.folders.iter().any(is_part) || inside.has_class(options)
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
    let mut level = vec![root.to_path_buf()];
    let mut visited = Vec::new();
    for _ in 0..=WRAPPED {
        visited.extend(level.iter().cloned());
        let (mut found, mut below) = (Vec::new(), Vec::new());
        for folder in &level {
            let inside = Inside::of(folder)?;
            if has_images(&inside, options) {
                found.push(Place::Folders(folder.clone()));
                continue;
            }
            let tables = inside.files.iter().map(|name| folder.join(name));
            let tables: Vec<_> = tables.filter_map(|path| Some((is_table(&path)?, path))).collect();
            // Those with all columns before those with fewer.
            let most = tables.iter().map(|(columns, _)| *columns).max();
            let best = tables.into_iter().filter(|(columns, _)| Some(*columns) == most);
            let mut best: Vec<PathBuf> = best.map(|(_, path)| path).collect();
            let known = |path: &PathBuf| {
                path.file_name().is_some_and(|name| KNOWN.iter().any(|known| name == *known))
            };
            if best.iter().any(known) {
                best.retain(known);
            }
            if !best.is_empty() {
                // Folders of images beside a table may be the same images, or others.
                for name in &inside.folders {
                    let beside = folder.join(name);
                    if has_images(&Inside::of(&beside)?, options) {
                        found.push(Place::Folders(beside));
                    }
                }
            }
            match best.is_empty() {
                true => below.extend(inside.folders.iter().map(|name| folder.join(name))),
                false if are_parts(&best) => found.push(Place::Tables(best)),
                false => found.extend(best.into_iter().map(|table| Place::Tables(vec![table]))),
            }
        }
        match &found[..] {
            [one] => return Ok(one.clone()),
            [] => level = below,
            several => {
                let paths = several.iter().flat_map(Place::paths);
                let names: Vec<String> = paths.map(text::shown).collect();
                let problem = format!("could be {} data sets: {}", names.len(), text::list(&names));
                return Err(Error::file(root, problem, "Give the path of the one that is meant."));
            }
        }
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
    let others: Vec<PathBuf> = inside.folders.iter().map(PathBuf::from).collect();
    Ok(files.chain(folders(folder, &others)).collect())
}

/// Tables that are taken before others in the same folder.
const KNOWN: [&str; 2] = ["fer2013.csv", "icml_face_data.csv"];

fn numbered(folder: &Path) -> Error {
    let problem = "has numbered classes, which data sets number differently";
    Error::file(folder, problem, which_numbering(0, |_| true))
}

/// The one file in these folders that is called a table, if no image is next to it.
fn only_table(folders: &[PathBuf]) -> Option<PathBuf> {
    let files = |folder: &PathBuf| {
        let names = Inside::of(folder).map(|inside| inside.files).unwrap_or_default();
        names.into_iter().map(|name| folder.join(name)).collect::<Vec<_>>()
    };
    let files: Vec<PathBuf> = folders.iter().flat_map(files).collect();
    let is_table = |path: &&PathBuf| {
        let ending = path.extension().unwrap_or_default();
        ["csv", "tsv"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    };
    let mut tables = files.iter().filter(is_table);
    let (table, None) = (tables.next()?, tables.next()) else { return None };
    let has_images = files.iter().any(|path| super::is_called_image(path));
    (!has_images).then(|| table.clone())
}

/// The first of these folders in which there are a few folders of images and nothing else, as of classes in another
/// language, and their names.
fn unknown_classes(folders: &[PathBuf]) -> Option<(&PathBuf, Vec<String>)> {
    const CLASSES: std::ops::RangeInclusive<usize> = 2..=12;
    folders.iter().find_map(|folder| {
        let inside = Inside::of(folder).ok()?;
        let holds_images = |name: &OsString| {
            let class = folder.join(name);
            let files = Inside::of(&class).map(|inside| inside.files).unwrap_or_default();
            has_image(&class, &files.iter().map(PathBuf::from).collect::<Vec<_>>())
        };
        let is_one =
            CLASSES.contains(&inside.folders.len()) && inside.folders.iter().all(holds_images);
        is_one.then(|| (folder, inside.folders.iter().map(text::shown).collect()))
    })
}
