//! [`Point`]: values that are to be tried, given by a user.

use serde::{Deserialize, Serialize};

use super::space::Space;
use crate::common::names::one_of;
use crate::common::{Error, Result};
use crate::train::Recipe;

const EXPECTED: &str = "NAME=VALUE, or several with commas between them";

/// Values of some or all hyperparameters of a space. Names are paths, or their last parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Point {
    /// `learning_rate=0.001, batch_size=64`
    Text(String),
    /// `{ learning_rate = 0.001, batch_size = 64 }`
    Table(toml::Table),
}

impl Point {
    /// The names and values, in the order in which they are given.
    fn pairs(&self, space: &Space) -> Result<Vec<(String, toml::Value)>> {
        match self {
            Point::Text(text) => parts(text).map(pair).collect(),
            Point::Table(table) => {
                let mut pairs = Vec::new();
                flatten("", table, space, &mut pairs);
                Ok(pairs)
            }
        }
    }
}

impl Space {
    /// The values of a point, by path, each checked against its range and all together by the recipe.
    ///
    /// # Errors
    /// [`Error::Setting`] with the hyperparameter's path, the value, and what its range allows.
    pub(super) fn values_of(&self, point: &Point, recipe: &Recipe) -> Result<toml::Table> {
        let mut values = toml::Table::new();
        for (name, value) in point.pairs(self)? {
            let (path, range) = self.find(&name, &value)?;
            let value = range.check(path, &value)?;
            if values.insert(path.to_string(), value).is_some() {
                return Err(Error::setting(path, "given twice", "one value for each name"));
            }
        }
        if values.is_empty() {
            return Err(Error::setting("point", "empty", EXPECTED));
        }
        let mut recipe = recipe.clone();
        for (path, value) in &values {
            recipe.set(path, &value.to_string())?;
        }
        recipe.train.validate()?;
        Ok(values)
    }
}

/// The text between commas; those within quotes, brackets and braces separate nothing.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut quote) = (0_usize, None);
    text.split(move |letter: char| {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            _ => (),
        }
        letter == ',' && depth == 0 && quote.is_none()
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

/// `learning_rate=0.001` as name and value. What is no TOML value is a text.
fn pair(text: &str) -> Result<(String, toml::Value)> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| Error::setting("point", text, EXPECTED))?;
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
    let parsed = parsed.and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.trim().into()));
    Ok((name.trim().trim_matches('"').to_string(), value))
}

/// `{ train.learning_rate = 0.001 }` is a table in a table, unless the name is quoted.
fn flatten(above: &str, table: &toml::Table, space: &Space, to: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let name = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            toml::Value::Table(inner) if space.find(&name, value).is_err() => {
                flatten(&name, inner, space, to);
            }
            value => to.push((name, value.clone())),
        }
    }
}

impl Space {
    /// The hyperparameter of this path, or the only one whose path ends in this name.
    fn find(&self, name: &str, value: &toml::Value) -> Result<(&str, &super::space::Range)> {
        if let Some(found) = self.ranges().find(|(path, _)| *path == name) {
            return Ok(found);
        }
        let ending = format!(".{name}");
        let found: Vec<_> = self.ranges().filter(|(path, _)| path.ends_with(&ending)).collect();
        match found[..] {
            [found] => Ok(found),
            _ => {
                let paths: Vec<&str> = match found.is_empty() {
                    true => self.ranges().map(|(path, _)| path).collect(),
                    false => found.iter().map(|(path, _)| *path).collect(),
                };
                let expected = format!("a value of a tuned hyperparameter: {}", one_of(&paths));
                Err(Error::setting(name, value, expected))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .float("network.block_dropout", 0.0, 0.4)
            .int("train.clean_epochs", 0, 3)
            .choice("train.batch_size", [32, 64])
            .choice("train.sampling", ["natural", "balanced"])
    }

    fn values(text: &str) -> Result<toml::Table> {
        space().values_of(&Point::Text(text.into()), &Recipe::default())
    }

    #[test]
    fn a_point_is_a_text_or_a_table() {
        let text = "learning_rate=0.001, train.batch_size = 64,sampling=balanced,clean_epochs=2";
        let expected: toml::Table = "'train.learning_rate' = 0.001\n'train.batch_size' = 64\n\
                                     'train.sampling' = 'balanced'\n'train.clean_epochs' = 2"
            .parse()
            .unwrap();
        assert_eq!(values(text).unwrap(), expected);
        let tables = [
            "learning_rate = 0.001\nbatch_size = 64\nsampling = 'balanced'\nclean_epochs = 2",
            "[train]\nlearning_rate = 0.001\nbatch_size = 64.0\nsampling = 'balanced'\nclean_epochs = 2",
            "'train.learning_rate' = 1e-3\nbatch_size = 64\nsampling = 'balanced'\nclean_epochs = 2",
        ];
        for table in tables {
            let point = Point::Table(table.parse().unwrap());
            assert_eq!(space().values_of(&point, &Recipe::default()).unwrap(), expected, "{table}");
        }
        // A whole number is a number as good as others, and bounds are included.
        assert_eq!(values("block_dropout=0").unwrap()["network.block_dropout"], 0.0.into());
        assert_eq!(values("learning_rate=1e-2").unwrap()["train.learning_rate"], 0.01.into());
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_range() {
        let cases = [
            ("learning_rate=0.5", "train.learning_rate", "0.5", "a number from 0.0001 to 0.01"),
            ("learning_rate=nan", "train.learning_rate", "nan", "a number from 0.0001 to 0.01"),
            ("learning_rate=fast", "train.learning_rate", "\"fast\"", "a number from"),
            ("clean_epochs=1.5", "train.clean_epochs", "1.5", "a whole number from 0 to 3"),
            ("clean_epochs=4", "train.clean_epochs", "4", "a whole number from 0 to 3"),
            ("batch_size=48", "train.batch_size", "48", "32 or 64"),
            ("sampling=square-root", "train.sampling", "\"square-root\"", "\"natural\" or"),
            ("rate=1", "rate", "1", "network.block_dropout, train.batch_size"),
            ("learning_rate", "point", "learning_rate", "NAME=VALUE"),
            (" , ", "point", "empty", "NAME=VALUE"),
            ("batch_size=32,train.batch_size=64", "train.batch_size", "given twice", "one value"),
        ];
        for (text, name, value, expected) in cases {
            let Err(Error::Setting { name: named, value: found, expected: wanted }) = values(text)
            else {
                panic!("{text}");
            };
            assert_eq!((named.as_str(), found.as_str()), (name, value), "{text}");
            assert!(wanted.contains(expected), "{text}: {wanted}");
        }
        let ambiguous = Space::new()
            .float("network.dropout", 0.0, 0.5)
            .float("network.hidden.dropout", 0.0, 0.5);
        let point = Point::Text("dropout=0.1".into());
        let error = ambiguous.values_of(&point, &Recipe::default()).unwrap_err().to_string();
        assert!(error.contains("network.dropout or network.hidden.dropout"), "{error}");
    }
}
