//! [`Range`]: the values that one hyperparameter may take.

use serde::{Deserialize, Serialize};

use crate::common::names::one_of;
use crate::common::text::plural;
use crate::common::{Error, Result};

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
    pub(super) fn validate(&self, path: &str) -> Result<()> {
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
                values.iter().find(|choice| is_same(choice, value)).cloned()
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

/// Whether two values are equal, be one a whole number and the other a decimal one.
pub(super) fn is_same(one: &toml::Value, other: &toml::Value) -> bool {
    one == other || number(one).is_some_and(|it| Some(it) == number(other))
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
}
