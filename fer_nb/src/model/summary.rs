//! [`Summary`]: the table that Keras prints for `model.summary()`.

use std::fmt;

use serde::Serialize;

use super::plan::{self, Plan};
use crate::common::text::count;

/// One layer of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryRow {
    /// Name and kind: "conv1_1 (Conv2D)".
    pub layer: String,
    /// Output shape without the batch, in Keras's order: [height, width, channels], [tokens, width] or \[units\];
    /// empty if the layer does not fit the previous one.
    pub output: Vec<i64>,
    /// The number of parameters, including biases and running statistics.
    pub parameters: i64,
    /// The untrained ones among them: running statistics.
    pub non_trainable: i64,
    /// Floating-point operations of one image's forward pass: two for each multiplication of a matrix
    /// product or a convolution, none for anything else, as PyTorch's `FlopCounterMode` counts.
    pub flops: i64,
}

/// A network, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The architecture's name.
    pub network: String,
    /// Height, width and channels of an image.
    pub input: [i64; 3],
    /// The layers in the order of the forward pass.
    pub layers: Vec<SummaryRow>,
}

impl Summary {
    /// The summary of a plan; `network` is the architecture's name.
    pub fn new(network: impl Into<String>, plan: &Plan) -> Self {
        let mut shape = Plan::INPUT.to_vec();
        let rows = plan.layers().iter().map(|layer| {
            let (output, cost) = plan::apply(&layer.operations, &shape).unwrap_or_default();
            shape = output;
            SummaryRow {
                layer: format!("{} ({})", layer.name, layer.kind),
                output: channels_last(&shape),
                parameters: cost.parameters,
                non_trainable: cost.non_trainable,
                flops: cost.flops,
            }
        });
        let layers = rows.collect();
        let [channels, height, width] = Plan::INPUT;
        Self { network: network.into(), input: [height, width, channels], layers }
    }

    /// The number of parameters, including running statistics.
    pub fn total(&self) -> i64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// The number of trained parameters.
    pub fn trainable(&self) -> i64 {
        self.total() - self.layers.iter().map(|layer| layer.non_trainable).sum::<i64>()
    }

    /// Floating-point operations of one image's forward pass, counted as in [`SummaryRow::flops`]. A
    /// training step takes about three times as many per image.
    pub fn flops(&self) -> i64 {
        self.layers.iter().map(|layer| layer.flops).sum()
    }

    /// The rows as text: layer, output shape, parameters.
    pub(crate) fn rows(&self) -> Vec<[String; 3]> {
        self.layers
            .iter()
            .map(|layer| {
                let sizes: Vec<_> = layer.output.iter().map(i64::to_string).collect();
                let shape = format!("(None, {})", sizes.join(", "));
                [layer.layer.clone(), shape, count(layer.parameters as usize)]
            })
            .collect()
    }

    /// The lines below the table: parameters with their size in memory as f32, the number of trained ones if some
    /// are untrained, and the operations per image.
    pub(crate) fn footer(&self) -> String {
        let with_size = |number: i64| {
            let mebibytes = number as f64 * 4.0 / f64::from(1 << 20);
            format!("{} ({mebibytes:.2} MB)", count(number as usize))
        };
        let (total, trainable) = (self.total(), self.trainable());
        let mut text = format!("Total params: {}\n", with_size(total));
        if trainable != total {
            text += &format!("Trainable params: {}\n", with_size(trainable));
            text += &format!("Non-trainable params: {}\n", with_size(total - trainable));
        }
        let [height, width, channels] = self.input;
        let millions = self.flops() as f64 / 1e6;
        text + &format!(
            "Input: (None, {height}, {width}, {channels}), {millions:.1} MFLOPs per image"
        )
    }
}

/// [channels, height, width] as [height, width, channels]; other shapes unchanged.
fn channels_last(shape: &[i64]) -> Vec<i64> {
    match shape {
        [channels, height, width] => vec![*height, *width, *channels],
        other => other.to_vec(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Operation;

    #[test]
    fn a_layer_that_does_not_fit_has_no_shape() {
        let dense = |units| Operation::Dense { name: "dense".into(), units };
        let plan = Plan::default()
            .layer("flatten", [Operation::Flatten])
            .layer("dense1", [dense([48 * 48, 8])])
            .layer("dense2", [dense([9, 7])]);
        let outputs: Vec<_> =
            Summary::new("own", &plan).layers.into_iter().map(|row| row.output).collect();
        assert_eq!(outputs, [vec![2304], vec![8], vec![]]);
    }

    #[test]
    fn other_operations_are_counted_as_they_say() {
        let (kind, output) = ("Wavelet".to_string(), vec![7]);
        let other = Operation::Other { kind, output, parameters: 5, flops: 9 };
        let summary = Summary::new("own", &Plan::default().layer("waves", [other]));
        assert_eq!((summary.total(), summary.trainable(), summary.flops()), (5, 5, 9));
        assert_eq!(summary.rows(), [["waves (Wavelet)", "(None, 7)", "5"].map(String::from)]);
    }
}
