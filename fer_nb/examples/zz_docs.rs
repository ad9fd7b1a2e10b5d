//! temp
#![allow(clippy::all, unused)]
use fer_nb::prelude::*;

fn t0() -> Result<()> {
use fer_nb::prelude::*;

// Stages 1 and 2: the device, and the data. Without FER2013 the data is made-up faces.
let (device, data) = (device()?, FaceData::open()?);
println!("{data}\n{}", data.audit()?);

// Stages 3 and 4: a network and its training, which writes a run folder. After a crash, the same
// program resumes the training.
let config = TrainConfig { epochs: 2, ..TrainConfig::default() };
let network = SeedCnn::new(device, config.seed)?;
let mut trainer = Trainer::new(network, &config)?
    .run_folder(runs("baseline"))
    .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(3))
    .callback(ModelCheckpoint::best(ValLoss, runs("baseline")))
    .callback(BackupAndRestore);
let history = trainer.fit(&data)?;
history.curves()?.save(figures("curves.svg"))?;

// Stage 5: the weights of the best epoch on the test images.
let run = RunFolder::at(runs("baseline"));
let test = evaluate(&run.network(device)?, &data.test)?;
println!("{test}\n{}", test.classification_report());
test.confusion_matrix().figure()?.save(figures("confusion.png"))?;

// Stage 6: predictions for a photo, and files for other programs.
let predictor = Predictor::load(run.path(), device)?;
let photo = Photo::open("photo.jpg")?;
for face in predictor.predict_photo(&photo, &FaceDetector::for_photos())? {
    println!("{}", face.prediction);
}
publish(&run, &data, "out", "", &[Format::Onnx], device)?;
Ok::<(), Error>(())

}

fn t1() -> Result<()> {
use fer_nb::prelude::*;

let mut recipe = Recipe::open("improved")?; // or the path of a TOML file
recipe.set("train.loss.label_smoothing", "0.05")?;
recipe.train.epochs = 20;
assert_eq!(recipe.train.loss.label_smoothing, 0.05);
println!("{}", recipe.to_toml()?);
Ok::<(), Error>(())

}

fn t2() -> Result<()> {
use fer_nb::prelude::*;

let config = TrainConfig {
    epochs: 20,
    learning_rate: 2e-3,
    optimizer: Optimizer::adamw(0.01),
    schedule: Schedule::one_cycle(),
    ..TrainConfig::default()
};
config.validate()?;
Ok::<(), Error>(())

}

fn t3() -> Result<()> {
use fer_nb::prelude::*;

let train = FaceData::sample(SampleConfig { seed: 1, train: 140, test: 35 })?.train;
let few = train.take_per_class(2)?;
assert_eq!(few.len(), 14);
assert_eq!(few.images_tensor(Device::Cpu)?.size(), [14, 1, 48, 48]);
println!("{}", train.table()?.head(Some(5)));
Ok::<(), Error>(())

}

fn t4() -> Result<()> {
use fer_nb::prelude::*;

let video = Video::open("clip.mp4")?;
let options = VideoOptions { every: Some(0.2), ..VideoOptions::default() };
let predictor = Predictor::pretrained(device()?)?;
let timeline = predictor.predict_video(&video, &options, |step| {
    println!("{:.1} s: {} faces", step.frame.seconds, step.sightings.len());
    Ok(())
})?;
timeline.save_csv("clip.csv")?;
Ok::<(), Error>(())

}

fn t5() -> Result<()> {
use fer_nb::prelude::*;

let data = FaceData::open()?;
let space = Space::new()
    .log("train.learning_rate", 1e-4, 1e-2)
    .choice("train.batch_size", [32, 64]);
let mut study = Study::open_or_replace(runs("wide"), &space, Recipe::open("original")?)?;
study.optimize(&data, 20, device()?)?; // after Stop or a crash, the same call continues
println!("{study}");
Ok::<(), Error>(())

}

fn main() { let _ = (t0, t1, t2, t3, t4, t5); }
