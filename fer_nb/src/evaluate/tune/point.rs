//! [`Point`]: values that are to be tried, given by a user.

use serde::{Deserialize, Serialize};

use crate::common::{Error, Result};

/// What a point looks like.
pub(super) const EXPECTED: &str = "NAME=VALUE, or several with commas between them";

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
    /// The names and values, in the order in which they are given. `is_name` tells the name of a hyperparameter whose
    /// value is a table from a table of hyperparameters.
    pub(super) fn pairs(
        &self,
        is_name: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, toml::Value)>> {
        match self {
            Point::Text(text) => parts(text).map(pair).collect(),
            Point::Table(table) => {
                let mut pairs = Vec::new();
                flatten("", table, &is_name, &mut pairs);
                Ok(pairs)
            }
        }
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
pub(super) fn flatten(
    above: &str,
    table: &toml::Table,
    is_name: &impl Fn(&str) -> bool,
    to: &mut Vec<(String, toml::Value)>,
) {
    for (key, value) in table {
        let name = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            toml::Value::Table(inner) if !is_name(&name) => {
                flatten(&name, inner, is_name, to);
            }
            value => to.push((name, value.clone())),
        }
    }
}
