//! Times of a training step's convolutions, compared with libtorch's.

use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use fer_nb::error::Result;
use fer_nb::model::convolution;
use fer_nb::project::keep_freed_memory;

/// Channels in and out, and the side of the image: those of a VGG with channels 32, 64, 128 and 256, of which
/// the first are the seed CNN's.
const LAYERS: [(i64, i64, i64); 8] = [
    (1, 32, 48),
    (32, 32, 48),
    (32, 64, 24),
    (64, 64, 24),
    (64, 128, 12),
    (128, 128, 12),
    (128, 256, 6),
    (256, 256, 6),
];
const OF_SEED_CNN: usize = 6;

/// Timed calls of each, alternating.
const ROUNDS: usize = 25;

/// Milliseconds of fer_nb and of libtorch: medians.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    ours: f64,
    libtorch: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    inputs: i64,
    outputs: i64,
    side: i64,
    /// Multiplications and additions of one such pass without Winograd's algorithm, in 10^6.
    mflop: f64,
    forward: Pair,
    /// The inputs' gradient; none for images.
    inputs_gradient: Option<Pair>,
    weights_gradient: Pair,
}

#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    rows: Vec<Row>,
    /// The seed CNN's.
    seed_cnn: Pair,
    /// All of them.
    vgg: Pair,
}

/// Times every layer on the CPU and adds up the times of each network's step.
pub(crate) fn measure(kind: Kind, batch_size: i64) -> Result<Metrics> {
    // Settings of training.
    keep_freed_memory();
    let rows =
        LAYERS.iter().map(|layer| row(*layer, kind, batch_size)).collect::<Result<Vec<_>>>()?;
    let sum = |rows: &[Row]| {
        let pairs = rows.iter().flat_map(|row| {
            [Some(&row.forward), row.inputs_gradient.as_ref(), Some(&row.weights_gradient)]
        });
        pairs.flatten().fold(Pair { ours: 0.0, libtorch: 0.0 }, |sum, pair| Pair {
            ours: sum.ours + pair.ours,
            libtorch: sum.libtorch + pair.libtorch,
        })
    };
    let (seed_cnn, vgg) = (sum(&rows[..OF_SEED_CNN]), sum(&rows));
    Ok(Metrics { rows, seed_cnn, vgg })
}

impl Metrics {
    /// A table of milliseconds, fer_nb's and libtorch's.
    pub(crate) fn table(&self) -> String {
        let cell = |pair: &Pair| format!("{:6.2} {:6.2}", pair.ours, pair.libtorch);
        let mut text =
            String::from("ms, fer_nb and libtorch      forward   inputs' grad.  weights' grad.\n");
        for row in &self.rows {
            let name = format!("{} to {}, {2} x {2}", row.inputs, row.outputs, row.side);
            let inputs = row.inputs_gradient.as_ref().map_or(String::new(), cell);
            let (forward, weights) = (cell(&row.forward), cell(&row.weights_gradient));
            let _ = writeln!(text, "{name:<22} {forward}  {inputs:>13}   {weights}");
        }
        for (name, sum) in [("seed CNN", &self.seed_cnn), ("VGG", &self.vgg)] {
            let Pair { ours, libtorch } = sum;
            let ratio = libtorch / ours;
            let _ = writeln!(text, "{name}: {ours:.1} and {libtorch:.1} ms, {ratio:.2} times");
        }
        text
    }
}

/// Medians of two pieces of work, alternating, after one warm-up call of each.
fn pair(
    mut ours: impl FnMut() -> Result<()>,
    mut libtorch: impl FnMut() -> Result<()>,
) -> Result<Pair> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..=ROUNDS {
        let ways: [&mut dyn FnMut() -> Result<()>; 2] = [&mut ours, &mut libtorch];
        for (times, way) in times.iter_mut().zip(ways) {
            let start = Instant::now();
            way()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [ours, libtorch] = times.map(|mut times| {
        times.remove(0);
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    Ok(Pair { ours, libtorch })
}

fn row((inputs, outputs, side): (i64, i64, i64), kind: Kind, batch_size: i64) -> Result<Row> {
    let last = |size: [i64; 4]| -> Result<Tensor> {
        let [count, channels, height, width] = size;
        let numbers =
            Tensor::f_randn([count, height, width, channels], (Kind::Float, Device::Cpu))?;
        Ok(numbers.f_to_kind(kind)?.f_permute([0, 3, 1, 2])?)
    };
    let xs = last([batch_size, inputs, side, side])?.f_set_requires_grad(inputs > 1)?;
    let weight = last([outputs, inputs, 3, 3])?.f_set_requires_grad(true)?;
    let bias = Tensor::f_zeros([outputs], (kind, Device::Cpu))?.f_set_requires_grad(true)?;
    let ours = || convolution(&xs, &weight, Some(&bias));
    let libtorch =
        || -> Result<Tensor> { Ok(xs.f_conv2d(&weight, Some(&bias), [1, 1], [1, 1], [1, 1], 1)?) };
    let forward = pair(|| ours().map(drop), || libtorch().map(drop))?;
    let (of_ours, of_libtorch) = (ours()?, libtorch()?);
    let backward = |leaves: &[&Tensor]| {
        let run = |ys: &Tensor| -> Result<()> {
            let _ = Tensor::f_run_backward(&[ys], leaves, true, false)?;
            Ok(())
        };
        pair(|| run(&of_ours), || run(&of_libtorch))
    };
    Ok(Row {
        inputs,
        outputs,
        side,
        mflop: (2 * 9 * inputs * outputs * side * side * batch_size) as f64 / 1e6,
        forward,
        inputs_gradient: (inputs > 1).then(|| backward(&[&xs])).transpose()?,
        weights_gradient: backward(&[&weight, &bias])?,
    })
}
