//! [`Predictor`]: a run's network, ready for single images.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tch::{Device, Tensor};

use super::face::{self, FaceBox, FaceDetector};
use super::image::{self, Photo};
use super::prediction::Prediction;
use crate::common::{Error, Result};
use crate::data::{Dataset, PIXELS, SIDE};
use crate::emotion::Emotion;
use crate::evaluate::{Temperature, Threshold, rows};
use crate::model::{Network, logits, logits_of};
use crate::project::Precision;
use crate::train::RunFolder;

/// A face of a photo, and what the network takes it for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Face {
    /// Where it is.
    pub area: FaceBox,
    /// What it shows.
    pub prediction: Prediction,
}

/// Classifies faces with the best weights of a run.
pub struct Predictor {
    network: Box<dyn Network>,
    /// What makes its probabilities as sure as they are right.
    temperature: Temperature,
    /// Which of its answers count.
    threshold: Threshold,
    /// What the network was trained on, for titles: "FER2013", "made-up sample" or a folder's name.
    trained_on: String,
}

impl Predictor {
    /// Loads `best.safetensors` of a run folder, with the temperature and the threshold that were kept
    /// for it; notebook 05_validation and `fer evaluate` fit them.
    pub fn load(run: impl Into<PathBuf>, device: Device) -> Result<Self> {
        let run = RunFolder::at(run);
        let network = run.network(device)?;
        let temperature = Temperature::of_run(&run)?;
        let threshold = Threshold::of_run(&run)?;
        Ok(Self { network, temperature, threshold, trained_on: run.config()?.data_title })
    }

    /// Computes in another kind of number from now on; f32 at first. bfloat16 is quicker where the
    /// hardware computes in it, and has the probabilities to some two digits.
    ///
    /// # Errors
    /// Whatever libtorch refuses.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        let parameters = self.network.parameters_mut();
        let kind = precision.kind(parameters.device());
        parameters.set_kind(kind)
    }

    /// The temperature of its probabilities; 1 where none was fitted.
    pub fn temperature(&self) -> Temperature {
        self.temperature
    }

    /// Which of its answers count; all where nothing was fitted.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// What the network was trained on: "FER2013", "made-up sample" or a folder's name.
    pub fn trained_on(&self) -> &str {
        &self.trained_on
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// Classifies a picture of one face: any JPEG or PNG, cut to its middle square.
    pub fn predict_file(&self, path: impl AsRef<Path>) -> Result<Prediction> {
        self.predict_pixels(&image::load(path)?)
    }

    /// Classifies one face of u8 [48 × 48], row by row.
    pub fn predict_pixels(&self, pixels: &[u8]) -> Result<Prediction> {
        let answers = self.predict_batch(&[pixels])?;
        answers.first().copied().ok_or_else(|| Error::setting("logits", 0, "one row"))
    }

    /// Classifies faces of u8 [48 × 48] each, all at once.
    ///
    /// # Errors
    /// [`Error::Setting`] for a face of another size.
    pub fn predict_batch<P: AsRef<[u8]>>(&self, faces: &[P]) -> Result<Vec<Prediction>> {
        if faces.is_empty() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(faces.len() * PIXELS);
        for face in faces {
            let pixels = face.as_ref();
            if pixels.len() != PIXELS {
                let expected = format!("{PIXELS}, an image of {SIDE}×{SIDE}");
                return Err(Error::setting("pixels", pixels.len(), expected));
            }
            bytes.extend_from_slice(pixels);
        }
        let side = SIDE as i64;
        let images = Tensor::f_from_slice(&bytes)?
            .f_reshape([faces.len() as i64, 1, side, side])?
            .f_to_device(self.network.parameters().device())?;
        rows(&logits_of(&*self.network, &images)?)?
            .into_iter()
            .map(|logits| self.calibrated(logits))
            .collect()
    }

    /// Classifies all faces of a photo, the largest first. None is an answer, too.
    pub fn predict_photo(&self, photo: &Photo, detector: &FaceDetector) -> Result<Vec<Face>> {
        let areas = detector.detect(&photo.gray)?;
        let cuts =
            areas.iter().map(|area| face::cut(&photo.gray, area)).collect::<Result<Vec<_>>>()?;
        let answers = self.predict_batch(&cuts)?;
        Ok(areas
            .into_iter()
            .zip(answers)
            .map(|(area, prediction)| Face { area, prediction })
            .collect())
    }

    fn calibrated(&self, logits: [f32; Emotion::COUNT]) -> Result<Prediction> {
        let plain = Prediction::from_logits(logits)?;
        let mut calibrated = Prediction::from_probs(self.temperature.apply(&plain.probs))?;
        // Logits decide where rounding makes two probabilities equal.
        if calibrated.emotion != plain.emotion {
            calibrated.emotion = plain.emotion;
        }
        calibrated.uncertain = self.threshold.is_uncertain(calibrated.confidence);
        Ok(calibrated)
    }

    /// Classifies every image of a data set, in order.
    pub fn predict(&self, data: &Dataset) -> Result<Vec<Prediction>> {
        rows(&logits(&*self.network, data)?)?
            .into_iter()
            .map(|logits| self.calibrated(logits))
            .collect()
    }
}
