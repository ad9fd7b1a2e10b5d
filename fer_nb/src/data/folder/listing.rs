//! Which image files a data set's folders hold, for which part and class.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::beside::{DEAD, NO_PART, PROGRAMS, files, folders};
use super::class_place::ClassPlace;
use super::image_files::{has_image, is_called_image};
use super::inside::Inside;
use super::packed::packed;
use super::place::detection;
use super::seen::{LAYOUT, MAPPED, seen};
use crate::common::{Error, Result, text};
use crate::data::class_check::numbers_asked_about;
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

/// How deep below a class's folder its images may lie, by person or session.
const DEEPEST: usize = 6;

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
        listing.pass_over_rest(root, Path::new(""), &inside);
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
        self.layout
            .name_passed_over("files beside the classes", files(root, &folder, &inside.files));
        self.pass_over_rest(root, &folder, &inside);
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
            self.pass_over_rest(root, path, inside);
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
            None => files.iter().filter(|file| is_called_image(file)).count(),
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

    /// Counts and names what in a folder is the system's or a program's, leads nowhere, or is no file and no folder.
    fn pass_over_rest(&mut self, root: &Path, folder: &Path, inside: &Inside) {
        self.layout.pass_over("the system's own files", inside.litter);
        let programs: Vec<PathBuf> = inside.programs.iter().map(|name| folder.join(name)).collect();
        self.layout.name_passed_over(PROGRAMS, folders(root, &programs));
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
        self.pass_over_rest(root, folder, &inside);
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

/// The error for numbered classes whose numbering is not said.
fn numbered(folder: &Path, inside: &Inside, options: &DataOptions) -> Error {
    let names = inside.folders.iter().map(text::shown);
    let numbers = names.filter(|name| options.class(name, None) == Class::Number);
    numbers_asked_about(folder, &numbers.filter_map(|name| number(&name)).collect(), options)
}
