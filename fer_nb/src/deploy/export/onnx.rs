//! ONNX: a graph of operators, written as a protocol buffer.
//!
//! The messages are those of onnx.proto3 (ONNX 1.16, <https://github.com/onnx/onnx>), with the fields that
//! are used here; a field that is left out reads as empty.

use std::collections::HashMap;

use prost::Message;
use tch::{Kind, Tensor};

use super::{Exported, networks};
use crate::common::{Error, Result};
use crate::data::SIDE;
use crate::emotion::Emotion;
use crate::model::TensorBytes;

/// The version of the operators: the first with LayerNormalization.
const OPSET: i64 = 17;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 8;

/// TensorProto.DataType.
const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT64: i32 = 7;
const FLOAT16: i32 = 10;

#[derive(Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Message)]
struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

/// A named setting of an operator.
#[derive(Message)]
pub struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    /// 1 float, 2 int, 7 ints.
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Message)]
struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

#[derive(Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

/// A size, or the name of one that is open.
#[derive(Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    dim_param: Option<String>,
}

/// An operator's setting that is a whole number.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: value, kind: 2, ..AttributeProto::default() }
}

/// An operator's setting that is several whole numbers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.to_vec(),
        kind: 7,
        ..AttributeProto::default()
    }
}

/// An operator's setting that is a number.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: value, kind: 1, ..AttributeProto::default() }
}

/// A graph that grows operator by operator. A value is known by its name.
pub struct Graph {
    graph: GraphProto,
    /// The network's weights that were not used yet.
    weights: HashMap<String, Tensor>,
    /// Whether weights are stored in float16.
    half: bool,
}

impl Graph {
    /// Adds an operator with one output, and gives that output's name.
    pub fn add(
        &mut self,
        operator: &str,
        inputs: &[&str],
        settings: Vec<AttributeProto>,
    ) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.graph.node.len());
        self.add_named(operator, inputs, settings, &output);
        output
    }

    fn add_named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        settings: Vec<AttributeProto>,
        output: &str,
    ) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| input.to_string()).collect(),
            output: vec![output.to_string()],
            name: output.to_string(),
            op_type: operator.to_string(),
            attribute: settings,
        });
    }

    /// A weight of the network by its name, f32.
    ///
    /// # Errors
    /// [`Error::Setting`] where the network has none of that name left.
    pub fn weight(&mut self, name: &str) -> Result<String> {
        let tensor = self.weights.remove(name).ok_or_else(|| {
            Error::setting("weight", name, "one that the network has and that is used once")
        })?;
        if !self.half {
            return self.constant(name, &tensor, FLOAT);
        }
        let stored =
            self.constant(&format!("{name}.half"), &tensor.f_to_kind(Kind::Half)?, FLOAT16)?;
        self.add_named("Cast", &[&stored], vec![int("to", i64::from(FLOAT))], name);
        Ok(name.to_string())
    }

    /// A number, f32.
    pub fn number(&mut self, name: &str, value: f64) -> Result<String> {
        let tensor = Tensor::f_from_slice(&[value as f32])?.f_reshape([0i64; 0])?;
        self.constant(name, &tensor, FLOAT)
    }

    /// Whole numbers, i64 [n]: a shape.
    pub fn shape(&mut self, name: &str, values: &[i64]) -> Result<String> {
        self.constant(name, &Tensor::f_from_slice(values)?, INT64)
    }

    /// A constant, once for each name.
    fn constant(&mut self, name: &str, tensor: &Tensor, data_type: i32) -> Result<String> {
        if !self.graph.initializer.iter().any(|other| other.name == name) {
            self.graph.initializer.push(TensorProto {
                dims: tensor.size(),
                data_type,
                name: name.to_string(),
                raw_data: TensorBytes::of(tensor)?.data,
            });
        }
        Ok(name.to_string())
    }
}

/// The whole file.
pub fn to_bytes(exported: &Exported<'_>, half: bool) -> Result<Vec<u8>> {
    let network = exported.network;
    let architecture = network.architecture().ok_or_else(|| {
        let expected = "one of this crate's; any other can be exported as TorchScript";
        Error::setting("network", network.name(), expected)
    })?;
    let side = SIDE as i64;
    let classes = Emotion::COUNT as i64;
    let mut graph = Graph {
        graph: GraphProto {
            name: network.name().into(),
            input: vec![value("images", UINT8, &[1, side, side])],
            output: vec![value("logits", FLOAT, &[classes]), value("probs", FLOAT, &[classes])],
            ..GraphProto::default()
        },
        weights: network.parameters().named_tensors()?.into_iter().collect(),
        half,
    };
    let images = graph.add("Cast", &["images"], vec![int("to", i64::from(FLOAT))]);
    let scale = graph.number("scale", 1.0 / 255.0)?;
    let images = graph.add("Mul", &[&images, &scale], vec![]);
    let logits = networks::graph(&architecture, &mut graph, &images)?;
    if let Some(name) = graph.weights.keys().next() {
        return Err(Error::setting("weight", name, "one that the exported graph uses"));
    }
    graph.add_named("Identity", &[&logits], vec![], "logits");
    let temperature = graph.number("temperature", exported.temperature.value())?;
    let cooled = graph.add("Div", &["logits", &temperature], vec![]);
    graph.add_named("Softmax", &[&cooled], vec![int("axis", -1)], "probs");
    let own = [
        ("classes", Emotion::names().join(",")),
        ("network", network.name().to_string()),
        ("temperature", exported.temperature.value().to_string()),
    ];
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "fer_nb".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph.graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: own
            .iter()
            .chain(exported.about)
            .map(|(key, text)| StringStringEntryProto { key: key.to_string(), value: text.clone() })
            .collect(),
    };
    Ok(model.encode_to_vec())
}

/// An input or output of any number of rows.
fn value(name: &str, elem_type: i32, sizes: &[i64]) -> ValueInfoProto {
    let batch = Dimension { dim_value: None, dim_param: Some("batch".into()) };
    let sizes = sizes.iter().map(|size| Dimension { dim_value: Some(*size), dim_param: None });
    let dim = std::iter::once(batch).chain(sizes).collect();
    let tensor_type = TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.into(), kind: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::common::Result;
    use crate::evaluate::Temperature;
    use crate::model::{Network, Parameters, SeedCnn, Summary};

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
        let temperature = |graph: &GraphProto| {
            let found = graph.initializer.iter().find(|other| other.name == "temperature");
            found.unwrap().raw_data.clone()
        };
        assert_eq!(temperature(&full), 1.5f32.to_le_bytes());
        assert_eq!(temperature(&half), 1.5f32.to_le_bytes());
    }

    /// A network that the crate doesn't know.
    struct Own(SeedCnn);

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
        fn summary(&self) -> Summary {
            self.0.summary()
        }
    }

    #[test]
    fn a_network_of_ones_own_is_sent_to_torchscript() {
        let network = Own(SeedCnn::new(Device::Cpu, 1).unwrap());
        let message = to_bytes(&exported(&network), false).unwrap_err().to_string();
        assert!(message.starts_with("network = own: expected "), "{message}");
        assert!(message.contains("TorchScript"), "{message}");
    }
}
