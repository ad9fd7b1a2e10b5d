//! The values of a [`Point`], checked against a [`Space`].

use super::point::{EXPECTED, Point};
use super::range::Range;
use super::space::Space;
use crate::common::names::one_of;
use crate::common::{Error, Result};
use crate::train::Recipe;

impl Space {
    /// The values of a point, by path, each checked against its range and all together by the recipe. A value with a
    /// condition needs those that meet it in the same point.
    ///
    /// # Errors
    /// [`Error::Setting`] with the hyperparameter's path, the value, and what its range or its condition allows.
    pub(super) fn values_of(&self, point: &Point, recipe: &Recipe) -> Result<toml::Table> {
        let mut values = toml::Table::new();
        for (name, value) in point.pairs(|name| self.named(name).len() == 1)? {
            let (path, range) = self.find(&name, &value)?;
            let value = range.check(path, &value)?;
            if values.insert(path.to_string(), value).is_some() {
                return Err(Error::setting(path, "given twice", "one value for each name"));
            }
        }
        if values.is_empty() {
            return Err(Error::setting("point", "empty", EXPECTED));
        }
        let mut active = values.clone();
        self.retain_active(&mut active);
        if let Some((path, value)) = values.iter().find(|(path, _)| !active.contains_key(*path)) {
            let when = self.get(path).map(|it| it.when.to_string()).unwrap_or_default();
            let expected = format!("{when} in the same point, with which alone it is tuned");
            return Err(Error::setting(path, value, expected));
        }
        let mut recipe = recipe.clone();
        recipe.set_all(&values)?;
        recipe.train.validate()?;
        Ok(values)
    }

    /// The hyperparameters of this path, or whose path ends in this name.
    fn named(&self, name: &str) -> Vec<(&str, &Range)> {
        if let Some(found) = self.ranges().find(|(path, _)| *path == name) {
            return vec![found];
        }
        let ending = format!(".{name}");
        self.ranges().filter(|(path, _)| path.ends_with(&ending)).collect()
    }

    /// The only one of them.
    fn find(&self, name: &str, value: &toml::Value) -> Result<(&str, &Range)> {
        let found = self.named(name);
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
        let optimizers = Space::new().choice("train.optimizer.name", ["adam", "sgd"]).when(
            "train.optimizer.name",
            ["sgd"],
            Space::new().float("train.optimizer.momentum", 0.5, 0.99),
        );
        for point in ["momentum=0.9", "name=adam,momentum=0.9"] {
            let point = Point::Text(point.into());
            let error = optimizers.values_of(&point, &Recipe::default()).unwrap_err().to_string();
            assert!(error.contains("train.optimizer.momentum = 0.9"), "{error}");
            assert!(error.contains("train.optimizer.name = \"sgd\" in the same point"), "{error}");
        }
        let point = Point::Text("name=sgd,momentum=0.9".into());
        assert_eq!(optimizers.values_of(&point, &Recipe::default()).unwrap().len(), 2);
        let ambiguous = Space::new().float("network.dropout", 0.0, 0.5).float(
            "network.hidden.dropout",
            0.0,
            0.5,
        );
        let point = Point::Text("dropout=0.1".into());
        let error = ambiguous.values_of(&point, &Recipe::default()).unwrap_err().to_string();
        assert!(error.contains("network.dropout or network.hidden.dropout"), "{error}");
    }
}
