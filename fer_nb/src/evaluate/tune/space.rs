//! [`Space`]: which hyperparameters a study tunes, and within which bounds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::point::Point;
use crate::common::files::{parse_toml, read_settings};
use crate::common::names::one_of;
use crate::common::text::plural;
use crate::common::{Error, Result};
use crate::train::Recipe;

/// The values that one hyperparameter may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "a variant's documentation names its fields")]
pub enum Range {
    /// A number, every one from `low` to `high` as likely.
    Float { low: f64, high: f64 },
    /// A number above 0, every order of magnitude from `low` to `high` as likely.
    Log { low: f64, high: f64 },
    /// A whole number from `low` to `high`, both included.
    Int { low: i64, high: i64 },
    /// One of these: numbers, texts, tables.
    Choice { values: Vec<toml::Value> },
}

impl Range {
    fn validate(&self, path: &str) -> Result<()> {
        let wrong = |found: String, expected: &str| Err(Error::setting(path, found, expected));
        match self {
            Range::Float { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                wrong(format!("{low} to {high}"), "two numbers, the lower one first")
            }
            Range::Log { low, high } if !(*low > 0.0 && high.is_finite() && low < high) => {
                wrong(format!("{low} to {high}"), "two numbers above 0, the lower one first")
            }
            Range::Int { low, high } if low >= high => {
                wrong(format!("{low} to {high}"), "two whole numbers, the lower one first")
            }
            Range::Choice { values } if values.len() < 2 => {
                wrong(plural(values.len(), "value"), "two or more to choose from")
            }
            _ => Ok(()),
        }
    }

    /// The interval in which a sampler draws: the logarithm of a [`Range::Log`], the place of a choice.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        match self {
            Range::Float { low, high } => (*low, *high),
            Range::Log { low, high } => (low.ln(), high.ln()),
            Range::Int { low, high } => (*low as f64, *high as f64 + 1.0),
            Range::Choice { values } => (0.0, values.len() as f64),
        }
    }

    /// The value at a place within the bounds.
    pub(crate) fn value(&self, place: f64) -> toml::Value {
        match self {
            Range::Float { low, high } => toml::Value::Float(place.clamp(*low, *high)),
            Range::Log { low, high } => toml::Value::Float(place.exp().clamp(*low, *high)),
            Range::Int { low, high } => {
                toml::Value::Integer((place.floor() as i64).clamp(*low, *high))
            }
            Range::Choice { values } => {
                let index = (place.max(0.0) as usize).min(values.len().saturating_sub(1));
                values.get(index).cloned().unwrap_or(toml::Value::Integer(0))
            }
        }
    }

    /// The value as the range writes it: a whole number where a number is expected becomes one.
    ///
    /// # Errors
    /// [`Error::Setting`] with the path, the value, and what the range allows.
    pub(super) fn check(&self, path: &str, value: &toml::Value) -> Result<toml::Value> {
        let found = match self {
            Range::Float { low, high } | Range::Log { low, high } => number(value)
                .filter(|number| (low..=high).contains(&number))
                .map(toml::Value::Float),
            Range::Int { low, high } => {
                value.as_integer().filter(|whole| (low..=high).contains(&whole)).map(Into::into)
            }
            Range::Choice { values } => {
                let is = |choice: &&toml::Value| {
                    *choice == value || number(choice).is_some_and(|it| Some(it) == number(value))
                };
                values.iter().find(is).cloned()
            }
        };
        found.ok_or_else(|| Error::setting(path, value, self.to_string()))
    }

    /// A place within the bounds that gives this value; `None` for a value that is not in the range.
    pub(crate) fn place(&self, value: &toml::Value) -> Option<f64> {
        let (low, high) = self.bounds();
        let place = match self {
            Range::Float { .. } => number(value)?,
            Range::Log { .. } => number(value)?.ln(),
            Range::Int { .. } => number(value)? + 0.5,
            Range::Choice { values } => {
                values.iter().position(|other| other == value)? as f64 + 0.5
            }
        };
        // What was clamped to a bound may lie beyond it by a rounding.
        (place >= low - 1e-9 && place <= high + 1e-9).then(|| place.clamp(low, high))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::Float { low, high } | Range::Log { low, high } => {
                write!(f, "a number from {low} to {high}")
            }
            Range::Int { low, high } => write!(f, "a whole number from {low} to {high}"),
            Range::Choice { values } => {
                let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                f.write_str(&one_of(&texts))
            }
        }
    }
}

/// A value as a number, if it is one.
pub(super) fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or(value.as_integer().map(|whole| whole as f64))
}

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
    ranges: BTreeMap<String, Range>,
}

impl Space {
    /// Nothing to tune yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From the text of a TOML file: a table a hyperparameter,
    /// `"train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }`. Above them may stand the points
    /// to try first, `first = [{ learning_rate = 0.001, batch_size = 64 }]`.
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

    /// A point that a study tries before it draws any: `"learning_rate=0.001, batch_size=64"`, by path or its last
    /// part. What it does not name is drawn. [`Study::enqueue`](super::Study::enqueue) adds points to a study that
    /// has begun.
    pub fn first(mut self, point: impl Into<String>) -> Self {
        self.first.push(Point::Text(point.into()));
        self
    }

    fn with(mut self, path: impl Into<String>, range: Range) -> Self {
        self.ranges.insert(path.into(), range);
        self
    }

    /// The hyperparameters, ordered by their paths.
    pub fn ranges(&self) -> impl Iterator<Item = (&str, &Range)> {
        self.ranges.iter().map(|(path, range)| (path.as_str(), range))
    }

    /// Names the first range that is none, or that `recipe` has no place for, and the first point out of range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the path.
    pub fn validate(&self, recipe: &Recipe) -> Result<()> {
        if self.ranges.is_empty() {
            return Err(Error::setting("space", "empty", "a hyperparameter to tune"));
        }
        for (path, range) in &self.ranges {
            range.validate(path)?;
            let (low, high) = range.bounds();
            // The ends, and each of the choices, have to be values that the recipe takes.
            let places: Vec<f64> = match range {
                Range::Choice { values } => (0..values.len()).map(|i| i as f64).collect(),
                _ => vec![low, high],
            };
            for place in places {
                let mut recipe = recipe.clone();
                recipe.set(path, &range.value(place).to_string())?;
                recipe.train.validate()?;
                // What a network takes it says itself, when it is built.
                if path.starts_with("network.") {
                    recipe.network.build(Device::Cpu, 0)?;
                }
            }
        }
        self.first.iter().try_for_each(|point| self.values_of(point, recipe).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_places_belong_together() {
        let ranges = [
            Range::Float { low: -1.0, high: 2.0 },
            Range::Log { low: 1e-4, high: 1e-1 },
            Range::Int { low: 3, high: 7 },
            Range::Choice { values: vec!["a".into(), 2.into(), 0.5.into()] },
        ];
        for range in ranges {
            let (low, high) = range.bounds();
            for step in 0..=100 {
                let place = low + (high - low) * f64::from(step) / 100.0;
                let value = range.value(place);
                let back = range.place(&value).unwrap();
                assert_eq!(range.value(back), value, "{range:?} {place}");
                assert!((low..=high).contains(&back));
            }
            assert_eq!(range.place(&toml::Value::Integer(99)), None);
        }
        assert_eq!(Range::Int { low: 3, high: 7 }.value(8.0), toml::Value::Integer(7));
    }

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
    }
}
