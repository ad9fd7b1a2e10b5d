//! [`Vit`]: a compact vision transformer.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::checks;
use super::layers::{BatchNorm, Conv, Dense, LayerNorm, dropout, read_images};
use super::network::{Network, from_parts};
use super::parameters::{Init, ParameterId, Parameters, ParametersBuilder};
use super::plan::{Operation, Plan};
use crate::common::{During, Error, Result, brief};
use crate::data::SIDE;
use crate::emotion::Emotion;

/// Standard deviation of initial weights, as in BERT and ViT.
const STD: f32 = 0.02;

/// Settings of a [`Vit`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VitConfig {
    /// Numbers per token; an even multiple of `heads`.
    pub width: i64,
    /// Transformer blocks; 1 or more.
    pub depth: i64,
    /// Attention heads; 1 or more.
    pub heads: i64,
    /// Units of a block's hidden layer, as a multiple of the width; 1 or more.
    pub mlp_ratio: i64,
    /// Share of each block's output and of the mean token that is dropped in training; at least 0 and below
    /// 1.
    pub dropout: f64,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self { width: 192, depth: 6, heads: 4, mlp_ratio: 2, dropout: 0.1 }
    }
}

/// Attention, then two dense layers; both after a normalisation and with a shortcut.
#[derive(Debug)]
struct Block {
    name: String,
    norm1: LayerNorm,
    qkv: Dense,
    projection: Dense,
    norm2: LayerNorm,
    hidden: Dense,
    output: Dense,
}

impl Block {
    fn new(builder: &mut ParametersBuilder, name: String, config: &VitConfig) -> Self {
        let (width, units) = (config.width, config.width * config.mlp_ratio);
        let init = Init::Normal { std: STD };
        let part = |part: &str| format!("{name}.{part}");
        let dense = |builder: &mut ParametersBuilder, name: &str, units: [i64; 2]| {
            Dense::with_init(builder, part(name), units, init)
        };
        Self {
            norm1: LayerNorm::new(builder, part("norm1"), width),
            qkv: dense(builder, "qkv", [width, 3 * width]),
            projection: dense(builder, "projection", [width, width]),
            norm2: LayerNorm::new(builder, part("norm2"), width),
            hidden: dense(builder, "hidden", [width, units]),
            output: dense(builder, "output", [units, width]),
            name,
        }
    }

    /// In the order of [`Block::forward`].
    fn operations(&self, heads: i64) -> [Operation; 2] {
        let attention = vec![
            self.norm1.operation(),
            self.qkv.operation(),
            Operation::Attention { heads },
            self.projection.operation(),
            Operation::Dropout,
        ];
        let dense = vec![
            self.norm2.operation(),
            self.hidden.operation(),
            Operation::Gelu,
            self.output.operation(),
            Operation::Dropout,
        ];
        [attention, dense].map(|body| Operation::Residual { body, shortcut: vec![] })
    }

    /// Maps tokens [B, T, width] to the same shape.
    fn forward(
        &self,
        parameters: &Parameters,
        xs: &Tensor,
        config: &VitConfig,
        train: bool,
    ) -> Result<Tensor> {
        // The batch size stays variable, so that a traced network accepts any.
        let (_, tokens, width) = xs.size3()?;
        let normed = self.norm1.forward(parameters, xs)?;
        let shape = [-1, tokens, 3, config.heads, width / config.heads];
        // [3, B, heads, T, width / heads]
        let qkv = self.qkv.forward(parameters, &normed)?.f_view(shape)?;
        let qkv = qkv.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?;
        let [queries, keys, values] = &qkv[..] else {
            return Err(Error::input("attention", qkv.len(), "queries, keys and values"));
        };
        let mask = None::<Tensor>;
        let attended = Tensor::f_scaled_dot_product_attention(
            queries, keys, values, mask, 0.0, false, None, false,
        )?;
        let attended = attended.f_transpose(1, 2)?.f_reshape([-1, tokens, width])?;
        let added = self.projection.forward(parameters, &attended)?;
        let xs = xs.f_add(&dropout(&added, config.dropout, train)?)?;
        let normed = self.norm2.forward(parameters, &xs)?;
        let units = self.hidden.forward(parameters, &normed)?.f_gelu("none")?;
        let added = self.output.forward(parameters, &units)?;
        Ok(xs.f_add(&dropout(&added, config.dropout, train)?)?)
    }
}

/// Two 3×3 convolutions with max pooling make 12×12 tokens, to which trained positions are added; pre-norm
/// transformer blocks follow, and a dense layer classifies the mean of the tokens, with trained weights (Hassani et
/// al., "Escaping the Big Data Paradigm with Compact Transformers", 2021; Dosovitskiy et al., "An Image is Worth
/// 16x16 Words", 2021).
pub struct Vit {
    parameters: Parameters,
    config: VitConfig,
    tokenizer: [(Conv, BatchNorm); 2],
    positions: ParameterId,
    blocks: Vec<Block>,
    norm: LayerNorm,
    pool: Dense,
    output: Dense,
}

brief!(Vit, |network| "{:?}", network.parameters);

/// The trained positions of the tokens.
const POSITIONS: &str = "positions";
/// Height and width of the grid of tokens.
const GRID: i64 = SIDE as i64 / 4;

impl Vit {
    /// The network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of range; errors of libtorch.
    pub fn new(device: Device, seed: u64, config: VitConfig) -> Result<Self> {
        let VitConfig { width, depth, heads, mlp_ratio, dropout } = config;
        checks::positive("depth", depth)?;
        checks::positive("heads", heads)?;
        checks::positive("mlp_ratio", mlp_ratio)?;
        if width < 2 || width % heads != 0 || width % 2 != 0 {
            let expected = format!("an even multiple of heads, {heads}");
            return Err(Error::setting("network.width", width, expected));
        }
        checks::share("dropout", dropout)?;
        let mut builder = ParametersBuilder::default();
        let tokenizer = [(1, 1, width / 2), (2, width / 2, width)].map(|(index, input, output)| {
            let name = format!("tokenizer{index}");
            let conv = Conv::new(&mut builder, format!("{name}.conv"), [input, output], 3, 1);
            (conv, BatchNorm::new(&mut builder, format!("{name}.norm"), output))
        });
        let init = Init::Normal { std: STD };
        let positions = builder.add(POSITIONS, &[1, GRID * GRID, width], init);
        let blocks = (1..=depth)
            .map(|index| Block::new(&mut builder, format!("block{index}"), &config))
            .collect();
        let norm = LayerNorm::new(&mut builder, "norm", width);
        let pool = Dense::with_init(&mut builder, "pool", [width, 1], init);
        let classes = Emotion::COUNT as i64;
        let output = Dense::with_init(&mut builder, "output", [width, classes], init);
        let parameters = builder.build(device, seed)?;
        Ok(Self { parameters, config, tokenizer, positions, blocks, norm, pool, output })
    }

    /// Tokens after the last block, in their grid: [B, width, 12, 12].
    fn features_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let parameters = &self.parameters;
        let mut xs = read_images(parameters, images, false)?;
        for (conv, norm) in &self.tokenizer {
            xs = norm.forward_relu_pool(parameters, &conv.forward(parameters, &xs)?, train)?;
        }
        let (_, _, rows, columns) = xs.size4()?;
        let mut xs = xs.f_flatten(2, 3)?.f_transpose(1, 2)?.f_contiguous()?;
        xs = xs.f_add(&self.positions_of(rows, columns)?)?;
        for block in &self.blocks {
            xs = block
                .forward(parameters, &xs, &self.config, train)
                .during("a transformer block")?;
        }
        Ok(xs.f_transpose(1, 2)?.f_reshape([-1, self.config.width, rows, columns])?)
    }

    /// Positions for a grid of tokens, [1, rows · columns, width]: for another grid than 12×12 they are
    /// interpolated between the trained ones.
    fn positions_of(&self, rows: i64, columns: i64) -> Result<Tensor> {
        let positions = self.parameters.get(self.positions)?;
        if [rows, columns] == [GRID; 2] {
            return Ok(positions.shallow_clone());
        }
        let grid = positions.f_transpose(1, 2)?.f_reshape([1, self.config.width, GRID, GRID])?;
        let grid = grid.f_upsample_bilinear2d([rows, columns], false, None, None)?;
        Ok(grid.f_flatten(2, 3)?.f_transpose(1, 2)?)
    }

    fn head_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let tokens = features.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let tokens = self.norm.forward(&self.parameters, &tokens)?;
        // [B, 1, T] × [B, T, width]
        let shares = self.pool.forward(&self.parameters, &tokens)?.f_softmax(1, Kind::Float)?;
        let shares = shares.f_to_kind(tokens.kind())?.f_transpose(1, 2)?;
        let pooled = shares.f_matmul(&tokens)?.f_squeeze_dim(1)?;
        let pooled = dropout(&pooled, self.config.dropout, train)?;
        Ok(self.output.forward(&self.parameters, &pooled)?.f_to_kind(Kind::Float)?)
    }
}

impl Network for Vit {
    from_parts!("vit");

    fn features(&self, images: &Tensor) -> Result<Tensor> {
        self.features_t(images, false)
    }

    fn plan(&self) -> Plan {
        let (tokens, width) = (GRID * GRID, self.config.width);
        let mut plan = Plan::default();
        for (index, (conv, norm)) in (1..).zip(&self.tokenizer) {
            let operations =
                [conv.operation(), norm.operation(), Operation::Relu, Operation::MaxPool];
            plan = plan.layer(format!("tokenizer{index}"), operations);
        }
        plan =
            plan.layer(POSITIONS, [Operation::Positions { name: POSITIONS.into(), tokens, width }]);
        for block in &self.blocks {
            let operations = block.operations(self.config.heads);
            plan = plan.block(&block.name, "Transformer", operations);
        }
        let name = self.pool.name().to_string();
        plan.layer(self.norm.name(), [self.norm.operation()])
            .layer(self.pool.name(), [Operation::WeightedMean { name, width }])
            .layer("dropout", [Operation::Dropout])
            .layer(self.output.name(), [self.output.operation()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_what_there_is() {
        let network = Vit::new(Device::Cpu, 0, VitConfig::default()).unwrap();
        let summary = network.summary();
        assert_eq!(summary.trainable(), network.parameters().count());
        assert_eq!(summary.total(), network.parameters().flat().size()[0]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |change: fn(&mut VitConfig)| {
            let mut config = VitConfig::default();
            change(&mut config);
            Vit::new(Device::Cpu, 0, config).unwrap_err().to_string()
        };
        assert!(message(|c| c.width = 190).starts_with("network.width = 190: expected an even"));
        assert!(message(|c| c.depth = 0).starts_with("network.depth = 0"));
        assert!(message(|c| c.heads = 0).starts_with("network.heads = 0"));
        assert!(message(|c| c.dropout = 1.0).starts_with("network.dropout = 1"));
    }
}
