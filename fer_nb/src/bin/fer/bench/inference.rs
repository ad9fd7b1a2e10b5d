//! Inference speed: one image, and batches of 256.

use std::time::Instant;

use serde::Serialize;
use tch::{Device, Tensor};

use fer_nb::data::Dataset;
use fer_nb::error::Result;
use fer_nb::model::{Network, logits_of};

/// Calls before the clock runs.
const WARM_UP: usize = 10;

/// Images in the second measurement.
const LARGE: usize = 256;

#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    batch1_ms: f64,
    batch256_images_per_second: f64,
}

/// Times the logits of images on the device, in the batch size of predictions and evaluations, until they are on
/// the CPU as float32. Half of the seconds for each of the two measurements.
pub(crate) fn measure(network: &dyn Network, data: &Dataset, seconds: f64) -> Result<Metrics> {
    let device = network.parameters().device();
    let images = |count: usize| -> Result<Tensor> {
        let indices: Vec<_> = (0..count).map(|index| index % data.len()).collect();
        data.select(&indices)?.images_tensor(device)
    };
    let mut single = times(network, &images(1)?, seconds / 2.0)?;
    let many = times(network, &images(LARGE)?, seconds / 2.0)?;
    single.sort_by(f64::total_cmp);
    Ok(Metrics {
        batch1_ms: single[single.len() / 2] * 1e3,
        batch256_images_per_second: (many.len() * LARGE) as f64 / many.iter().sum::<f64>(),
    })
}

/// The seconds of each call, for as many calls as fit into `seconds`, at least one.
fn times(network: &dyn Network, images: &Tensor, seconds: f64) -> Result<Vec<f64>> {
    let forward =
        || -> Result<Tensor> { Ok(logits_of(network, images)?.f_to_device(Device::Cpu)?) };
    for _ in 0..WARM_UP {
        let _ = forward()?;
    }
    let mut times = Vec::new();
    let started = Instant::now();
    while times.is_empty() || started.elapsed().as_secs_f64() < seconds {
        let call = Instant::now();
        let _ = forward()?;
        times.push(call.elapsed().as_secs_f64());
    }
    Ok(times)
}
