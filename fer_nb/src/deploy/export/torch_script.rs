//! TorchScript by tracing: libtorch records the operations of one forward pass.

use std::path::Path;

use tch::{CModule, Device, Kind, Tensor, no_grad};

use super::Exported;
use crate::common::files::{TEMPORARY_PREFIX, replace_file};
use crate::common::{During, Error, Result};
use crate::data::SIDE;
use crate::model::to_float;

/// Writes the network to `path`.
pub(super) fn save(exported: &Exported<'_>, path: &Path) -> Result<()> {
    let device = exported.network.parameters().device();
    if device != Device::Cpu {
        let expected = "the CPU, so that the file can be opened on any machine";
        return Err(Error::input("the network's device", format!("{device:?}"), expected));
    }
    if !exported.network.parameters().spans().is_empty() {
        let expected = "frozen ones: network.parameters_mut().freeze(\"\")";
        return Err(Error::input("the network", "trainable parameters", expected));
    }
    let side = SIDE as i64;
    // Two images: with a batch of one, the trace could record a dimension of size 1.
    let images = Tensor::f_zeros([2, 1, side, side], (Kind::Uint8, device))?;
    let mut failed = None;
    let traced = no_grad(|| {
        CModule::create_by_tracing("FerNb", "forward", &[images], &mut |inputs: &[Tensor]| {
            match probs(exported, inputs) {
                Ok(probs) => vec![probs],
                Err(error) => {
                    failed = Some(error);
                    Vec::new()
                }
            }
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let traced = traced.during("tracing the network")?;
    replace_file(path, |temporary| {
        // libtorch names the archive after the file, up to the last dot, and rejects an empty name. With a fixed
        // name, the same network gives the same bytes. The folder is always removed.
        let beside = temporary.parent().unwrap_or(Path::new("."));
        let failed = |error| Error::io("write", path, error);
        let folder = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir_in(beside);
        let folder = folder.map_err(failed)?;
        let named = folder.path().join("fer_nb.pt");
        traced.save(&named)?;
        std::fs::rename(&named, temporary).map_err(failed)
    })
}

fn probs(exported: &Exported<'_>, inputs: &[Tensor]) -> Result<Tensor> {
    let images = inputs.first().ok_or_else(|| Error::input("inputs", 0, "images"))?;
    let logits = exported.network.forward_t(&to_float(images)?, false)?;
    Ok(logits.f_div_scalar(exported.temperature.value())?.f_softmax(-1, Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Temperature;
    use crate::model::{Network, SeedCnn};

    #[test]
    fn a_trace_takes_any_batch_and_gives_the_same_bytes_each_time() {
        let mut network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let temperature = Temperature::new(0.5).unwrap();
        let save = |network: &SeedCnn, name: &str| {
            save(&Exported { network, temperature, about: &[] }, &path(name))
        };
        assert!(matches!(save(&network, "a.pt"), Err(Error::Input { .. })));
        network.parameters_mut().freeze("").unwrap();
        save(&network, "a.pt").unwrap();
        save(&network, "b.pt").unwrap();
        assert_eq!(std::fs::read(path("a.pt")).unwrap(), std::fs::read(path("b.pt")).unwrap());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "nothing else is left");
        let module = CModule::load(path("a.pt")).unwrap();
        for count in [1, 5] {
            let images = Tensor::randint(256, [count, 1, 48, 48], (Kind::Uint8, Device::Cpu));
            let logits = network.forward_t(&to_float(&images).unwrap(), false).unwrap();
            let expected = (logits / 0.5).softmax(-1, Kind::Float);
            let probs = module.forward_ts(&[images]).unwrap();
            assert_eq!(probs.size(), [count, 7]);
            assert!((probs - expected).abs().max().double_value(&[]) < 1e-6);
        }
    }
}
