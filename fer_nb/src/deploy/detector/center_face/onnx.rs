//! CenterFace as ONNX operators, layer by layer as in [`CenterFace::forward`].

use std::path::Path;

use super::{Block, CenterFace, Conv, TAPS, Up, tensors};
use crate::common::Result;
use crate::deploy::export::graph::{Graph, int, ints};
use crate::deploy::export::proto::{Dimension, FLOAT, GraphProto, ValueInfoProto};

impl CenterFace {
    /// The network of a weights file as the bytes of an ONNX file. Input: `image` f32 [1, 3, height, width] on 0 to
    /// 255, with sides in multiples of [`MULTIPLE`](super::MULTIPLE). Outputs: `score` [1, 1, h, w], `size` [1, 2,
    /// h, w], `offset` [1, 2, h, w] and `landmarks` [1, 10, h, w], as in [`Maps`](super::Maps).
    ///
    /// # Errors
    /// As [`CenterFace::load`].
    pub(in crate::deploy::detector) fn to_onnx(path: &Path) -> Result<Vec<u8>> {
        let network = Self::load(path)?;
        let value = |name, channels, sides: [&str; 2]| {
            let sizes = [1, channels].map(Dimension::fixed);
            let sizes = sizes.into_iter().chain(sides.map(Dimension::free));
            ValueInfoProto::new(name, FLOAT, sizes.collect())
        };
        let output = |name, channels| value(name, channels, ["rows", "columns"]);
        let inputs_and_outputs = GraphProto {
            name: "CenterFace".into(),
            input: vec![value("image", 3, ["height", "width"])],
            output: vec![
                output("score", 1),
                output("size", 2),
                output("offset", 2),
                output("landmarks", 10),
            ],
            ..GraphProto::default()
        };
        let mut graph = Graph::new(inputs_and_outputs, tensors(path)?, false);
        network.add_to(&mut graph)?;
        let about = [("licence", include_str!("../../../../assets/face_detector/LICENSE").into())];
        Ok(graph.finish()?.into_file(about.into_iter()))
    }

    fn add_to(&self, graph: &mut Graph) -> Result<()> {
        let mut xs = self.stem.add_with_relu(graph, "image")?;
        let mut taps = Vec::with_capacity(TAPS.len());
        for (stage, blocks) in self.stages.iter().enumerate() {
            for block in blocks {
                xs = block.add_to(graph, &xs)?;
            }
            if TAPS.contains(&stage) {
                taps.push(xs.clone());
            }
        }
        let mut sides = self.sides.iter().zip(&taps).rev();
        let mut features = match sides.next() {
            Some((side, tap)) => side.add_with_relu(graph, tap)?,
            None => xs,
        };
        for (up, (side, tap)) in self.ups.iter().rev().zip(sides) {
            let (coarse, fine) = (up.add_to(graph, &features)?, side.add_with_relu(graph, tap)?);
            features = graph.add("Add", &[&coarse, &fine], vec![]);
        }
        let features = self.merge.add_with_relu(graph, &features)?;
        let score = self.score.add_to(graph, &features)?;
        graph.add_named("Sigmoid", &[&score], vec![], "score");
        for (head, output) in
            [(&self.size, "size"), (&self.offset, "offset"), (&self.landmarks, "landmarks")]
        {
            let map = head.add_to(graph, &features)?;
            graph.add_named("Identity", &[&map], vec![], output);
        }
        Ok(())
    }
}

impl Conv {
    fn add_to(&self, graph: &mut Graph, xs: &str) -> Result<String> {
        let [weight, bias] = weight_and_bias(graph, &self.name)?;
        let side = self.weight.size()[2];
        let attributes = vec![
            ints("kernel_shape", &[side; 2]),
            ints("strides", &[self.stride; 2]),
            ints("pads", &[side / 2; 4]),
            int("group", self.groups),
        ];
        Ok(graph.add("Conv", &[xs, &weight, &bias], attributes))
    }

    fn add_with_relu(&self, graph: &mut Graph, xs: &str) -> Result<String> {
        let ys = self.add_to(graph, xs)?;
        Ok(graph.add("Relu", &[&ys], vec![]))
    }
}

impl Block {
    fn add_to(&self, graph: &mut Graph, xs: &str) -> Result<String> {
        let wide =
            self.expand.as_ref().map(|expand| expand.add_with_relu(graph, xs)).transpose()?;
        let within = self.depthwise.add_with_relu(graph, wide.as_deref().unwrap_or(xs))?;
        let ys = self.project.add_to(graph, &within)?;
        Ok(match self.is_residual() {
            true => graph.add("Add", &[&ys, xs], vec![]),
            false => ys,
        })
    }
}

impl Up {
    fn add_to(&self, graph: &mut Graph, xs: &str) -> Result<String> {
        let [weight, bias] = weight_and_bias(graph, &self.name)?;
        let attributes = vec![ints("kernel_shape", &[2; 2]), ints("strides", &[2; 2])];
        let ys = graph.add("ConvTranspose", &[xs, &weight, &bias], attributes);
        Ok(graph.add("Relu", &[&ys], vec![]))
    }
}

fn weight_and_bias(graph: &mut Graph, name: &str) -> Result<[String; 2]> {
    Ok([graph.weight(&format!("{name}.weight"))?, graph.weight(&format!("{name}.bias"))?])
}
