//! [`Parameters`]: all weights of a network in one flat buffer.
//!
//! One buffer means that an optimizer's step is a handful of operations on whole tensors, whatever
//! the number of layers, and that its state is as easy to save as one tensor. The layers' weights
//! are views of the buffer, so nothing is copied after a step. To compute in bfloat16, the views are
//! of a second buffer of that kind, which follows the first with one copy a step.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::{Device, Kind, Tensor, no_grad};

use crate::error::{Error, Result};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zeros, Keras' default for biases.
    Zeros,
    /// Uniform on ± sqrt(6 / (fan_in + fan_out)), Keras' default for kernels (Glorot and Bengio,
    /// "Understanding the difficulty of training deep feedforward neural networks", 2010).
    GlorotUniform { fan_in: i64, fan_out: i64 },
}

/// Names one parameter of the [`Parameters`] that its builder makes.
#[derive(Debug, Clone, Copy)]
pub struct ParameterId(usize);

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// Shape as PyTorch has it: convolutions [out, in, height, width], dense layers [out, in].
    shape: Vec<i64>,
    /// First element in the flat buffer.
    offset: i64,
    init: Init,
}

impl Entry {
    fn count(&self) -> i64 {
        self.shape.iter().product()
    }

    /// The parameter's part of a flat buffer, in the parameter's shape. Convolution weights lie
    /// there as [out, height, width, in], which makes the view channels_last, the layout that
    /// libtorch's CPU and CUDA kernels are fastest in.
    fn view(&self, flat: &Tensor) -> Result<Tensor> {
        let part = flat.f_narrow(0, self.offset, self.count())?;
        Ok(match self.shape[..] {
            [out, input, height, width] => {
                part.f_view([out, height, width, input])?.f_permute([0, 3, 1, 2])?
            }
            _ => part.f_view(&self.shape[..])?,
        })
    }

    /// A tensor of the parameter's shape as its part of a flat buffer, [count].
    fn flatten(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(match self.shape.len() {
            4 => tensor.f_permute([0, 2, 3, 1])?.f_reshape([-1])?,
            _ => tensor.f_reshape([-1])?,
        })
    }
}

/// Collects parameters before the buffer's size is known.
#[derive(Debug, Default)]
pub struct ParametersBuilder {
    entries: Vec<Entry>,
    total: i64,
}

impl ParametersBuilder {
    /// Adds a parameter and says how to find it again.
    pub fn add(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> ParameterId {
        let entry = Entry { name: name.into(), shape: shape.to_vec(), offset: self.total, init };
        self.total += entry.count();
        self.entries.push(entry);
        ParameterId(self.entries.len() - 1)
    }

    /// Allocates the buffer and draws the initial values; the same seed gives the same weights on
    /// every device.
    pub fn build(self, device: Device, seed: u64) -> Result<Parameters> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(self.total as usize);
        for entry in &self.entries {
            match entry.init {
                Init::Zeros => values.resize(values.len() + entry.count() as usize, 0.0),
                Init::GlorotUniform { fan_in, fan_out } => {
                    let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
                    values.extend((0..entry.count()).map(|_| rng.random_range(-limit..limit)));
                }
            }
        }
        let flat = Tensor::f_from_slice(&values)?.f_to_device(device)?;
        let leaves = leaves(&self.entries, &flat)?;
        Ok(Parameters { entries: self.entries, flat, low: None, leaves })
    }
}

/// Each entry's view of a buffer, as a leaf of the autograd graph.
fn leaves(entries: &[Entry], buffer: &Tensor) -> Result<Vec<Tensor>> {
    entries
        .iter()
        .map(|entry| Ok(entry.view(buffer)?.f_detach()?.f_set_requires_grad(true)?))
        .collect()
}

/// The weights of a network: f32 [P] on one device, and a view of it for each layer.
#[derive(Debug)]
pub struct Parameters {
    entries: Vec<Entry>,
    /// The weights, f32 [P].
    flat: Tensor,
    /// The same in the kind that layers compute in, where that is not f32.
    low: Option<Tensor>,
    leaves: Vec<Tensor>,
}

impl Parameters {
    /// The parameter that `id` names, in [`Parameters::kind`]; a leaf of the autograd graph.
    pub fn get(&self, id: ParameterId) -> Result<&Tensor> {
        self.leaves
            .get(id.0)
            .ok_or_else(|| Error::config("parameter", id.0, format!("0 to {}", self.leaves.len())))
    }

    /// All parameters as one tensor that shares their memory, to read: f32 [P]. What changes them
    /// is [`Parameters::update`] and [`Parameters::restore`].
    pub fn flat(&self) -> Tensor {
        self.flat.shallow_clone()
    }

    /// The kind that layers compute in: f32 unless [`Parameters::set_kind`] chose another.
    pub fn kind(&self) -> Kind {
        self.low.as_ref().map_or(Kind::Float, Tensor::kind)
    }

    /// Lets the layers compute in `kind`, f32 or bf16. The weights themselves stay f32.
    pub fn set_kind(&mut self, kind: Kind) -> Result<()> {
        if kind == self.kind() {
            return Ok(());
        }
        let low = match kind {
            Kind::Float => None,
            _ => Some(self.flat.f_to_kind(kind)?),
        };
        self.leaves = leaves(&self.entries, low.as_ref().unwrap_or(&self.flat))?;
        self.low = low;
        Ok(())
    }

    /// Lets `change` work on the weights, f32 [P], in place; the layers see the result.
    pub fn update(&mut self, change: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
        no_grad(|| {
            change(&mut self.flat)?;
            if let Some(low) = &mut self.low {
                low.f_copy_(&self.flat)?;
            }
            Ok(())
        })
    }

    /// How many numbers the network learns.
    pub fn count(&self) -> i64 {
        self.entries.iter().map(Entry::count).sum()
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// Gradients of the scalar `loss` by every parameter: f32 [P], in the buffer's order.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let gradients = Tensor::f_run_backward(&[loss], &self.leaves, false, false)?;
        let parts = self
            .entries
            .iter()
            .zip(&gradients)
            .map(|(entry, gradient)| entry.flatten(gradient))
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&parts, 0)?.f_to_kind(Kind::Float)?)
    }

    /// A copy of all weights, f32 [P], for [`Parameters::restore`].
    pub fn snapshot(&self) -> Result<Tensor> {
        Ok(self.flat.f_detach_copy()?)
    }

    /// Puts a snapshot back.
    pub fn restore(&mut self, snapshot: &Tensor) -> Result<()> {
        self.update(|flat| Ok(flat.f_copy_(snapshot)?))
    }

    /// Every parameter by name, contiguous, on the CPU, in PyTorch's shapes: what a weights file
    /// holds.
    pub fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        self.entries
            .iter()
            .map(|entry| {
                let view = entry.view(&self.flat)?.f_to_device(Device::Cpu)?;
                Ok((entry.name.clone(), view.f_contiguous()?))
            })
            .collect()
    }

    /// Takes over weights from named tensors in PyTorch's shapes. All names and shapes have to
    /// match; otherwise nothing is changed and the error says what differs. `path` is for that
    /// error.
    pub fn load_named(&mut self, tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
        let other = "It belongs to another network; load it into the one it was saved from.";
        let mut parts = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let Some((_, tensor)) = tensors.iter().find(|(name, _)| *name == entry.name) else {
                let names = tensors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                let problem = format!("no '{}' among [{}]", entry.name, names.join(", "));
                return Err(Error::weights(path, problem, other));
            };
            if tensor.size() != entry.shape {
                let (found, expected) = (tensor.size(), &entry.shape);
                let problem = format!("'{}' is {found:?}, expected {expected:?}", entry.name);
                return Err(Error::weights(path, problem, other));
            }
            let tensor = tensor.f_to_kind(Kind::Float)?.f_to_device(self.device())?;
            parts.push(entry.flatten(&tensor)?);
        }
        if let Some((name, _)) =
            tensors.iter().find(|(name, _)| self.entries.iter().all(|entry| entry.name != *name))
        {
            return Err(Error::weights(path, format!("'{name}' has no place here"), other));
        }
        self.restore(&Tensor::f_cat(&parts, 0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Parameters {
        let mut builder = ParametersBuilder::default();
        builder.add("conv.weight", &[2, 3, 2, 2], Init::GlorotUniform { fan_in: 12, fan_out: 8 });
        builder.add("conv.bias", &[2], Init::Zeros);
        builder.build(Device::Cpu, 1).unwrap()
    }

    #[test]
    fn names_and_values_survive_a_round_trip() {
        let source = small();
        let mut target = small();
        let empty = Tensor::zeros([target.count()], (Kind::Float, Device::Cpu));
        target.restore(&empty).unwrap();
        target.load_named(&source.named_tensors().unwrap(), Path::new("x")).unwrap();
        assert_eq!(target.flat(), source.flat());
        assert_eq!(source.count(), 26);
    }

    #[test]
    fn gradients_come_in_the_order_of_the_buffer() {
        let parameters = small();
        let weight = parameters.get(ParameterId(0)).unwrap();
        let loss = (weight * weight).sum(Kind::Float);
        let bias = parameters.get(ParameterId(1)).unwrap();
        let gradient = parameters.gradient(&(loss + bias.sum(Kind::Float) * 3.0)).unwrap();
        let expected = parameters.flat() * 2.0;
        assert!(gradient.narrow(0, 0, 24).allclose(&expected.narrow(0, 0, 24), 1e-6, 1e-6, false));
        assert_eq!(Vec::<f32>::try_from(gradient.narrow(0, 24, 2)).unwrap(), [3.0, 3.0]);
    }

    #[test]
    fn layers_compute_in_bfloat16_and_the_weights_stay_float32() {
        let mut parameters = small();
        let before = parameters.snapshot().unwrap();
        parameters.set_kind(Kind::BFloat16).unwrap();
        let weight =
            |parameters: &Parameters| parameters.get(ParameterId(0)).unwrap().to_kind(Kind::Float);
        assert_eq!(parameters.get(ParameterId(0)).unwrap().kind(), Kind::BFloat16);
        assert_eq!(parameters.flat(), before);
        parameters.update(|flat| Ok(flat.f_fill_(0.1).map(|_| ())?)).unwrap();
        // 0.1 has no exact bfloat16; the nearest is 0.10009765625.
        assert_eq!(weight(&parameters).max().double_value(&[]), 0.10009765625);
        assert_eq!(parameters.flat().max().double_value(&[]), f64::from(0.1f32));
        let sum = |id| parameters.get(ParameterId(id)).unwrap().sum(Kind::Float);
        assert_eq!(parameters.gradient(&(sum(0) + sum(1))).unwrap().kind(), Kind::Float);
        parameters.set_kind(Kind::Float).unwrap();
        assert_eq!(weight(&parameters).max().double_value(&[]), f64::from(0.1f32));
    }

    #[test]
    fn another_networks_weights_change_nothing() {
        let mut parameters = small();
        let before = parameters.snapshot().unwrap();
        let mut tensors = small().named_tensors().unwrap();
        tensors[1].1 = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        let error = parameters.load_named(&tensors, Path::new("w.safetensors")).unwrap_err();
        assert!(error.to_string().contains("'conv.bias' is [3], expected [2]"), "{error}");
        tensors.pop();
        let error = parameters.load_named(&tensors, Path::new("w.safetensors")).unwrap_err();
        assert!(error.to_string().contains("no 'conv.bias'"), "{error}");
        assert_eq!(parameters.flat(), before);
    }
}
