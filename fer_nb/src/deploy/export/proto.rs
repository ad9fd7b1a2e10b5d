//! The messages of an ONNX file, as a protocol buffer.
//!
//! They are those of onnx.proto3 (ONNX 1.16, <https://github.com/onnx/onnx>), with only the required fields; a
//! missing field reads as empty.

use prost::Message;

/// TensorProto.DataType.
pub(in crate::deploy) const FLOAT: i32 = 1;
pub(in crate::deploy) const UINT8: i32 = 2;
pub(in crate::deploy) const INT64: i32 = 7;
pub(in crate::deploy) const FLOAT16: i32 = 10;

#[derive(Message)]
pub(in crate::deploy) struct ModelProto {
    #[prost(int64, tag = "1")]
    pub(in crate::deploy) ir_version: i64,
    #[prost(string, tag = "2")]
    pub(in crate::deploy) producer_name: String,
    #[prost(string, tag = "3")]
    pub(in crate::deploy) producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub(in crate::deploy) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub(in crate::deploy) opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    pub(in crate::deploy) metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Message)]
pub(in crate::deploy) struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub(in crate::deploy) domain: String,
    #[prost(int64, tag = "2")]
    pub(in crate::deploy) version: i64,
}

#[derive(Message)]
pub(in crate::deploy) struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    pub(in crate::deploy) key: String,
    #[prost(string, tag = "2")]
    pub(in crate::deploy) value: String,
}

#[derive(Message)]
pub(in crate::deploy) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::deploy) node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub(in crate::deploy) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(in crate::deploy) initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub(in crate::deploy) input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub(in crate::deploy) output: Vec<ValueInfoProto>,
}

#[derive(Message)]
pub(in crate::deploy) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(in crate::deploy) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(in crate::deploy) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(in crate::deploy) name: String,
    #[prost(string, tag = "4")]
    pub(in crate::deploy) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(in crate::deploy) attribute: Vec<AttributeProto>,
}

/// A named attribute of an operator.
#[derive(Message)]
pub(in crate::deploy) struct AttributeProto {
    #[prost(string, tag = "1")]
    pub(in crate::deploy) name: String,
    #[prost(float, tag = "2")]
    pub(in crate::deploy) f: f32,
    #[prost(int64, tag = "3")]
    pub(in crate::deploy) i: i64,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(in crate::deploy) ints: Vec<i64>,
    /// 1 float, 2 int, 7 ints.
    #[prost(int32, tag = "20")]
    pub(in crate::deploy) kind: i32,
}

#[derive(Message)]
pub(in crate::deploy) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(in crate::deploy) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(in crate::deploy) data_type: i32,
    #[prost(string, tag = "8")]
    pub(in crate::deploy) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(in crate::deploy) raw_data: Vec<u8>,
}

#[derive(Message)]
pub(in crate::deploy) struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub(in crate::deploy) name: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::deploy) kind: Option<TypeProto>,
}

#[derive(Message)]
pub(in crate::deploy) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(in crate::deploy) tensor_type: Option<TensorTypeProto>,
}

#[derive(Message)]
pub(in crate::deploy) struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub(in crate::deploy) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(in crate::deploy) shape: Option<TensorShapeProto>,
}

#[derive(Message)]
pub(in crate::deploy) struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::deploy) dim: Vec<Dimension>,
}

/// A size, or the name of a variable one.
#[derive(Clone, Message)]
pub(in crate::deploy) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(in crate::deploy) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(in crate::deploy) dim_param: Option<String>,
}

impl Dimension {
    /// A fixed size.
    pub(in crate::deploy) fn fixed(size: i64) -> Self {
        Self { dim_value: Some(size), dim_param: None }
    }

    /// A variable size.
    pub(in crate::deploy) fn free(name: &str) -> Self {
        Self { dim_value: None, dim_param: Some(name.into()) }
    }
}

impl ValueInfoProto {
    /// An input or output of the graph.
    pub(in crate::deploy) fn new(name: &str, elem_type: i32, dim: Vec<Dimension>) -> Self {
        let tensor_type = TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) };
        let kind = Some(TypeProto { tensor_type: Some(tensor_type) });
        Self { name: name.into(), kind }
    }
}

/// The version of the operators: the first with LayerNormalization.
const OPSET: i64 = 17;
/// The version of the file format of that opset.
const IR_VERSION: i64 = 8;

impl GraphProto {
    /// The bytes of a file with this graph; `about` are names and texts for its reader.
    pub(in crate::deploy) fn into_file<'a>(
        self,
        about: impl Iterator<Item = (&'a str, String)>,
    ) -> Vec<u8> {
        let property =
            |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "fer_nb".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: about.map(property).collect(),
        };
        model.encode_to_vec()
    }
}
