//! The crate's networks in ONNX's operators. Dropout is left out, as after training.

use super::onnx::{Graph, float, int, ints};
use crate::common::Result;
use crate::data::SIDE;
use crate::model::{Architecture, ResNetConfig, VggConfig, VitConfig};

/// Adds a network to the graph: `images` f32 [N, 1, 48, 48] in, the name of its logits f32 [N, 7] out.
pub fn graph(architecture: &Architecture, graph: &mut Graph, images: &str) -> Result<String> {
    match architecture {
        Architecture::SeedCnn(_) => seed_cnn(graph, images),
        Architecture::Vgg(config) => vgg(graph, images, config),
        Architecture::Resnet(config) => resnet(graph, images, config),
        Architecture::Vit(config) => vit(graph, images, config),
    }
}

fn seed_cnn(graph: &mut Graph, images: &str) -> Result<String> {
    let mut xs = images.to_string();
    for block in 1..=3 {
        for part in 1..=2 {
            let name = format!("conv{block}_{part}");
            xs = graph.conv(&xs, &name, 3, 1, true)?;
            xs = graph.relu(&xs);
        }
        xs = graph.max_pool(&xs);
    }
    let flat = graph.flatten(&xs);
    let hidden = graph.dense(&flat, "dense1")?;
    let hidden = graph.relu(&hidden);
    graph.dense(&hidden, "dense2")
}

fn vgg(graph: &mut Graph, images: &str, config: &VggConfig) -> Result<String> {
    let mut xs = images.to_string();
    for (stage, count) in (1..).zip(&config.convolutions) {
        for index in 1..=*count {
            xs = graph.conv(&xs, &format!("conv{stage}_{index}"), 3, 1, false)?;
            xs = graph.batch_norm(&xs, &format!("norm{stage}_{index}"))?;
            xs = graph.relu(&xs);
        }
        xs = graph.max_pool(&xs);
    }
    let flat = graph.flatten(&xs);
    let hidden = graph.dense(&flat, "hidden")?;
    let hidden = graph.relu(&hidden);
    graph.dense(&hidden, "output")
}

fn resnet(graph: &mut Graph, images: &str, config: &ResNetConfig) -> Result<String> {
    let mut xs = graph.conv(images, "stem", 3, 1, false)?;
    let mut input = config.channels.first().copied().unwrap_or(1);
    for (stage, (output, count)) in config.channels.iter().zip(&config.blocks).enumerate() {
        for index in 0..*count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("stage{}.{}", stage + 1, index + 1);
            let active = graph.batch_norm(&xs, &format!("{name}.norm1"))?;
            let active = graph.relu(&active);
            let around = match stride != 1 || input != *output {
                true => graph.conv(&active, &format!("{name}.shortcut"), 1, stride, false)?,
                false => xs.clone(),
            };
            let ys = graph.conv(&active, &format!("{name}.conv1"), 3, stride, false)?;
            let ys = graph.batch_norm(&ys, &format!("{name}.norm2"))?;
            let ys = graph.relu(&ys);
            let mut ys = graph.conv(&ys, &format!("{name}.conv2"), 3, 1, false)?;
            if config.reduction > 0 {
                ys = squeeze_excitation(graph, &ys, &name, *output)?;
            }
            xs = graph.add("Add", &[&ys, &around], vec![]);
            input = *output;
        }
    }
    let active = graph.batch_norm(&xs, "norm")?;
    let active = graph.relu(&active);
    let means = graph.global_mean(&active);
    graph.dense(&means, "output")
}

fn squeeze_excitation(graph: &mut Graph, xs: &str, name: &str, channels: i64) -> Result<String> {
    let means = graph.global_mean(xs);
    let units = graph.dense(&means, &format!("{name}.squeeze"))?;
    let units = graph.relu(&units);
    let scales = graph.dense(&units, &format!("{name}.excite"))?;
    let scales = graph.add("Sigmoid", &[&scales], vec![]);
    let shape = graph.shape(&format!("channels_{channels}"), &[-1, channels, 1, 1])?;
    let scales = graph.add("Reshape", &[&scales, &shape], vec![]);
    Ok(graph.add("Mul", &[xs, &scales], vec![]))
}

fn vit(graph: &mut Graph, images: &str, config: &VitConfig) -> Result<String> {
    let mut xs = images.to_string();
    for index in 1..=2 {
        xs = graph.conv(&xs, &format!("tokenizer{index}.conv"), 3, 1, false)?;
        xs = graph.batch_norm(&xs, &format!("tokenizer{index}.norm"))?;
        xs = graph.relu(&xs);
        xs = graph.max_pool(&xs);
    }
    let tokens = (SIDE as i64 / 4).pow(2);
    let width = config.width;
    // [N, width, 12, 12] to [N, T, width]
    let grid = graph.shape("grid_to_tokens", &[-1, width, tokens])?;
    xs = graph.add("Reshape", &[&xs, &grid], vec![]);
    xs = graph.transpose(&xs, &[0, 2, 1]);
    let positions = graph.weight("positions")?;
    xs = graph.add("Add", &[&xs, &positions], vec![]);
    for index in 1..=config.depth {
        xs = transformer_block(graph, &xs, &format!("block{index}"), config, tokens)?;
    }
    let xs = graph.layer_norm(&xs, "norm")?;
    let shares = graph.token_dense(&xs, "pool")?;
    let shares = graph.add("Softmax", &[&shares], vec![int("axis", 1)]);
    // [N, 1, T] × [N, T, width]
    let shares = graph.transpose(&shares, &[0, 2, 1]);
    let pooled = graph.add("MatMul", &[&shares, &xs], vec![]);
    let flat = graph.flatten(&pooled);
    graph.dense(&flat, "output")
}

fn transformer_block(
    graph: &mut Graph,
    xs: &str,
    name: &str,
    config: &VitConfig,
    tokens: i64,
) -> Result<String> {
    let VitConfig { width, heads, .. } = *config;
    let part = |part: &str| format!("{name}.{part}");
    let normed = graph.layer_norm(xs, &part("norm1"))?;
    let qkv = graph.token_dense(&normed, &part("qkv"))?;
    let shape = graph.shape("heads", &[-1, tokens, 3, heads, width / heads])?;
    let qkv = graph.add("Reshape", &[&qkv, &shape], vec![]);
    // Queries, keys and values: [N, heads, T, width / heads] each
    let qkv = graph.transpose(&qkv, &[2, 0, 3, 1, 4]);
    let mut parts = Vec::new();
    for index in 0..3 {
        let at = graph.shape(&format!("part_{index}"), &[index])?;
        let one = graph.add("Gather", &[&qkv, &at], vec![int("axis", 0)]);
        let axis = graph.shape("first_axis", &[0])?;
        parts.push(graph.add("Squeeze", &[&one, &axis], vec![]));
    }
    let keys = graph.transpose(&parts[1], &[0, 1, 3, 2]);
    let scores = graph.add("MatMul", &[&parts[0], &keys], vec![]);
    let scale = graph.number("attention_scale", 1.0 / ((width / heads) as f64).sqrt())?;
    let scores = graph.add("Mul", &[&scores, &scale], vec![]);
    let shares = graph.add("Softmax", &[&scores], vec![int("axis", -1)]);
    let attended = graph.add("MatMul", &[&shares, &parts[2]], vec![]);
    let attended = graph.transpose(&attended, &[0, 2, 1, 3]);
    let shape = graph.shape("tokens", &[-1, tokens, width])?;
    let attended = graph.add("Reshape", &[&attended, &shape], vec![]);
    let added = graph.token_dense(&attended, &part("projection"))?;
    let xs = graph.add("Add", &[xs, &added], vec![]);
    let normed = graph.layer_norm(&xs, &part("norm2"))?;
    let units = graph.token_dense(&normed, &part("hidden"))?;
    let units = graph.gelu(&units)?;
    let added = graph.token_dense(&units, &part("output"))?;
    Ok(graph.add("Add", &[&xs, &added], vec![]))
}

/// The layers of [`crate::model`], by the names that they give their weights.
impl Graph {
    fn conv(
        &mut self,
        xs: &str,
        name: &str,
        kernel: i64,
        stride: i64,
        bias: bool,
    ) -> Result<String> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias = match bias {
            true => Some(self.weight(&format!("{name}.bias"))?),
            false => None,
        };
        let inputs: Vec<&str> = [xs, &weight].into_iter().chain(bias.as_deref()).collect();
        let settings = vec![
            ints("kernel_shape", &[kernel; 2]),
            ints("strides", &[stride; 2]),
            ints("pads", &[kernel / 2; 4]),
        ];
        Ok(self.add("Conv", &inputs, settings))
    }

    fn batch_norm(&mut self, xs: &str, name: &str) -> Result<String> {
        let parts = ["weight", "bias", "running_mean", "running_var"];
        let [weight, bias, mean, variance] =
            parts.map(|part| self.weight(&format!("{name}.{part}")));
        let inputs = [xs, &weight?, &bias?, &mean?, &variance?];
        Ok(self.add("BatchNormalization", &inputs, vec![float("epsilon", 1e-5)]))
    }

    fn layer_norm(&mut self, xs: &str, name: &str) -> Result<String> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias = self.weight(&format!("{name}.bias"))?;
        let settings = vec![int("axis", -1), float("epsilon", 1e-5)];
        Ok(self.add("LayerNormalization", &[xs, &weight, &bias], settings))
    }

    /// [N, input] in, [N, output] out.
    fn dense(&mut self, xs: &str, name: &str) -> Result<String> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias = self.weight(&format!("{name}.bias"))?;
        Ok(self.add("Gemm", &[xs, &weight, &bias], vec![int("transB", 1)]))
    }

    /// [N, T, input] in, [N, T, output] out.
    fn token_dense(&mut self, xs: &str, name: &str) -> Result<String> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias = self.weight(&format!("{name}.bias"))?;
        let weight = self.transpose(&weight, &[1, 0]);
        let product = self.add("MatMul", &[xs, &weight], vec![]);
        Ok(self.add("Add", &[&product, &bias], vec![]))
    }

    fn relu(&mut self, xs: &str) -> String {
        self.add("Relu", &[xs], vec![])
    }

    /// x · Φ(x), by the error function: ONNX has Gelu only from opset 20 on.
    fn gelu(&mut self, xs: &str) -> Result<String> {
        let (half, one) = (self.number("half", 0.5)?, self.number("one", 1.0)?);
        let root = self.number("root_of_half", std::f64::consts::FRAC_1_SQRT_2)?;
        let scaled = self.add("Mul", &[xs, &root], vec![]);
        let erf = self.add("Erf", &[&scaled], vec![]);
        let erf = self.add("Add", &[&erf, &one], vec![]);
        let share = self.add("Mul", &[&erf, &half], vec![]);
        Ok(self.add("Mul", &[xs, &share], vec![]))
    }

    fn max_pool(&mut self, xs: &str) -> String {
        self.add("MaxPool", &[xs], vec![ints("kernel_shape", &[2; 2]), ints("strides", &[2; 2])])
    }

    /// [N, C, H, W] in, [N, C] out.
    fn global_mean(&mut self, xs: &str) -> String {
        let means = self.add("GlobalAveragePool", &[xs], vec![]);
        self.flatten(&means)
    }

    fn flatten(&mut self, xs: &str) -> String {
        self.add("Flatten", &[xs], vec![int("axis", 1)])
    }

    fn transpose(&mut self, xs: &str, order: &[i64]) -> String {
        self.add("Transpose", &[xs], vec![ints("perm", order)])
    }
}
