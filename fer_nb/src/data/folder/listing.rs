//! Which image files a data set's folders hold, for which part and class.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::inside::{Inside, below};
use super::packed::packed;
use super::seen::seen;
use crate::common::file_kind::FileKind;
use crate::common::{Error, Result, command, text};
use crate::data::class_check::{how_to_map, numbers_asked_about};
use crate::data::csv;
use crate::data::layout::{Layout, LayoutRow};
use crate::data::options::{Class, DataOptions, number};
use crate::data::part::{Part, Usage};
use crate::emotion::Emotion;

/// One file in a class's folder, not yet opened.
pub(super) struct Found {
    /// Path below the root.
    pub(super) path: PathBuf,
    /// What the data calls the part: "train", "PublicTest".
    pub(super) usage: &'static str,
    pub(super) part: Part,
    pub(super) emotion: Emotion,
    /// Its class's row in the layout.
    pub(super) row: usize,
}

/// The files of a data set, by part, class and byte order of their paths, and how the folders were read.
pub(super) struct Listing {
    pub(super) files: Vec<Found>,
    pub(super) layout: Layout,
    /// The folders that were read for each part, without links, and as what.
    walked: BTreeMap<(Part, PathBuf), PathBuf>,
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
    let mut listing =
        Listing { files: Vec::new(), layout: Layout::default(), walked: BTreeMap::new() };
    let inside = Inside::of(root)?;
    let parts = inside.parts();
    check_readings(root, &parts)?;
    if parts.is_empty() {
        listing.add_whole(root, options)?;
    }
    for part in [Part::Train, Part::Validation, Part::Test] {
        for (name, usage) in parts.iter().filter(|(_, (is, _))| *is == part) {
            let classes = listing.classes(root, Path::new(name), options)?;
            for (class, path) in classes {
                listing.add_class(root, &path, class, (*usage, true), options)?;
            }
        }
    }
    if !parts.is_empty() {
        let others =
            inside.folders.iter().filter(|name| !parts.iter().any(|(part, _)| part == name));
        let others: Vec<PathBuf> = others.map(PathBuf::from).collect();
        listing.layout.name_doubtful(NO_PART, folders(root, &others));
        listing
            .layout
            .name_passed_over("files beside the parts", files(root, Path::new(""), &inside.files));
        listing.layout.pass_over("the system's own files", inside.litter);
        listing.pass_over_broken(Path::new(""), &inside);
    }
    let is_validation = |(_, (part, _)): &(&OsString, Usage)| *part == Part::Validation;
    let found = |row: &LayoutRow| row.part == Part::Validation;
    listing.layout.own_validation =
        parts.iter().any(is_validation) || listing.layout.rows.iter().any(found);
    if listing.layout.rows.iter().all(|row| row.class.is_none()) {
        if let Some(error) = detection(root, &inside) {
            return Err(error);
        }
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
        let dead = inside.dead.iter().map(|name| text::shown(above.join(name))).collect();
        for (why, names, is_doubtful) in [
            ("folders beside the data", folders(given, &others), true),
            ("files beside the data", files(given, &above, &inside.files), false),
            (DEAD, dead, true),
        ] {
            found.push(Around { why, names, is_doubtful });
        }
        above.push(step);
    }
    Ok(found)
}

/// Refuses two folders that are the same part, such as train and Training: the same images, or two data sets.
/// PublicTest and PrivateTest are one test part in two pieces.
fn check_readings(root: &Path, parts: &[(&OsString, Usage)]) -> Result<()> {
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

/// A class's folder: what it is taken for, and its path below the root.
type ClassFolder = (Option<Emotion>, PathBuf);

/// Reasons to pass over folders.
const NO_PART: &str = "folders that are no part";
const DEAD: &str = "links that lead nowhere";

impl Listing {
    /// The folders of classes below `<root>/<folder>`, in class order; anything next to them is passed over.
    fn classes(
        &mut self,
        root: &Path,
        folder: &Path,
        options: &DataOptions,
    ) -> Result<Vec<ClassFolder>> {
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
        self.pass_over_broken(&folder, &inside);
        let mut classes = Vec::new();
        for name in &inside.folders {
            let class = match options.class(&text::shown(name), options.classes) {
                Class::Is(emotion) => Some(emotion),
                Class::LeftOut => None,
                Class::Number => return Err(numbered(&root.join(&folder), &inside, options)),
            };
            classes.push((class, folder.join(name)));
        }
        classes.sort_by_key(|(class, _)| class.map_or(Emotion::COUNT, Emotion::index));
        Ok(classes)
    }

    /// Adds the classes of a root without parts. Where each class has parts below it, "angry/train", these are the
    /// parts; else all is one part.
    fn add_whole(&mut self, root: &Path, options: &DataOptions) -> Result<()> {
        let classes = self.classes(root, Path::new(""), options)?;
        let insides: Vec<Inside> =
            classes.iter().map(|(_, path)| Inside::of(&root.join(path))).collect::<Result<_>>()?;
        let has_parts = classes
            .iter()
            .zip(&insides)
            .any(|((class, _), inside)| class.is_some() && !inside.parts().is_empty());
        if !has_parts {
            self.layout.without_parts = true;
            for (class, path) in classes {
                self.add_class(root, &path, class, ((Part::Test, "test"), false), options)?;
            }
            return Ok(());
        }
        check_parts_of_classes(root, &classes, &insides)?;
        for ((_, path), inside) in classes.iter().zip(&insides) {
            let parts = inside.parts();
            let others =
                inside.folders.iter().filter(|name| !parts.iter().any(|(is, _)| is == name));
            let others: Vec<PathBuf> = others.map(|name| path.join(name)).collect();
            self.layout.name_doubtful(NO_PART, folders(root, &others));
            let beside = files(root, path, &inside.files);
            self.layout.name_passed_over("files beside the parts", beside);
            self.layout.pass_over("the system's own files", inside.litter);
            self.pass_over_broken(path, inside);
        }
        for part in [Part::Train, Part::Validation, Part::Test] {
            for ((class, path), inside) in classes.iter().zip(&insides) {
                let parts = inside.parts();
                for (name, usage) in parts.iter().filter(|(_, (is, _))| *is == part) {
                    self.add_class(root, &path.join(name), *class, (*usage, true), options)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the images of one class's folder, and of those below it, for one part; `is_said` if a folder says which
    /// part it is.
    fn add_class(
        &mut self,
        root: &Path,
        path: &Path,
        class: Option<Emotion>,
        ((part, usage), is_said): (Usage, bool),
        options: &DataOptions,
    ) -> Result<()> {
        let place = ClassPlace { root, path, class, part: is_said.then_some(part), options };
        let mut files = Vec::new();
        if !self.is_walked_already((part, &place), path) {
            self.walk((part, &place), path, 0, &mut files)?;
        }
        files.sort_unstable_by(|one, other| {
            one.as_os_str().as_encoded_bytes().cmp(other.as_os_str().as_encoded_bytes())
        });
        if class.is_none() && !has_image(root, &files) {
            let over = folders(root, &[path.to_path_buf()]);
            self.layout.name_passed_over("folders without images", over);
            return Ok(());
        }
        let images = match class {
            Some(_) => files.len(),
            // These are not opened.
            None => files.iter().filter(|file| super::is_called_image(file)).count(),
        };
        let found = text::shown(path);
        let names = path.components().rev().map(|name| text::shown(name.as_os_str()));
        // Below "angry/train" the class is the folder above.
        let is_class = |name: &String| {
            let is = options.class(name, options.classes);
            class.map_or(Part::of(name).is_none(), |class| is == Class::Is(class))
        };
        let name = names.clone().find(is_class).or_else(|| names.clone().next());
        let row = self.layout.rows.len();
        let name = name.unwrap_or_default();
        self.layout.rows.push(LayoutRow { found, name, part, class, images });
        if let Some(emotion) = class {
            self.files.extend(files.into_iter().map(|path| Found {
                path,
                usage,
                part,
                emotion,
                row,
            }));
        }
        Ok(())
    }

    /// Counts and names what in a folder leads nowhere, or is no file and no folder.
    fn pass_over_broken(&mut self, folder: &Path, inside: &Inside) {
        let paths = |names: &[OsString]| -> Vec<String> {
            names.iter().map(|name| text::shown(folder.join(name))).collect()
        };
        self.layout.name_doubtful(DEAD, paths(&inside.dead));
        self.layout.name_passed_over("pipes, sockets and devices", paths(&inside.special));
    }

    /// Whether this folder was read for the same part, under another name; a link may lead to it. It is then passed
    /// over and named, or its images would count twice.
    fn is_walked_already(&mut self, (part, place): (Part, &ClassPlace), folder: &Path) -> bool {
        let Ok(real) = fs::canonicalize(place.root.join(folder)) else { return false };
        match self.walked.get(&(part, real.clone())) {
            Some(before) => {
                let name = format!("{} (it is {})", text::shown(folder), text::shown(before));
                self.layout.name_doubtful("links to a folder that is read already", vec![name]);
                true
            }
            None => {
                self.walked.insert((part, real), folder.to_path_buf());
                false
            }
        }
    }

    /// Adds the paths of all files below a class's folder.
    fn walk(
        &mut self,
        (part, place): (Part, &ClassPlace),
        folder: &Path,
        depth: usize,
        files: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let root = place.root;
        let inside = Inside::of(&root.join(folder))?;
        files.extend(inside.files.iter().map(|name| folder.join(name)));
        self.layout.pass_over("the system's own files", inside.litter);
        self.pass_over_broken(folder, &inside);
        place.check(folder, &inside)?;
        if depth == DEEPEST {
            let paths: Vec<PathBuf> = inside.folders.iter().map(|name| folder.join(name)).collect();
            let deep = folders(root, &paths);
            self.layout.name_doubtful("folders that lie too deep", deep);
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
            if !self.is_walked_already((part, place), &below) {
                self.walk((part, place), &below, depth + 1, files)?;
            }
        }
        Ok(())
    }
}

/// What the folders below a class's may not contradict.
struct ClassPlace<'a> {
    root: &'a Path,
    /// The class's folder below the root.
    path: &'a Path,
    class: Option<Emotion>,
    /// The part that a folder around the class, or in it, says.
    part: Option<Part>,
    options: &'a DataOptions,
}

impl ClassPlace<'_> {
    /// Refuses folders below a class's that are called as another class or as another part: the images in them would
    /// get the outer one's label without a word.
    fn check(&self, folder: &Path, inside: &Inside) -> Result<()> {
        // A person may be called "Sa" or "An".
        const SHORTEST: usize = 3;
        let Some(class) = self.class else { return Ok(()) };
        for name in &inside.folders {
            let path = folder.join(name);
            let shown = text::shown(name);
            let is_long = shown.chars().filter(|c| c.is_alphabetic()).count() >= SHORTEST;
            match self.options.class(&shown, None) {
                Class::Is(other) if other != class && is_long => {
                    let problem = format!(
                        "is called as {other}, and lies in a folder of {class}, {}",
                        text::shown(self.path)
                    );
                    let hint = format!(
                        "If its images are {other}, move it next to the folders of the classes: mv {} {}; if they \
                         are {class}, rename it: mv {} {}",
                        command::path(self.root.join(&path)),
                        command::path(self.above(name)),
                        command::path(self.root.join(&path)),
                        command::path(self.root.join(folder).join(format!("session {shown}"))),
                    );
                    return Err(Error::file(self.root.join(path), problem, hint));
                }
                _ => {}
            }
            let part = name.to_str().and_then(Part::of);
            if let Some((part, _)) = part.filter(|(part, _)| self.part != Some(*part)) {
                let problem = format!(
                    "is called as the {part} part, and lies in {}, a folder of {class}{}",
                    text::shown(self.path),
                    self.part.map_or(String::new(), |outer| format!(" for the {outer} part"))
                );
                let hint = format!(
                    "Parts are understood around the classes (train/{class}) or right below them ({class}/train). If \
                     it is no part, rename it: mv {} {}",
                    command::path(self.root.join(&path)),
                    command::path(self.root.join(folder).join(format!("session {shown}"))),
                );
                return Err(Error::file(self.root.join(path), problem, hint));
            }
        }
        Ok(())
    }

    /// Where a class's folder of this name would lie next to this one, or another name there if it is taken.
    fn above(&self, name: &OsString) -> PathBuf {
        let folder = self.root.join(self.path.parent().unwrap_or(Path::new("")));
        let wanted = folder.join(name);
        match wanted.symlink_metadata().is_ok() {
            true => folder.join(format!("{} 2", text::shown(name))),
            false => wanted,
        }
    }
}

/// That all classes have parts below them if some have, each part once, and no images next to them.
fn check_parts_of_classes(root: &Path, classes: &[ClassFolder], insides: &[Inside]) -> Result<()> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for ((class, path), inside) in classes.iter().zip(insides) {
        check_readings(&root.join(path), &inside.parts())?;
        let files: Vec<PathBuf> = inside.files.iter().map(|name| path.join(name)).collect();
        let has_parts = !inside.parts().is_empty();
        if has_parts {
            with.push(text::shown(path));
        }
        if class.is_some() && (!has_parts || has_image(root, &files)) {
            without.push(text::shown(path));
        }
    }
    match without.is_empty() {
        true => Ok(()),
        false => {
            let problem = format!(
                "{} {} folders for parts, such as train and test, and {} {} images beside such or none of them",
                text::list(&with),
                if with.len() == 1 { "has" } else { "have" },
                text::list(&without),
                if without.len() == 1 { "has" } else { "have" },
            );
            let hint = "Move all images into folders for parts, or none.";
            Err(Error::file(root, problem, hint))
        }
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
    let usages: BTreeSet<_> =
        Part::of_files(tables).into_iter().flatten().map(|(_, usage)| usage).collect();
    tables.len() > 1 && usages.len() == tables.len()
}

/// Whether there are folders of parts or classes.
fn has_images(inside: &Inside, options: &DataOptions) -> bool {
    !inside.parts().is_empty() || inside.has_class(options)
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
                if let Some(error) = detection(root, &Inside::of(root)?) {
                    return Err(error);
                }
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

/// The error for a data set for object detection, which has boxes in `labels` for the images in `images`, around the
/// parts or below them; `None` for any other.
fn detection(root: &Path, inside: &Inside) -> Option<Error> {
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

/// Tables that are taken before others in the same folder.
const KNOWN: [&str; 2] = ["fer2013.csv", "icml_face_data.csv"];

/// The error for numbered classes whose numbering is not said.
fn numbered(folder: &Path, inside: &Inside, options: &DataOptions) -> Error {
    let names = inside.folders.iter().map(text::shown);
    let numbers = names.filter(|name| options.class(name, None) == Class::Number);
    numbers_asked_about(folder, &numbers.filter_map(|name| number(&name)).collect(), options)
}

fn is_called_table(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ["csv", "tsv"].iter().any(|known| ending.eq_ignore_ascii_case(known))
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
