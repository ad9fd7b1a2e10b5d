//! `fer bench`: fer_nb as one subject of `make bench`, and the data and weights for the others.
//!
//! Each call measures one kind of work in a fresh process, and its last line is JSON;
//! fer_nb/benches/bench.py alternates it with the same work in other frameworks.

mod accuracy;
mod convolutions;
mod export;
mod inference;
mod process;
mod training;

use std::time::Instant;

use clap::Subcommand;
use serde::Serialize;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use fer_nb::data::{Dataset, FaceData};
use fer_nb::error::{Error, Result};
use fer_nb::model::{Network, to_float};
use fer_nb::project::{Precision, device, device_name, plural};

use crate::arguments::{DataPath, JsonFile, NetworkChoice};
use crate::outputs::Outputs;

/// The seed of the initial weights, also for the other frameworks.
const SEED: u64 = 42;

/// The name of this subject in reports.
const VERSION: &str = concat!("fer_nb ", env!("CARGO_PKG_VERSION"));

/// The number of images for the loss before training: the first ones, not shuffled.
const FIRST_BATCH: usize = 64;

/// Measures speed; `make bench` compares it with other frameworks.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Training images per second, augmentation included.
    Training(Options),
    /// Milliseconds for one image, and images per second for batches of 256.
    Inference(Options),
    /// Seconds of training until a validation accuracy is reached.
    Accuracy {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        goal: accuracy::Goal,
    },
    /// Seconds for loading the data.
    Loading(Options),
    /// Times of a training step's 3×3 convolutions on the CPU, compared with libtorch's.
    Convolutions {
        /// The dtype of the layers: auto, float32 or bfloat16.
        #[arg(long, default_value = "auto")]
        precision: Precision,

        /// Images a training step.
        #[arg(long, default_value_t = 64)]
        batch_size: usize,

        #[command(flatten)]
        json: JsonFile,
    },
    /// Writes images, labels and initial weights as safetensors for other frameworks.
    Export(export::Args),
}

#[derive(clap::Args)]
struct Options {
    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    network: NetworkChoice,

    /// The dtype of the layers: auto, float32 or bfloat16.
    #[arg(long, default_value = "auto")]
    precision: Precision,

    /// Images a training step.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,

    /// How long to measure after the warm-up; a chunk of augmented images is never cut.
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,

    #[command(flatten)]
    json: JsonFile,
}

/// The metrics of the work, and values that every report has.
#[derive(Serialize)]
struct Report<T> {
    #[serde(flatten)]
    figures: T,
    /// Mean cross-entropy of the first 64 training images before training, dropout off.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_loss: Option<f64>,
    /// Seconds from the start of the process to the first step.
    startup_s: Option<f64>,
    peak_rss_mb: Option<f64>,
    version: String,
    device: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.work {
        Work::Training(options) => with_network(options, |network, data| {
            training::measure(network, data, options.precision, options.batch_size, options.seconds)
        }),
        Work::Inference(options) => with_network(options, |network, data| {
            inference::measure(&*network, &data.train, options.seconds)
        }),
        Work::Accuracy { options, goal } => with_network(options, |network, data| {
            accuracy::measure(network, data, options.precision, goal)
        }),
        Work::Loading(options) => loading(options),
        Work::Convolutions { precision, batch_size, json } => {
            if *batch_size == 0 {
                return Err(Error::setting("batch_size", batch_size, "1 or more"));
            }
            json.of(Outputs::default()).check()?;
            let kind = precision.kind(Device::Cpu);
            let figures = convolutions::measure(kind, *batch_size as i64)?;
            json.write(&figures)?;
            let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
            let (threads, precision) = (plural(threads, "thread"), precision.report(Device::Cpu));
            crate::say(&format!("{precision}, {threads}\n{}", figures.table()))
        }
        Work::Export(args) => export::run(args),
    }
}

fn with_network<T: Serialize>(
    options: &Options,
    work: impl FnOnce(Box<dyn Network>, &FaceData) -> Result<T>,
) -> Result<()> {
    if !options.seconds.is_finite() || options.seconds <= 0.0 {
        return Err(Error::setting("seconds", options.seconds, "a number above 0"));
    }
    options.data.of(options.json.of(Outputs::default())).check()?;
    let data = options.data.open()?;
    crate::say(&format!("{data}\n"))?;
    let device = device()?;
    let mut network = options.network.build(device, SEED)?;
    network.parameters_mut().set_kind(options.precision.kind(device))?;
    let first_loss = Some(first_loss(&*network, &data.train)?);
    let startup_s = process::seconds_since_start();
    let figures = work(network, &data)?;
    let version = format!("{VERSION}, {}", options.precision.report(device));
    let (peak_rss_mb, device) = (process::peak_rss_mb(), device_name(device));
    finish(options, &Report { figures, first_loss, startup_s, peak_rss_mb, version, device })
}

fn loading(options: &Options) -> Result<()> {
    options.data.of(options.json.of(Outputs::default())).check()?;
    let startup_s = process::seconds_since_start();
    let started = Instant::now();
    let data = options.data.open()?;
    let seconds = started.elapsed().as_secs_f64();
    let images = data.train.len() + data.validation.len() + data.test.len();
    let figures = serde_json::json!({ "seconds": seconds, "images": images });
    let (version, device) = (VERSION.into(), "CPU".into());
    let (first_loss, peak_rss_mb) = (None, process::peak_rss_mb());
    finish(options, &Report { figures, first_loss, startup_s, peak_rss_mb, version, device })
}

/// Mean cross-entropy in nats of the first training images without augmentation, dropout off.
fn first_loss(network: &dyn Network, data: &Dataset) -> Result<f64> {
    const NO_CLASS: i64 = -100;
    let few = data.select(&(0..FIRST_BATCH.min(data.len())).collect::<Vec<_>>())?;
    let device = network.parameters().device();
    no_grad(|| {
        let images = to_float(&few.images_tensor(device)?)?;
        let logits = network.forward_t(&images, false)?.f_to_kind(Kind::Double)?;
        let labels = few.labels_tensor(device)?;
        let loss =
            logits.f_cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, NO_CLASS, 0.0)?;
        Ok(loss.f_double_value(&[])?)
    })
}

fn finish<T: Serialize>(options: &Options, report: &Report<T>) -> Result<()> {
    options.json.write(report)?;
    show(report)
}

/// Prints one line of JSON.
fn show(figures: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(figures)
        .map_err(|error| Error::io("write", "stdout", std::io::Error::other(error)))?;
    crate::say(&(line + "\n"))
}
