//! Corrupts images, for tests/test_corruptions.py.
//!
//!     corruption_trace IMAGES.safetensors SEED OUT.safetensors
//!
//! IMAGES has `images` u8 [N, 48, 48]. OUT gets u8 [N, 48, 48] for each corruption of the standard list, in
//! its order: `00 Brightness(0.5)` and so on.

use std::process::ExitCode;

use fer_nb::data::{Dataset, Origin};
use fer_nb::error::{Error, Result};
use fer_nb::evaluate::Corruption;
use tch::{Device, Kind, Tensor};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [images, seed, to] => trace(images, seed, to),
        _ => Err(Error::input("arguments", arguments.join(" "), "those at the top of the source")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn trace(images: &str, seed: &str, to: &str) -> Result<()> {
    let seed = seed.parse().map_err(|_| Error::setting("seed", seed, "a whole number"))?;
    let read = Tensor::read_safetensors(images)?;
    let missing = || Error::input("tensors", read.len(), "one, `images`");
    let images = &read.first().ok_or_else(missing)?.1;
    let pixels = Vec::<u8>::try_from(images.f_to_kind(Kind::Uint8)?.f_flatten(0, -1)?)?;
    let count = images.size()[0] as usize;
    let sources = (0..count).map(|index| format!("image {index}")).collect();
    let origin = Origin::Sample { seed: 0 };
    let data = Dataset::new(pixels, vec![0; count], sources, vec!["test"; count], origin)?;
    let mut tensors = Vec::new();
    for (place, corruption) in Corruption::STANDARD.into_iter().enumerate() {
        let changed = corruption.apply(&data, seed)?.images_tensor(Device::Cpu)?;
        tensors.push((format!("{place:02} {corruption:?}"), changed.f_squeeze_dim(1)?));
    }
    Ok(Tensor::write_safetensors(&tensors, to)?)
}
