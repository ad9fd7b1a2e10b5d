//! The seed CNN in candle. Augmentation is the support crate's, because candle has none. candle has
//! AdamW only, which without weight decay is Adam. Its matrix products are the gemm crate's and not
//! MKL's: a profile shows an eighth of a training step in them, most of the rest in candle's own
//! convolution loops.

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, loss, ops};
use support::{Batch, Peer, Result, SIDE, Weights};

struct Layer {
    weight: Var,
    bias: Var,
}

impl Layer {
    fn new(weights: &Weights, name: &str) -> Result<Self> {
        let var = |kind: &str| -> Result<Var> {
            let (shape, values) = weights.get(&format!("{name}.{kind}"))?;
            Ok(Var::from_slice(values, shape, &Device::Cpu)?)
        };
        Ok(Self { weight: var("weight")?, bias: var("bias")? })
    }

    fn conv(&self, xs: &Tensor) -> candle_core::Result<Tensor> {
        let bias = self.bias.reshape((1, (), 1, 1))?;
        xs.conv2d(&self.weight, 1, 1, 1, 1)?.broadcast_add(&bias)?.relu()
    }

    fn dense(&self, xs: &Tensor) -> candle_core::Result<Tensor> {
        xs.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

struct CandlePeer {
    convolutions: Vec<Layer>,
    hidden: Layer,
    output: Layer,
    optimizer: AdamW,
}

impl CandlePeer {
    fn new(weights: &Weights) -> Result<Self> {
        let convolutions = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"]
            .iter()
            .map(|name| Layer::new(weights, name))
            .collect::<Result<Vec<_>>>()?;
        let (hidden, output) = (Layer::new(weights, "dense1")?, Layer::new(weights, "dense2")?);
        let layers = convolutions.iter().chain([&hidden, &output]);
        let vars = layers.flat_map(|layer| [layer.weight.clone(), layer.bias.clone()]).collect();
        let adam = ParamsAdamW { lr: 1e-3, eps: 1e-7, weight_decay: 0.0, ..Default::default() };
        let optimizer = AdamW::new(vars, adam)?;
        Ok(Self { convolutions, hidden, output, optimizer })
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let dropout = |xs: Tensor, share| if train { ops::dropout(&xs, share) } else { Ok(xs) };
        let mut xs = images.clone();
        for block in self.convolutions.chunks(2) {
            for layer in block {
                xs = layer.conv(&xs)?;
            }
            xs = dropout(xs.max_pool2d(2)?, 0.25)?;
        }
        let hidden = self.hidden.dense(&xs.flatten_from(1)?)?.relu()?;
        self.output.dense(&dropout(hidden, 0.5)?)
    }
}

fn images(values: &[f32]) -> candle_core::Result<Tensor> {
    Tensor::from_slice(values, (values.len() / (SIDE * SIDE), 1, SIDE, SIDE), &Device::Cpu)
}

impl Peer for CandlePeer {
    fn logits(&self, values: &[f32]) -> Result<Vec<f32>> {
        let logits = self.forward_t(&images(values)?, false)?;
        debug_assert_eq!((logits.dim(D::Minus1)?, logits.dtype()), (7, DType::F32));
        Ok(logits.flatten_all()?.to_vec1()?)
    }

    fn train_step(&mut self, batch: &Batch) -> Result<f32> {
        let labels = Tensor::from_slice(&batch.labels, batch.labels.len(), &Device::Cpu)?;
        let logits = self.forward_t(&images(&batch.images)?, true)?;
        let loss = loss::cross_entropy(&logits, &labels)?;
        self.optimizer.backward_step(&loss)?;
        Ok(loss.to_scalar()?)
    }
}

fn main() -> Result<()> {
    let version = format!("candle {}", support::locked_version("candle-core"));
    support::run(&version, CandlePeer::new)
}
