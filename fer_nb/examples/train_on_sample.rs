//! Trains the seed CNN on made-up faces, without a notebook: `cargo run --example train_on_sample`.

use fer_nb::prelude::*;

fn main() -> Result<()> {
    let data = FaceData::sample(SampleConfig { seed: 1, train: 700, test: 140 })?;
    println!("{data}");

    let config = TrainConfig { epochs: 3, batch_size: 32, ..TrainConfig::default() };
    let network = SeedCnn::new(device()?, config.seed)?;
    let mut trainer = Trainer::new(network, config)?
        .run_folder(runs("example"))
        .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(3))
        .callback(ModelCheckpoint::best(ValLoss, runs("example")));
    let history = trainer.fit(&data)?;
    history.curves()?.save(figures("example_curves.svg"))?;

    let test = trainer.evaluate(&data.test)?;
    println!("{}", test.classification_report());
    Ok(())
}
