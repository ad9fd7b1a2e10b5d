//! [`Predictor`]: a run's network, ready for single images.

use std::path::{Path, PathBuf};

use tch::{Device, Tensor};

use super::image;
use super::prediction::Prediction;
use crate::data::{Dataset, PIXELS, SIDE};
use crate::emotion::Emotion;
use crate::error::{Error, Result};
use crate::evaluate::{Temperature, rows};
use crate::model::{Network, logits, logits_of};
use crate::train::RunFolder;

/// Images at once.
const BATCH: usize = 256;

/// Classifies faces with the best weights of a run.
pub struct Predictor {
    network: Box<dyn Network>,
    /// What makes its probabilities as sure as they are right.
    temperature: Temperature,
    /// What the network was trained on, for titles: "FER2013" or "made-up sample".
    trained_on: String,
}

impl Predictor {
    /// Loads `best.safetensors` of a run folder, with the temperature that [`Temperature::save`] kept
    /// for it; notebook 05_validation and `fer evaluate` fit one.
    pub fn load(run: impl Into<PathBuf>, device: Device) -> Result<Self> {
        let run = RunFolder::at(run);
        let network = run.network(device)?;
        let temperature = Temperature::of_run(&run)?;
        Ok(Self { network, temperature, trained_on: run.config()?.data_title })
    }

    /// The temperature of its probabilities; 1 where none was fitted.
    pub fn temperature(&self) -> Temperature {
        self.temperature
    }

    /// What the network was trained on: "FER2013" or "made-up sample".
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
        if pixels.len() != PIXELS {
            let expected = format!("{PIXELS}, an image of {SIDE}×{SIDE}");
            return Err(Error::config("pixels", pixels.len(), expected));
        }
        let side = SIDE as i64;
        let images = Tensor::f_from_slice(pixels)?
            .f_reshape([1, 1, side, side])?
            .f_to_device(self.network.parameters().device())?;
        let logits = rows(&logits_of(&*self.network, &images, 1)?)?;
        let first = logits.first().ok_or_else(|| Error::config("logits", 0, "one row"))?;
        self.calibrated(*first)
    }

    fn calibrated(&self, logits: [f32; Emotion::COUNT]) -> Result<Prediction> {
        let plain = Prediction::from_logits(logits)?;
        let mut calibrated = Prediction::from_probs(self.temperature.apply(&plain.probs))?;
        // Logits decide where rounding makes two probabilities equal.
        if calibrated.emotion != plain.emotion {
            calibrated.emotion = plain.emotion;
        }
        Ok(calibrated)
    }

    /// Classifies every image of a data set, in order.
    pub fn predict(&self, data: &Dataset) -> Result<Vec<Prediction>> {
        rows(&logits(&*self.network, data, BATCH)?)?
            .into_iter()
            .map(|logits| self.calibrated(logits))
            .collect()
    }
}
