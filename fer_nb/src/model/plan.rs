//! [`Plan`]: a network's layers, from which its summary and its ONNX graph are derived.

use crate::data::SIDE;

/// A network as a list of layers, in the order of the forward pass. Its operations compute the same logits as
/// [`Network::forward_t`](super::Network::forward_t) without dropout, and refer to weights by name.
///
/// A network builds it from its layers:
///
/// ```
/// use fer_nb::model::layers::{Conv, Dense};
/// use fer_nb::model::{Operation, ParametersBuilder, Plan, Summary};
///
/// let mut builder = ParametersBuilder::default();
/// let conv = Conv::with_bias(&mut builder, "conv", [1, 8]);
/// let output = Dense::new(&mut builder, "output", [8, 7]);
/// let plan = Plan::default()
///     .layer("conv", [conv.operation(), Operation::Relu])
///     .layer("mean", [Operation::GlobalMean])
///     .layer("output", [output.operation()]);
/// assert_eq!(Summary::new("small", &plan).total(), 80 + 63);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    layers: Vec<Layer>,
}

/// The operations of one row of the summary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    pub(crate) name: String,
    /// Keras's name of the layer's type: "Conv2D".
    pub(crate) kind: String,
    pub(crate) operations: Vec<Operation>,
}

impl Plan {
    /// Shape of one image, [channels, height, width].
    pub(crate) const INPUT: [i64; 3] = [1, SIDE as i64, SIDE as i64];

    /// Adds a layer, which is one row of the summary. Its type in the summary is that of the first operation.
    pub fn layer(self, name: impl Into<String>, operations: impl Into<Vec<Operation>>) -> Self {
        let operations = operations.into();
        let kind = operations.first().map_or("", Operation::kind).to_string();
        self.block(name, kind, operations)
    }

    /// Adds a layer with another name for its type, "PreActBlock".
    pub fn block(
        mut self,
        name: impl Into<String>,
        kind: impl Into<String>,
        operations: impl Into<Vec<Operation>>,
    ) -> Self {
        let (name, kind, operations) = (name.into(), kind.into(), operations.into());
        self.layers.push(Layer { name, kind, operations });
        self
    }

    /// The layers in the order of the forward pass.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

/// An operation on the activations of one image, of shape [channels, height, width], [tokens, width] or
/// \[units\]. Layers with weights describe themselves:
/// [`Conv::operation`](super::layers::Conv::operation).
#[allow(missing_docs, reason = "a variant's documentation names its fields")]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Convolution of `kernel` × `kernel`, padded by half of it; `channels` are [input, output]. Weights:
    /// `name.weight` and, with `bias`, `name.bias`.
    Conv { name: String, channels: [i64; 2], kernel: i64, stride: i64, bias: bool },
    /// Batch normalisation by the running statistics. Weights: `name.weight`, `name.bias`,
    /// `name.running_mean`, `name.running_var`.
    BatchNorm { name: String, channels: i64 },
    /// Layer normalisation of the last dimension. Weights: `name.weight`, `name.bias`.
    LayerNorm { name: String, width: i64 },
    /// Dense layer on the last dimension; `units` are [input, output]. Weights: `name.weight`, `name.bias`.
    Dense { name: String, units: [i64; 2] },
    /// Multiplies each channel by a factor, which the dense layers `name.squeeze` and `name.excite`, with
    /// `units` between them, compute from the means of all `channels`.
    SqueezeExcitation { name: String, channels: i64, units: i64 },
    /// Lays out [`width`, rows, columns] as [`tokens`, `width`] and adds the weight `name` of that shape.
    Positions { name: String, tokens: i64, width: i64 },
    /// The mean of the tokens of this `width`, weighted by a softmax of the dense layer `name`.
    WeightedMean { name: String, width: i64 },
    /// [`standardize`](super::layers::standardize).
    Standardize,
    /// max(x, 0).
    Relu,
    /// x · Φ(x).
    Gelu,
    /// 2×2 max pooling.
    MaxPool,
    /// The mean of each channel.
    GlobalMean,
    /// [channels, height, width] to [channels · height · width].
    Flatten,
    /// Dropout, which does nothing after training.
    Dropout,
    /// Self-attention with `heads` heads. [tokens, 3 · width], which are queries, keys and values, to
    /// [tokens, width].
    Attention { heads: i64 },
    /// The sum of two paths from the same input, `body` and `shortcut`. An empty path is the input.
    Residual { body: Vec<Operation>, shortcut: Vec<Operation> },
    /// Any other operation. The summary shows `kind`, `output` shape, `parameters` and `flops`; it can't be
    /// exported to ONNX.
    Other { kind: String, output: Vec<i64>, parameters: i64, flops: i64 },
}

/// The number of parameters of an operation, and its work for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cost {
    /// All numbers, including biases and running statistics.
    pub(crate) parameters: i64,
    /// The untrained ones among them.
    pub(crate) non_trainable: i64,
    /// Floating-point operations: two for each multiplication of a matrix product or a convolution.
    pub(crate) flops: i64,
}

impl Cost {
    fn parameters(parameters: i64) -> Self {
        Self { parameters, ..Self::default() }
    }

    /// The cost of a dense layer applied `times` times.
    fn dense([input, output]: [i64; 2], times: i64) -> Self {
        let (parameters, flops) = ((input + 1) * output, 2 * input * output * times);
        Self { parameters, flops, ..Self::default() }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters + other.parameters,
            non_trainable: self.non_trainable + other.non_trainable,
            flops: self.flops + other.flops,
        }
    }
}

/// The shape after several operations, and their cost; `None` if a shape does not fit.
pub(crate) fn apply(operations: &[Operation], input: &[i64]) -> Option<(Vec<i64>, Cost)> {
    operations.iter().try_fold((input.to_vec(), Cost::default()), |(shape, cost), operation| {
        let (shape, more) = operation.apply(&shape)?;
        Some((shape, cost + more))
    })
}

impl Operation {
    /// Keras's name for such a layer.
    fn kind(&self) -> &str {
        match self {
            Self::Conv { .. } => "Conv2D",
            Self::BatchNorm { .. } => "BatchNormalization",
            Self::LayerNorm { .. } => "LayerNormalization",
            Self::Dense { .. } => "Dense",
            Self::SqueezeExcitation { .. } => "SqueezeExcitation",
            Self::Positions { .. } => "Embedding",
            Self::WeightedMean { .. } => "WeightedMean",
            Self::Standardize => "Standardize",
            Self::Relu => "ReLU",
            Self::Gelu => "GELU",
            Self::MaxPool => "MaxPooling2D",
            Self::GlobalMean => "GlobalAveragePooling2D",
            Self::Flatten => "Flatten",
            Self::Dropout => "Dropout",
            Self::Attention { .. } => "Attention",
            Self::Residual { .. } => "Add",
            Self::Other { kind, .. } => kind,
        }
    }

    /// The shape after the operation, and its cost; `None` if the shape before it does not fit.
    pub(crate) fn apply(&self, input: &[i64]) -> Option<(Vec<i64>, Cost)> {
        let (same, free) = (|| input.to_vec(), Cost::default());
        Some(match (self, input) {
            (
                Self::Conv { channels: [from, to], kernel, stride, bias, .. },
                [channels, height, width],
            ) if channels == from && *stride > 0 => {
                let side = |side: &i64| (side + kernel / 2 * 2 - kernel) / stride + 1;
                let (height, width) = (side(height), side(width));
                let weights = from * to * kernel * kernel;
                let parameters = weights + if *bias { *to } else { 0 };
                let flops = 2 * weights * height * width;
                (vec![*to, height, width], Cost { parameters, flops, ..free })
            }
            (Self::BatchNorm { channels, .. }, [found, _, _]) if found == channels => {
                (same(), Cost { non_trainable: 2 * channels, ..Cost::parameters(4 * channels) })
            }
            (Self::LayerNorm { width, .. }, [.., found]) if found == width => {
                (same(), Cost::parameters(2 * width))
            }
            (Self::Dense { units: [from, to], .. }, [tokens @ .., found]) if found == from => {
                let cost = Cost::dense([*from, *to], tokens.iter().product());
                ([tokens, &[*to]].concat(), cost)
            }
            (Self::SqueezeExcitation { channels, units, .. }, [found, _, _])
                if found == channels =>
            {
                let cost = Cost::dense([*channels, *units], 1);
                (same(), cost + Cost::dense([*units, *channels], 1))
            }
            (Self::Positions { tokens, width, .. }, [channels, height, sides])
                if channels == width && height * sides == *tokens =>
            {
                (vec![*tokens, *width], Cost::parameters(tokens * width))
            }
            (Self::WeightedMean { width, .. }, [tokens, found]) if found == width => {
                let products = Cost { flops: 2 * tokens * width, ..free };
                (vec![*width], Cost::dense([*width, 1], *tokens) + products)
            }
            (Self::Standardize, [_, _, _]) => (same(), free),
            (Self::Relu | Self::Gelu | Self::Dropout, _) => (same(), free),
            (Self::MaxPool, [channels, height, width]) => {
                (vec![*channels, height / 2, width / 2], free)
            }
            (Self::GlobalMean, [channels, _, _]) => (vec![*channels], free),
            (Self::Flatten, _) => (vec![input.iter().product()], free),
            (Self::Attention { heads }, [tokens, found])
                if found.checked_rem(3 * heads) == Some(0) =>
            {
                let width = found / 3;
                (vec![*tokens, width], Cost { flops: 4 * tokens * tokens * width, ..free })
            }
            (Self::Residual { body, shortcut }, _) => {
                let (body, shortcut) = (apply(body, input)?, apply(shortcut, input)?);
                (body.0 == shortcut.0).then_some((body.0, body.1 + shortcut.1))?
            }
            (Self::Other { output, parameters, flops, .. }, _) => {
                (output.clone(), Cost { flops: *flops, ..Cost::parameters(*parameters) })
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(channels: [i64; 2], kernel: i64, stride: i64) -> Operation {
        Operation::Conv { name: "conv".into(), channels, kernel, stride, bias: true }
    }

    #[test]
    fn shapes_follow_from_operations_and_misfits_are_found() {
        let shape = |operation: &Operation, input: &[i64]| operation.apply(input).map(|one| one.0);
        assert_eq!(shape(&conv([1, 8], 3, 2), &[1, 48, 47]), Some(vec![8, 24, 24]));
        assert_eq!(shape(&conv([1, 8], 5, 1), &[1, 48, 48]), Some(vec![8, 48, 48]));
        assert_eq!(shape(&conv([1, 8], 1, 2), &[1, 5, 5]), Some(vec![8, 3, 3]));
        assert_eq!(shape(&conv([3, 8], 3, 1), &[1, 48, 48]), None);
        assert_eq!(shape(&conv([1, 8], 3, 0), &[1, 48, 48]), None);
        assert_eq!(shape(&Operation::Attention { heads: 0 }, &[4, 12]), None);
        assert_eq!(shape(&Operation::Attention { heads: 2 }, &[4, 12]), Some(vec![4, 4]));
        let dense = Operation::Dense { name: "dense".into(), units: [8, 7] };
        assert_eq!(shape(&dense, &[5, 8]), Some(vec![5, 7]));
        assert_eq!(shape(&dense, &[]), None);
        let residual = |body| Operation::Residual { body, shortcut: vec![] };
        assert_eq!(shape(&residual(vec![conv([8, 8], 3, 1)]), &[8, 6, 6]), Some(vec![8, 6, 6]));
        assert_eq!(shape(&residual(vec![conv([8, 4], 3, 1)]), &[8, 6, 6]), None);
    }
}
