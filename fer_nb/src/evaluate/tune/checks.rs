//! Whether a [`Space`] fits a recipe: what is checked before a study begins.

use tch::Device;

use super::condition::Condition;
use super::range::Range;
use super::space::{Hyperparameter, Space};
use crate::common::names::one_of;
use crate::common::{Error, Result};
use crate::train::Recipe;

/// Combinations of other values with which one hyperparameter is checked; more would take long, and are rare.
const MOST_CONTEXTS: usize = 256;

impl Space {
    /// Names the first range that is none, or that `recipe` has no place for, the first condition that can't hold, and
    /// the first point out of range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the path.
    pub fn validate(&self, recipe: &Recipe) -> Result<()> {
        if self.ranges().next().is_none() {
            return Err(Error::setting("space", "empty", "a hyperparameter to tune"));
        }
        for (path, hyperparameter) in self.hyperparameters() {
            hyperparameter.range.validate(path)?;
            self.check_condition(path, hyperparameter)?;
        }
        for (path, Hyperparameter { range, .. }) in self.hyperparameters() {
            let (low, high) = range.bounds();
            // The ends, and each of the choices, have to be values that the recipe takes.
            let places: Vec<f64> = match range {
                Range::Choice { values } => (0..values.len()).map(|i| i as f64).collect(),
                _ => vec![low, high],
            };
            for context in self.contexts(path)? {
                for place in &places {
                    let mut values = context.clone();
                    values.insert(path.into(), range.value(*place));
                    check_values(path, &values, recipe).map_err(|error| within(error, &context))?;
                }
            }
        }
        self.first.iter().try_for_each(|point| self.values_of(point, recipe).map(drop))
    }

    /// Conditions are on other hyperparameters of the space, and on values that these can have.
    fn check_condition(&self, path: &str, hyperparameter: &Hyperparameter) -> Result<()> {
        let name = format!("{path}: when");
        for (other, values) in hyperparameter.when.pairs() {
            if other == path {
                return Err(Error::setting(
                    name,
                    other,
                    "another hyperparameter, not one by itself",
                ));
            }
            let Some(parent) = self.get(other) else {
                let paths: Vec<&str> = self.ranges().map(|(path, _)| path).collect();
                let expected = format!("the path of a tuned hyperparameter: {}", one_of(&paths));
                return Err(Error::setting(name, other, expected));
            };
            if !matches!(parent.range, Range::Choice { .. } | Range::Int { .. }) {
                let expected = "a hyperparameter that is a choice or a whole number";
                return Err(Error::setting(name, other, expected));
            }
            if values.is_empty() {
                return Err(Error::setting(name, other, "a value of it with which this is tuned"));
            }
            for value in values {
                parent.range.check(&format!("{name}, {other}"), value)?;
            }
        }
        Ok(())
    }

    /// Values of other hyperparameters with which the one at `path` is tuned, and on which it may depend whether the
    /// recipe has a place for it: those in its conditions, and the name of its part, such as `train.optimizer.name`.
    fn contexts(&self, path: &str) -> Result<Vec<toml::Table>> {
        let required = self.required(path);
        let never = required.pairs().any(|(other, values)| values.is_empty() || other == path);
        if never {
            let expected = "a condition that some values of the space meet";
            return Err(Error::setting(format!("{path}: when"), required, expected));
        }
        let mut others: Vec<(&str, &[toml::Value])> = required.pairs().collect();
        let name = path.rsplit_once('.').map(|(part, _)| format!("{part}.name"));
        if let Some(name) = name.filter(|name| name != path)
            && let Some((name, Range::Choice { values })) =
                self.ranges().find(|(other, _)| *other == name)
            && !others.iter().any(|(other, _)| *other == name)
        {
            others.push((name, values));
        }
        let mut contexts = vec![toml::Table::new()];
        for (other, values) in others {
            let with = |context: &toml::Table, value: &toml::Value| {
                let mut context = context.clone();
                context.insert(other.into(), value.clone());
                context
            };
            contexts = contexts
                .iter()
                .flat_map(|context| values.iter().map(|value| with(context, value)))
                .take(MOST_CONTEXTS)
                .collect();
        }
        Ok(contexts)
    }

    /// The condition of a hyperparameter together with those of the ones that it depends on, and so on.
    fn required(&self, path: &str) -> Condition {
        let mut required = self.get(path).map(|it| it.when.clone()).unwrap_or_default();
        loop {
            let before = required.clone();
            for (other, _) in before.pairs() {
                for (above, values) in self.get(other).iter().flat_map(|it| it.when.pairs()) {
                    required.require(above, values);
                }
            }
            if required == before {
                return required;
            }
        }
    }
}

/// Whether a recipe takes these values, of which the one at `path` is in question.
fn check_values(path: &str, values: &toml::Table, recipe: &Recipe) -> Result<()> {
    let mut recipe = recipe.clone();
    recipe.set_all(values)?;
    recipe.train.validate()?;
    // What a network takes it says itself, when it is built.
    if path.starts_with("network.") {
        recipe.network.build(Device::Cpu, 0)?;
    }
    Ok(())
}

/// The error of a value that was tried together with others.
fn within(error: Error, context: &toml::Table) -> Error {
    match error {
        Error::Setting { name, value, expected } if !context.is_empty() => {
            let others: Vec<String> =
                context.iter().map(|(path, value)| format!("{path} = {value}")).collect();
            let others = others.join(", ");
            let expected = format!(
                "{expected}, together with {others}; if it needs another value there, say so with `when`"
            );
            Error::Setting { name, value, expected }
        }
        other => other,
    }
}
