//! The seed CNN in burn. Dropout and Adam are burn's own; augmentation is the support crate's,
//! because burn has none for batches.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use support::{Batch, Peer, Result, SIDE, Weights};

#[derive(Module, Debug)]
struct SeedCnn {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    block_dropout: Dropout,
    hidden: Linear,
    hidden_dropout: Dropout,
    output: Linear,
}

impl SeedCnn {
    fn new(weights: &Weights, device: &Device) -> Result<Self> {
        let mut convolutions = Vec::new();
        for name in ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"] {
            let (shape, values) = weights.get(&format!("{name}.weight"))?;
            let mut layer = Conv2dConfig::new([shape[1], shape[0]], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device);
            layer.weight = Param::from_tensor(tensor(shape, values, device));
            layer.bias = Some(Param::from_tensor(bias(weights, name, device)?));
            convolutions.push(layer);
        }
        Ok(Self {
            convolutions,
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            block_dropout: DropoutConfig::new(0.25).init(),
            hidden: dense(weights, "dense1", device)?,
            hidden_dropout: DropoutConfig::new(0.5).init(),
            output: dense(weights, "dense2", device)?,
        })
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut xs = images;
        for block in self.convolutions.chunks(2) {
            for layer in block {
                xs = relu(layer.forward(xs));
            }
            xs = self.block_dropout.forward(self.pool.forward(xs));
        }
        let hidden = relu(self.hidden.forward(xs.flatten(1, 3)));
        self.output.forward(self.hidden_dropout.forward(hidden))
    }
}

fn tensor<const D: usize>(shape: &[usize], values: &[f32], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape.to_vec()), device)
}

fn bias(weights: &Weights, name: &str, device: &Device) -> Result<Tensor<1>> {
    let (shape, values) = weights.get(&format!("{name}.bias"))?;
    Ok(tensor(shape, values, device))
}

fn dense(weights: &Weights, name: &str, device: &Device) -> Result<Linear> {
    let (shape, values) = weights.get(&format!("{name}.weight"))?;
    let mut layer = LinearConfig::new(shape[1], shape[0]).init(device);
    // burn keeps [in, out]. Going through data makes it contiguous.
    let turned = tensor::<2>(shape, values, device).transpose().into_data();
    layer.weight = Param::from_tensor(Tensor::from_data(turned, device));
    layer.bias = Some(Param::from_tensor(bias(weights, name, device)?));
    Ok(layer)
}

struct BurnPeer {
    /// Always there; only out while a step replaces it.
    network: Option<SeedCnn>,
    optimizer: ModuleOptimizer,
    device: Device,
}

impl BurnPeer {
    fn network(&self) -> &SeedCnn {
        self.network.as_ref().expect("the network is only out during a step")
    }
}

impl Peer for BurnPeer {
    fn logits(&self, images: &[f32]) -> Result<Vec<f32>> {
        let shape = [images.len() / (SIDE * SIDE), 1, SIDE, SIDE];
        let images = tensor(&shape, images, &self.device.clone().inner());
        let logits = self.network().valid().forward(images);
        Ok(logits.into_data().try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?)
    }

    fn train_step(&mut self, batch: &Batch) -> Result<f32> {
        let count = batch.labels.len();
        let images = tensor(&[count, 1, SIDE, SIDE], &batch.images, &self.device);
        let labels = TensorData::new(batch.labels.clone(), [count]);
        let labels = Tensor::<1, Int>::from_data(labels, &self.device);
        let network = self.network.take().expect("the network is only out during a step");
        let logits = network.forward(images);
        let loss = CrossEntropyLossConfig::new().init(&self.device).forward(logits, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        self.network = Some(self.optimizer.step(1e-3, network, gradients));
        Ok(loss.into_scalar::<f32>())
    }
}

/// The backend that this build was made with.
fn device() -> (Device, &'static str) {
    #[cfg(feature = "flex")]
    return (Device::flex(), "flex");
    #[cfg(all(feature = "cpu", not(feature = "flex")))]
    return (Device::cpu(), "cpu");
    #[cfg(all(feature = "ndarray", not(any(feature = "flex", feature = "cpu"))))]
    #[allow(deprecated)]
    return (Device::ndarray(), "ndarray");
    #[cfg(not(any(feature = "flex", feature = "cpu", feature = "ndarray")))]
    compile_error!("choose a backend: --features flex, cpu or ndarray");
}

fn main() -> Result<()> {
    let (device, backend) = device();
    let version = format!("burn {} ({backend})", support::locked_version("burn"));
    support::run(&version, |weights| {
        let device = device.autodiff();
        let network = Some(SeedCnn::new(weights, &device)?);
        let optimizer = AdamConfig::new().with_epsilon(1e-7).init();
        Ok(BurnPeer { network, optimizer, device })
    })
}
