//! The table that Keras prints for `model.summary()`.

use std::fmt;

use serde::Serialize;

use crate::common::text::count;
use crate::data::SIDE;

/// One layer: its name, what it puts out for one image, how many numbers it learns, and how much it
/// computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Name and kind: "conv1_1 (Conv2D)".
    pub layer: String,
    /// Output shape without the batch, as Keras has it: [height, width, channels] or [units].
    pub output: Vec<i64>,
    /// Numbers that are kept, biases and running statistics included.
    pub parameters: i64,
    /// Those of them that are not learnt: running statistics.
    pub non_trainable: i64,
    /// Floating-point operations of one image's forward pass: two for each multiplication of a matrix
    /// product or a convolution, none for anything else, as PyTorch's `FlopCounterMode` counts.
    pub flops: i64,
}

impl Layer {
    /// A layer without parameters whose operations are not counted.
    pub fn free(output: &[i64]) -> Self {
        let (parameters, non_trainable, flops) = (0, 0, 0);
        Self { layer: String::new(), output: output.to_vec(), parameters, non_trainable, flops }
    }

    /// A convolution of kernel × kernel without biases that puts out side × side pixels.
    pub fn conv(input: i64, output: i64, kernel: i64, side: i64) -> Self {
        let weights = input * output * kernel * kernel;
        let flops = 2 * weights * side * side;
        Self { parameters: weights, flops, ..Self::free(&[side, side, output]) }
    }

    /// Batch normalisation of side × side pixels.
    pub fn batch_norm(channels: i64, side: i64) -> Self {
        let (parameters, non_trainable) = (4 * channels, 2 * channels);
        Self { parameters, non_trainable, ..Self::free(&[side, side, channels]) }
    }

    /// Layer normalisation of `width` numbers.
    pub fn layer_norm(width: i64) -> Self {
        Self { parameters: 2 * width, ..Self::free(&[width]) }
    }

    /// A dense layer with biases.
    pub fn dense(input: i64, output: i64) -> Self {
        let flops = 2 * input * output;
        Self { parameters: (input + 1) * output, flops, ..Self::free(&[output]) }
    }

    /// The two matrix products of self-attention among `tokens` of `width` numbers.
    pub fn attention(tokens: i64, width: i64) -> Self {
        Self { flops: 4 * tokens * tokens * width, ..Self::free(&[tokens, width]) }
    }

    /// This many multiplications of a product without parameters.
    pub fn products(count: i64) -> Self {
        Self { flops: 2 * count, ..Self::free(&[]) }
    }

    /// The same parameters used for each of `tokens`.
    pub fn per(self, tokens: i64) -> Self {
        let output = [&[tokens], &self.output[..]].concat();
        Self { output, flops: self.flops * tokens, ..self }
    }

    /// Several layers as one.
    pub fn sum(parts: Vec<Self>, output: &[i64]) -> Self {
        parts.into_iter().fold(Self::free(output), |sum, part| Self {
            parameters: sum.parameters + part.parameters,
            non_trainable: sum.non_trainable + part.non_trainable,
            flops: sum.flops + part.flops,
            ..sum
        })
    }

    /// With `count` parameters more.
    pub fn with_parameters(self, count: i64) -> Self {
        Self { parameters: self.parameters + count, ..self }
    }

    /// With its name and kind.
    pub fn named(self, layer: impl Into<String>) -> Self {
        Self { layer: layer.into(), ..self }
    }
}

/// A network, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The architecture's name.
    pub network: String,
    /// Height, width and channels of an image.
    pub input: [i64; 3],
    /// In the order of the forward pass.
    pub layers: Vec<Layer>,
}

impl Summary {
    /// Of a network for images of 48×48 grays.
    pub fn new(network: impl Into<String>, layers: Vec<Layer>) -> Self {
        Self { network: network.into(), input: [SIDE as i64, SIDE as i64, 1], layers }
    }

    /// Numbers that are kept, of all layers.
    pub fn total(&self) -> i64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Those of them that are learnt.
    pub fn trainable(&self) -> i64 {
        self.total() - self.layers.iter().map(|layer| layer.non_trainable).sum::<i64>()
    }

    /// Floating-point operations of one image's forward pass, as [`Layer::flops`] counts them. A
    /// training step takes about three times as many an image.
    pub fn flops(&self) -> i64 {
        self.layers.iter().map(|layer| layer.flops).sum()
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

    /// The lines below the table: parameters and their size in memory as f32, those that are learnt
    /// where not all are, and what one image costs.
    pub fn footer(&self) -> String {
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
            "Input: (None, {height}, {width}, {channels}), {millions:.1} MFLOPs an image"
        )
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
