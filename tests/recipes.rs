//! What a recipe can change about a training, in the loop as it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fer_nb::data::{FaceData, SampleConfig};
use fer_nb::prelude::*;
use fer_nb::train::ImageChoice;
use tch::{Device, Kind, Reduction};

/// One training at a time: libtorch has one random generator for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn data(train: usize) -> FaceData {
    FaceData::sample(SampleConfig { seed: 7, train, test: 70 }).unwrap()
}

/// No dropout and no augmentation, so that the same batch gives the same gradient.
fn still() -> (SeedCnn, TrainConfig) {
    let network = SeedCnn::with_dropout(Device::Cpu, 1, 0.0, 0.0).unwrap();
    let augmentation = Augmentation::none();
    let precision = Precision::Float32;
    (network, TrainConfig { epochs: 1, augmentation, precision, ..TrainConfig::default() })
}

/// All training images as one batch: f32 [N, 1, 48, 48] and i64 [N].
fn batch(data: &FaceData) -> (Tensor, Tensor) {
    let images = data.train.images_tensor(Device::Cpu).unwrap();
    (to_float(&images).unwrap(), data.train.labels_tensor(Device::Cpu).unwrap())
}

fn plain_gradient(network: &SeedCnn, (images, labels): &(Tensor, Tensor)) -> Tensor {
    let logits = network.forward_t(images, true).unwrap();
    let loss = logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Mean, -100, 0.0);
    network.parameters().gradient(&loss).unwrap()
}

#[test]
fn a_sharpness_aware_step_uses_the_gradient_uphill() {
    let _turn = alone();
    let data = data(90);
    let images = batch(&data);
    let (network, config) = still();
    let (mut by_hand, _) = still();
    let start = by_hand.parameters().snapshot().unwrap();
    let first = plain_gradient(&by_hand, &images);
    let norm = first.norm();
    by_hand.parameters_mut().restore(&(&start + &first * 0.5 / norm)).unwrap();
    let expected = &start - plain_gradient(&by_hand, &images) * 0.1;
    let plain = &start - &first * 0.1;

    let optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let batch_size = data.train.len();
    let config = TrainConfig { sam: 0.5, learning_rate: 0.1, optimizer, batch_size, ..config };
    let mut trainer = Trainer::new(network, config).unwrap();
    trainer.fit(&data).unwrap();
    let found = trainer.network().parameters().flat();
    // The order of the images is another, and so is rounding; the two steps differ by far more.
    let distance = |one: &Tensor, other: &Tensor| (one - other).norm().double_value(&[]);
    let error = distance(&found, &expected);
    assert!(error < 0.01 * distance(&plain, &expected), "{error}");
}

#[test]
fn frozen_layers_stay_and_the_others_move() {
    let _turn = alone();
    let data = data(140);
    let (network, config) = still();
    let start = network.parameters().snapshot().unwrap();
    let rates = [("conv".to_string(), 0.0), ("dense1".to_string(), 0.1)].into();
    let optimizer = Optimizer::adamw(0.1);
    let mut trainer = Trainer::new(network, TrainConfig { rates, optimizer, ..config }).unwrap();
    trainer.fit(&data).unwrap();
    let moved = (trainer.network().parameters().flat() - start).abs();
    let convolutions = 320 + 9_248 + 18_496 + 36_928 + 73_856 + 147_584;
    assert_eq!(moved.narrow(0, 0, convolutions).max().double_value(&[]), 0.0);
    let mean = |from, count| moved.narrow(0, from, count).mean(Kind::Double).double_value(&[]);
    let (hidden, output) = (mean(convolutions, 1_179_904), mean(convolutions + 1_179_904, 1_799));
    // Adam's first steps are about the learning rate each.
    assert!(hidden > 0.0 && output > 4.0 * hidden, "{hidden} {output}");

    let (network, config) = still();
    let rates = [("block9".to_string(), 0.0)].into();
    let message = Trainer::new(network, TrainConfig { rates, ..config }).err().unwrap();
    assert!(message.to_string().starts_with("rates = block9: expected the beginning"), "{message}");
}

#[test]
fn all_of_a_recipe_at_once_trains_and_resumes_bit_by_bit() {
    let _turn = alone();
    let data = data(210);
    let folder = tempfile::tempdir().unwrap();
    let teacher = folder.path().join("teacher");
    let mut recipe = Recipe::default();
    recipe.train.epochs = 1;
    recipe.trainer(Device::Cpu, &teacher).unwrap().fit(&data).unwrap();

    for (path, value) in [
        ("about", "everything"),
        ("network.block_dropout", "0.1"),
        ("choice.monitor", "val_accuracy"),
        ("choice.plateau", "false"),
        ("train.epochs", "4"),
        ("train.batch_size", "32"),
        ("train.ema", "0.9"),
        ("train.sam", "0.05"),
        ("train.clean_epochs", "1"),
        ("train.sampling", "square-root"),
        ("train.schedule", "{ name = \"cosine\", warmup_epochs = 1, floor = 0.0 }"),
        ("train.loss.label_smoothing", "0.1"),
        ("train.loss.focal_gamma", "1"),
        ("train.loss.class_weights", "square-root"),
        ("train.loss.logit_adjustment", "0.5"),
        ("train.mixing", "{ mixup = 0.2, cutmix = 1.0 }"),
        ("train.augmentation.brightness", "0.2"),
        ("train.augmentation.contrast", "0.2"),
        ("train.augmentation.erasing", "0.25"),
        ("train.images.without_flat", "true"),
        ("train.distillation.teachers", &format!("[{:?}]", teacher.display().to_string())),
    ] {
        recipe.set(path, value).unwrap();
    }
    let run = |name: &str, epochs: usize, resume: bool| {
        let trainer = recipe.trainer(Device::Cpu, folder.path().join(name)).unwrap();
        let mut trainer = if resume { trainer.resume() } else { trainer };
        if !resume && epochs < 4 {
            // As a run that is killed after so many epochs.
            trainer = trainer.callback(Kill { after: epochs });
        }
        let history = trainer.fit(&data);
        (history, trainer.network().parameters().snapshot().unwrap())
    };
    let (whole, weights) = run("whole", 4, false);
    let whole = whole.unwrap();
    assert!(whole.epochs.iter().all(|epoch| epoch.loss.is_finite()), "{whole:?}");
    assert!(run("parts", 2, false).0.is_err());
    let (parts, resumed) = run("parts", 4, true);
    let losses = |history: &History| -> Vec<f64> {
        history.epochs.iter().flat_map(|epoch| [epoch.loss, epoch.val_loss]).collect()
    };
    assert_eq!(losses(&parts.unwrap()), losses(&whole));
    assert_eq!(resumed, weights);
    // What was left out is a hyperparameter; the data are the same.
    let said = RunFolder::at(folder.path().join("whole")).check_data(&data).unwrap();
    assert!(said.contains("this very data"), "{said}");
}

/// Ends a training the hard way in the epoch after the `after`-th.
struct Kill {
    after: usize,
}

impl Callback for Kill {
    fn name(&self) -> &'static str {
        "Kill"
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn on_epoch_end(&mut self, _: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        match batch.epoch > self.after {
            true => Err(Error::setting("epoch", batch.epoch, "to be killed before")),
            false => Ok(()),
        }
    }
}

#[test]
fn a_student_comes_close_to_its_teacher() {
    let _turn = alone();
    let data = data(140);
    let folder = tempfile::tempdir().unwrap();
    let teacher = folder.path().join("teacher").display().to_string();
    let mut recipe = Recipe::default();
    recipe.train.epochs = 1;
    recipe.trainer(Device::Cpu, &teacher).unwrap().fit(&data).unwrap();
    let (_, config) = still();
    // No labels at all: what is learnt can only come from the teacher.
    let distillation =
        Distillation { teachers: vec![teacher.clone()], temperature: 2.0, weight: 1.0 };
    let config = TrainConfig { epochs: 12, distillation, batch_size: 16, ..config };
    let network = SeedCnn::with_dropout(Device::Cpu, 5, 0.0, 0.0).unwrap();
    let history = Trainer::new(network, config).unwrap().fit(&data).unwrap();
    let (first, last) = (history.epochs[0].loss, history.epochs[11].loss);
    assert!(last < 0.5 * first, "{first} {last}");
}

#[test]
fn what_is_left_out_is_not_learnt_from() {
    let _turn = alone();
    let data = data(210);
    let count = |images: ImageChoice| {
        let seen = std::sync::Arc::new(Mutex::new(0));
        let counter = Count(seen.clone());
        let (network, config) = still();
        let config = TrainConfig { images, batch_size: 16, ..config };
        Trainer::new(network, config).unwrap().callback(counter).fit(&data).unwrap();
        *seen.lock().unwrap()
    };
    assert_eq!(count(ImageChoice::default()), data.train.len().div_ceil(16));
    let clean = data.without_leaks().unwrap().without_flat().unwrap();
    let both = ImageChoice { without_leaks: true, without_flat: true, ..ImageChoice::default() };
    assert_eq!(count(both), clean.train.len().div_ceil(16));
}

/// Counts batches.
struct Count(std::sync::Arc<Mutex<usize>>);

impl Callback for Count {
    fn name(&self) -> &'static str {
        "Count"
    }

    fn on_epoch_end(&mut self, _: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }

    fn on_batch_end(&mut self, _: &mut BatchEnd<'_>) -> Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ok(())
    }
}
