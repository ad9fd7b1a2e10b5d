//! [`Condition`]: for which values of other hyperparameters one is tuned.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::point::flatten;
use super::range::is_same;
use crate::common::names::one_of;

/// `{ "train.optimizer.name" = "sgd", "train.batch_size" = [32, 64] }`: the values of others, by path, with which a
/// hyperparameter is tuned. All have to be met. An empty one always is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Condition(BTreeMap<String, Vec<toml::Value>>);

impl Condition {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The paths of other hyperparameters, and the values that each may have.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &[toml::Value])> {
        self.0.iter().map(|(path, values)| (path.as_str(), values.as_slice()))
    }

    /// Requires one of `values` of `path` in addition.
    pub(super) fn require(&mut self, path: &str, values: &[toml::Value]) {
        match self.0.get_mut(path) {
            Some(known) => known.retain(|value| values.iter().any(|other| is_same(value, other))),
            None => {
                self.0.insert(path.into(), values.to_vec());
            }
        }
    }

    /// Whether these values meet it.
    pub(super) fn holds(&self, values: &toml::Table) -> bool {
        self.pairs().all(|(path, allowed)| {
            values.get(path).is_some_and(|value| allowed.iter().any(|it| is_same(it, value)))
        })
    }
}

impl std::fmt::Display for Condition {
    /// `train.optimizer.name = "sgd" or "muon"`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (path, values)) in self.pairs().enumerate() {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let and = if place > 0 { " and " } else { "" };
            write!(f, "{and}{path} = {}", one_of(&texts))?;
        }
        Ok(())
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let value = |values: &[toml::Value]| match values {
            [one] if !one.is_array() => one.clone(),
            several => toml::Value::Array(several.to_vec()),
        };
        let pairs = self.pairs().map(|(path, values)| (path.to_string(), value(values)));
        pairs.collect::<toml::Table>().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Condition {
    /// A path may be quoted or not: `{ train.optimizer.name = "sgd" }` is a table of tables.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut pairs = Vec::new();
        flatten("", &toml::Table::deserialize(from)?, &|_: &str| false, &mut pairs);
        let values = |value| match value {
            toml::Value::Array(values) => values,
            one => vec![one],
        };
        Ok(Self(pairs.into_iter().map(|(path, value)| (path, values(value))).collect()))
    }
}
