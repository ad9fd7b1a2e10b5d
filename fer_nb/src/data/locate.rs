//! The places where the crate looks for data.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::common::{Error, Result};

/// The environment variable with the path of a folder or a table.
pub(super) const VARIABLE: &str = "FER2013_DIR";

/// The data to load: the explicit path, else the variable's, else a known place below `root`; `None` for the
/// made-up sample. A given path that does not exist is an error; it is never ignored.
pub(super) fn locate(
    explicit: Option<&Path>,
    variable: Option<OsString>,
    root: Option<&Path>,
) -> Result<Option<PathBuf>> {
    if let Some(path) = explicit {
        return there(path, "the data", HINT.into());
    }
    if let Some(path) = variable.filter(|path| !path.is_empty()) {
        let hint = format!("{VARIABLE} names it: correct or unset it. {HINT}");
        return there(&from_home(Path::new(&path)), "FER2013", hint);
    }
    let Some(data) = root.map(|root| root.join("data")) else { return Ok(None) };
    let (folder, table) = (data.join("fer2013"), data.join("fer2013.csv"));
    // An empty folder does not count.
    let filled = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    Ok([(filled, folder), (table.is_file(), table)]
        .into_iter()
        .find(|(there, _)| *there)
        .map(|(_, path)| path))
}

/// Replaces a leading ~, as a shell does and the settings of a desktop or an editor don't.
fn from_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_path_buf(),
    }
}

const HINT: &str = "Expected is a folder with train/<class> and test/<class>, or fer2013.csv; see \
                    data/README.md.";

fn there(path: &Path, what: &str, hint: String) -> Result<Option<PathBuf>> {
    let is_address = path.to_str().is_some_and(|text| text.contains("://"));
    let hint = match is_address {
        true => "This is an address: download what is there, and give the path of that.".into(),
        false => hint,
    };
    match path.exists() {
        true => Ok(Some(path.to_path_buf())),
        false => Err(Error::missing(what, path, hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Tree;

    #[test]
    fn data_is_looked_for_in_the_promised_order() {
        let tree = Tree::empty();
        let root = tree.path();
        let look = |explicit: Option<&Path>, variable: Option<&str>| {
            locate(explicit, variable.map(OsString::from), Some(root))
        };
        assert_eq!(look(None, None).unwrap(), None);
        assert_eq!(look(None, Some("")).unwrap(), None);
        assert_eq!(locate(None, None, None).unwrap(), None);
        std::fs::create_dir_all(root.join("data/fer2013")).unwrap();
        assert_eq!(look(None, None).unwrap(), None);
        tree.write("data/fer2013.csv", b"x");
        assert_eq!(look(None, None).unwrap(), Some(root.join("data/fer2013.csv")));
        tree.write("data/fer2013/train/angry/a.jpg", b"x");
        assert_eq!(look(None, None).unwrap(), Some(root.join("data/fer2013")));
        let elsewhere = Tree::empty();
        let path = elsewhere.path();
        assert_eq!(look(None, path.to_str()).unwrap(), Some(path.to_path_buf()));
        assert_eq!(look(Some(root), path.to_str()).unwrap(), Some(root.to_path_buf()));
        let missing = look(None, Some("/nowhere"));
        assert!(matches!(missing, Err(Error::Missing { hint, .. }) if hint.contains(VARIABLE)));
        let address = look(Some(Path::new("https://example.org/fer2013.csv")), None);
        assert!(matches!(address, Err(Error::Missing { hint, .. }) if hint.contains("download")));
        let missing = look(Some(Path::new("no.csv")), None);
        assert!(matches!(missing, Err(Error::Missing { path, .. }) if path == Path::new("no.csv")));
    }
}
