//! Measures whether stretching each face before the network makes a trained network robust to light.
//!
//!     cargo run --example face_normalization -- [RUN] [DATA]
//!
//! Evaluates a run, `seed_cnn` by default, on the validation images that it held back, as they are and
//! corrupted, with each face as it is and normalised in several ways. The network isn't trained again.

use std::process::ExitCode;

use fer_nb::data::{Dataset, FaceData};
use fer_nb::error::{Error, Result};
use fer_nb::evaluate::{Corruption, Evaluation};
use fer_nb::model::{Network, logits_of, to_float};
use fer_nb::train::RunFolder;
use tch::{Device, Kind, Tensor};

const SEED: u64 = 0;

/// What is done to each face, f32 on 0 to 1. Mean and deviation are those of the training images: the mean
/// of each image's.
#[derive(Debug, Clone, Copy)]
enum Normalization {
    None,
    /// To a fixed mean and standard deviation; a face whose deviation is below the floor is stretched as if
    /// it had that.
    MeanAndDeviation {
        floor: f64,
    },
    /// As that, and only for faces whose standard deviation is below the limit.
    OnlyBelow {
        limit: f64,
        floor: f64,
    },
    /// From the pixel of this rank to that of the same rank from the top: to 0 and 1. The rank is a share of
    /// the pixels, 0 to below 0.5; a range below the floor counts as the floor.
    Range {
        rank: f64,
        floor: f64,
    },
}

impl Normalization {
    /// Images f32 [N, 1, 48, 48] on 0 to 1, cut off there after the change.
    fn apply(self, images: &Tensor, [mean, deviation]: [f64; 2]) -> Result<Tensor> {
        let axes = &[1i64, 2, 3][..];
        let own_mean = images.f_mean_dim(axes, true, Kind::Float)?;
        let own = images.f_std_dim(axes, false, true)?;
        let stretched = |floor: f64| -> Result<Tensor> {
            let gain = own.f_clamp_min(floor)?.f_reciprocal()?.f_mul_scalar(deviation)?;
            Ok(images.f_sub(&own_mean)?.f_mul(&gain)?.f_add_scalar(mean)?)
        };
        let changed = match self {
            Self::None => images.shallow_clone(),
            Self::MeanAndDeviation { floor } => stretched(floor)?,
            Self::OnlyBelow { limit, floor } => {
                stretched(floor)?.f_where_self(&own.f_lt(limit)?, images)?
            }
            Self::Range { rank, floor } => {
                let (sorted, _) = images.f_flatten(1, -1)?.f_sort(1, false)?;
                let pixels = sorted.size()[1];
                let place = (rank * pixels as f64) as i64;
                let at = |place: i64| sorted.f_narrow(1, place, 1)?.f_view([-1, 1, 1, 1]);
                let low = at(place)?;
                let range = at(pixels - 1 - place)?.f_sub(&low)?.f_clamp_min(floor)?;
                images.f_sub(&low)?.f_div(&range)?
            }
        };
        Ok(changed.f_clamp(0.0, 1.0)?)
    }
}

const WAYS: [(&str, Normalization); 5] = [
    ("as it is", Normalization::None),
    ("mean and deviation", Normalization::MeanAndDeviation { floor: 0.02 }),
    ("the same, deviation < 0.1", Normalization::OnlyBelow { limit: 0.1, floor: 0.02 }),
    ("full range", Normalization::Range { rank: 0.0, floor: 0.05 }),
    ("1st to 99th percentile", Normalization::Range { rank: 0.01, floor: 0.05 }),
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let run = RunFolder::named(arguments.first().map_or("seed_cnn", String::as_str));
    let data = FaceData::open_or(arguments.get(1).map(std::path::Path::new))?;
    let network = run.network(Device::Cpu)?;
    let validation = run.held_back(&data)?;
    let target = averages(&data.train)?;
    println!(
        "{}, {} validation images of {}, seed {SEED}; each face's mean {:.3}, deviation {:.3}",
        run.path().display(),
        validation.len(),
        data.origin().title(),
        target[0],
        target[1]
    );
    let plain = evaluated(&network, &validation, Normalization::None, target)?;
    let dark = Corruption::Brightness(0.25);
    let mut sets = vec![
        ("as they are".to_string(), validation.clone()),
        (format!("{dark}, one pixel white"), lit(&dark.apply(&validation, SEED)?)?),
    ];
    for corruption in Corruption::STANDARD {
        sets.push((corruption.to_string(), corruption.apply(&validation, SEED)?));
    }
    for (name, images) in sets {
        println!("{name}");
        for (way, normalization) in WAYS {
            let evaluation = evaluated(&network, &images, normalization, target)?;
            let lost = plain.accuracy_lost(&evaluation)?;
            let [points, low, high] = [lost.value, lost.low, lost.high].map(|share| 100.0 * share);
            let accuracy = evaluation.accuracy().value;
            println!("  {way:26} {accuracy:.4}  lost {points:5.1} ({low:.1} to {high:.1})");
        }
    }
    Ok(())
}

/// With the pixel in the upper left corner white, as a lamp in a dark room.
fn lit(data: &Dataset) -> Result<Dataset> {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for (image, emotion) in data.iter() {
        images.push(255);
        images.extend(image.iter().skip(1));
        labels.push(emotion.index() as u8);
    }
    let sources = (0..data.len()).map(|index| format!("image {index}")).collect();
    Dataset::new(images, labels, sources, vec!["train"; data.len()], data.origin().clone())
}

/// The mean of the images' means, and of their standard deviations.
fn averages(data: &Dataset) -> Result<[f64; 2]> {
    let table = data.table()?;
    let mean = |name: &str| -> Result<f64> {
        let mean = table.column(name)?.as_materialized_series().mean();
        mean.ok_or_else(|| Error::input("training images", 0, "one or more"))
    };
    Ok([mean("mean")?, mean("std")?])
}

fn evaluated(
    network: &dyn Network,
    data: &Dataset,
    normalization: Normalization,
    target: [f64; 2],
) -> Result<Evaluation> {
    let images = to_float(&data.images_tensor(Device::Cpu)?)?;
    // The network takes 0 to 255; floats keep what the stretching found between two grey levels.
    let images = normalization.apply(&images, target)?.f_mul_scalar(255.0)?;
    let logits = logits_of(network, &images)?.f_contiguous()?;
    let values = Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?;
    let labels = data.iter().map(|(_, emotion)| emotion.index() as u8).collect();
    Evaluation::from_logits(labels, values.as_chunks().0, data.origin().title())
}
