//! Runs the crate's optimizers and schedules on given numbers, for tests/test_against_pytorch.py.
//!
//!     optimizer_trace steps CONFIG.toml IN.safetensors OUT.safetensors
//!     optimizer_trace schedule CONFIG.toml EPOCHS STEPS_PER_EPOCH
//!
//! IN holds `start` [P], or [R, C] for Muon, and `gradients` [T, P]; OUT gets `weights` [T, P] and, where the config has
//! an `ema`, `average` [T, P]. The second form prints a factor a line.

use std::process::ExitCode;

use fer_nb::error::{Error, Result};
use fer_nb::train::{OptimizerState, TrainConfig, WeightAverage, clip_norm};
use tch::Tensor;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["steps", config, from, to] => steps(config, from, to),
        ["schedule", config, epochs, steps] => schedule(config, epochs, steps),
        _ => Err(Error::setting("arguments", arguments.join(" "), "see the top of the source")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn config(path: &str) -> Result<TrainConfig> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    toml::from_str(&text).map_err(|error| Error::setting(path, error, "a training configuration"))
}

fn steps(config_path: &str, from: &str, to: &str) -> Result<()> {
    let config = config(config_path)?;
    let tensors = Tensor::read_safetensors(from)?;
    let named = |name: &str| {
        let found = tensors.iter().find(|(other, _)| other == name);
        found.map(|(_, tensor)| tensor).ok_or_else(|| Error::setting(name, "nothing", "a tensor"))
    };
    let mut weights = named("start")?.f_detach_copy()?;
    let mut optimizer = OptimizerState::new(config.optimizer, &weights)?;
    let mut average =
        WeightAverage::new(config.ema.unwrap_or_default(), &weights.f_flatten(0, -1)?)?;
    let (mut trace, mut averages) = (Vec::new(), Vec::new());
    for gradient in named("gradients")?.f_unbind(0)? {
        let mut gradient = gradient.f_detach_copy()?;
        if let Some(max_norm) = config.clip_norm {
            clip_norm(&mut gradient, max_norm)?;
        }
        optimizer.step(&mut weights, &gradient, config.learning_rate)?;
        average.update(&weights.f_flatten(0, -1)?)?;
        trace.push(weights.f_detach_copy()?);
        averages.push(average.tensor().f_detach_copy()?);
    }
    let out =
        [("weights", Tensor::f_stack(&trace, 0)?), ("average", Tensor::f_stack(&averages, 0)?)];
    Ok(Tensor::write_safetensors(&out, to)?)
}

fn schedule(config_path: &str, epochs: &str, steps: &str) -> Result<()> {
    let config = config(config_path)?;
    let number = |text: &str| {
        text.parse::<usize>().map_err(|_| Error::setting("argument", text, "a whole number"))
    };
    let (epochs, steps) = (number(epochs)?, number(steps)?);
    for step in 0..epochs * steps {
        println!("{:?}", config.schedule.factor(step, epochs, steps));
    }
    Ok(())
}
