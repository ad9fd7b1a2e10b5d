//! Folders that programs make, and that may lie in or around data: environments, runs, figures.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::data::part::Part;
use crate::emotion::Emotion;

/// Whose name says it, whatever is in them.
const SURE: [&str; 4] = ["node_modules", "site-packages", "__pycache__", "bower_components"];

/// What lies in them and nowhere else: of Python's environments, of caches and builds, and of runs and exports of this
/// project's, of Lightning's and of Keras'.
const MARKS: [&str; 7] = [
    "pyvenv.cfg",
    "CACHEDIR.TAG",
    "history.csv",
    "model_card.md",
    "best.safetensors",
    "hparams.yaml",
    "saved_model.pb",
];

/// What people and programs call them. Data may be in one of such a name, too.
const NAMES: [&str; 43] = [
    "build",
    "cache",
    "charts",
    "checkpoint",
    "checkpoints",
    "ckpt",
    "ckpts",
    "code",
    "confusion_matrices",
    "dist",
    "docs",
    "env",
    "exported",
    "exports",
    "figs",
    "figures",
    "gradcam",
    "graphs",
    "lightning_logs",
    "log",
    "logs",
    "mlruns",
    "models",
    "notebooks",
    "onnx",
    "out",
    "output",
    "outputs",
    "plots",
    "predictions",
    "reports",
    "results",
    "runs",
    "saved_models",
    "scripts",
    "src",
    "target",
    "tb_logs",
    "tensorboard",
    "tests",
    "venv",
    "wandb",
    "weights",
];

/// Whether a folder is a program's, by what lies in it or by its name, and no folder of a class lies in it.
pub(super) fn is_programs(folder: &Path) -> bool {
    is_called(folder, &SURE)
        || (is_called(folder, &NAMES) || is_marked(folder)) && !holds_classes(folder)
}

/// Whether data may be in a program's folder, deeper in it: others have its name.
pub(super) fn may_hold_data(folder: &Path) -> bool {
    !is_called(folder, &SURE) && !is_marked(folder)
}

fn is_called(folder: &Path, names: &[&str]) -> bool {
    let name = folder.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_marked(folder: &Path) -> bool {
    MARKS.iter().any(|mark| folder.join(mark).is_file())
}

/// Whether folders of classes lie in a folder, or in parts in it. A run may be called as a class.
fn holds_classes(folder: &Path) -> bool {
    let is_class =
        |path: &Path| named(path, |name| Emotion::from_word(name).is_some()) && !is_marked(path);
    let is_part = |path: &Path| named(path, |name| Part::of(name).is_some());
    folders(folder).any(|path| {
        is_class(&path) || is_part(&path) && folders(&path).any(|below| is_class(&below))
    })
}

fn named(path: &Path, is: impl Fn(&str) -> bool) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(is)
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Tree;

    #[test]
    fn programs_folders_are_told_from_data() {
        let tree = Tree::empty();
        for file in [
            "node_modules/train/angry/a.png",
            "my env/pyvenv.cfg",
            "runs/happy/history.csv",
            "figures/a.png",
            "Output/train/angry/a.png",
            "build/Sad/a.png",
            "logs/1/a.png",
            "results/set/train/angry/a.png",
            "angry/a.png",
            "fer/best.safetensors",
            "fer/train/happy/a.png",
        ] {
            tree.write(file, b"x");
        }
        let is = |name: &str| is_programs(&tree.path().join(name));
        for name in ["node_modules", "my env", "runs", "runs/happy", "figures", "logs", "results"] {
            assert!(is(name), "{name}");
        }
        for name in ["Output", "build", "angry", "fer", "none"] {
            assert!(!is(name), "{name}");
        }
        let may = |name: &str| may_hold_data(&tree.path().join(name));
        assert!(may("results") && !may("node_modules") && !may("my env"));
    }
}
