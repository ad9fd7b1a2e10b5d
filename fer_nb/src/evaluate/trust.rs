//! [`Trust`]: the facts that belong next to an accuracy.

use std::fmt;

use serde::Serialize;

use super::{Accuracy, Evaluation, Intervals, Protocol, Temperature, Threshold};
use crate::common::{Result, text};
use crate::data::FaceData;
use crate::train::{Overlap, RunFolder};

/// The number of resamples for the intervals, and their seed.
const RESAMPLES: usize = 1000;
const SEED: u64 = 0;

/// Intervals, calibration, and the accuracy without leaked images, of one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trust {
    /// The intervals of accuracy, macro F1 and balanced accuracy.
    pub(crate) intervals: Intervals,
    /// The share of labels among the two most probable classes.
    pub(crate) top_2: Accuracy,
    /// The share of labels among the three most probable classes.
    pub(crate) top_3: Accuracy,
    /// Expected calibration error without a temperature, 0 to 1.
    pub(crate) ece: f64,
    /// The temperature fitted on validation images, and the calibration error with it.
    pub(crate) calibrated: Option<(f64, f64)>,
    /// Whether temperature and threshold were fitted on this data, and the run was trained on other data.
    #[serde(skip)]
    pub(crate) is_fitted_on_data: bool,
    /// The threshold of uncertain predictions, and the accuracy of the others on the test images.
    pub(crate) certain: Option<(Threshold, Accuracy)>,
    /// Test images that have a copy in train or validation, and the accuracy without them; without images if all
    /// have one.
    pub(crate) without_leaks: Option<(usize, Accuracy)>,
    /// The images that the run was trained on, chosen by and measured on.
    pub(crate) protocol: Option<Protocol>,
    /// How many of the test images the run was trained on; `None` if it is unknown.
    pub(crate) overlap: Option<Overlap>,
    /// [`overlap_note`].
    #[serde(skip)]
    pub(crate) overlap_note: Option<String>,
}

/// A note on the test images that a run was trained on, if the data is not the run's training data.
///
/// # Errors
/// As [`RunFolder::overlap`].
pub(crate) fn overlap_note(run: &RunFolder, data: &FaceData) -> Result<Option<String>> {
    if run.is_trained_on(data)? {
        return Ok(None);
    }
    Ok(Some(match run.overlap(&data.test)? {
        Some(overlap) => overlap.to_string(),
        None => "which of the test images were trained on is not known".into(),
    }))
}

impl Trust {
    /// The values that need only the predictions.
    ///
    /// # Errors
    /// As [`Evaluation::bootstrap`].
    pub fn of(test: &Evaluation) -> Result<Self> {
        Ok(Self {
            intervals: test.bootstrap(RESAMPLES, SEED)?,
            top_2: test.top_k(2)?,
            top_3: test.top_k(3)?,
            ece: test.calibration().ece,
            calibrated: None,
            is_fitted_on_data: false,
            certain: None,
            without_leaks: None,
            protocol: None,
            overlap: None,
            overlap_note: None,
        })
    }

    /// Adds the calibration error at a temperature that was fitted on other images.
    ///
    /// # Errors
    /// As [`Evaluation::at_temperature`].
    pub fn calibrated(self, test: &Evaluation, temperature: Temperature) -> Result<Self> {
        let ece = test.at_temperature(temperature)?.calibration().ece;
        Ok(Self { calibrated: Some((temperature.value(), ece)), ..self })
    }

    /// Records that temperature and threshold were fitted on the validation images of the evaluated data, although
    /// the run was trained on other data. Otherwise they were fitted on the run's data.
    pub fn fitted_on_data(self, is_fitted_on_data: bool) -> Self {
        Self { is_fitted_on_data, ..self }
    }

    /// The images that the temperature was fitted on: "the run's own validation images".
    pub(crate) fn fitted_on(&self) -> &'static str {
        match self.is_fitted_on_data {
            true => "this data's validation images",
            false => "the run's own validation images",
        }
    }

    /// Adds the accuracy of the predictions that are not uncertain, at the temperature for which the threshold was
    /// fitted.
    ///
    /// # Errors
    /// As [`Evaluation::at_temperature`].
    pub fn certain(
        self,
        test: &Evaluation,
        temperature: Temperature,
        threshold: Threshold,
    ) -> Result<Self> {
        let counted = test
            .at_temperature(temperature)?
            .accuracy_between(threshold.uncertain_below(), f32::MAX);
        Ok(Self { certain: Some((threshold, counted)), ..self })
    }

    /// Adds the accuracy on the test images that have no copy in train or validation.
    ///
    /// # Errors
    /// As [`Evaluation::without`].
    pub fn without_leaks(self, test: &Evaluation, data: &FaceData) -> Result<Self> {
        let leaked = data.leaked_test_images();
        let without_leaks = match leaked.is_empty() {
            true => None,
            false if leaked.len() == test.len() => Some((leaked.len(), Accuracy::new(0, 0))),
            false => Some((leaked.len(), test.without(&leaked)?.accuracy())),
        };
        Ok(Self { without_leaks, ..self })
    }

    /// Adds how many of `data`'s test images the run was trained on, if the run has a list of its images.
    ///
    /// # Errors
    /// As [`RunFolder::overlap`].
    pub fn overlap(self, run: &RunFolder, data: &FaceData) -> Result<Self> {
        let (overlap, overlap_note) = (run.overlap(&data.test)?, overlap_note(run, data)?);
        Ok(Self { overlap, overlap_note, ..self })
    }

    /// Adds the images for training, choosing and measuring.
    pub fn protocol(self, protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..self }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Intervals { accuracy, macro_f1, balanced_accuracy, resamples } = self.intervals;
        writeln!(f, "bootstrap of the test images, {resamples} times")?;
        writeln!(f, "  accuracy           {accuracy}")?;
        writeln!(f, "  macro F1           {macro_f1}")?;
        writeln!(f, "  balanced accuracy  {balanced_accuracy}")?;
        let (two, three) = (self.top_2.value, self.top_3.value);
        writeln!(f, "top-2 accuracy {two:.4}, top-3 accuracy {three:.4}")?;
        write!(f, "calibration error {:.4}", self.ece)?;
        if let Some((temperature, ece)) = self.calibrated {
            let on = self.fitted_on();
            write!(f, ", {ece:.4} at temperature {temperature:.3}, fitted on {on}")?;
        }
        if let Some((threshold, counted)) = &self.certain {
            write!(f, "\n{threshold}; of the test images: {counted}")?;
        }
        if let Some((leaked, accuracy)) = &self.without_leaks {
            let images = text::plural(*leaked, "test image");
            match accuracy.total {
                0 => write!(f, "\nall {images} have a copy in train or validation")?,
                _ => write!(
                    f,
                    "\nwithout {images} whose copy is in train or validation: accuracy {accuracy}"
                )?,
            }
        }
        if let Some(note) = &self.overlap_note {
            write!(f, "\n{note}")?;
        }
        if let Some(protocol) = &self.protocol {
            write!(f, "\n{protocol}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn everything_is_said() {
        let test = with_predictions(&[(0, 0), (1, 2), (3, 3), (3, 3)]);
        let trust = Trust::of(&test).unwrap();
        let text = trust.to_string();
        for part in ["macro F1           0.", "balanced accuracy  0.", "calibration error 0."] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("temperature"));
        let trust = trust.calibrated(&test, Temperature::new(2.0).unwrap()).unwrap();
        let own = "at temperature 2.000, fitted on the run's own validation images";
        assert!(trust.to_string().contains(own), "{trust}");
        let other = trust.clone().fitted_on_data(true).to_string();
        assert!(other.contains("fitted on this data's validation images"), "{other}");
        let threshold = Threshold::fit(&test, 0.8).unwrap();
        let text = trust.certain(&test, Temperature::default(), threshold).unwrap().to_string();
        assert!(text.contains(&format!("{threshold}; of the test images: ")), "{text}");
    }
}
