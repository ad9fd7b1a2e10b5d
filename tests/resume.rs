//! Runs that are cut off and resumed: by Stop, by a new process, by SIGKILL.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fer_nb::data::{FaceData, SampleConfig};
use fer_nb::error::Result;
use fer_nb::model::{Network, Vgg, VggConfig};
use fer_nb::prelude::*;
use fer_nb::train::{
    BatchOf, Checkpoint, CsvLogger, RunConfig, RunState, SizeSchedule, StopReason, TensorBoard,
    TerminateOnNan,
};
use tch::{Device, Kind, Tensor};

/// One training at a time: libtorch has one random generator for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn data() -> FaceData {
    FaceData::sample(SampleConfig { seed: 7, train: 140, test: 35 }).unwrap()
}

/// All that a checkpoint has to bring back: an average, a schedule, callbacks with memory.
fn config(epochs: usize) -> TrainConfig {
    TrainConfig {
        epochs,
        batch_size: 32,
        ema: Some(0.9),
        clip_norm: Some(1.0),
        optimizer: Optimizer::adamw(0.01),
        ..TrainConfig::default()
    }
}

fn trainer(config: TrainConfig, folder: &Path) -> Trainer {
    let network = SeedCnn::new(Device::Cpu, config.seed).unwrap();
    with_callbacks(Trainer::new(network, config).unwrap(), folder)
}

fn with_callbacks(trainer: Trainer, folder: &Path) -> Trainer {
    trainer
        .run_folder(folder)
        .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(1).cooldown(1))
        .callback(ModelCheckpoint::best(ValLoss, folder))
        .callback(EarlyStopping::on(ValLoss).patience(9).restore_best_weights())
}

/// Weights, optimizer, average, callbacks and history without the wall-clock seconds.
fn contents(folder: &Path) -> (RunState, Vec<(String, Tensor)>) {
    let Checkpoint { mut state, mut tensors } =
        Checkpoint::load(RunFolder::at(folder).checkpoint()).unwrap();
    for epoch in &mut state.epochs {
        epoch.seconds = 0.0;
    }
    state.run.train.epochs = 0;
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    (state, tensors)
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let ((state, tensors), (other_state, other_tensors)) = (contents(one), contents(other));
    assert_eq!(state, other_state);
    assert_eq!(tensors.len(), other_tensors.len());
    for ((name, tensor), (other_name, other_tensor)) in tensors.iter().zip(&other_tensors) {
        assert_eq!(name, other_name);
        assert_eq!(tensor, other_tensor, "{name} differs");
    }
}

#[test]
fn a_new_process_goes_on_as_if_nothing_had_happened() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let data = data();
    let mut unbroken = trainer(config(4), &whole);
    let history = unbroken.fit(&data).unwrap();
    // Everything of the first trainer is dropped; only the folder stays.
    trainer(config(2), &cut).fit(&data).unwrap();
    let mut resumed = trainer(config(4), &cut).resume();
    let resumed_history = resumed.fit(&data).unwrap();
    assert_same(&whole, &cut);
    assert_eq!(resumed.network().parameters().flat(), unbroken.network().parameters().flat());
    let losses = |history: &History| {
        history.epochs.iter().map(|epoch| (epoch.loss, epoch.val_loss)).collect::<Vec<_>>()
    };
    assert_eq!(losses(&resumed_history), losses(&history));
    let on_disk = RunFolder::at(&cut).history().unwrap();
    assert_eq!(losses(&on_disk), losses(&history));
}

/// The parts of a run that depend on the epoch: image sizes, and which images are mirrored.
#[test]
fn sizes_and_turns_go_on_where_they_were() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    let augmentation = Augmentation { alternate_flip: true, ..Augmentation::default() };
    let sizes = SizeSchedule::new([(0.0, 24), (0.4, 36), (0.7, 48)]);
    let config = TrainConfig { sizes, augmentation, ..config(4) };
    let trainer = |name: &str| {
        let channels = vec![32, 32];
        let vgg = VggConfig { channels, convolutions: vec![1, 2], ..VggConfig::default() };
        let network = Vgg::new(Device::Cpu, 1, vgg).unwrap();
        with_callbacks(Trainer::new(network, config.clone()).unwrap(), &folder.path().join(name))
    };
    trainer("whole").callback(Press { epoch: 0, batch: 0 }).fit(&data).unwrap();
    // Each process stops within another epoch and loses its batches; the last one finishes.
    for epoch in [2, 3, 0] {
        let cut = trainer("cut").callback(Press { epoch, batch: 2 });
        if epoch == 2 { cut } else { cut.resume() }.fit(&data).unwrap();
    }
    assert_same(&folder.path().join("whole"), &folder.path().join("cut"));
}

/// Presses Stop in one batch.
struct Press {
    epoch: usize,
    batch: usize,
}

impl Callback for Press {
    fn name(&self) -> &'static str {
        "Press"
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        if (batch.epoch, batch.batch) == (self.epoch, self.batch) {
            // SAFETY: the training that is under way handles the signal.
            unsafe { libc::raise(libc::SIGINT) };
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn stop_keeps_all_and_both_ways_of_going_on_are_exact() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    let path = |name: &str| folder.path().join(name);
    let never = Press { epoch: 0, batch: 0 };
    trainer(config(3), &path("whole")).callback(never).fit(&data).unwrap();

    let press = Press { epoch: 2, batch: 2 };
    let mut stopped = trainer(config(3), &path("stopped")).callback(press);
    let history = stopped.fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 1);
    let batch = Some(BatchOf { number: 2, of: 4 });
    let reason = Some(StopReason::User { epoch: 2, batch });
    assert_eq!(history.stopped, reason);
    assert_eq!(RunFolder::at(path("stopped")).history().unwrap().stopped, reason);
    // What the next cell may do in between.
    stopped.evaluate(&data.validation).unwrap();

    // A new process sees the last finished epoch.
    copy(&path("stopped"), &path("resumed"));
    let never = Press { epoch: 0, batch: 0 };
    let mut resumed = trainer(config(3), &path("resumed")).callback(never).resume();
    resumed.fit(&data).unwrap();
    assert_same(&path("whole"), &path("resumed"));

    // The same trainer goes on with the next batch.
    let history = stopped.fit(&data).unwrap();
    assert_eq!((history.epochs.len(), history.stopped), (3, None));
    assert_same(&path("whole"), &path("stopped"));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("last")).unwrap();
    for file in ["config.toml", "history.csv", "last/checkpoint.safetensors"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[test]
fn what_is_not_the_same_run_is_not_resumed_and_says_why() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    let run = folder.path().join("run");
    let missing = trainer(config(2), &run).resume().fit(&data);
    assert!(matches!(missing, Err(Error::Missing { .. })), "{missing:?}");
    trainer(config(1), &run).fit(&data).unwrap();

    let other = TrainConfig { learning_rate: 0.5, ..config(2) };
    let difference = |trainer: Trainer| match { trainer }.resume().fit(&data) {
        Err(Error::File { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert!(difference(trainer(other, &run)).contains("train.learning_rate"));
    let more = trainer(config(2), &run).callback(Press { epoch: 0, batch: 0 });
    assert!(difference(more).contains("Press"));
    // The same callbacks, made in another way.
    let network = SeedCnn::new(Device::Cpu, config(2).seed).unwrap();
    let patient = Trainer::new(network, config(2))
        .unwrap()
        .run_folder(&run)
        .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(1).cooldown(1))
        .callback(ModelCheckpoint::best(ValLoss, &run))
        .callback(EarlyStopping::on(ValLoss).patience(12).restore_best_weights());
    assert!(difference(patient).contains("EarlyStopping.patience"));
    let network = SeedCnn::new(Device::Cpu, 1).unwrap();
    let homeless = Trainer::new(network, config(1)).unwrap().callback(BackupAndRestore);
    let refused = { homeless }.fit(&data);
    assert!(matches!(refused, Err(Error::Input { .. })), "{refused:?}");
}

#[test]
fn a_callback_that_only_looks_on_is_no_part_of_a_run() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    let path = |name: &str| folder.path().join(name);
    trainer(config(3), &path("plain")).fit(&data).unwrap();
    // Before the others, so that their places in the checkpoint would move if they counted.
    let watched = |epochs, live: &LiveCurves| {
        let config = config(epochs);
        let network = SeedCnn::new(Device::Cpu, config.seed).unwrap();
        let trainer = Trainer::new(network, config)
            .unwrap()
            .callback(live.clone())
            .callback(CsvLogger::new(path("log.csv")))
            .callback(TensorBoard::new(path("logs")))
            .callback(BackupAndRestore)
            .callback(TerminateOnNan);
        with_callbacks(trainer, &path("watched"))
    };
    let live = LiveCurves::new();
    watched(1, &live).fit(&data).unwrap();
    trainer(config(2), &path("watched")).resume().fit(&data).unwrap();
    watched(3, &live).resume().fit(&data).unwrap();
    assert_same(&path("plain"), &path("watched"));
    assert_eq!(live.history().epochs.len(), 3);
    assert_eq!(History::load(path("log.csv"), "").unwrap().epochs, live.history().epochs);
    assert!(live.figure().unwrap().svg().contains("Training, made-up sample"));
}

#[test]
fn a_folder_takes_one_training_at_a_time() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let lock = RunFolder::at(folder.path()).lock().unwrap();
    let refused = trainer(config(1), folder.path()).fit(&data());
    assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
    drop(lock);
    trainer(config(1), folder.path()).fit(&data()).unwrap();
}

#[test]
fn backup_and_restore_goes_on_where_it_can_and_begins_anew_elsewhere() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    let fit = |epochs, learning_rate, press: Press| {
        let config = TrainConfig { learning_rate, ..config(epochs) };
        let trainer = trainer(config, folder.path()).callback(BackupAndRestore).callback(press);
        let mut trainer = trainer;
        trainer.fit(&data).unwrap();
        trainer.history().clone()
    };
    let never = || Press { epoch: 0, batch: 0 };
    let first = fit(2, 1e-3, Press { epoch: 2, batch: 1 });
    assert_eq!(first.epochs.len(), 1);
    let second = fit(2, 1e-3, never());
    assert_eq!(second.epochs.len(), 2);
    assert_eq!(second.epochs[0], first.epochs[0], "the first epoch is not repeated");
    // Finished: begun anew; the seconds tell.
    let third = fit(2, 1e-3, never());
    assert_ne!(third.epochs[0], first.epochs[0]);
    // Another recipe.
    assert_eq!(fit(1, 2e-3, never()).epochs[0].learning_rate, 2e-3);

    // What each of them replaced is kept, whole, and can be resumed.
    let before = RunFolder::at(folder.path()).archived();
    assert_eq!(before.history().unwrap().epochs, third.epochs);
    assert!(before.network(Device::Cpu).is_ok());
    let longer = trainer(config(3), before.path()).callback(never());
    let longer = { longer }.resume().fit(&data).unwrap();
    assert_eq!(longer.epochs[..2], third.epochs);

    // A checkpoint that can't be read is no reason to go no further.
    let checkpoint = RunFolder::at(folder.path()).checkpoint();
    std::fs::write(&checkpoint, "cut").unwrap();
    assert_eq!(fit(1, 2e-3, never()).epochs.len(), 1);
    assert!(Checkpoint::load(&checkpoint).is_ok());
    assert_eq!(before.history().unwrap().epochs[..2], third.epochs, "a longer run is pushed out");
}

#[test]
fn another_processor_goes_on_in_its_own_precision() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    trainer(config(1), folder.path()).fit(&data).unwrap();
    let path = RunFolder::at(folder.path()).checkpoint();
    let mut checkpoint = Checkpoint::load(&path).unwrap();
    checkpoint.state.run.precision = "float8 (auto)".into();
    checkpoint.state.run.device = "CPU, 1024 threads".into();
    checkpoint.save(&path).unwrap();
    let history = trainer(config(2), folder.path()).resume().fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 2);
}

#[test]
fn stop_in_the_last_epoch_that_comes_too_late_is_a_regular_end() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    struct PressAtEnd;
    impl Callback for PressAtEnd {
        fn name(&self) -> &'static str {
            "PressAtEnd"
        }

        fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
            if epoch.record.epoch == 2 {
                // SAFETY: the training that is under way handles the signal.
                unsafe { libc::raise(libc::SIGINT) };
            }
            Ok(())
        }
    }
    let history = trainer(config(2), folder.path()).callback(PressAtEnd).fit(&data()).unwrap();
    assert_eq!((history.epochs.len(), history.stopped), (2, None));
}

#[test]
fn other_images_do_not_go_on_in_the_middle_of_an_epoch() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let press = Press { epoch: 1, batch: 2 };
    let mut stopped = trainer(config(2), folder.path()).callback(press);
    stopped.fit(&data()).unwrap();
    let other = FaceData::sample(SampleConfig { seed: 8, train: 140, test: 35 }).unwrap();
    let refused = stopped.fit(&other);
    assert!(matches!(refused, Err(Error::Input { .. })), "{refused:?}");
    assert_eq!(stopped.fit(&data()).unwrap().epochs.len(), 2);
}

/// Saves a run as a training does until it is killed; not a test, but what the next one kills.
#[test]
#[ignore = "runs until it is killed"]
fn save_for_ever() {
    let Ok(folder) = std::env::var("FER_TEST_RUN") else { return };
    let folder = RunFolder::at(folder);
    let _lock = folder.lock().unwrap();
    let data = data();
    let network = SeedCnn::new(Device::Cpu, 1).unwrap();
    let mut run = RunConfig::new(&network, &TrainConfig::default(), &data);
    let count = network.parameters().count();
    for step in 0u32.. {
        run.train.epochs = step as usize + 1;
        let state = RunState {
            learning_rate: 1e-3,
            optimizer_steps: step,
            ema_steps: 0,
            stopped: None,
            run: run.clone(),
            epochs: Vec::new(),
            callbacks: Vec::new(),
        };
        let full = |name: &str| {
            (name.to_string(), Tensor::full([count], i64::from(step), (Kind::Float, Device::Cpu)))
        };
        let tensors = ["network", "optimizer.mean", "optimizer.square"].map(full).into();
        Checkpoint { state, tensors }.save(folder.checkpoint()).unwrap();
        folder.save_config(&run).unwrap();
        folder.save_history(&History::default()).unwrap();
        println!("saved {step}");
    }
}

#[test]
fn a_hundred_kills_while_saving_leave_a_run_that_loads() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::at(folder.path());
    let path = run.checkpoint();
    let mut landed_in = 0;
    for kill in 0..100 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "save_for_ever", "--ignored", "--nocapture"])
            .env("FER_TEST_RUN", folder.path())
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut saved = || {
            let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("saved")));
            assert!(line.is_some(), "the child ended before it saved");
            Instant::now()
        };
        // How long a save takes depends on the machine; each kill comes a little later in one.
        let (first, second) = (saved(), saved());
        std::thread::sleep((second - first).mul_f64(f64::from(kill) / 100.0));
        child.kill().unwrap();
        child.wait().unwrap();
        let whole = Checkpoint::load(&path).unwrap();
        let steps = f64::from(whole.state.optimizer_steps);
        for (name, tensor) in &whole.tensors {
            assert_eq!(tensor.min().double_value(&[]), steps, "{name} of another save");
            assert_eq!(tensor.max().double_value(&[]), steps, "{name} of another save");
        }
        // The others follow the checkpoint, and never tell of an epoch that it does not have.
        assert!(run.config().unwrap().train.epochs as f64 <= steps + 1.0);
        run.history().unwrap();
        // A temporary file shows that the kill came while one was written.
        let count = |folder: &Path| {
            let files = std::fs::read_dir(folder).unwrap().flatten();
            files.filter(|file| file.file_name().to_string_lossy().contains("tmp")).count()
        };
        let files = count(folder.path()) + count(path.parent().unwrap());
        landed_in += files;
        assert!(files <= 1, "{files} files: leftovers of earlier kills stay");
    }
    assert!(landed_in >= 10, "only {landed_in} of 100 kills came while a file was written");
}
