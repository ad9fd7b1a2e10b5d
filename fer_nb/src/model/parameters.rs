//! [`Parameters`]: all weights of a network in one flat buffer.
//!
//! With one buffer, an optimizer's step is a few operations on whole tensors, whatever the number of layers, and
//! its state is saved as one tensor. The layers' weights are views of the buffer, so nothing is copied after a
//! step. To compute in bfloat16, the views are of a second buffer of that dtype, which is updated from the first by
//! one copy per step.
//!
//! Untrained tensors, such as the running means of batch normalisation, follow the parameters in the same buffer,
//! so averages of the weights, snapshots and weights files include them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::{Device, Kind, Tensor, no_grad};

use crate::common::random::normal;
use crate::common::text::{self, count, plural};
use crate::common::{During, Error, Place, Result, brief};

/// Initial values of a parameter.
#[allow(missing_docs, reason = "a variant's documentation names its fields")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zeros, Keras' default for biases.
    Zeros,
    /// All ones, the scale of a normalisation.
    Ones,
    /// Normal with mean 0 and standard deviation `std`, clipped at two standard deviations, for vision
    /// transformers.
    Normal { std: f32 },
    /// Normal with standard deviation sqrt(2 / fan) (He et al., "Delving Deep into Rectifiers", 2015), for layers
    /// before a ReLU.
    HeNormal { fan: i64 },
    /// Uniform on ± sqrt(6 / (fan_in + fan_out)), Keras' default for kernels (Glorot and Bengio,
    /// "Understanding the difficulty of training deep feedforward neural networks", 2010).
    GlorotUniform { fan_in: i64, fan_out: i64 },
}

/// A parameter of the [`Parameters`] whose builder returned it.
#[derive(Debug, Clone, Copy)]
pub struct ParameterId(usize);

/// An untrained tensor.
#[derive(Debug, Clone, Copy)]
pub struct BufferId(usize);

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// PyTorch's shape: convolutions [out, in, height, width], dense layers [out, in].
    shape: Vec<i64>,
    /// First element in the flat buffer.
    offset: i64,
    init: Init,
    /// Whether layers read it in f32, in any dtype of computation.
    stays_float: bool,
    /// Factor of the learning rate; 0 if it is frozen.
    rate: f64,
}

impl Entry {
    fn count(&self) -> i64 {
        self.shape.iter().product()
    }

    /// The parameter's part of a flat buffer, in the parameter's shape. Convolution weights are stored as [out,
    /// height, width, in], which makes the view channels_last, the fastest layout for libtorch's CPU and CUDA
    /// kernels.
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

/// Collects a network's parameters, then allocates them.
#[derive(Default)]
pub struct ParametersBuilder {
    entries: Vec<Entry>,
    buffers: Vec<Entry>,
}

brief!(
    ParametersBuilder,
    |builder| "{}",
    plural(builder.entries.len() + builder.buffers.len(), "tensor")
);

impl ParametersBuilder {
    /// Adds a parameter with PyTorch's shape; each name may be used once.
    pub fn add(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> ParameterId {
        push(&mut self.entries, name.into(), shape, init, false);
        ParameterId(self.entries.len() - 1)
    }

    /// [`ParametersBuilder::add`] for a parameter that layers read in f32, in any dtype of computation: scale and
    /// shift of a normalisation.
    pub fn add_float(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> ParameterId {
        push(&mut self.entries, name.into(), shape, init, true);
        ParameterId(self.entries.len() - 1)
    }

    /// Adds an untrained tensor, f32, that is saved with the parameters: a running mean.
    pub fn add_buffer(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> BufferId {
        push(&mut self.buffers, name.into(), shape, init, true);
        BufferId(self.buffers.len() - 1)
    }

    /// Allocates the buffer and draws the initial values. The same seed gives the same weights on every device.
    ///
    /// # Errors
    /// [`Error::Input`] if a name was used twice; errors of libtorch.
    pub fn build(self, device: Device, seed: u64) -> Result<Parameters> {
        let Self { entries, mut buffers } = self;
        let mut names = HashSet::new();
        if let Some(twice) =
            entries.iter().chain(&buffers).find(|entry| !names.insert(&*entry.name))
        {
            return Err(Error::input("a parameter", &twice.name, "a name that is used once"));
        }
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
        let flat = Tensor::f_from_slice(&values)
            .and_then(|flat| flat.f_to_device(device))
            .during("allocating the weights")?;
        let leaves = leaves(&entries, &flat, &flat)?;
        let views = buffers.iter().map(|buffer| buffer.view(&flat)).collect::<Result<_>>()?;
        Ok(Parameters { entries, buffers, flat, low: None, leaves, views })
    }
}

fn push(entries: &mut Vec<Entry>, name: String, shape: &[i64], init: Init, stays_float: bool) {
    let offset = entries.last().map_or(0, |last| last.offset + last.count());
    entries.push(Entry { name, shape: shape.to_vec(), offset, init, stays_float, rate: 1.0 });
}

/// Each entry's view of the buffer that layers read, as a leaf of the autograd graph.
fn leaves(entries: &[Entry], flat: &Tensor, low: &Tensor) -> Result<Vec<Tensor>> {
    entries
        .iter()
        .map(|entry| {
            let view = entry.view(if entry.stays_float { flat } else { low })?.f_detach()?;
            Ok(view.f_set_requires_grad(entry.rate != 0.0)?)
        })
        .collect()
}

/// A part of the flat buffer with one learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    /// First element.
    pub(crate) start: i64,
    /// Number of elements.
    pub(crate) length: i64,
    /// Factor of the learning rate, above 0.
    pub(crate) rate: f64,
    /// The number of rows if it is one matrix, [outputs, inputs · window].
    pub(crate) rows: Option<i64>,
}

/// The weights of a network on one device, with a view of them for each layer: P trained numbers and Q untrained
/// ones, such as running means; Q may be 0.
pub struct Parameters {
    entries: Vec<Entry>,
    buffers: Vec<Entry>,
    /// Trainable parameters, then buffers: f32 [P + Q].
    flat: Tensor,
    /// The same in the dtype of the layers, if that is not f32.
    low: Option<Tensor>,
    /// The tensors that layers compute with, one per entry.
    leaves: Vec<Tensor>,
    /// The views of the untrained tensors.
    views: Vec<Tensor>,
}

brief!(
    Parameters,
    |parameters| "{} numbers in {}, on {:?}",
    count(usize::try_from(parameters.count()).unwrap_or_default()),
    plural(parameters.entries.len(), "tensor"),
    parameters.device()
);

impl Parameters {
    /// A parameter in [`Parameters::kind`], or in f32 if it was added as f32; a leaf of the autograd graph.
    ///
    /// # Errors
    /// [`Error::Input`] for an id of another network.
    pub fn get(&self, id: ParameterId) -> Result<&Tensor> {
        let expected = || format!("fewer than {}", self.leaves.len());
        self.leaves.get(id.0).ok_or_else(|| Error::input("parameter", id.0, expected()))
    }

    /// An untrained tensor: f32, without a gradient. Layers change it in place, as libtorch's batch normalisation
    /// does.
    ///
    /// # Errors
    /// As [`Parameters::get`].
    pub fn buffer(&self, id: BufferId) -> Result<&Tensor> {
        let expected = || format!("fewer than {}", self.views.len());
        self.views.get(id.0).ok_or_else(|| Error::input("buffer", id.0, expected()))
    }

    /// All numbers as one tensor that shares its memory, for reading: f32 [P + Q], trained numbers first. To change
    /// it, use [`Parameters::update`] or [`Parameters::restore`].
    pub fn flat(&self) -> Tensor {
        self.flat.shallow_clone()
    }

    /// The dtype in which layers compute: f32 unless [`Parameters::set_kind`] has changed it.
    pub fn kind(&self) -> Kind {
        self.low.as_ref().map_or(Kind::Float, Tensor::kind)
    }

    /// Makes the layers compute in `kind`, f32 or bf16. The weights stay f32.
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

    /// Sets the learning rate's factor for all parameters whose names start with a prefix: 0 freezes them, 1
    /// unfreezes them. If several prefixes match a name, the longest applies; a name without a match keeps its
    /// factor. Returns the number of weights with a matching name.
    ///
    /// # Errors
    /// [`Error::Setting`] if a factor is negative or not finite, or if no name starts with a prefix; then nothing
    /// is changed.
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

    /// Freezes all parameters whose names start with `prefix`; an empty prefix freezes all.
    ///
    /// # Errors
    /// As [`Parameters::set_rates`].
    pub fn freeze(&mut self, prefix: &str) -> Result<i64> {
        self.set_rates(&BTreeMap::from([(prefix.to_string(), 0.0)]))
    }

    /// Trains all parameters whose names start with `prefix` with the unscaled learning rate.
    ///
    /// # Errors
    /// As [`Parameters::set_rates`].
    pub fn unfreeze(&mut self, prefix: &str) -> Result<i64> {
        self.set_rates(&BTreeMap::from([(prefix.to_string(), 1.0)]))
    }

    /// Whether a parameter is frozen. A frozen normalisation neither uses nor updates the statistics of a batch.
    pub(crate) fn is_frozen(&self, id: ParameterId) -> bool {
        self.entries.get(id.0).is_some_and(|entry| entry.rate == 0.0)
    }

    /// The parts of the buffer that an optimizer changes, without frozen ones; neighbours with the same rate are
    /// one part.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.parts(|_| None)
    }

    /// [`Parameters::spans`] with a part for each matrix of a hidden layer: the weights of convolutions and dense
    /// layers, except the last layer's.
    pub(crate) fn matrices_and_spans(&self) -> Vec<Span> {
        let last = self.entries.iter().rfind(|entry| entry.shape.len() > 1);
        let last = last.map_or(0, |entry| entry.offset);
        self.parts(|entry| match entry.shape[..] {
            [rows, _, ..] if rows > 1 && entry.offset != last => Some(rows),
            _ => None,
        })
    }

    fn parts(&self, rows_of: impl Fn(&Entry) -> Option<i64>) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.rate != 0.0) {
            let (start, length, rate) = (entry.offset, entry.count(), entry.rate);
            let rows = rows_of(entry);
            match spans.last_mut() {
                Some(last)
                    if (last.rate, last.rows, rows) == (rate, None, None)
                        && last.start + last.length == start =>
                {
                    last.length += length;
                }
                _ => spans.push(Span { start, length, rate, rows }),
            }
        }
        spans
    }

    /// Calls `change` with all numbers, f32 [P + Q], which it changes in place; the layers use the result.
    ///
    /// # Errors
    /// Those of `change`; errors of libtorch.
    pub fn update(&mut self, change: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
        no_grad(|| {
            change(&mut self.flat)?;
            if let Some(low) = &mut self.low {
                low.f_copy_(&self.flat)?;
            }
            Ok(())
        })
    }

    /// The number of trained weights, P, including frozen ones.
    pub fn count(&self) -> i64 {
        self.entries.iter().map(Entry::count).sum()
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// Gradients of the scalar `loss` with respect to every parameter: f32 \[P\], in the buffer's order; 0
    /// for frozen parameters.
    ///
    /// # Errors
    /// [`Error::Setting`] if all parameters are frozen; errors of libtorch.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let moving = self.entries.iter().zip(&self.leaves).filter(|(entry, _)| entry.rate != 0.0);
        let leaves: Vec<_> = moving.map(|(_, leaf)| leaf).collect();
        if leaves.is_empty() {
            return Err(Error::setting("rates", "0 for all parameters", "one that is above 0"));
        }
        let gradients = Tensor::f_run_backward(&[loss], &leaves, false, false);
        let mut gradients = gradients.during("the backward pass")?.into_iter();
        // One dtype for all, because they are concatenated: f32 if one of them is f32.
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

    /// A copy of all numbers, f32 [P + Q], for [`Parameters::restore`].
    pub fn snapshot(&self) -> Result<Tensor> {
        self.flat.f_detach_copy().during("copying the weights")
    }

    /// Restores a snapshot.
    pub fn restore(&mut self, snapshot: &Tensor) -> Result<()> {
        self.update(|flat| flat.f_copy_(snapshot).during("restoring the weights"))
    }

    /// All tensors by name, contiguous, on the CPU, in PyTorch's shapes: the content of a weights file.
    pub fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        // One transfer, because each transfer waits for the GPU.
        let flat = self.flat.f_to_device(Device::Cpu)?;
        self.all()
            .map(|entry| Ok((entry.name.clone(), entry.view(&flat)?.f_contiguous()?)))
            .collect()
    }

    /// Entries in the buffer's order.
    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().chain(&self.buffers)
    }

    /// Loads weights from named tensors in PyTorch's shapes; `path` is for the error message.
    ///
    /// # Errors
    /// [`Error::File`] with the first tensor that is missing, has another shape or does not belong to the network;
    /// then nothing is changed.
    pub(crate) fn load_named(&mut self, tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
        let (mut missing, mut shapes) = (Vec::new(), Vec::new());
        let mut parts = Vec::with_capacity(self.entries.len() + self.buffers.len());
        for entry in self.all() {
            match tensors.iter().find(|(name, _)| *name == entry.name) {
                None => missing.push(entry.name.clone()),
                Some((_, tensor)) if tensor.size() != entry.shape => {
                    let (found, expected) = (tensor.size(), &entry.shape);
                    let shape = format!("{} ({found:?} for {expected:?})", entry.name);
                    shapes.push((entry.name.clone(), shape));
                }
                Some((name, tensor)) if !tensor.is_floating_point() => {
                    let dtype = format!("{:?}", tensor.kind()).to_lowercase();
                    let problem =
                        format!("holds {dtype}, expected float16, bfloat16, float32 or float64");
                    let hint = "These weights are quantised, and the scale of each is not known here: save them in \
                                float32 with the program that quantised them.";
                    let place = Place::Key(text::shown(name));
                    return Err(Error::file_at(path, place, problem, hint));
                }
                Some((_, tensor)) => {
                    let tensor = tensor.f_to_kind(Kind::Float)?.f_to_device(self.device())?;
                    parts.push(entry.flatten(&tensor)?);
                }
            }
        }
        let is_surplus = |name: &&String| self.all().all(|entry| entry.name != **name);
        let surplus: Vec<_> = tensors.iter().map(|(name, _)| name).filter(is_surplus).collect();
        let (misshapen, shapes): (Vec<String>, Vec<String>) = shapes.into_iter().unzip();
        let first = misshapen.iter().chain(&missing).chain(surplus.iter().copied()).next();
        if let Some(place) = first.map(|name| Place::Key(text::shown(name))) {
            let surplus: Vec<String> = surplus.iter().map(text::shown).collect();
            let problems =
                [("of another shape", shapes), ("missing", missing), ("too many", surplus)];
            let problems = problems.iter().filter(|(_, names)| !names.is_empty());
            let problems: Vec<String> = problems
                .map(|(what, names)| format!("{} {what}: {}", names.len(), text::list(names)))
                .collect();
            let hint =
                "These are another network's weights; load them into the one that was saved.";
            return Err(Error::file_at(path, place, problems.join("; "), hint));
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
    fn a_name_is_used_once() {
        let mut builder = ParametersBuilder::default();
        builder.add("norm.weight", &[2], Init::Ones);
        builder.add_buffer("norm.weight", &[2], Init::Ones);
        assert!(matches!(builder.build(Device::Cpu, 1), Err(Error::Input { .. })));
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
        let span = |start, length, rate| Span { start, length, rate, rows: None };
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
        assert!(matches!(parameters.freeze("dense"), Err(Error::Setting { .. })));
        assert!(parameters.set_rates(&rates(&[("conv", -1.0)])).is_err());
    }

    #[test]
    fn another_networks_weights_change_nothing() {
        let mut parameters = small();
        let before = parameters.snapshot().unwrap();
        let mut tensors = small().named_tensors().unwrap();
        tensors[1].1 = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        let mut refused = |tensors: &[(String, Tensor)], weight: &str| {
            let error = parameters.load_named(tensors, Path::new("w.safetensors")).unwrap_err();
            let Error::File { place: Place::Key(key), .. } = error else { panic!("{error:?}") };
            assert_eq!(key, weight);
        };
        refused(&tensors, "conv.bias");
        tensors.pop();
        refused(&tensors, "conv.bias");
        tensors = small().named_tensors().unwrap();
        tensors.push(("dense.bias".into(), Tensor::from(1.0f32)));
        refused(&tensors, "dense.bias");
        assert_eq!(parameters.flat(), before);
    }
}
