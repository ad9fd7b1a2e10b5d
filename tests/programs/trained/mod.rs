//! A briefly trained network, for the traces that other programs are compared with.

use fer_nb::error::{Error, Result};
use fer_nb::model::{Architecture, Network};
use tch::{Device, Kind, Reduction, Tensor};

/// The architecture of a TOML file after three training steps on `images(16)`, f32 [16, 1, 48, 48].
pub(crate) fn trained(
    config: &str,
    images: impl Fn(i64) -> Result<Tensor>,
) -> Result<Box<dyn Network>> {
    let text = std::fs::read_to_string(config).map_err(|error| Error::io("read", config, error))?;
    let architecture: Architecture = toml::from_str(&text).map_err(|error| {
        Error::file(config, error.to_string(), "It should name an architecture.")
    })?;
    let mut network = architecture.build(Device::Cpu, 3)?;
    tch::manual_seed(5);
    for _ in 0..3 {
        let labels = Tensor::f_randint(7, [16], (Kind::Int64, Device::Cpu))?;
        let logits = network.forward_t(&images(16)?, true)?;
        let mean = Reduction::Mean;
        let loss = logits.f_cross_entropy_loss(&labels, None::<Tensor>, mean, -100, 0.0)?;
        let gradient = network.parameters().gradient(&loss)?;
        let learnt = network.parameters().count();
        network.parameters_mut().update(|weights| {
            let step = gradient.f_mul_scalar(0.01)?;
            Ok(weights.f_narrow(0, 0, learnt)?.f_sub_(&step).map(|_| ())?)
        })?;
    }
    Ok(network)
}
