//! [`Graph`]: a builder of an ONNX graph.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::proto::{AttributeProto, FLOAT, FLOAT16, GraphProto, INT64, NodeProto, TensorProto};
use crate::common::{Error, Result};
use crate::model::TensorBytes;

/// An attribute that is a whole number.
pub(in crate::deploy) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: value, kind: 2, ..AttributeProto::default() }
}

/// An attribute that is a list of whole numbers.
pub(in crate::deploy) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    let ints = values.to_vec();
    AttributeProto { name: name.into(), ints, kind: 7, ..AttributeProto::default() }
}

/// An attribute that is a number.
pub(in crate::deploy) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: value, kind: 1, ..AttributeProto::default() }
}

/// A graph and the weights that it has not used yet. Values are identified by name; names of constants start with a
/// slash, so that they differ from those of weights.
pub(in crate::deploy) struct Graph {
    graph: GraphProto,
    weights: HashMap<String, Tensor>,
    /// Whether weights are stored in float16.
    half: bool,
}

impl Graph {
    /// A graph without operators for the given weights, f32.
    pub(in crate::deploy) fn new(
        graph: GraphProto,
        weights: Vec<(String, Tensor)>,
        half: bool,
    ) -> Self {
        Self { graph, weights: weights.into_iter().collect(), half }
    }

    /// The finished graph.
    ///
    /// # Errors
    /// [`Error::Input`] with a weight that no operator uses.
    pub(in crate::deploy) fn finish(self) -> Result<GraphProto> {
        match self.weights.keys().min() {
            None => Ok(self.graph),
            Some(name) => {
                Err(Error::input("the network's plan", "none", format!("a use of {name}")))
            }
        }
    }

    /// Adds an operator with one output and returns the output's name.
    pub(in crate::deploy) fn add(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = format!("/{}_{}", operator.to_lowercase(), self.graph.node.len());
        self.add_named(operator, inputs, attributes, &output);
        output
    }

    /// Adds an operator whose output has this name.
    pub(in crate::deploy) fn add_named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        output: &str,
    ) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| input.to_string()).collect(),
            output: vec![output.to_string()],
            name: output.to_string(),
            op_type: operator.to_string(),
            attribute: attributes,
        });
    }

    /// Uses a weight of the network, f32, and returns its name.
    ///
    /// # Errors
    /// [`Error::Input`] if the network has no such weight, or if it was already used.
    pub(in crate::deploy) fn weight(&mut self, name: &str) -> Result<String> {
        let tensor = self.weights.remove(name).ok_or_else(|| {
            Error::input("the network's plan", name, "weights of the network, each used once")
        })?;
        if !self.half {
            return self.constant(name, &tensor, FLOAT);
        }
        let tensor = tensor.f_to_kind(Kind::Half)?;
        let stored = self.constant(&format!("{name}.half"), &tensor, FLOAT16)?;
        self.add_named("Cast", &[&stored], vec![int("to", i64::from(FLOAT))], name);
        Ok(name.to_string())
    }

    /// A constant, f32.
    pub(in crate::deploy) fn number(&mut self, value: f64) -> Result<String> {
        let tensor = Tensor::f_from_slice(&[value as f32])?.f_reshape([0i64; 0])?;
        self.constant(&format!("/number_{value}"), &tensor, FLOAT)
    }

    /// A constant, f32 [n].
    pub(in crate::deploy) fn numbers(&mut self, name: &str, values: &[f32]) -> Result<String> {
        self.constant(name, &Tensor::f_from_slice(values)?, FLOAT)
    }

    /// A constant, i64 [n]: a shape, in which -1 is the remaining size.
    pub(in crate::deploy) fn shape(&mut self, values: &[i64]) -> Result<String> {
        let sizes: Vec<_> = values.iter().map(i64::to_string).collect();
        let name = format!("/shape_{}", sizes.join("_"));
        self.constant(&name, &Tensor::f_from_slice(values)?, INT64)
    }

    /// A stored tensor, once for each name.
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
