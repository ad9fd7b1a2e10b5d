//! ONNX: a network's plan as ONNX operators, without dropout.

use super::Exported;
use super::graph::{Graph, float, int, ints};
use super::proto::{Dimension, FLOAT, GraphProto, UINT8, ValueInfoProto};
use crate::common::{During, Error, Result};
use crate::deploy::light::LightRule;
use crate::emotion::Emotion;
use crate::model::layers::STANDARDIZE_EPSILON;
use crate::model::{Operation, Plan};

/// The complete file.
pub(super) fn to_bytes(exported: &Exported<'_>, half: bool) -> Result<Vec<u8>> {
    let network = exported.network;
    let classes = Emotion::COUNT as i64;
    let inputs_and_outputs = GraphProto {
        name: network.name().into(),
        input: vec![value("images", UINT8, &Plan::INPUT)],
        output: vec![value("logits", FLOAT, &[classes]), value("probs", FLOAT, &[classes])],
        ..GraphProto::default()
    };
    let weights = network.parameters().named_tensors()?;
    let mut graph = Graph::new(inputs_and_outputs, weights, half);
    let images = graph.add("Cast", &["images"], vec![int("to", i64::from(FLOAT))]);
    let scale = graph.number(1.0 / 255.0)?;
    let images = graph.add("Mul", &[&images, &scale], vec![]);
    let logits = add_plan(&mut graph, &network.plan(), images).during("exporting to ONNX")?;
    graph.add_named("Identity", &[&logits], vec![], "logits");
    let temperature = graph.number(exported.temperature.value())?;
    let cooled = graph.add("Div", &["logits", &temperature], vec![]);
    graph.add_named("Softmax", &[&cooled], vec![int("axis", -1)], "probs");
    let own = [
        ("classes", Emotion::names().join(",")),
        ("network", network.name().to_string()),
        ("temperature", exported.temperature.value().to_string()),
    ];
    let light = LightRule::of(network).map(|rule| ("light", rule.to_string()));
    let about =
        own.iter().chain(&light).chain(exported.about).map(|(key, text)| (*key, text.clone()));
    Ok(graph.finish()?.into_file(about))
}

/// An input or output with any number of rows.
fn value(name: &str, elem_type: i32, sizes: &[i64]) -> ValueInfoProto {
    let sizes = sizes.iter().copied().map(Dimension::fixed);
    ValueInfoProto::new(
        name,
        elem_type,
        std::iter::once(Dimension::free("batch")).chain(sizes).collect(),
    )
}

/// Adds a network: takes the name of its images, f32 [N, 1, 48, 48], and returns that of its logits, f32 [N, 7].
fn add_plan(graph: &mut Graph, plan: &Plan, images: String) -> Result<String> {
    let mut value = (images, Plan::INPUT.to_vec());
    for layer in plan.layers() {
        value = add_all(graph, &layer.operations, value)?;
    }
    let (logits, shape) = value;
    if shape != [Emotion::COUNT as i64] {
        let expected = format!("[{}]", Emotion::COUNT);
        return Err(Error::input(
            "the output of the network's plan",
            format!("{shape:?}"),
            expected,
        ));
    }
    Ok(logits)
}

/// A value's name, and its shape without the batch.
type Value = (String, Vec<i64>);

fn add_all(graph: &mut Graph, operations: &[Operation], value: Value) -> Result<Value> {
    operations.iter().try_fold(value, |(xs, shape), operation| {
        let Some((output, _)) = operation.apply(&shape) else {
            let expected = format!("the input of {operation:?}");
            return Err(Error::input("the network's plan", format!("{shape:?}"), expected));
        };
        Ok((graph.operation(operation, &xs, shape)?, output))
    })
}

/// The operations of a plan, by the names of their weights.
impl Graph {
    fn operation(&mut self, operation: &Operation, xs: &str, shape: Vec<i64>) -> Result<String> {
        Ok(match operation {
            Operation::Conv { name, kernel, stride, bias, .. } => {
                let weight = self.weight(&format!("{name}.weight"))?;
                let bias = bias.then(|| self.weight(&format!("{name}.bias"))).transpose()?;
                let inputs: Vec<&str> = [xs, &weight].into_iter().chain(bias.as_deref()).collect();
                let attributes = vec![
                    ints("kernel_shape", &[*kernel; 2]),
                    ints("strides", &[*stride; 2]),
                    ints("pads", &[kernel / 2; 4]),
                ];
                self.add("Conv", &inputs, attributes)
            }
            Operation::BatchNorm { name, .. } => {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                let [weight, bias, mean, variance] =
                    parts.map(|part| self.weight(&format!("{name}.{part}")));
                let inputs = [xs, &weight?, &bias?, &mean?, &variance?];
                self.add("BatchNormalization", &inputs, vec![float("epsilon", 1e-5)])
            }
            Operation::LayerNorm { name, .. } => {
                let [weight, bias] = self.weight_and_bias(name)?;
                let attributes = vec![int("axis", -1), float("epsilon", 1e-5)];
                self.add("LayerNormalization", &[xs, &weight, &bias], attributes)
            }
            Operation::Dense { name, .. } if shape.len() == 1 => self.dense(xs, name)?,
            Operation::Dense { name, .. } => self.token_dense(xs, name)?,
            Operation::SqueezeExcitation { name, channels, .. } => {
                let means = self.global_mean(xs);
                let units = self.dense(&means, &format!("{name}.squeeze"))?;
                let units = self.add("Relu", &[&units], vec![]);
                let scales = self.dense(&units, &format!("{name}.excite"))?;
                let scales = self.add("Sigmoid", &[&scales], vec![]);
                let scales = self.reshape(&scales, &[-1, *channels, 1, 1])?;
                self.add("Mul", &[xs, &scales], vec![])
            }
            Operation::Positions { name, tokens, width } => {
                let tokens = self.reshape(xs, &[-1, *width, *tokens])?;
                let tokens = self.transpose(&tokens, &[0, 2, 1]);
                let positions = self.weight(name)?;
                self.add("Add", &[&tokens, &positions], vec![])
            }
            Operation::WeightedMean { name, .. } => {
                let shares = self.token_dense(xs, name)?;
                let shares = self.add("Softmax", &[&shares], vec![int("axis", 1)]);
                // [N, 1, T] × [N, T, width]
                let shares = self.transpose(&shares, &[0, 2, 1]);
                let mean = self.add("MatMul", &[&shares, xs], vec![]);
                self.flatten(&mean)
            }
            Operation::Standardize => {
                let channels = shape.first().copied().unwrap_or(1) as usize;
                let scale = self.numbers("/standardize.scale", &vec![1.0; channels])?;
                let shift = self.numbers("/standardize.shift", &vec![0.0; channels])?;
                let epsilon = vec![float("epsilon", STANDARDIZE_EPSILON as f32)];
                self.add("InstanceNormalization", &[xs, &scale, &shift], epsilon)
            }
            Operation::Relu => self.add("Relu", &[xs], vec![]),
            Operation::Gelu => self.gelu(xs)?,
            Operation::MaxPool => {
                let attributes = vec![ints("kernel_shape", &[2; 2]), ints("strides", &[2; 2])];
                self.add("MaxPool", &[xs], attributes)
            }
            Operation::GlobalMean => self.global_mean(xs),
            Operation::Flatten => self.flatten(xs),
            Operation::Dropout => xs.to_string(),
            Operation::Attention { heads } => self.attention(xs, &shape, *heads)?,
            Operation::Residual { body, shortcut } => {
                let (around, _) = add_all(self, shortcut, (xs.to_string(), shape.clone()))?;
                let (body, _) = add_all(self, body, (xs.to_string(), shape))?;
                self.add("Add", &[&body, &around], vec![])
            }
            other => {
                let expected =
                    "operations that this export supports; TorchScript exports any network";
                return Err(Error::input("the network's plan", format!("{other:?}"), expected));
            }
        })
    }

    fn weight_and_bias(&mut self, name: &str) -> Result<[String; 2]> {
        Ok([self.weight(&format!("{name}.weight"))?, self.weight(&format!("{name}.bias"))?])
    }

    /// Maps [N, input] to [N, output].
    fn dense(&mut self, xs: &str, name: &str) -> Result<String> {
        let [weight, bias] = self.weight_and_bias(name)?;
        Ok(self.add("Gemm", &[xs, &weight, &bias], vec![int("transB", 1)]))
    }

    /// Maps [N, .., input] to [N, .., output].
    fn token_dense(&mut self, xs: &str, name: &str) -> Result<String> {
        let [weight, bias] = self.weight_and_bias(name)?;
        let weight = self.transpose(&weight, &[1, 0]);
        let product = self.add("MatMul", &[xs, &weight], vec![]);
        Ok(self.add("Add", &[&product, &bias], vec![]))
    }

    /// Maps [N, T, 3 · width] to [N, T, width].
    fn attention(&mut self, xs: &str, shape: &[i64], heads: i64) -> Result<String> {
        let [tokens, triple] = shape[..] else {
            return Err(Error::input("attention", format!("{shape:?}"), "[tokens, 3 · width]"));
        };
        let width = triple / 3;
        let size = width / heads;
        let qkv = self.reshape(xs, &[-1, tokens, 3, heads, size])?;
        // Queries, keys and values: [N, heads, T, size] each
        let qkv = self.transpose(&qkv, &[2, 0, 3, 1, 4]);
        let axis = self.shape(&[0])?;
        let mut part = |index| -> Result<String> {
            let at = self.shape(&[index])?;
            let one = self.add("Gather", &[&qkv, &at], vec![int("axis", 0)]);
            Ok(self.add("Squeeze", &[&one, &axis], vec![]))
        };
        let (queries, keys, values) = (part(0)?, part(1)?, part(2)?);
        let keys = self.transpose(&keys, &[0, 1, 3, 2]);
        let scores = self.add("MatMul", &[&queries, &keys], vec![]);
        let scale = self.number(1.0 / (size as f64).sqrt())?;
        let scores = self.add("Mul", &[&scores, &scale], vec![]);
        let shares = self.add("Softmax", &[&scores], vec![int("axis", -1)]);
        let attended = self.add("MatMul", &[&shares, &values], vec![]);
        let attended = self.transpose(&attended, &[0, 2, 1, 3]);
        self.reshape(&attended, &[-1, tokens, width])
    }

    /// x · Φ(x), by the error function: ONNX has Gelu from opset 20 only.
    fn gelu(&mut self, xs: &str) -> Result<String> {
        let (half, one) = (self.number(0.5)?, self.number(1.0)?);
        let root = self.number(std::f64::consts::FRAC_1_SQRT_2)?;
        let scaled = self.add("Mul", &[xs, &root], vec![]);
        let erf = self.add("Erf", &[&scaled], vec![]);
        let erf = self.add("Add", &[&erf, &one], vec![]);
        let share = self.add("Mul", &[&erf, &half], vec![]);
        Ok(self.add("Mul", &[xs, &share], vec![]))
    }

    /// Maps [N, C, H, W] to [N, C].
    fn global_mean(&mut self, xs: &str) -> String {
        let means = self.add("GlobalAveragePool", &[xs], vec![]);
        self.flatten(&means)
    }

    fn flatten(&mut self, xs: &str) -> String {
        self.add("Flatten", &[xs], vec![int("axis", 1)])
    }

    fn reshape(&mut self, xs: &str, shape: &[i64]) -> Result<String> {
        let shape = self.shape(shape)?;
        Ok(self.add("Reshape", &[xs, &shape], vec![]))
    }

    fn transpose(&mut self, xs: &str, order: &[i64]) -> String {
        self.add("Transpose", &[xs], vec![ints("perm", order)])
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tch::{Device, Tensor};

    use super::*;
    use crate::deploy::export::proto::{FLOAT16, ModelProto};
    use crate::evaluate::Temperature;
    use crate::model::{Network, Parameters, SeedCnn};

    fn exported(network: &dyn Network) -> Exported<'_> {
        Exported { network, temperature: Temperature::new(1.5).unwrap(), about: &[] }
    }

    #[test]
    fn float16_is_how_weights_are_stored_and_nothing_else() {
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let graph = |half| {
            let bytes = to_bytes(&exported(&network), half).unwrap();
            ModelProto::decode(&bytes[..]).unwrap().graph.unwrap()
        };
        let (full, half) = (graph(false), graph(true));
        let weights = network.parameters().named_tensors().unwrap();
        for (name, tensor) in &weights {
            let bytes = 4 * tensor.numel();
            let stored = full.initializer.iter().find(|weight| weight.name == *name).unwrap();
            assert_eq!((stored.data_type, stored.raw_data.len()), (FLOAT, bytes), "{name}");
            assert_eq!(stored.dims, tensor.size(), "{name}");
            let name = format!("{name}.half");
            let stored = half.initializer.iter().find(|weight| weight.name == name).unwrap();
            assert_eq!((stored.data_type, stored.raw_data.len()), (FLOAT16, bytes / 2), "{name}");
        }
        assert_eq!(half.node.len(), full.node.len() + weights.len(), "one Cast a weight");
        for graph in [full, half] {
            let divided = graph.node.iter().find(|node| node.op_type == "Div").unwrap();
            let divisor = graph.initializer.iter().find(|other| other.name == divided.input[1]);
            assert_eq!(divisor.unwrap().raw_data, 1.5f32.to_le_bytes());
        }
    }

    /// A custom network: the seed CNN's weights with a different plan.
    struct Own(SeedCnn, Plan);

    impl Network for Own {
        fn name(&self) -> &'static str {
            "own"
        }
        fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
            self.0.forward_t(images, train)
        }
        fn parameters(&self) -> &Parameters {
            self.0.parameters()
        }
        fn parameters_mut(&mut self) -> &mut Parameters {
            self.0.parameters_mut()
        }
        fn plan(&self) -> Plan {
            self.1.clone()
        }
    }

    #[test]
    fn a_custom_network_is_exported_by_its_plan() {
        let network = |plan| Own(SeedCnn::new(Device::Cpu, 1).unwrap(), plan);
        let plan = network(Plan::default()).0.plan();
        let bytes = to_bytes(&exported(&network(plan.clone())), false).unwrap();
        assert_eq!(ModelProto::decode(&bytes[..]).unwrap().graph.unwrap().name, "own");

        let dense = |name: &str, units| Operation::Dense { name: name.into(), units };
        let other =
            Operation::Other { kind: "Sort".into(), output: vec![7], parameters: 0, flops: 0 };
        let flat = || Plan::default().layer("flatten", [Operation::Flatten]);
        for plan in [
            Plan::default(),                                         // no logits
            flat().layer("dense2", [dense("dense2", [256, 7])]),     // another input
            flat().layer("dense2", [dense("dense2", [2304, 7])]),    // weights without use
            flat().layer("dense9", [dense("dense9", [2304, 7])]),    // no such weights
            plan.clone().layer("dense2", [dense("dense2", [7, 7])]), // weights used twice
            plan.layer("sort", [other]),
        ] {
            let refused = to_bytes(&exported(&network(plan)), false);
            assert!(matches!(refused, Err(Error::Input { .. })), "{refused:?}");
        }
    }
}
