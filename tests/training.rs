//! The training loop on made-up faces, as a notebook or `fer train` uses it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fer_nb::data::{FaceData, SampleConfig};
use fer_nb::error::{Error, Failure, Result};
use fer_nb::prelude::*;
use fer_nb::train::{CsvLogger, LossConfig, Mixing, Sampling, StopReason, TensorBoard};
use tch::{Device, Kind};

/// One training at a time: libtorch has one random generator for the whole process, and each
/// training uses all cores.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn data(train: usize) -> FaceData {
    FaceData::sample(SampleConfig { seed: 7, train, test: 70 }).unwrap()
}

fn trainer(config: TrainConfig) -> Trainer {
    Trainer::new(SeedCnn::new(Device::Cpu, config.seed).unwrap(), config).unwrap()
}

fn short(epochs: usize) -> TrainConfig {
    TrainConfig { epochs, batch_size: 32, ..TrainConfig::default() }
}

/// Overwrites every weight once the epoch is over: what a worse epoch would do, without the wait.
struct Spoil {
    after: usize,
}

impl Callback for Spoil {
    fn name(&self) -> &'static str {
        "Spoil"
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        if epoch.record.epoch >= self.after {
            let parameters = epoch.network.parameters_mut();
            let zeros = parameters.flat().zeros_like();
            parameters.restore(&zeros)?;
        }
        Ok(())
    }
}

#[test]
fn the_loop_learns_the_made_up_sample() {
    let _turn = alone();
    let data = data(900);
    // Without dropout and augmentation, so that a few epochs of few images show learning.
    let config = TrainConfig { augmentation: Augmentation::none(), ..short(8) };
    let network = SeedCnn::with_dropout(Device::Cpu, config.seed, 0.0, 0.0).unwrap();
    let history = Trainer::new(network, config).unwrap().fit(&data).unwrap();
    assert_eq!(history.title, "made-up sample");
    assert_eq!(history.epochs.len(), 8);
    // A quarter of the faces are happy, so an accuracy of 0.25 would be no learning at all.
    let best = history.epochs.iter().map(|epoch| epoch.val_accuracy).fold(0.0, f64::max);
    assert!(best > 0.40, "{history:?}");
    assert!(history.epochs[7].loss < history.epochs[0].loss / 1.5, "{history:?}");
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let _turn = alone();
    let data = data(140);
    let run = |seed| {
        let mut trainer = trainer(TrainConfig { seed, ..short(2) });
        let history = trainer.fit(&data).unwrap();
        let losses: Vec<_> = history.epochs.iter().map(|e| (e.loss, e.val_loss)).collect();
        (losses, trainer.network().parameters().snapshot().unwrap())
    };
    let (first, second, other) = (run(1), run(1), run(2));
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1, "weights differ between two runs of one seed");
    assert_ne!(first.0, other.0);
}

#[test]
fn fit_goes_on_where_the_last_fit_ended() {
    let _turn = alone();
    let data = data(140);
    let mut whole = trainer(short(3));
    whole.fit(&data).unwrap();
    let mut parts = trainer(short(1));
    parts.fit(&data).unwrap();
    parts.set_epochs(3);
    let history = parts.fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 3);
    assert_eq!(parts.network().parameters().flat(), whole.network().parameters().flat());
}

#[test]
fn a_finished_run_trains_longer_and_with_another_learning_rate() {
    let _turn = alone();
    let data = data(140);
    let mut trainer = trainer(short(1));
    trainer.fit(&data).unwrap();
    let weights = trainer.network().parameters().flat().copy();
    // All epochs are done: other data or not, nothing changes.
    let again = trainer.fit(&self::data(210)).unwrap();
    assert_eq!(again.epochs.len(), 1);
    assert_eq!(trainer.network().parameters().flat(), weights);

    for wrong in [0.0, -1e-3, f64::NAN] {
        let Err(Error::Setting { name, .. }) = trainer.set_learning_rate(wrong) else { panic!() };
        assert_eq!(name, "learning_rate");
    }
    let Err(Error::Setting { name, .. }) = trainer.fit_more(&data, 0) else { panic!() };
    assert_eq!(name, "epochs");
    trainer.set_learning_rate(1e-4).unwrap();
    let history = trainer.fit_more(&data, 2).unwrap();
    let rates: Vec<f64> = history.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!(rates, [1e-3, 1e-4, 1e-4]);
    assert_ne!(trainer.network().parameters().flat(), weights);
    assert_eq!(trainer.fit(&data).unwrap().epochs.len(), 3);
}

#[test]
fn a_rate_that_is_set_before_the_first_epoch_is_the_run_s() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(short(1)).run_folder(folder.path());
    trainer.set_learning_rate(2e-4).unwrap();
    trainer.fit(&data(140)).unwrap();
    let config = RunFolder::at(folder.path()).config().unwrap();
    assert_eq!(config.train.learning_rate, 2e-4);
}

#[test]
fn a_config_and_a_space_can_be_lent_and_used_again() {
    let _turn = alone();
    let config = short(1);
    for _ in 0..2 {
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        assert!(Trainer::new(network, &config).is_ok());
    }
    assert!(Trainer::new(SeedCnn::new(Device::Cpu, 1).unwrap(), config).is_ok());
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_keeps_the_best_weights() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data(140);
    let mut good = trainer(short(1)).callback(ModelCheckpoint::best(ValLoss, folder.path()));
    good.fit(&data).unwrap();
    let weights = std::fs::read(folder.path().join("best.safetensors")).unwrap();

    let config = TrainConfig { learning_rate: 1e20, ..short(5) };
    let mut bad = trainer(config).callback(ModelCheckpoint::best(ValLoss, folder.path()));
    // The step with that rate is the first batch's, so the second is the one that shows it.
    assert_eq!(diverged(bad.fit(&data)), (1, "loss", Some([2, 4])));
    assert_eq!(std::fs::read(folder.path().join("best.safetensors")).unwrap(), weights);
}

#[test]
fn wrong_hyperparameters_are_named_before_any_work() {
    let _turn = alone();
    let data = data(140);
    let mut large = trainer(TrainConfig { batch_size: 1000, ..TrainConfig::default() });
    let Err(Error::Setting { name, .. }) = large.fit(&data) else { panic!() };
    assert_eq!(name, "batch_size");
    let callback = ReduceLrOnPlateau::on(ValLoss).factor(1.5);
    let mut wrong = trainer(short(1)).callback(callback);
    let Err(Error::Setting { name, .. }) = wrong.fit(&data) else { panic!() };
    assert_eq!(name, "ReduceLROnPlateau.factor");
}

#[test]
fn early_stopping_ends_training_and_puts_the_best_weights_back() {
    let _turn = alone();
    let data = data(140);
    let mut one = trainer(short(1));
    one.fit(&data).unwrap();
    let stopping = EarlyStopping::on(ValLoss).patience(2).min_delta(10.0).restore_best_weights();
    let mut trainer = trainer(short(9)).callback(stopping).callback(Spoil { after: 2 });
    let history = trainer.fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 3, "one epoch that counts as best, and two of patience");
    let reason = StopReason::EarlyStopping { epoch: 3, monitor: ValLoss, waited: 2 };
    assert_eq!(history.stopped, Some(reason));
    let weights = |trainer: &Trainer| trainer.network().parameters().snapshot().unwrap();
    assert_eq!(weights(&trainer), weights(&one), "not those of epoch 1");
    // A further fit waits anew, and does not end with the first worse epoch.
    let history = trainer.fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 5, "two more of patience");
    assert_eq!(weights(&trainer), weights(&one), "the best epoch is forgotten");
}

#[test]
fn early_stopping_looks_at_nothing_before_its_first_epoch() {
    let _turn = alone();
    let data = data(140);
    let stopping = EarlyStopping::on(ValLoss).patience(1).min_delta(10.0).start_from_epoch(2);
    let history = trainer(short(9)).callback(stopping).fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 4, "two that don't count, the best one, one of patience");
}

/// Epoch, metric and batch of a training that diverged; the hint names a rate.
#[track_caller]
fn diverged(result: Result<History>) -> (usize, &'static str, Option<[usize; 2]>) {
    match result {
        Err(Error::Training { epoch, cause: Failure::Diverged { metric, batch, .. }, hint }) => {
            assert!(hint.contains("learning rate"), "{hint}");
            (epoch, metric, batch)
        }
        other => panic!("{other:?}"),
    }
}

/// Makes the weights NaN once the epoch is over, so that the next one's first loss is.
struct Poison {
    after: usize,
}

impl Callback for Poison {
    fn name(&self) -> &'static str {
        "Poison"
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        if epoch.record.epoch == self.after {
            let parameters = epoch.network.parameters_mut();
            let poison = parameters.flat().full_like(f64::NAN);
            parameters.restore(&poison)?;
        }
        Ok(())
    }
}

#[test]
fn a_run_that_breaks_keeps_its_best_epoch_on_disk_and_in_memory() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data(140);
    let stopping = EarlyStopping::on(ValLoss).patience(5).restore_best_weights();
    let mut broken = trainer(short(5))
        .run_folder(folder.path())
        .callback(ModelCheckpoint::best(ValLoss, folder.path()))
        .callback(stopping)
        .callback(Poison { after: 2 });
    assert_eq!(diverged(broken.fit(&data)), (3, "loss", Some([1, 4])));
    let kept = RunFolder::at(folder.path()).network(Device::Cpu).unwrap();
    let sum = kept.parameters().flat().sum(Kind::Double).double_value(&[]);
    assert!(sum.is_finite(), "what is on disk is poisoned");
    assert_eq!(broken.network().parameters().flat(), kept.parameters().flat());
    assert_eq!(RunFolder::at(folder.path()).history().unwrap().epochs.len(), 2);
    let again = broken.fit(&data);
    assert!(matches!(again, Err(Error::Training { cause: Failure::Earlier, .. })), "{again:?}");
}

/// One step an epoch: the loss before it is finite, and no batch comes after it.
#[test]
fn a_last_step_that_ruins_the_weights_ends_training_too() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data(140);
    let with_choice = |config: TrainConfig| {
        trainer(config)
            .run_folder(folder.path())
            .callback(ModelCheckpoint::best(ValLoss, folder.path()))
            .callback(EarlyStopping::on(ValLoss).restore_best_weights())
    };
    with_choice(short(1)).fit(&data).unwrap();
    let run = RunFolder::at(folder.path());
    let before = run.network(Device::Cpu).unwrap().parameters().flat();
    let config = TrainConfig { batch_size: data.train.len(), learning_rate: 1e30, ..short(3) };
    let mut broken = with_choice(config);
    assert_eq!(diverged(broken.fit(&data)), (1, "val_loss", None));
    assert_eq!(broken.history().epochs, []);
    // The run that was there is as it was.
    assert_eq!(run.network(Device::Cpu).unwrap().parameters().flat(), before);
    assert_eq!(run.history().unwrap().epochs.len(), 1);
    assert!(!folder.path().join("before").exists());
}

/// Fails once an epoch is over, as a full disk would.
struct Fail {
    after: usize,
}

impl Callback for Fail {
    fn name(&self) -> &'static str {
        "Fail"
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        match epoch.record.epoch == self.after {
            true => Err(Error::setting("disk", "full", "room")),
            false => Ok(()),
        }
    }
}

#[test]
fn an_epoch_whose_end_fails_is_not_gone_on_from_and_the_run_before_is_whole() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data(140);
    let make = |seed| {
        let callback = ModelCheckpoint::best(ValLoss, folder.path());
        trainer(TrainConfig { seed, ..short(1) }).run_folder(folder.path()).callback(callback)
    };
    make(1).fit(&data).unwrap();
    let best = || std::fs::read(folder.path().join("before/best.safetensors")).unwrap();
    let old = std::fs::read(folder.path().join("best.safetensors")).unwrap();
    let mut failing = make(2).callback(Fail { after: 1 });
    assert!(matches!(failing.fit(&data), Err(Error::Setting { .. })));
    let again = failing.fit(&data);
    assert!(matches!(again, Err(Error::Training { cause: Failure::Earlier, .. })), "{again:?}");
    // Its best weights are in the folder, its checkpoint is not; the run before stays what it was.
    assert_eq!(best(), old);
    make(3).fit(&data).unwrap();
    assert_eq!(best(), old);
}

#[test]
fn the_learning_rate_falls_on_a_plateau_with_keras_cooldown_and_floor() {
    let _turn = alone();
    let data = data(140);
    let reduce = ReduceLrOnPlateau::on(ValLoss).factor(0.1).patience(1).min_delta(10.0);
    let mut trainer = trainer(short(6)).callback(reduce.cooldown(2).min_lr(5e-5));
    let rates: Vec<f64> =
        trainer.fit(&data).unwrap().epochs.iter().map(|epoch| epoch.learning_rate).collect();
    // By hand from the rule in Keras' ReduceLROnPlateau.on_epoch_end. The first epoch is the best;
    // of a cooldown of 2 the second epoch is counted again, so each rate but the first holds for two.
    let expected = [1e-3, 1e-3, 1e-4, 1e-4, 5e-5, 5e-5];
    for (rate, expected) in rates.iter().zip(expected) {
        assert!((rate - expected).abs() < 1e-12, "{rates:?}");
    }
}

#[test]
fn a_run_folder_holds_what_the_next_stage_needs() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = data(140);
    let run = folder.path().join("baseline");
    // The evaluation below computes in float32 and shall give the very figure of the history.
    let config = TrainConfig { precision: Precision::Float32, ..short(2) };
    let mut trainer =
        trainer(config).run_folder(&run).callback(ModelCheckpoint::best(ValAccuracy, &run));
    let history = trainer.fit(&data).unwrap();
    let run = RunFolder::at(&run);
    let config = run.config().unwrap();
    assert_eq!(config.data_title, "made-up sample");
    assert_eq!(config.train.epochs, 2);
    assert_eq!(config.images.iter().sum::<usize>(), 210);
    assert_eq!(run.history().unwrap().epochs.len(), history.epochs.len());
    let evaluation = evaluate(&run.network(Device::Cpu).unwrap(), &data.validation).unwrap();
    let best = history.epochs.iter().map(|epoch| epoch.val_accuracy).fold(0.0, f64::max);
    assert!((evaluation.accuracy().value - best).abs() < 1e-9);
    let predictor = Predictor::load(run.path(), Device::Cpu).unwrap();
    let pixels = data.validation.image(0).unwrap();
    let prediction = predictor.predict_pixels(pixels).unwrap();
    assert_eq!(prediction.emotion().index() as u8, evaluation.predictions()[0]);
    assert!(predictor.predict_pixels(&pixels[1..]).is_err());
}

#[test]
fn schedules_average_and_optimizers_work_in_the_loop() {
    let _turn = alone();
    let data = data(140);
    let optimizers = [Optimizer::adam(), Optimizer::adamw(0.01), Optimizer::sgd(0.9)];
    let schedules = [Schedule::cosine(0.5), Schedule::one_cycle(), Schedule::Constant];
    for (optimizer, schedule) in optimizers.into_iter().zip(schedules) {
        let config =
            TrainConfig { optimizer, schedule, ema: Some(0.9), clip_norm: Some(1.0), ..short(2) };
        let mut trainer = trainer(config);
        let start = trainer.network().parameters().snapshot().unwrap();
        let history = trainer.fit(&data).unwrap();
        assert!(history.epochs.iter().all(|epoch| epoch.val_loss.is_finite()), "{history:?}");
        assert_ne!(trainer.network().parameters().flat(), start, "{optimizer}");
        let last = history.epochs[1].learning_rate;
        match schedule {
            Schedule::Constant => assert_eq!(last, 1e-3),
            _ => assert!(last < 1e-5, "{schedule}: {last}"),
        }
    }
}

#[test]
fn bfloat16_learns_as_float32_does() {
    let _turn = alone();
    let data = data(900);
    let run = |precision| {
        let augmentation = Augmentation::none();
        // Slow, so that rounding doesn't decide in which epoch the loss falls.
        let learning_rate = 3e-4;
        let config = TrainConfig { precision, augmentation, learning_rate, ..short(4) };
        let network = SeedCnn::with_dropout(Device::Cpu, config.seed, 0.0, 0.0).unwrap();
        let mut trainer = Trainer::new(network, config).unwrap();
        let history = trainer.fit(&data).unwrap();
        // The weights that are kept, and what computes with them afterwards, are float32.
        let parameters = trainer.network().parameters();
        assert_eq!((parameters.kind(), parameters.flat().kind()), (Kind::Float, Kind::Float));
        history.epochs.iter().map(|epoch| epoch.loss).collect::<Vec<_>>()
    };
    let (full, half) = (run(Precision::Float32), run(Precision::Bfloat16));
    assert_ne!(full, half, "bfloat16 computed in float32");
    for (full, half) in full.iter().zip(&half) {
        assert!((full - half).abs() < 0.15, "{full} and {half}");
    }
}

#[test]
fn a_range_test_changes_nothing_and_suggests_a_rate() {
    let _turn = alone();
    let data = data(300);
    let mut trainer = trainer(short(1));
    let before = trainer.network().parameters().snapshot().unwrap();
    let range = RangeTestConfig { from: 1e-5, to: 1.0, steps: 40 };
    let test = trainer.range_test(&data, range).unwrap();
    assert_eq!(trainer.network().parameters().flat(), before);
    assert!(test.points.len() >= 10 && test.points.len() <= 40, "{:?}", test.points);
    assert!(test.points.windows(2).all(|pair| pair[1].learning_rate > pair[0].learning_rate));
    assert!(test.figure().unwrap().svg().contains("made-up sample"));
    let wrong = RangeTestConfig { from: 1.0, to: 0.1, ..range };
    let Err(Error::Setting { name, .. }) = trainer.range_test(&data, wrong) else { panic!() };
    assert_eq!(name, "to");
}

/// Keeps each batch's loss.
#[derive(Clone, Default)]
struct Losses(std::sync::Arc<Mutex<Vec<f64>>>);

impl Callback for Losses {
    fn name(&self) -> &'static str {
        "Losses"
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        self.0.lock().unwrap().push(batch.loss.f_double_value(&[])?);
        Ok(())
    }

    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_range_test_takes_the_steps_that_fit_takes() {
    let _turn = alone();
    let data = data(300);
    let plain = TrainConfig { batch_size: 32, ..short(2) };
    let all = TrainConfig {
        sam: Some(0.05),
        ema: Some(0.9),
        clip_norm: Some(0.5),
        mixing: Mixing { mixup: 0.2, cutmix: 1.0 },
        sampling: Sampling::SquareRoot,
        loss: LossConfig { label_smoothing: 0.1, ..LossConfig::default() },
        optimizer: Optimizer::sgd(0.9),
        ..plain.clone()
    };
    for config in [TrainConfig { sam: Some(0.05), ..plain.clone() }, plain, all] {
        let losses = Losses::default();
        let rate = config.learning_rate;
        let mut trainer = trainer(config).callback(losses.clone());
        // More steps than an epoch has.
        let range = RangeTestConfig { from: rate, to: rate, steps: 12 };
        let test = trainer.range_test(&data, range).unwrap();
        assert!(losses.0.lock().unwrap().is_empty(), "callbacks take no part");
        trainer.fit(&data).unwrap();
        let taken: Vec<f64> = test.points.iter().map(|point| point.loss).collect();
        assert_eq!(taken, losses.0.lock().unwrap()[..12]);
    }
}

#[test]
fn loggers_and_checkpoints_leave_their_files() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = data(140);
    let mut trainer = trainer(short(3))
        .callback(CsvLogger::new(at("log.csv")))
        .callback(ModelCheckpoint::every(2, folder.path()))
        .callback(TensorBoard::new(at("logs")));
    let history = trainer.fit(&data).unwrap();
    assert_eq!(History::load(at("log.csv"), "").unwrap().epochs, history.epochs);
    assert!(at("epoch-002.safetensors").is_file() && !at("epoch-003.safetensors").exists());
    for part in ["train", "validation"] {
        let files = std::fs::read_dir(at("logs").join(part)).unwrap();
        assert_eq!(files.count(), 1);
    }
    let message = Trainer::new(SeedCnn::new(Device::Cpu, 1).unwrap(), short(1))
        .unwrap()
        .callback(ModelCheckpoint::every(0, folder.path()))
        .fit(&data)
        .unwrap_err();
    assert_eq!(message.to_string(), "ModelCheckpoint.every = 0: expected 1 epoch or more");
}

#[test]
fn a_log_is_replaced_or_appended_to() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.csv");
    let data = data(140);
    let rows = |logger: CsvLogger| {
        trainer(short(2)).callback(logger).fit(&data).unwrap();
        History::load(&log, "").unwrap().epochs.iter().map(|row| row.epoch).collect::<Vec<_>>()
    };
    assert_eq!(rows(CsvLogger::new(&log)), [1, 2]);
    assert_eq!(rows(CsvLogger::new(&log).append()), [1, 2, 1, 2]);
    assert_eq!(rows(CsvLogger::new(&log)), [1, 2]);
}

#[test]
fn a_custom_callback_sees_every_epoch() {
    let _turn = alone();
    struct Count(Arc<AtomicUsize>);
    impl Callback for Count {
        fn name(&self) -> &'static str {
            "Count"
        }
        fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
            self.0.fetch_add(epoch.record.epoch, Ordering::Relaxed);
            if epoch.record.epoch == 2 {
                epoch.stop_training("enough");
            }
            Ok(())
        }
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let history = trainer(short(5)).callback(Count(seen.clone())).fit(&data(140)).unwrap();
    let reason = StopReason::Callback { reason: "enough".into(), epoch: 2, batch: None };
    assert_eq!((seen.load(Ordering::Relaxed), history.stopped), (3, Some(reason)));
}
