//! [`Fixture`]: whole files of each kind, made once.

use std::path::PathBuf;

use fer_nb::evaluate::tune::{Space, Study, StudyConfig};
use fer_nb::evaluate::{Temperature, evaluate};
use fer_nb::model::{Architecture, ResNet, ResNetConfig};
use fer_nb::prelude::FaceData;
use fer_nb::train::{Recipe, RunFolder};
use tch::Device;

use crate::tables::images;

/// A network of one block.
pub(crate) fn network() -> ResNet {
    let config = ResNetConfig { channels: vec![4], blocks: vec![1], ..ResNetConfig::default() };
    ResNet::new(Device::Cpu, 1, config).expect("a small network")
}

/// A run of one epoch and a study of one trial with all its files, made once.
pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
}

impl Fixture {
    pub(crate) fn make(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("tiny.csv"), images(5)).expect("a table");
        let data = FaceData::from_path(folder.join("tiny.csv")).expect("data");
        let config = ResNetConfig { channels: vec![4], blocks: vec![1], ..ResNetConfig::default() };
        let mut recipe = Recipe { network: Architecture::Resnet(config), ..Recipe::default() };
        recipe.train.epochs = 1;
        recipe.train.batch_size = 4;
        recipe.train.images.validation_share = 0.5;
        let run = RunFolder::at(folder.join("run"));
        let mut trainer = recipe.trainer(Device::Cpu, run.path()).expect("a trainer");
        trainer.fit(&data).expect("a run");
        let network = run.network(Device::Cpu).expect("its network");
        let test = evaluate(&*network, &data.test).expect("an evaluation");
        test.to_csv(folder.join("predictions.csv")).expect("predictions");
        let temperature = Temperature::new(1.5).expect("a temperature");
        temperature.save(&run, &data).expect("a file");
        let space =
            Space::new().log("train.learning_rate", 1e-4, 1e-2).int("train.batch_size", 2, 8);
        let mut study = Study::with_config(folder.join("study"), StudyConfig::new(space, recipe))
            .expect("a study");
        study.optimize(&data, 1, Device::Cpu).expect("a trial");
        Self { folder }
    }

    /// Where an input lies, in a folder for inputs alone.
    pub(crate) fn input(&self, path: &str) -> PathBuf {
        let path = self.folder.join("inputs").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    }

    /// A folder of inputs with copies of files of `from`.
    pub(crate) fn copied(&self, from: &str, names: &[&str]) -> PathBuf {
        for name in names {
            let to = self.input(&format!("{from}/{name}"));
            std::fs::copy(self.folder.join(from).join(name), to).expect("a copy");
        }
        self.folder.join("inputs").join(from)
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}
