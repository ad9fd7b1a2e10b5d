//! Finds the faces in a photo and predicts their emotions with the pretrained weights:
//! `cargo run --example predict_photo -- photo.jpg`.

use fer_nb::prelude::*;

fn main() -> Result<()> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => path.into(),
        None => data_file("pictures/portrait.jpg"),
    };
    let photo = Photo::open(&path)?;
    let predictor = Predictor::pretrained(device()?)?;
    let faces = predictor.predict_photo(&photo, &FaceDetector::for_photos())?;
    for face in &faces {
        println!("{}", face.prediction);
    }
    annotate(&photo, &faces)?.save(figures("example_photo.png"))?;
    Ok(())
}
