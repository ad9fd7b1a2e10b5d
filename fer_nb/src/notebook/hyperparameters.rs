//! The table of hyperparameters, generated from the config, so that it has every field.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::common::{Error, Result};
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};
use crate::train::{RunConfig, TrainConfig};

/// A field's path in the config, "loss.label_smoothing", and its value.
type Row = (String, Value);

impl Show for TrainConfig {
    fn overview(&self) -> Result<Table> {
        Ok(in_halves(&rows(self)?, &rows(&TrainConfig::default())?).caption("Hyperparameters"))
    }
}

shows!(
    TrainConfig,
    "every hyperparameter by its path in a config file, with the original recipe's value if it \
     differs"
);

impl Show for RunConfig {
    fn overview(&self) -> Result<Table> {
        // Data and device are not part of a recipe, so they are not a difference.
        let architecture = self.architecture.as_ref().map(|_| Default::default());
        let recipe = RunConfig { train: TrainConfig::default(), architecture, ..self.clone() };
        let table = in_halves(&rows(self)?, &rows(&recipe)?);
        Ok(table.caption(format!("Run, {}", self.data_title)))
    }
}

shows!(
    RunConfig,
    "everything in a run's config.toml, with the original recipe's value if it differs"
);

/// The rows of a config, in the order of its fields.
fn rows(config: &impl Serialize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    serde_json::to_string(config)
        .and_then(|json| push_json(&mut rows, "", &json))
        .map_err(|error| Error::input("config", error, "values that JSON can hold"))?;
    Ok(rows)
}

/// Adds a field, or the fields of a struct one by one. A choice with values is serialised with a field `name`,
/// which represents the choice: "optimizer", then "optimizer.beta1".
fn push_json(rows: &mut Vec<Row>, path: &str, json: &str) -> serde_json::Result<()> {
    let fields =
        if json.starts_with('{') { serde_json::from_str::<Fields>(json)?.0 } else { Vec::new() };
    for (name, value) in &fields {
        match name.as_str() {
            "name" => push_json(rows, path, value.get())?,
            name if path.is_empty() => push_json(rows, name, value.get())?,
            name => push_json(rows, &format!("{path}.{name}"), value.get())?,
        }
    }
    if fields.is_empty() {
        rows.push((path.to_string(), serde_json::from_str(json)?));
    }
    Ok(())
}

/// The fields of a struct in declaration order, which [`Value`] does not keep.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// The rows in two halves side by side, which keep a struct's fields together. Rows that differ from the recipe are
/// bold: "64 → 32" is the recipe's value and the config's.
fn in_halves(rows: &[Row], recipe: &[Row]) -> Table {
    let recipe: HashMap<&str, &Value> =
        recipe.iter().map(|(path, value)| (path.as_str(), value)).collect();
    let half = rows
        .chunk_by(|(one, _), (other, _)| group(one) == group(other))
        .scan(0, |end, fields| {
            *end += fields.len();
            Some(*end)
        })
        .min_by_key(|end| (2 * end).abs_diff(rows.len()))
        .unwrap_or_default();
    let (left, right) = rows.split_at(half);
    let mut table = Table::new(["hyperparameter", "value", "", "hyperparameter", "value"]);
    let mut differing = 0;
    for line in 0..left.len().max(right.len()) {
        let mut cells = Vec::new();
        for (column, half) in [(0, left), (3, right)] {
            cells.resize(column, String::new());
            let Some((path, value)) = half.get(line) else { continue };
            let now = written(path, value);
            let usual = recipe.get(path.as_str());
            if usual == Some(&value) {
                cells.extend([path.clone(), now]);
            } else {
                let usual = usual.map_or_else(|| "–".into(), |usual| written(path, usual));
                cells.extend([path.clone(), format!("{usual} → {now}")]);
                table = table.bold(line, [column, column + 1]);
                differing += 1;
            }
        }
        table = table.row(cells);
    }
    let all = rows.len();
    table.note(match differing {
        0 => "All values are those of the original recipe.".to_string(),
        1 => format!("1 of {all} values differs from the original recipe: its value → this one."),
        n => format!("{n} of {all} values differ from the original recipe: its value → this one."),
    })
}

/// The struct that a row belongs to.
fn group(path: &str) -> &str {
    let path = path.strip_prefix("train.").unwrap_or(path);
    path.split('.').next().unwrap_or(path)
}

/// A value for display: "off", "±10°", "5 %", "1e-7".
fn written(path: &str, value: &Value) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    match value {
        Value::Null if name == "initial_weights" => "none".into(),
        Value::Null | Value::Bool(false) => "off".into(),
        Value::Bool(true) => "on".into(),
        Value::String(text) if text.is_empty() => "none".into(),
        Value::String(text) => text.clone(),
        Value::Object(_) => "none".into(), // a struct with fields has several rows
        Value::Array(values) if values.is_empty() => "none".into(),
        Value::Array(values) => {
            values.iter().map(|value| written(path, value)).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) => match number.as_f64() {
            Some(0.0) if !matches!(name, "seed" | "floor") && group(path) != "rates" => {
                "off".into()
            }
            Some(value) if number.is_f64() => written_number(name, value),
            _ => number.to_string(),
        },
    }
}

fn written_number(name: &str, value: f64) -> String {
    let percent = (value * 1000.0).round() / 10.0;
    match name {
        "rotation" => format!("±{value}°"),
        "width_shift" | "height_shift" | "zoom" | "brightness" | "contrast" => {
            format!("±{percent} %")
        }
        "erasing" | "validation_share" => format!("{percent} %"),
        _ if value != 0.0 && value.abs() < 1e-3 => format!("{value:e}"),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Augmentation;
    use crate::train::{Distillation, ImageChoice, LossConfig, Mixing, Optimizer};

    /// The fields of a struct below a path. Without `..`, so that a new field has to join the list.
    macro_rules! fields {
        ($prefix:literal, $type:ident { $($field:ident),+ $(,)? }) => {{
            let $type { $($field: _),+ } = $type::default();
            [$(concat!($prefix, stringify!($field))),+].to_vec()
        }};
    }

    #[test]
    fn no_field_of_a_config_is_missing_from_the_table_that_a_cell_shows() {
        let fields = [
            fields!(
                "",
                TrainConfig {
                    epochs,
                    batch_size,
                    learning_rate,
                    optimizer,
                    schedule,
                    clip_norm,
                    ema,
                    sam,
                    rates,
                    initial_weights,
                    weights_map,
                    widen,
                    loss,
                    distillation,
                    precision,
                    images,
                    seed,
                    sampling,
                    augmentation,
                    mixing,
                    sizes,
                    clean_epochs,
                }
            ),
            fields!(
                "loss.",
                LossConfig { label_smoothing, focal_gamma, class_weights, logit_adjustment }
            ),
            fields!("distillation.", Distillation { teachers, temperature, weight }),
            fields!("images.", ImageChoice { validation_share, without_leaks, without_flat }),
            fields!(
                "augmentation.",
                Augmentation {
                    rotation,
                    width_shift,
                    height_shift,
                    zoom,
                    horizontal_flip,
                    alternate_flip,
                    brightness,
                    contrast,
                    erasing,
                }
            ),
            fields!("mixing.", Mixing { mixup, cutmix }),
        ];
        let html = TrainConfig::default().overview().unwrap().html();
        for field in fields.concat() {
            // A field that is a struct has a row for each field of its own.
            let (row, rows) = (format!(">{field}</td>"), format!(">{field}."));
            assert!(html.contains(&row) || html.contains(&rows), "{field} in {html}");
        }
        assert!(html.contains("All values are those of the original recipe."));
    }

    #[test]
    fn differences_are_marked_and_values_read_well() {
        let config = TrainConfig {
            batch_size: 32,
            optimizer: Optimizer::adamw(0.01),
            augmentation: Augmentation { erasing: 0.05, zoom: 0.0, ..Augmentation::default() },
            loss: LossConfig { label_smoothing: 0.1, ..LossConfig::default() },
            ..TrainConfig::default()
        };
        let table = config.overview().unwrap();
        let (text, html) = (table.to_string(), table.html());
        for part in [
            "64 → 32",
            "adam → adamw",
            "off → 0.01",
            "off → 5 %",
            "±10 % → off",
            "off → 0.1",
            "±10°",
            "1e-7",
            "20 %",
            "6 of ",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert_eq!(html.matches("font-weight:600;text").count(), 2 * 6, "{html}");
    }

    #[test]
    fn a_runs_table_has_its_network_and_hyperparameters() {
        let text = r#"
            fer_nb = "0.1.0"
            network = "seed_cnn"
            data = "made-up sample"
            data_title = "made-up sample"
            data_fingerprint = "00"
            images = [10, 2, 5]
            device = "CPU, 2 threads"
            precision = "float32 (auto)"
            [architecture]
            name = "seed_cnn"
            [train]
            epochs = 12
        "#;
        let config: RunConfig = toml::from_str(text).unwrap();
        let table = config.overview().unwrap().to_string();
        for part in ["train.epochs", "35 → 12", "architecture.block_dropout", "10, 2, 5", "1 of "]
        {
            assert!(table.contains(part), "{part} in\n{table}");
        }
    }
}
