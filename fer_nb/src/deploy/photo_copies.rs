//! Names for copies of photos, so that no two are the same file.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use super::photo_files::{PhotoFile, PhotoFiles};
use crate::common::{Error, Result};

impl PhotoFiles {
    /// A path below `folder` for a copy of each photo, in order: its path below the given folder, as PNG. If two
    /// would be the same file, names keep their extensions ("x.jpg.png"), and parent folders distinguish photos of
    /// several given folders.
    ///
    /// # Errors
    /// [`Error::WouldOverwrite`] if a copy would replace a photo; [`Error::File`] if no names distinguish the
    /// copies.
    pub fn copies_in(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        let below = || self.photos.iter().map(|photo| photo.below.clone());
        let names = [
            below().map(|path| path.with_extension("png")).collect(),
            below().map(with_png).collect(),
            self.below_their_common_folder()?.into_iter().map(with_png).collect(),
        ];
        let Some(names) = names.into_iter().find(|names: &Vec<PathBuf>| are_apart(names)) else {
            let hint = "Predict one folder at a time, each into a separate folder.";
            return Err(Error::file(folder, "copies of two photos would be the same file", hint));
        };
        let copies: Vec<_> = names.into_iter().map(|name| folder.join(name)).collect();
        self.check_spares(&copies)?;
        Ok(copies)
    }

    /// Returns an error if one of these files is a photo.
    ///
    /// # Errors
    /// [`Error::WouldOverwrite`].
    pub fn check_spares<P: AsRef<Path>>(&self, files: &[P]) -> Result<()> {
        let real = |path: &Path| path.canonicalize().ok();
        let photos: HashSet<_> = self.photos.iter().filter_map(|photo| real(&photo.path)).collect();
        let is_photo = |file: &&P| real(file.as_ref()).is_some_and(|path| photos.contains(&path));
        match files.iter().find(is_photo) {
            None => Ok(()),
            Some(file) => {
                let hint = "Give another path to write to.";
                Err(Error::would_overwrite(file, "a photo that is predicted", hint))
            }
        }
    }

    /// The photos' paths below the deepest folder that contains all of them.
    fn below_their_common_folder(&self) -> Result<Vec<PathBuf>> {
        let absolute = |photo: &PhotoFile| {
            let path = photo.path.canonicalize().or_else(|_| std::path::absolute(&photo.path));
            path.map_err(|error| Error::io("find", &photo.path, error))
        };
        let paths = self.photos.iter().map(absolute).collect::<Result<Vec<_>>>()?;
        let folders: Vec<Vec<Component<'_>>> = paths
            .iter()
            .map(|path| path.parent().unwrap_or(Path::new("")).components().collect())
            .collect();
        let first = folders.first().map(Vec::as_slice).unwrap_or_default();
        let is_common =
            |depth: &usize| folders.iter().all(|folder| folder.get(*depth) == first.get(*depth));
        let common = (0..first.len()).take_while(is_common).count();
        Ok(paths.iter().map(|path| path.components().skip(common).collect()).collect())
    }
}

/// The path with .png after its name.
fn with_png(path: PathBuf) -> PathBuf {
    let mut name = path.into_os_string();
    name.push(".png");
    name.into()
}

/// Whether files of these names can be in one folder: no two are equal, and none is a parent folder of another.
fn are_apart(names: &[PathBuf]) -> bool {
    let all: HashSet<&Path> = names.iter().map(PathBuf::as_path).collect();
    let is_folder = |name: &PathBuf| name.ancestors().skip(1).any(|above| all.contains(above));
    all.len() == names.len() && !names.iter().any(is_folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::photo_files::tests::{JPEG, tree};

    fn copies(found: &PhotoFiles) -> Vec<String> {
        let copies = found.copies_in("out").unwrap();
        copies.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn copies_are_kept_apart() {
        let root = tree(&[
            ("one/ann/x.jpg", JPEG),
            ("one/ben/x.jpg", JPEG),
            ("two/x.jpg", JPEG),
            ("two/x.png", JPEG),
            ("three/y.jpg", JPEG),
            ("three/y.png/z.jpg", JPEG),
        ]);
        let find = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| root.path().join(name)).collect();
            PhotoFiles::find(&paths).unwrap()
        };
        assert_eq!(copies(&find(&["one"])), ["out/ann/x.png", "out/ben/x.png"]);
        assert_eq!(
            copies(&find(&["one/ann", "one/ben"])),
            ["out/ann/x.jpg.png", "out/ben/x.jpg.png"]
        );
        assert_eq!(copies(&find(&["one/ann", "one/ben/x.jpg"])).len(), 2);
        assert_eq!(copies(&find(&["two"])), ["out/x.jpg.png", "out/x.png.png"]);
        assert_eq!(copies(&find(&["three"])), ["out/y.jpg.png", "out/y.png/z.jpg.png"]);
        let all = find(&["one", "two", "three"]);
        assert!(are_apart(&copies(&all).into_iter().map(PathBuf::from).collect::<Vec<_>>()));
        let twice = find(&["two", "two/x.png", "two/../two"]);
        assert_eq!(twice.photos.len(), 2);
        assert_eq!(twice.passed_over()[0].files, 2);
        let onto = find(&["two"]).copies_in(root.path().join("two"));
        assert!(onto.is_ok(), "x.jpg.png is no photo");
        let onto = find(&["two/x.png"]).copies_in(root.path().join("two"));
        assert!(matches!(onto, Err(Error::WouldOverwrite { .. })), "{onto:?}");
    }
}
