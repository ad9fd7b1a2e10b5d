//! A custom callback that ends training when an accuracy is reached: `cargo run --example custom_callback`.

use fer_nb::prelude::*;
use fer_nb::train::CallbackState;

/// Ends training after the first epoch whose validation accuracy is at least `target`, 0 to 1.
struct StopAt {
    target: f64,
}

impl Callback for StopAt {
    fn name(&self) -> &'static str {
        "StopAt"
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        if epoch.record.val_accuracy >= self.target {
            epoch.stop_training(format!("val_accuracy reached {}", self.target));
        }
        Ok(())
    }

    /// The settings are part of the run, so that it can be resumed only with the same settings.
    fn state(&self) -> Result<CallbackState> {
        CallbackState::default().setting("target", self.target)
    }
}

fn main() -> Result<()> {
    let data = FaceData::sample(SampleConfig { seed: 1, train: 700, test: 140 })?;
    let config = TrainConfig { epochs: 20, batch_size: 32, ..TrainConfig::default() };
    let network = SeedCnn::new(device()?, config.seed)?;
    let mut trainer = Trainer::new(network, config)?.callback(StopAt { target: 0.3 });
    let history = trainer.fit(&data)?;
    match &history.stopped {
        Some(reason) => println!("{reason}"),
        None => println!("not reached in {} epochs", history.epochs.len()),
    }
    Ok(())
}
