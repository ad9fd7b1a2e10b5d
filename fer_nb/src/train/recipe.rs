//! [`Recipe`]: a whole training as one TOML file.

use std::mem::discriminant;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::callbacks::{EarlyStopping, ModelCheckpoint, ReduceLrOnPlateau};
use super::config::{TrainConfig, off};
use super::record::Monitor;
use super::run::RunFolder;
use super::trainer::Trainer;
use crate::common::files::read_settings;
use crate::common::{Error, Result};
use crate::model::{Architecture, weights};

/// The crate's own, name and text.
const RECIPES: [(&str, &str); 10] = [
    ("original", include_str!("recipes/original.toml")),
    ("quick", include_str!("recipes/quick.toml")),
    ("improved", include_str!("recipes/improved.toml")),
    ("refined", include_str!("recipes/refined.toml")),
    ("resnet", include_str!("recipes/resnet.toml")),
    ("vgg", include_str!("recipes/vgg.toml")),
    ("vgg-refined", include_str!("recipes/vgg_refined.toml")),
    ("vgg-wide", include_str!("recipes/vgg_wide.toml")),
    ("vit", include_str!("recipes/vit.toml")),
    ("distilled", include_str!("recipes/distilled.toml")),
];

/// A training from data to weights: network, hyperparameters, and how the epoch is chosen.
/// The default is the original project's.
///
/// ```
/// use fer_nb::prelude::*;
///
/// let mut recipe = Recipe::open("improved")?; // or the path of a TOML file
/// recipe.set("train.loss.label_smoothing", "0.05")?;
/// recipe.train.epochs = 20;
/// assert_eq!(recipe.train.loss.label_smoothing, 0.05);
/// println!("{}", recipe.to_toml()?);
/// # Ok::<(), Error>(())
/// ```
///
/// `recipe.trainer(device()?, runs("mine"))?` is a [`Trainer`] for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The purpose of the recipe, and the sources of its techniques.
    pub about: String,
    /// The network to train.
    pub network: Architecture,
    /// How the epoch is chosen, and when training ends.
    pub choice: EpochChoice,
    /// The hyperparameters.
    pub train: TrainConfig,
}

/// Which epoch's weights are kept, by validation images. The default is the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EpochChoice {
    /// The metric that chooses the best epoch, and that plateau and early stopping watch.
    pub monitor: Monitor,
    /// Whether three epochs without improvement halve the learning rate.
    pub plateau: bool,
    /// Epochs without improvement after which training ends; `None` (0 in files) trains all epochs.
    #[serde(with = "off::count")]
    pub patience: Option<usize>,
}

impl Default for EpochChoice {
    fn default() -> Self {
        Self { monitor: Monitor::ValLoss, plateau: true, patience: Some(8) }
    }
}

/// Recipes of the same training are equal, whatever their texts say about it: a study of an older version resumes
/// although its recipe is described in other words now.
impl PartialEq for Recipe {
    fn eq(&self, other: &Self) -> bool {
        let Self { about: _, network, choice, train } = self;
        (network, choice, train) == (&other.network, &other.choice, &other.train)
    }
}

impl Recipe {
    /// The names of the crate's recipes.
    pub fn names() -> Vec<&'static str> {
        RECIPES.iter().map(|(name, _)| *name).collect()
    }

    /// A recipe of the crate by name, or a TOML file by its path.
    ///
    /// # Errors
    /// [`Error::Setting`] with the known names if it is neither; [`Error::File`] if the file has an unknown key or
    /// a value of a wrong type.
    pub fn open(name_or_path: &str) -> Result<Self> {
        if let Some((name, text)) = RECIPES.iter().find(|(name, _)| *name == name_or_path) {
            return read(text, Path::new(name));
        }
        let path = Path::new(name_or_path);
        if !path.is_file() {
            let expected = format!("{}, or a TOML file", Self::names().join(", "));
            return Err(Error::setting("recipe", name_or_path, expected));
        }
        read(&read_settings(path)?, path)
    }

    /// Changes one value by its path in the TOML file: `train.loss.label_smoothing` to `0.1`. A text
    /// that is no TOML value is taken as a string. Another name of the network, the optimizer or the schedule, such as
    /// `train.optimizer.name`, brings that one's default values.
    ///
    /// # Errors
    /// [`Error::Setting`] if the path does not exist or the value has a wrong type.
    pub fn set(&mut self, path: &str, value: &str) -> Result<()> {
        match path {
            "network.name" => return renamed(&mut self.network, path, value),
            "train.optimizer.name" => return renamed(&mut self.train.optimizer, path, value),
            "train.schedule.name" => return renamed(&mut self.train.schedule, path, value),
            _ => (),
        }
        let wrong = |expected: String| Error::setting(path, value, expected);
        let mut table = toml::Table::try_from(&*self)
            .map_err(|error| wrong(format!("a recipe that TOML can hold: {error}")))?;
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.to_string()));
        let mut place = &mut table;
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let keys = place.keys().cloned().collect::<Vec<_>>().join(", ");
            place = match place.get_mut(parent) {
                Some(toml::Value::Table(inner)) => inner,
                _ => return Err(wrong(format!("'{parent}' to be one of {keys}"))),
            };
        }
        // The integer 1 is valid for the number 1.0.
        let parsed = match (place.get(key), parsed) {
            (Some(toml::Value::Float(_)), toml::Value::Integer(whole)) => {
                toml::Value::Float(whole as f64)
            }
            (_, parsed) => parsed,
        };
        place.insert(key.to_string(), parsed);
        let changed: Self = table.try_into().map_err(|error: toml::de::Error| {
            wrong(format!("a value that fits there: {}", error.message()))
        })?;
        *self = changed;
        Ok(())
    }

    /// Changes these values, by path: names first, since what else there is depends on them.
    ///
    /// # Errors
    /// As [`Recipe::set`].
    pub(crate) fn set_all(&mut self, values: &toml::Table) -> Result<()> {
        let (names, others): (Vec<_>, Vec<_>) =
            values.iter().partition(|(path, _)| path.ends_with(".name"));
        names
            .into_iter()
            .chain(others)
            .try_for_each(|(path, value)| self.set(path, &value.to_string()))
    }

    /// The recipe as the text of a file, every value written out.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self)
            .map_err(|error| Error::setting("recipe", error, "values that TOML can hold"))
    }

    /// Checks that the files of a training from the start exist: initial weights and teachers. It reads the
    /// beginning of each file, before data is loaded.
    ///
    /// # Errors
    /// [`Error::Missing`] for a run or a file that does not exist; [`Error::File`] for weights of another format.
    pub fn check_files(&self) -> Result<()> {
        let teachers = self.train.distillation.teachers.iter();
        let teachers = teachers.map(|teacher| RunFolder::named(teacher).weights());
        let start = self.train.initial_weights.as_deref().map(RunFolder::weights_of);
        start.into_iter().chain(teachers).try_for_each(|path| weights::check(&path))
    }

    /// A trainer with the recipe's network, hyperparameters and callbacks, which saves its run in this folder.
    ///
    /// # Errors
    /// [`Error::Setting`] if a value is out of range.
    pub fn trainer(&self, device: Device, folder: impl AsRef<Path>) -> Result<Trainer> {
        self.train.validate()?;
        let folder = folder.as_ref();
        let network = self.network.build(device, self.train.seed)?;
        let mut trainer = Trainer::new(network, self.train.clone())?.run_folder(folder);
        let EpochChoice { monitor, plateau, patience } = self.choice;
        if plateau {
            trainer = trainer.callback(ReduceLrOnPlateau::on(monitor).factor(0.5).patience(3));
        }
        trainer = trainer.callback(ModelCheckpoint::best(monitor, folder));
        if let Some(patience) = patience {
            let stopping = EarlyStopping::on(monitor).patience(patience);
            trainer = trainer.callback(stopping.restore_best_weights());
        }
        Ok(trainer)
    }
}

fn read(text: &str, path: &Path) -> Result<Recipe> {
    toml::from_str(text).map_err(|error| {
        let hint = "`fer train --print-recipe` writes a whole recipe to start from.";
        Error::file(path, format!("not a recipe: {}", error.message()), hint)
    })
}

/// Replaces a part of a recipe by the one of this name, with its defaults, unless it has that name already.
fn renamed<T: FromStr<Err = Error>>(part: &mut T, path: &str, name: &str) -> Result<()> {
    let name = name.trim().trim_matches(['"', '\'']);
    let other: T = name.parse().map_err(|error| match error {
        Error::Setting { expected, .. } => Error::setting(path, name, expected),
        error => error,
    })?;
    if discriminant(part) != discriminant(&other) {
        *part = other;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeedCnnConfig;
    use crate::train::{Optimizer, Schedule};

    #[test]
    fn the_crates_recipes_can_be_read_and_say_where_they_come_from() {
        for name in Recipe::names() {
            let recipe = Recipe::open(name).unwrap();
            recipe.train.validate().unwrap();
            assert!(recipe.about.len() > 40, "{name}: {}", recipe.about);
        }
        let original = Recipe::open("original").unwrap();
        // What is said about a training is no part of it.
        assert_eq!(original, Recipe { about: "other words".into(), ..Recipe::default() });
        assert_ne!(original, Recipe::open("improved").unwrap());
        let message = Recipe::open("secret").unwrap_err().to_string();
        assert!(message.starts_with("recipe = secret: expected original, "), "{message}");
    }

    #[test]
    fn every_value_can_be_set_by_its_path() {
        let mut recipe = Recipe::default();
        recipe.set("train.loss.label_smoothing", "0.1").unwrap();
        recipe.set("train.learning_rate", "1").unwrap();
        recipe.set("network.block_dropout", "0.1").unwrap();
        recipe.set("choice.monitor", "val_accuracy").unwrap();
        recipe
            .set("train.schedule", "{ name = \"cosine\", warmup_epochs = 2.0, floor = 0.0 }")
            .unwrap();
        assert_eq!(recipe.train.loss.label_smoothing, 0.1);
        assert_eq!(recipe.train.learning_rate, 1.0);
        let config = SeedCnnConfig { block_dropout: 0.1, ..SeedCnnConfig::default() };
        assert_eq!(recipe.network, Architecture::SeedCnn(config));
        assert_eq!(recipe.choice.monitor, Monitor::ValAccuracy);
        let before = recipe.clone();
        for (path, value, part) in [
            ("train.los.gamma", "1", "'los' to be one of "),
            ("train.epoch", "1", "unknown field `epoch`"),
            ("train.epochs", "many", "invalid type: string"),
            ("choice.monitor", "f1", "unknown variant"),
            ("train.optimizer.name", "lion", "train.optimizer.name = lion: expected adam, "),
        ] {
            let message = recipe.set(path, value).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(recipe, before);
    }

    #[test]
    fn another_name_brings_its_defaults_and_the_same_one_changes_nothing() {
        let mut recipe = Recipe::open("improved").unwrap();
        let before = recipe.clone();
        recipe.set("train.optimizer.name", "adamw").unwrap();
        recipe.set("network.name", "\"seed_cnn\"").unwrap();
        recipe.set("train.schedule.name", "'one-cycle'").unwrap();
        assert_eq!(recipe, before);
        let values = "'network.name' = 'vgg'\n'train.optimizer.momentum' = 0.8\n\
                      'train.optimizer.name' = 'sgd'\n'train.schedule.name' = 'constant'";
        recipe.set_all(&values.parse().unwrap()).unwrap();
        assert_eq!(recipe.train.optimizer, Optimizer::sgd(0.8));
        assert_eq!(recipe.train.schedule, Schedule::Constant);
        assert_eq!(recipe.network.name(), "vgg");
    }

    #[test]
    fn a_file_is_a_recipe_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let mut recipe = Recipe::default();
        recipe.set("train.rates", "{ conv1 = 0.0 }").unwrap();
        std::fs::write(&path, toml::to_string_pretty(&recipe).unwrap()).unwrap();
        assert_eq!(Recipe::open(path.to_str().unwrap()).unwrap(), recipe);
        std::fs::write(&path, "[train]\nepoch = 3\n").unwrap();
        let message = Recipe::open(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(message.contains("mine.toml") && message.contains("unknown field"), "{message}");
    }
}
