//! Every network in the training loop: it learns, and it survives being saved, loaded and resumed; and
//! its summary.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fer_nb::data::{FaceData, SampleConfig};
use fer_nb::model::weights;
use fer_nb::prelude::*;
use tch::Device;

/// One training at a time: libtorch has one random generator for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each network, small enough for two cores, with what it learns well with.
const NETWORKS: [(&str, f64, usize); 4] = [
    ("{ name = 'seed_cnn', block_dropout = 0.0, hidden_dropout = 0.25 }", 1e-3, 5),
    (
        "{ name = 'vgg', channels = [16, 32, 64], convolutions = [1, 1, 2], hidden = 64, \
         dropout = 0.2 }",
        3e-3,
        5,
    ),
    (
        "{ name = 'resnet', channels = [16, 32, 48], blocks = [1, 1, 1], reduction = 8, \
         dropout = 0.1 }",
        3e-3,
        8,
    ),
    ("{ name = 'vit', width = 32, depth = 2, heads = 2, mlp_ratio = 2, dropout = 0.0 }", 5e-3, 24),
];

fn recipe((network, learning_rate, epochs): (&str, f64, usize)) -> Recipe {
    let mut recipe = Recipe::default();
    for (path, value) in [
        ("network", network),
        ("choice", "{ monitor = 'val_accuracy', plateau = false, patience = 0 }"),
        ("train.batch_size", "32"),
        ("train.precision", "float32"),
    ] {
        recipe.set(path, value).unwrap();
    }
    let (width_shift, height_shift) = (0.05, 0.05);
    let augmentation = Augmentation { width_shift, height_shift, ..Augmentation::flip_only() };
    let schedule = Schedule::one_cycle();
    recipe.train = TrainConfig { learning_rate, epochs, augmentation, schedule, ..recipe.train };
    recipe
}

#[test]
fn every_network_learns_the_sample() {
    let _turn = alone();
    let data = FaceData::sample(SampleConfig::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for network in NETWORKS {
        let recipe = recipe(network);
        let run = RunFolder::at(folder.path().join(recipe.network.name()));
        let history = recipe.trainer(Device::Cpu, run.path()).unwrap().fit(&data).unwrap();
        let best = history.epochs.iter().map(|epoch| epoch.val_accuracy).fold(0.0, f64::max);
        assert!(best > 0.9, "{}: {best}\n{history}", recipe.network);
        // What was kept is that epoch, also on disk.
        let kept = evaluate(&*run.network(Device::Cpu).unwrap(), &data.validation).unwrap();
        assert!((kept.accuracy().value - best).abs() < 1e-9, "{}", recipe.network);
    }
}

#[test]
fn every_network_survives_being_saved_loaded_and_resumed() {
    let _turn = alone();
    let data = FaceData::sample(SampleConfig { seed: 7, train: 210, test: 70 }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for network in NETWORKS {
        let mut recipe = recipe(network);
        recipe.train.epochs = 3;
        recipe.train.ema = Some(0.9);
        let name = recipe.network.name();
        let path = |run: &str| folder.path().join(name).join(run);
        let mut whole = recipe.trainer(Device::Cpu, path("whole")).unwrap();
        let unbroken = whole.fit(&data).unwrap();

        let killed = recipe.trainer(Device::Cpu, path("parts")).unwrap();
        assert!(killed.callback(KillAfter(1)).fit(&data).is_err());
        let mut resumed = recipe.trainer(Device::Cpu, path("parts")).unwrap().resume();
        let losses = |history: &History| -> Vec<f64> {
            history.epochs.iter().flat_map(|epoch| [epoch.loss, epoch.val_loss]).collect()
        };
        assert_eq!(losses(&resumed.fit(&data).unwrap()), losses(&unbroken), "{name}");
        let (one, other) = (whole.network().parameters(), resumed.network().parameters());
        assert_eq!(one.flat(), other.flat(), "{name}");

        let file = path("saved.safetensors");
        weights::save(whole.network(), &file).unwrap();
        let mut loaded = recipe.network.build(Device::Cpu, 99).unwrap();
        weights::load(&mut *loaded, &file).unwrap();
        assert_eq!(loaded.parameters().flat(), whole.network().parameters().flat(), "{name}");
        let logits = |network: &dyn Network| {
            let images = to_float(&data.test.images_tensor(Device::Cpu).unwrap()).unwrap();
            network.forward_t(&images, false).unwrap()
        };
        assert_eq!(logits(&*loaded), logits(whole.network()), "{name}");
    }
}

/// What the summaries were when each network still wrote its own, as `fer summary --json` gives them.
#[test]
fn summaries_are_as_they_were() {
    let expected: serde_json::Value = serde_json::from_str(include_str!("summaries.json")).unwrap();
    let found = Architecture::NAMES.map(|name| {
        let network = name.parse::<Architecture>().unwrap().build(Device::Cpu, 0).unwrap();
        network.summary()
    });
    assert_eq!(serde_json::to_value(found).unwrap(), expected);
}

/// Ends a training the hard way in the epoch after this one.
struct KillAfter(usize);

impl Callback for KillAfter {
    fn name(&self) -> &'static str {
        "KillAfter"
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        match batch.epoch > self.0 {
            true => Err(Error::setting("epoch", batch.epoch, "to be killed before")),
            false => Ok(()),
        }
    }

    fn on_epoch_end(&mut self, _: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }
}
