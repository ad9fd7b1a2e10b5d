//! Files that version 0.1 wrote before formats had numbers: `tests/older/` holds two runs and a study of a
//! small VGG on the made-up sample.

use std::path::{Path, PathBuf};

use fer_nb::data::{FaceData, SampleConfig};
use fer_nb::error::{Error, Place};
use fer_nb::prelude::*;
use fer_nb::train::{Checkpoint, RunConfig, StopReason};
use tch::Device;

/// A copy of a folder in `tests/older`, since opening a run leaves files in it.
fn copied(name: &str) -> (tempfile::TempDir, PathBuf) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(path, to).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/older").join(name);
    let to = folder.path().join(name);
    copy(&from, &to);
    (folder, to)
}

fn data() -> FaceData {
    FaceData::sample(SampleConfig::default()).unwrap()
}

/// The recipe that a run's config stands for, with the callbacks of `fer train`.
fn recipe(run: &RunFolder, patience: Option<usize>) -> Recipe {
    let config = run.config().unwrap();
    let mut recipe = Recipe { network: config.architecture.unwrap(), ..Recipe::default() };
    recipe.train = config.train;
    recipe.choice.patience = patience;
    recipe
}

#[test]
fn a_run_is_evaluated_and_resumed() {
    let (_folder, path) = copied("finished");
    let (run, data) = (RunFolder::at(&path), data());
    assert!(run.check_data(&data).is_ok());
    let config = run.config().unwrap();
    assert_eq!((config.train.sam, config.train.initial_weights.clone()), (None, None));
    assert_eq!((config.train.ema, config.train.clip_norm), (Some(0.9), Some(1.0)));
    assert_eq!(config.trained_on, Some([1923, 477]));
    // What the version that wrote it found.
    let test = evaluate(&*run.network(Device::Cpu).unwrap(), &data.test).unwrap();
    assert!((test.loss() - 1.926_799_166).abs() < 1e-4, "{}", test.loss());

    let before = run.history().unwrap();
    assert_eq!((before.epochs.len(), &before.stopped), (2, &None));
    let mut recipe = recipe(&run, None);
    recipe.train.epochs = 3;
    let history = recipe.trainer(Device::Cpu, &path).unwrap().resume().fit(&data).unwrap();
    assert_eq!(history.epochs[..2], before.epochs);
    let third = history.epochs[2];
    // It computed in float32; another machine may take bfloat16.
    assert!((third.loss - 1.887_167).abs() < 2e-2, "{third:?}");
    assert!((third.val_loss - 1.889_434).abs() < 2e-2, "{third:?}");
    assert_eq!(run.config().unwrap().format, RunConfig::FORMAT);
}

#[test]
fn a_run_that_a_callback_ended_keeps_its_reason() {
    let (_folder, path) = copied("stopped");
    let run = RunFolder::at(&path);
    let saved = Checkpoint::load(run.checkpoint()).unwrap().state.stopped;
    assert!(matches!(&saved, Some(StopReason::Recorded { text }) if text.contains("val_loss")));
    let mut trainer = recipe(&run, Some(1)).trainer(Device::Cpu, &path).unwrap().resume();
    let history = trainer.fit(&data()).unwrap();
    assert_eq!((history.epochs.len(), &history.stopped), (2, &saved));
    assert_eq!(run.history().unwrap().stopped, saved, "it is kept where readers look now");
}

#[test]
fn a_study_is_joined() {
    let (_folder, path) = copied("study");
    let mut study = Study::load(&path).unwrap();
    let trials = study.trials().to_vec();
    assert_eq!(trials.len(), 2);
    assert!(trials.iter().all(|trial| trial.reason.is_none()), "{trials:?}");
    study.optimize(&data(), 3, Device::Cpu).unwrap();
    assert_eq!(study.trials().len(), 3);
    assert_eq!(study.trials()[..2], trials);
    // The same space and recipe are the same study.
    let (space, recipe) = (study.config().space.clone(), study.config().recipe.clone());
    assert_eq!(Study::open(&path, space, recipe).unwrap().trials().len(), 3);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let (_folder, path) = copied("study");
    let file = path.join("study.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("format = 99\n{text}")).unwrap();
    let Err(Error::File { place: Place::Key(key), .. }) = Study::load(&path) else { panic!() };
    assert_eq!(key, "format");
}
