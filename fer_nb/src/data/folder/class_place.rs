//! [`ClassPlace`]: what the folders below a class's may not be called.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::inside::Inside;
use crate::common::{Error, Result, command, text};
use crate::data::options::{Class, DataOptions};
use crate::data::part::Part;
use crate::emotion::Emotion;

/// What the folders below a class's may not contradict.
pub(super) struct ClassPlace<'a> {
    pub(super) root: &'a Path,
    /// The class's folder below the root.
    pub(super) path: &'a Path,
    pub(super) class: Option<Emotion>,
    /// The part that a folder around the class, or in it, says.
    pub(super) part: Option<Part>,
    pub(super) options: &'a DataOptions,
}

impl ClassPlace<'_> {
    /// Refuses folders below a class's that are called as another class or as another part: the images in them would
    /// get the outer one's label without a word.
    pub(super) fn check(&self, folder: &Path, inside: &Inside) -> Result<()> {
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
