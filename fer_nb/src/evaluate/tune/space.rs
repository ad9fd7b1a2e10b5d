//! [`Space`]: which hyperparameters a study tunes, and within which bounds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::point::Point;
use super::range::Range;
use crate::common::files::{parse_toml, read_settings};
use crate::common::{Error, Result};
use crate::train::Recipe;

/// A line of a space's file.
const EXAMPLE: &str = "\"train.learning_rate\" = { kind = \"log\", low = 1e-4, high = 1e-2 } and the like; kinds are float, log, int and choice";

/// Hyperparameters by their paths in a [`Recipe`], such as `train.learning_rate` or
/// `network.block_dropout`, with the values that they may take.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Space {
    /// Points that a study tries before it draws any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) first: Vec<Point>,
    #[serde(flatten)]
    hyperparameters: BTreeMap<String, Hyperparameter>,
}

/// What a space says of one hyperparameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hyperparameter {
    #[serde(flatten)]
    pub(super) range: Range,
    /// For which values of others it is tuned.
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    pub(super) when: Condition,
}

impl Space {
    /// Nothing to tune yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From the text of a TOML file: a table a hyperparameter,
    /// `"train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }`. In the table, `when = {
    /// "train.optimizer.name" = "sgd" }` restricts it to trials with that value of another one; a list has several
    /// values. Above the tables may stand the points to try first, `first = [{ learning_rate = 0.001, batch_size =
    /// 64 }]`.
    ///
    /// # Errors
    /// [`Error::Setting`] where the text is no space.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| Error::setting("space", error.message(), EXAMPLE))
    }

    /// Reads a TOML file of [`Space::from_toml`]'s kind, and checks it by the recipe that it is for.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that can't be read; [`Error::File`], with the line or the hyperparameter, for one that
    /// is no space or does not fit the recipe.
    pub fn open(path: impl AsRef<Path>, recipe: &Recipe) -> Result<Self> {
        let path = path.as_ref();
        let text = read_settings(path)?;
        let hint = format!("A space has lines such as {EXAMPLE}.");
        let space: Self = parse_toml(&text, path, "a space", &hint)?;
        space.validate(recipe).map_err(|error| error.in_file(path, hint))?;
        Ok(space)
    }

    /// A number from `low` to `high`.
    pub fn float(self, path: impl Into<String>, low: f64, high: f64) -> Self {
        self.with(path, Range::Float { low, high })
    }

    /// A number from `low` to `high`, orders of magnitude being equally likely.
    pub fn log(self, path: impl Into<String>, low: f64, high: f64) -> Self {
        self.with(path, Range::Log { low, high })
    }

    /// A whole number from `low` to `high`, both included.
    pub fn int(self, path: impl Into<String>, low: i64, high: i64) -> Self {
        self.with(path, Range::Int { low, high })
    }

    /// One of several values.
    pub fn choice<V: Into<toml::Value>>(
        self,
        path: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.with(path, Range::Choice { values })
    }

    /// The hyperparameters of `inner` as well, but only in trials in which the one at `path` has one of `values`; in
    /// others they stay as the recipe has them.
    ///
    /// ```
    /// use fer_nb::evaluate::tune::Space;
    ///
    /// let momentum = Space::new().float("train.optimizer.momentum", 0.5, 0.99);
    /// let space = Space::new()
    ///     .choice("train.optimizer.name", ["adam", "sgd"])
    ///     .when("train.optimizer.name", ["sgd"], momentum);
    /// ```
    pub fn when<V: Into<toml::Value>>(
        mut self,
        path: impl AsRef<str>,
        values: impl IntoIterator<Item = V>,
        inner: Space,
    ) -> Self {
        let values: Vec<toml::Value> = values.into_iter().map(Into::into).collect();
        for (name, mut hyperparameter) in inner.hyperparameters {
            hyperparameter.when.require(path.as_ref(), &values);
            self.hyperparameters.insert(name, hyperparameter);
        }
        self.first.extend(inner.first);
        self
    }

    /// A point that a study tries before it draws any: `"learning_rate=0.001, batch_size=64"`, by path or its last
    /// part. What it does not name is drawn. [`Study::enqueue`](super::Study::enqueue) adds points to a study that
    /// has begun.
    pub fn first(mut self, point: impl Into<String>) -> Self {
        self.first.push(Point::Text(point.into()));
        self
    }

    fn with(mut self, path: impl Into<String>, range: Range) -> Self {
        let hyperparameter = Hyperparameter { range, when: Condition::default() };
        self.hyperparameters.insert(path.into(), hyperparameter);
        self
    }

    /// The hyperparameters, ordered by their paths.
    pub fn ranges(&self) -> impl Iterator<Item = (&str, &Range)> {
        self.hyperparameters().map(|(path, it)| (path, &it.range))
    }

    /// The same, with their conditions.
    pub(super) fn hyperparameters(&self) -> impl Iterator<Item = (&str, &Hyperparameter)> {
        self.hyperparameters.iter().map(|(path, it)| (path.as_str(), it))
    }

    pub(super) fn get(&self, path: &str) -> Option<&Hyperparameter> {
        self.hyperparameters.get(path)
    }

    /// Removes the values whose conditions the others don't meet.
    pub(super) fn retain_active(&self, values: &mut toml::Table) {
        loop {
            let unmet = |(path, it): &(&str, &Hyperparameter)| {
                values.contains_key(*path) && !it.when.holds(values)
            };
            // One after the other: without it, those that depend on it are not met either.
            let Some((path, _)) = self.hyperparameters().find(unmet) else { return };
            values.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_fits_its_recipe() {
        let recipe = Recipe::default();
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .float("network.block_dropout", 0.0, 0.5)
            .int("train.epochs", 1, 3)
            .choice("train.batch_size", [32, 64]);
        space.validate(&recipe).unwrap();
        let text = toml::to_string(&space).unwrap();
        assert_eq!(Space::from_toml(&text).unwrap(), space);
        let named = |space: Space| match space.validate(&recipe) {
            Err(Error::Setting { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(named(Space::new()), "space");
        assert_eq!(named(Space::new().float("train.lr", 0.0, 1.0)), "train.lr");
        assert_eq!(named(Space::new().log("train.ema", 0.0, 1.0)), "train.ema");
        // A bound that the hyperparameter itself refuses.
        assert_eq!(named(Space::new().float("train.ema", 0.5, 1.0)), "ema");
        assert!(Space::from_toml("lr = { kind = 'normal' }").is_err());
        let message = |text| Space::from_toml(text).unwrap_err().to_string();
        let more = message("lr = { kind = 'float', low = 0.0, high = 1.0, step = 0.1 }");
        assert!(more.contains("unknown field `step`"), "{more}");
    }

    #[test]
    fn values_whose_condition_is_not_met_are_left_out() {
        let text = r#"
            "train.optimizer.name" = { kind = "choice", values = ["adam", "sgd", "muon"] }
            "train.optimizer.momentum" = { kind = "float", low = 0.5, high = 0.99, when = { "train.optimizer.name" = ["sgd", "muon"] } }
            "train.optimizer.nesterov" = { kind = "choice", values = [true, false], when = { train.optimizer.name = "sgd" } }
            "train.clip_norm" = { kind = "float", low = 0.5, high = 2.0, when = { "train.optimizer.nesterov" = true } }
        "#;
        let space = Space::from_toml(text).unwrap();
        let nested = Space::new().choice("train.optimizer.nesterov", [true, false]).when(
            "train.optimizer.nesterov",
            [true],
            Space::new().float("train.clip_norm", 0.5, 2.0),
        );
        let momentum = Space::new().float("train.optimizer.momentum", 0.5, 0.99);
        let built = Space::new()
            .choice("train.optimizer.name", ["adam", "sgd", "muon"])
            .when("train.optimizer.name", ["sgd", "muon"], momentum)
            .when("train.optimizer.name", ["sgd"], nested);
        // Within another one, a condition has those around it.
        let clip = |space: &Space| space.get("train.clip_norm").unwrap().when.to_string();
        assert_eq!(clip(&space), "train.optimizer.nesterov = true");
        assert_eq!(
            clip(&built),
            "train.optimizer.name = \"sgd\" and train.optimizer.nesterov = true"
        );
        for space in [&space, &built] {
            space.validate(&Recipe::default()).unwrap();
            let again = toml::to_string(space).unwrap();
            assert_eq!(&Space::from_toml(&again).unwrap(), space, "{again}");
            let left = |name: &str, nesterov: bool| {
                let text = format!(
                    "'train.optimizer.name' = '{name}'\n'train.optimizer.momentum' = 0.9\n\
                     'train.optimizer.nesterov' = {nesterov}\n'train.clip_norm' = 1.0"
                );
                let mut values: toml::Table = text.parse().unwrap();
                space.retain_active(&mut values);
                values.len()
            };
            assert_eq!(left("adam", true), 1);
            assert_eq!(left("muon", true), 2);
            assert_eq!(left("sgd", false), 3);
            assert_eq!(left("sgd", true), 4);
        }
    }

    #[test]
    fn a_condition_that_can_not_hold_is_an_error() {
        let names = || Space::new().choice("train.optimizer.name", ["adam", "sgd"]);
        let momentum = || Space::new().float("train.optimizer.momentum", 0.5, 0.99);
        let message = |space: Space| space.validate(&Recipe::default()).unwrap_err().to_string();
        for (space, part) in [
            (names().when("train.optimizer.name", ["muon"], momentum()), "\"adam\" or \"sgd\""),
            (names().when("train.optimiser", ["sgd"], momentum()), "train.optimizer.name"),
            (momentum().when("train.optimizer.momentum", [0.5], names()), "a choice or a whole"),
            (names().when("train.optimizer.name", ["sgd"], names()), "by itself"),
            // Adam has no momentum.
            (names().float("train.optimizer.momentum", 0.5, 0.99), "when"),
            (
                names().choice("train.batch_size", [32, 64]).when(
                    "train.optimizer.name",
                    ["sgd"],
                    Space::new().when(
                        "train.optimizer.name",
                        ["adam"],
                        Space::new().float("train.clip_norm", 0.5, 2.0),
                    ),
                ),
                "train.clip_norm",
            ),
            // Each of two only with the other one.
            (
                Space::from_toml(
                    "'train.batch_size' = { kind = 'choice', values = [32, 64], when = { train.epochs = 2 } }\n\
                     'train.epochs' = { kind = 'int', low = 1, high = 3, when = { train.batch_size = 32 } }",
                )
                .unwrap(),
                "some values of the space meet",
            ),
        ] {
            let message = message(space);
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
