//! [`Predictor`]: a run's network for single images and photos.

use std::path::Path;

use serde::Serialize;
use tch::{Device, Tensor};

use super::detector::FaceDetector;
use super::face::FaceBox;
use super::light::LightRule;
use super::photo::Photo;
use super::prediction::Prediction;
use crate::common::{During, Error, Result, brief};
use crate::data::{Dataset, PIXELS, SIDE};
use crate::evaluate::{Temperature, Threshold, rows};
use crate::model::{Network, logits, logits_of};
use crate::project::Precision;
use crate::train::RunFolder;

/// A face in a photo, with its prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Face {
    /// Its position in the photo.
    pub area: FaceBox,
    /// The prediction.
    pub prediction: Prediction,
}

/// Predicts the emotions of faces with the best weights of a run, at its temperature and with its threshold.
///
/// ```no_run
/// use fer_nb::prelude::*;
///
/// let predictor = Predictor::pretrained(device()?)?;
/// let photo = Photo::open("group.jpg")?;
/// for face in predictor.predict_photo(&photo, &FaceDetector::for_photos())? {
///     println!("at {:.0}, {:.0}: {}", face.area.left, face.area.top, face.prediction);
/// }
/// # Ok::<(), Error>(())
/// ```
pub struct Predictor {
    network: Box<dyn Network>,
    temperature: Temperature,
    threshold: Threshold,
    trained_on: String,
    is_of_sample: bool,
    /// For faces that were cut out of photos.
    light: Option<LightRule>,
}

brief!(Predictor, |predictor| "{}, trained on {}", predictor.network.name(), predictor.trained_on);

impl Predictor {
    /// Loads `best.safetensors` of a run folder, with the temperature and the threshold that were fitted
    /// for it by notebook 05_validation or `fer evaluate`.
    ///
    /// # Errors
    /// [`Error::Missing`] for a run that does not exist or has no weights, [`Error::File`] for one that can't be
    /// used, or whose weights are damaged; [`RunFolder::unchecked`] accepts damaged weights.
    pub fn load(run: impl Into<RunFolder>, device: Device) -> Result<Self> {
        let run = run.into();
        let network = run.network(device)?;
        let temperature = Temperature::of_run(&run)?;
        let threshold = Threshold::of_run(&run)?;
        let config = run.config()?;
        let is_of_sample = config.is_of_sample();
        let light = LightRule::of(&*network);
        let trained_on = config.data_title;
        Ok(Self { network, temperature, threshold, trained_on, is_of_sample, light })
    }

    /// Loads the default pretrained weights, which were trained on FER2013: [`RunFolder::pretrained`]. Other
    /// pretrained weights are loaded by their name: `Predictor::load(pretrained("seed_cnn"), device()?)`.
    ///
    /// # Errors
    /// As [`Predictor::load`].
    pub fn pretrained(device: Device) -> Result<Self> {
        Self::load(RunFolder::pretrained().path(), device)
    }

    /// Changes the dtype of the computation, initially float32. bfloat16 is faster if the hardware supports it, and
    /// its probabilities have about two correct digits.
    ///
    /// # Errors
    /// [`Error::Tensor`] if libtorch reports an error.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        let parameters = self.network.parameters_mut();
        let kind = precision.kind(parameters.device());
        parameters.set_kind(kind)
    }

    /// The threshold of uncertain predictions; 0 if none was fitted.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The title of the training data: "FER2013", "made-up sample" or the name of a folder.
    pub fn trained_on(&self) -> &str {
        &self.trained_on
    }

    /// Whether it was trained on drawn faces, the made-up sample: its predictions for people have no meaning.
    pub fn is_of_sample(&self) -> bool {
        self.is_of_sample
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// Predicts a picture of one face: any JPEG, PNG, WebP or BMP, cropped to its middle square.
    ///
    /// # Errors
    /// As [`Photo::open`].
    pub fn predict_file(&self, path: impl AsRef<Path>) -> Result<Prediction> {
        self.predict_pixels(&Photo::open(path)?.middle_square()?)
    }

    /// Predicts one face, u8 [48 × 48], row-major.
    ///
    /// # Errors
    /// [`Error::Input`] for a face of another size.
    pub fn predict_pixels(&self, pixels: &[u8]) -> Result<Prediction> {
        let predictions = self.predict_batch(&[pixels])?;
        predictions.first().copied().ok_or_else(|| Error::input("logits", 0, "one row"))
    }

    /// Predicts faces, u8 [48 × 48] each, in one batch.
    ///
    /// # Errors
    /// [`Error::Input`] for a face of another size.
    pub fn predict_batch<P: AsRef<[u8]>>(&self, faces: &[P]) -> Result<Vec<Prediction>> {
        if faces.is_empty() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(faces.len() * PIXELS);
        for face in faces {
            let pixels = face.as_ref();
            if pixels.len() != PIXELS {
                let expected = format!("{PIXELS}, an image of {SIDE}×{SIDE}");
                return Err(Error::input("pixels", pixels.len(), expected));
            }
            bytes.extend_from_slice(pixels);
        }
        let side = SIDE as i64;
        let images = Tensor::f_from_slice(&bytes)?
            .f_reshape([faces.len() as i64, 1, side, side])?
            .f_to_device(self.network.parameters().device())
            .during("copying faces to the device")?;
        self.calibrated(&logits_of(&*self.network, &images).during("classifying faces")?)
    }

    /// Predicts all faces of a photo, the largest first; the result is empty if no face was found.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub fn predict_photo(&self, photo: &Photo, detector: &FaceDetector) -> Result<Vec<Face>> {
        self.predict_areas(photo, detector.detect(photo)?)
    }

    /// Predicts faces that were found in a photo.
    ///
    /// # Errors
    /// [`Error::Tensor`] if the device has too little memory.
    pub(super) fn predict_areas(&self, photo: &Photo, areas: Vec<FaceBox>) -> Result<Vec<Face>> {
        let crops = areas.iter().map(|area| area.crop(photo.gray())).collect::<Result<Vec<_>>>()?;
        let predictions = self.predict_crops(&crops)?;
        let faces = areas.into_iter().zip(predictions);
        Ok(faces.map(|(area, prediction)| Face { area, prediction }).collect())
    }

    /// Predicts faces cropped from photos, u8 [48 × 48] each: as [`Predictor::predict_batch`], after adjusting
    /// faces whose light is rare in FER2013.
    ///
    /// # Errors
    /// As [`Predictor::predict_batch`].
    pub(super) fn predict_crops(&self, crops: &[Vec<u8>]) -> Result<Vec<Prediction>> {
        let Some(rule) = self.light else { return self.predict_batch(crops) };
        let lit: Vec<_> = crops.iter().map(|crop| rule.apply(crop)).collect();
        self.predict_batch(&lit)
    }

    /// Predicts every image of a data set, in order.
    ///
    /// # Errors
    /// [`Error::Stopped`] after the batch in flight if the user stops it.
    pub fn predict(&self, data: &Dataset) -> Result<Vec<Prediction>> {
        self.calibrated(&logits(&*self.network, data).during("classifying images")?)
    }

    /// Predictions of logits f32 [N, 7].
    fn calibrated(&self, logits: &Tensor) -> Result<Vec<Prediction>> {
        rows(logits)?
            .into_iter()
            .map(|row| Prediction::from_logits(row)?.calibrated(self.temperature, self.threshold))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::export::Exported;
    use crate::emotion::Emotion;
    use crate::project::{PRETRAINED, data_file, pretrained};

    #[test]
    fn weights_that_come_with_the_project_are_whole_and_know_a_smile() {
        let photo = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in PRETRAINED {
            let run = RunFolder::at(pretrained(name));
            assert!(std::fs::metadata(run.weights()).unwrap().len() <= 25_000_000, "{name}");
            let card = std::fs::read_to_string(run.path().join("model_card.md")).unwrap();
            for part in ["rounded to float16", "## Results", "## Limits"] {
                assert!(card.contains(part), "{name}: {part}");
            }
            let predictor = Predictor::load(run.path(), Device::Cpu).unwrap();
            // Both are those of these very weights, or they would be the defaults.
            let temperature = Temperature::of_run(&run).unwrap();
            assert_ne!(temperature, Temperature::default(), "{name}");
            assert_ne!(predictor.threshold(), Threshold::default(), "{name}");
            assert_eq!(predictor.trained_on(), "FER2013", "{name}");
            let faces = predictor.predict_photo(&photo, &FaceDetector::for_photos()).unwrap();
            let [Face { prediction, .. }] = faces[..] else { panic!("{name}: {faces:?}") };
            assert_eq!(prediction.emotion(), Emotion::Happy, "{name}");
            assert!(!prediction.is_uncertain(), "{name}: {prediction}");
            // In little light the same is said.
            let mut dark = photo.rgb().clone();
            dark.iter_mut().for_each(|value| *value /= 4);
            let dark = Photo::from(image::DynamicImage::ImageRgb8(dark));
            let faces = predictor.predict_photo(&dark, &FaceDetector::for_photos()).unwrap();
            let [Face { prediction: in_the_dark, .. }] = faces[..] else { panic!("{faces:?}") };
            assert_eq!(in_the_dark.emotion(), Emotion::Happy, "{name}");
            let apart = (in_the_dark.confidence() - prediction.confidence()).abs();
            assert!(apart < 0.04, "{name}: {in_the_dark} and {prediction}");
            let network = predictor.network();
            let exported = Exported { network, temperature, about: &[] };
            exported.save_onnx(folder.path().join("model.onnx"), true).unwrap();
        }
    }
}
