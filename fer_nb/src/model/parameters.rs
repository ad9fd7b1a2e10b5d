//! [`Parameters`]: all weights of a network in one flat buffer.
//!
//! One buffer means that an optimizer's step is a handful of operations on whole tensors, whatever
//! the number of layers, and that its state is as easy to save as one tensor. The layers' weights
//! are views of the buffer, so nothing is copied after a step. To compute in bfloat16, the views are
//! of a second buffer of that kind, which follows the first with one copy a step.
//!
//! What a network keeps but does not learn, such as the running means of batch normalisation, lies
//! behind the parameters in the same buffer: averages of the weights, snapshots and weights files
//! hold it without knowing of it.

use std::collections::BTreeMap;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::{Device, Kind, Tensor, no_grad};

use crate::common::random::normal;
use crate::common::{Error, Result};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zeros, Keras' default for biases.
    Zeros,
    /// All ones, the scale of a normalisation.
    Ones,
    /// Normal with mean 0 and this standard deviation, cut off at twice it, as vision transformers
    /// are initialised.
    Normal { std: f32 },
    /// Normal with standard deviation sqrt(2 / fan) (He et al., "Delving Deep into Rectifiers", 2015),
    /// for layers that a ReLU follows.
    HeNormal { fan: i64 },
    /// Uniform on ± sqrt(6 / (fan_in + fan_out)), Keras' default for kernels (Glorot and Bengio,
    /// "Understanding the difficulty of training deep feedforward neural networks", 2010).
    GlorotUniform { fan_in: i64, fan_out: i64 },
}

/// Names one parameter of the [`Parameters`] that its builder makes.
#[derive(Debug, Clone, Copy)]
pub struct ParameterId(usize);

/// Names one tensor that is kept but not learnt.
#[derive(Debug, Clone, Copy)]
pub struct BufferId(usize);

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// Shape as PyTorch has it: convolutions [out, in, height, width], dense layers [out, in].
    shape: Vec<i64>,
    /// First element in the flat buffer.
    offset: i64,
    init: Init,
    /// Whether layers see it in f32, whatever the kind they compute in.
    stays_float: bool,
    /// What a step's learning rate is multiplied by; 0 where it is frozen.
    rate: f64,
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
    buffers: Vec<Entry>,
}

impl ParametersBuilder {
    /// Adds a parameter and says how to find it again.
    pub fn add(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> ParameterId {
        push(&mut self.entries, name.into(), shape, init, false);
        ParameterId(self.entries.len() - 1)
    }

    /// Adds a parameter that layers see in f32, whatever the kind they compute in: scale and shift of
    /// a normalisation.
    pub fn add_float(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> ParameterId {
        push(&mut self.entries, name.into(), shape, init, true);
        ParameterId(self.entries.len() - 1)
    }

    /// Adds a tensor, f32, that is saved with the parameters but not learnt: a running mean.
    pub fn add_buffer(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> BufferId {
        push(&mut self.buffers, name.into(), shape, init, true);
        BufferId(self.buffers.len() - 1)
    }

    /// Allocates the buffer and draws the initial values; the same seed gives the same weights on
    /// every device.
    pub fn build(self, device: Device, seed: u64) -> Result<Parameters> {
        let Self { entries, mut buffers } = self;
        let learnt: i64 = entries.iter().map(Entry::count).sum();
        for buffer in &mut buffers {
            buffer.offset += learnt;
        }
        let mut rng = StdRng::seed_from_u64(seed);
        let mut values = Vec::new();
        for entry in entries.iter().chain(&buffers) {
            let count = entry.count() as usize;
            match entry.init {
                Init::Zeros => values.resize(values.len() + count, 0.0),
                Init::Ones => values.resize(values.len() + count, 1.0),
                Init::Normal { std } => {
                    values.extend(
                        (0..count).map(|_| std * (normal(&mut rng) as f32).clamp(-2.0, 2.0)),
                    );
                }
                Init::HeNormal { fan } => {
                    let std = (2.0 / fan as f32).sqrt();
                    values.extend((0..count).map(|_| std * normal(&mut rng) as f32));
                }
                Init::GlorotUniform { fan_in, fan_out } => {
                    let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
                    values.extend((0..count).map(|_| rng.random_range(-limit..limit)));
                }
            }
        }
        let flat = Tensor::f_from_slice(&values)?.f_to_device(device)?;
        let leaves = leaves(&entries, &flat, &flat)?;
        let views = buffers.iter().map(|buffer| buffer.view(&flat)).collect::<Result<_>>()?;
        Ok(Parameters { entries, buffers, flat, low: None, leaves, views })
    }
}

fn push(entries: &mut Vec<Entry>, name: String, shape: &[i64], init: Init, stays_float: bool) {
    let offset = entries.last().map_or(0, |last| last.offset + last.count());
    entries.push(Entry { name, shape: shape.to_vec(), offset, init, stays_float, rate: 1.0 });
}

/// Each entry's view of the buffer that layers see, as a leaf of the autograd graph.
fn leaves(entries: &[Entry], flat: &Tensor, low: &Tensor) -> Result<Vec<Tensor>> {
    entries
        .iter()
        .map(|entry| {
            let view = entry.view(if entry.stays_float { flat } else { low })?.f_detach()?;
            Ok(view.f_set_requires_grad(entry.rate != 0.0)?)
        })
        .collect()
}

/// A part of the flat buffer that moves at one pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// First element.
    pub start: i64,
    /// Elements.
    pub length: i64,
    /// What the learning rate is multiplied by, above 0.
    pub rate: f64,
}

/// The weights of a network on one device, and a view of them for each layer. P numbers are learnt; Q
/// more, such as running means, are only kept, and are none in many networks.
#[derive(Debug)]
pub struct Parameters {
    entries: Vec<Entry>,
    buffers: Vec<Entry>,
    /// The weights and, behind them, what is kept: f32 [P + Q].
    flat: Tensor,
    /// The same in the kind that layers compute in, where that is not f32.
    low: Option<Tensor>,
    /// What layers compute with, an entry each.
    leaves: Vec<Tensor>,
    /// The views of what is kept.
    views: Vec<Tensor>,
}

impl Parameters {
    /// The parameter that `id` names, in [`Parameters::kind`]; a leaf of the autograd graph.
    pub fn get(&self, id: ParameterId) -> Result<&Tensor> {
        self.leaves
            .get(id.0)
            .ok_or_else(|| Error::setting("parameter", id.0, format!("0 to {}", self.leaves.len())))
    }

    /// What `id` names: f32, without a gradient. A layer changes it in place, as libtorch's batch
    /// normalisation does.
    pub fn buffer(&self, id: BufferId) -> Result<&Tensor> {
        self.views
            .get(id.0)
            .ok_or_else(|| Error::setting("buffer", id.0, format!("0 to {}", self.views.len())))
    }

    /// Everything as one tensor that shares its memory, to read: f32 [P + Q], what is learnt first.
    /// What changes it is [`Parameters::update`] and [`Parameters::restore`].
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
        self.leaves = leaves(&self.entries, &self.flat, low.as_ref().unwrap_or(&self.flat))?;
        self.low = low;
        Ok(())
    }

    /// Multiplies the learning rate of all parameters whose name begins with a prefix: 0.1 for a
    /// tenth, 0 to freeze them, 1 to let them go. Where several prefixes fit, the longest counts;
    /// what fits none keeps its rate. Returns how many numbers the prefixes fit.
    ///
    /// # Errors
    /// [`Error::Setting`] where a rate is negative or not finite, or a prefix fits nothing; then
    /// nothing is changed.
    pub fn set_rates(&mut self, rates: &BTreeMap<String, f64>) -> Result<i64> {
        for (prefix, rate) in rates {
            if !rate.is_finite() || *rate < 0.0 {
                return Err(Error::setting(format!("rates.{prefix}"), rate, "0 or more"));
            }
            if !self.entries.iter().any(|entry| entry.name.starts_with(prefix.as_str())) {
                let mut parts: Vec<_> =
                    self.entries.iter().filter_map(|entry| entry.name.split('.').next()).collect();
                parts.dedup();
                let expected = format!("the beginning of a name below {}", parts.join(", "));
                return Err(Error::setting("rates", prefix, expected));
            }
        }
        let mut fitting = 0;
        for entry in &mut self.entries {
            let fits = rates.iter().filter(|(prefix, _)| entry.name.starts_with(prefix.as_str()));
            if let Some((_, rate)) = fits.max_by_key(|(prefix, _)| prefix.len()) {
                entry.rate = *rate;
                fitting += entry.count();
            }
        }
        self.leaves = leaves(&self.entries, &self.flat, self.low.as_ref().unwrap_or(&self.flat))?;
        Ok(fitting)
    }

    /// [`Parameters::set_rates`] of one prefix to 0.
    pub fn freeze(&mut self, prefix: &str) -> Result<i64> {
        self.set_rates(&BTreeMap::from([(prefix.to_string(), 0.0)]))
    }

    /// [`Parameters::set_rates`] of one prefix to 1.
    pub fn unfreeze(&mut self, prefix: &str) -> Result<i64> {
        self.set_rates(&BTreeMap::from([(prefix.to_string(), 1.0)]))
    }

    /// Whether the parameter that `id` names is frozen. A frozen normalisation neither uses a batch's
    /// statistics nor follows them.
    pub fn is_frozen(&self, id: ParameterId) -> bool {
        self.entries.get(id.0).is_some_and(|entry| entry.rate == 0.0)
    }

    /// The parts of the buffer that an optimizer moves: neighbours of one rate together, what is
    /// frozen left out.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.rate != 0.0) {
            match spans.last_mut() {
                Some(last)
                    if last.rate == entry.rate && last.start + last.length == entry.offset =>
                {
                    last.length += entry.count();
                }
                _ => spans.push(Span {
                    start: entry.offset,
                    length: entry.count(),
                    rate: entry.rate,
                }),
            }
        }
        spans
    }

    /// Lets `change` work on everything, f32 [P + Q], in place; the layers see the result.
    pub fn update(&mut self, change: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
        no_grad(|| {
            change(&mut self.flat)?;
            if let Some(low) = &mut self.low {
                low.f_copy_(&self.flat)?;
            }
            Ok(())
        })
    }

    /// How many numbers the network learns: P.
    pub fn count(&self) -> i64 {
        self.entries.iter().map(Entry::count).sum()
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// Gradients of the scalar `loss` by every parameter: f32 [P], in the buffer's order; 0 where a
    /// parameter is frozen.
    ///
    /// # Errors
    /// [`Error::Setting`] where all of them are frozen; whatever libtorch refuses.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let moving = self.entries.iter().zip(&self.leaves).filter(|(entry, _)| entry.rate != 0.0);
        let leaves: Vec<_> = moving.map(|(_, leaf)| leaf).collect();
        if leaves.is_empty() {
            return Err(Error::setting("rates", "0 for all parameters", "one that is learnt"));
        }
        let mut gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?.into_iter();
        // One kind for all, so that they can be put one behind the other: f32 if it is among them.
        let mixed = self.low.is_some() && self.entries.iter().any(|entry| entry.stays_float);
        let parts = self
            .entries
            .iter()
            .map(|entry| {
                let gradient = match entry.rate {
                    0.0 => None,
                    _ => gradients.next(),
                };
                let Some(gradient) = gradient else {
                    let kind = if mixed { Kind::Float } else { self.kind() };
                    return Ok(Tensor::f_zeros([entry.count()], (kind, self.device()))?);
                };
                let part = entry.flatten(&gradient)?;
                Ok(if mixed { part.f_to_kind(Kind::Float)? } else { part })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&parts, 0)?.f_to_kind(Kind::Float)?)
    }

    /// A copy of everything, f32 [P + Q], for [`Parameters::restore`].
    pub fn snapshot(&self) -> Result<Tensor> {
        Ok(self.flat.f_detach_copy()?)
    }

    /// Puts a snapshot back.
    pub fn restore(&mut self, snapshot: &Tensor) -> Result<()> {
        self.update(|flat| Ok(flat.f_copy_(snapshot)?))
    }

    /// Everything by name, contiguous, on the CPU, in PyTorch's shapes: what a weights file holds.
    pub fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        // All at once: a GPU would be waited for with each of them.
        let flat = self.flat.f_to_device(Device::Cpu)?;
        self.all()
            .map(|entry| Ok((entry.name.clone(), entry.view(&flat)?.f_contiguous()?)))
            .collect()
    }

    /// Entries in the order in which they lie in the buffer.
    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().chain(&self.buffers)
    }

    /// Takes over weights from named tensors in PyTorch's shapes. All names and shapes have to
    /// match; otherwise nothing is changed and the error says what differs. `path` is for that
    /// error.
    pub fn load_named(&mut self, tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
        let other = "It belongs to another network; load it into the one it was saved from.";
        let mut parts = Vec::with_capacity(self.entries.len() + self.buffers.len());
        for entry in self.all() {
            let Some((_, tensor)) = tensors.iter().find(|(name, _)| *name == entry.name) else {
                let names = tensors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                let problem = format!("no '{}' among [{}]", entry.name, names.join(", "));
                return Err(Error::file(path, problem, other));
            };
            if tensor.size() != entry.shape {
                let (found, expected) = (tensor.size(), &entry.shape);
                let problem = format!("'{}' is {found:?}, expected {expected:?}", entry.name);
                return Err(Error::file(path, problem, other));
            }
            let tensor = tensor.f_to_kind(Kind::Float)?.f_to_device(self.device())?;
            parts.push(entry.flatten(&tensor)?);
        }
        if let Some((name, _)) =
            tensors.iter().find(|(name, _)| self.all().all(|entry| entry.name != *name))
        {
            return Err(Error::file(path, format!("'{name}' has no place here"), other));
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
    fn what_is_kept_lies_behind_what_is_learnt() {
        let mut builder = ParametersBuilder::default();
        let scale = builder.add_float("norm.weight", &[2], Init::Ones);
        let mean = builder.add_buffer("norm.running_mean", &[2], Init::Zeros);
        let weight = builder.add("dense.weight", &[1, 2], Init::HeNormal { fan: 2 });
        let mut parameters = builder.build(Device::Cpu, 1).unwrap();
        assert_eq!((parameters.count(), parameters.flat().size()), (4, vec![6]));
        let _ = parameters.buffer(mean).unwrap().shallow_clone().fill_(7.0);
        assert_eq!(parameters.flat().double_value(&[5]), 7.0);
        parameters.set_kind(Kind::BFloat16).unwrap();
        assert_eq!(parameters.get(scale).unwrap().kind(), Kind::Float);
        let sum = |id| parameters.get(id).unwrap().sum(Kind::Float);
        let gradient = parameters.gradient(&(sum(scale) * 1.001 + sum(weight) * 2.0)).unwrap();
        // In bfloat16 it would be 1.
        assert_eq!(Vec::<f32>::try_from(gradient).unwrap(), [1.001, 1.001, 2.0, 2.0]);
        let names: Vec<_> =
            parameters.named_tensors().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["norm.weight", "dense.weight", "norm.running_mean"]);
    }

    #[test]
    fn what_is_frozen_gets_no_gradient_and_no_step() {
        let mut parameters = small();
        let rates = |pairs: &[(&str, f64)]| {
            pairs.iter().map(|(prefix, rate)| (prefix.to_string(), *rate)).collect()
        };
        let span = |start, length, rate| Span { start, length, rate };
        assert_eq!(parameters.spans(), [span(0, 26, 1.0)]);
        assert_eq!(parameters.set_rates(&rates(&[("conv", 0.0), ("conv.b", 0.5)])).unwrap(), 26);
        assert_eq!(parameters.spans(), [span(24, 2, 0.5)]);
        let sum = |id| parameters.get(ParameterId(id)).unwrap().sum(Kind::Float);
        let gradient = parameters.gradient(&(sum(0) + sum(1))).unwrap();
        assert_eq!(gradient.sum(Kind::Float).double_value(&[]), 2.0);
        parameters.freeze("conv").unwrap();
        assert!(parameters.gradient(&Tensor::from(1.0f32)).is_err());
        assert_eq!(parameters.unfreeze("conv.weight").unwrap(), 24);
        assert_eq!(parameters.spans(), [span(0, 24, 1.0)]);
        let message = parameters.freeze("dense").unwrap_err().to_string();
        assert_eq!(message, "rates = dense: expected the beginning of a name below conv");
        assert!(parameters.set_rates(&rates(&[("conv", -1.0)])).is_err());
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
