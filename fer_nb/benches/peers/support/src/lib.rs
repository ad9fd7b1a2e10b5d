//! What the Rust peers share. A peer implements [`Peer`] and calls [`run`], which reads what
//! `fer bench export` wrote, times the work and prints one line of JSON.

mod arguments;
mod augment;
mod batches;
mod data;
mod report;

use std::error::Error;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use augment::augment;
pub use batches::{BATCH, Batch, Batches};
pub use data::{Data, SIDE, Weights};

use arguments::{Arguments, Work};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Steps or forward passes before the clock runs.
const WARM_UP: usize = 10;

/// The seed CNN in a framework. Images are f32 [B, 1, 48, 48] on 0 to 1, row by row.
pub trait Peer {
    /// Logits f32 [B, 7], dropout off. They are read, so a framework that works lazily has to
    /// compute them.
    fn logits(&self, images: &[f32]) -> Result<Vec<f32>>;

    /// One step of Adam with dropout; gives the batch's loss.
    fn train_step(&mut self, batch: &Batch) -> Result<f32>;
}

/// Does what the command line asks for. `version` is what reports call the peer, `build` makes it
/// from the exported initial weights.
pub fn run<P: Peer>(version: &str, build: impl FnOnce(&Weights) -> Result<P>) -> Result<()> {
    let arguments = Arguments::read()?;
    let data = Data::read(&arguments.data)?;
    let mut peer = build(&Weights::read(&arguments.weights)?)?;
    let first = data.batch(&(0..BATCH).collect::<Vec<_>>());
    let first_loss = cross_entropy(&peer.logits(&first.images)?, &first.labels);
    let startup = report::seconds_since_start();
    let mut line = match arguments.work {
        Work::Training => training(&mut peer, &data, arguments.seconds)?,
        Work::Inference => inference(&peer, &data, arguments.seconds)?,
    };
    line["first_loss"] = json!(first_loss);
    line["startup_s"] = json!(startup);
    line["peak_rss_mb"] = json!(report::peak_rss_mb());
    line["version"] = json!(version);
    println!("{line}");
    Ok(())
}

/// The version of a crate as the lock file has it.
pub fn locked_version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let package = format!("name = \"{name}\"\nversion = \"");
    lock.split_once(&package)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version)
}

fn training(peer: &mut impl Peer, data: &Data, seconds: f64) -> Result<Value> {
    let mut batches = Batches::new(data);
    for _ in 0..WARM_UP {
        peer.train_step(&batches.next_batch())?;
    }
    let (mut steps, mut loss) = (0, 0.0);
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < seconds {
        loss += f64::from(peer.train_step(&batches.next_batch())?);
        steps += 1;
    }
    let elapsed = started.elapsed().as_secs_f64();
    Ok(json!({
        "images_per_second": (steps * BATCH) as f64 / elapsed,
        "steps": steps,
        "seconds": elapsed,
        "loss": loss / steps as f64,
    }))
}

/// The many images go to the network at once and in pieces that fit a CPU's caches; the faster counts.
fn inference(peer: &impl Peer, data: &Data, seconds: f64) -> Result<Value> {
    const LARGE: usize = 256;
    let large = data.batch(&(0..LARGE).map(|i| i % data.len()).collect::<Vec<_>>());
    let one = &large.images[..SIDE * SIDE];
    let single = times(|| peer.logits(one), seconds / 2.0)?;
    let mut fastest = 0.0_f64;
    for size in [LARGE, 32] {
        let pieces = || large.images.chunks(size * SIDE * SIDE);
        let all = || pieces().map(|piece| peer.logits(piece)).collect::<Result<Vec<_>>>();
        let many = times(all, seconds / 4.0)?;
        let total: f64 = many.iter().map(Duration::as_secs_f64).sum();
        fastest = fastest.max((many.len() * LARGE) as f64 / total);
    }
    Ok(json!({
        "batch1_ms": median(single).as_secs_f64() * 1e3,
        "batch256_images_per_second": fastest,
    }))
}

/// The duration of each of the calls that fit into `seconds`; three at least.
fn times<T>(mut work: impl FnMut() -> Result<T>, seconds: f64) -> Result<Vec<Duration>> {
    let warm_up = Instant::now();
    for _ in 0..WARM_UP {
        work()?;
        if warm_up.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
    let mut times = Vec::new();
    let started = Instant::now();
    while times.len() < 3 || started.elapsed().as_secs_f64() < seconds {
        let one = Instant::now();
        work()?;
        times.push(one.elapsed());
    }
    Ok(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Mean cross-entropy in nats of logits [B, 7].
fn cross_entropy(logits: &[f32], labels: &[i64]) -> f64 {
    let classes = logits.len() / labels.len();
    let loss = |(row, label): (&[f32], &i64)| {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|logit| f64::from(logit - top).exp()).sum();
        sum.ln() - f64::from(row[*label as usize] - top)
    };
    logits.chunks(classes).zip(labels).map(loss).sum::<f64>() / labels.len() as f64
}
