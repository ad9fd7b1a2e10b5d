//! The table that Keras prints for `model.summary()`.

use std::fmt;

use serde::Serialize;

use crate::data::text::count;

/// One layer: its name, what it puts out for one image, and how many numbers it learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerSummary {
    /// Name and kind: "conv1_1 (Conv2D)".
    pub layer: String,
    /// Output shape without the batch, as Keras has it: [height, width, channels] or [units].
    pub output: Vec<i64>,
    /// Parameters, biases included.
    pub parameters: i64,
}

/// A network, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The architecture's name.
    pub network: String,
    /// In the order of the forward pass.
    pub layers: Vec<LayerSummary>,
}

impl Summary {
    /// Parameters of all layers.
    pub fn total(&self) -> i64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Header and rows as text, for tables.
    pub fn rows(&self) -> Vec<[String; 3]> {
        self.layers
            .iter()
            .map(|layer| {
                let sizes: Vec<_> = layer.output.iter().map(i64::to_string).collect();
                let shape = format!("(None, {})", sizes.join(", "));
                [layer.layer.clone(), shape, count(layer.parameters as usize)]
            })
            .collect()
    }

    /// The line below the table: parameters and their size in memory as f32.
    pub fn footer(&self) -> String {
        let mebibytes = self.total() as f64 * 4.0 / f64::from(1 << 20);
        format!("Total params: {} ({mebibytes:.2} MB)", count(self.total() as usize))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Model: \"{}\"", self.network)?;
        writeln!(f, "{:<28}{:<24}{:>12}", "Layer (type)", "Output Shape", "Param #")?;
        writeln!(f, "{}", "─".repeat(64))?;
        for [layer, shape, parameters] in self.rows() {
            writeln!(f, "{layer:<28}{shape:<24}{parameters:>12}")?;
        }
        writeln!(f, "{}", "─".repeat(64))?;
        write!(f, "{}", self.footer())
    }
}
