//! [`ImageChoice`]: the images for training and for validation.

use serde::{Deserialize, Serialize};

use crate::common::Result;
use crate::data::FaceData;
use crate::data::split::VALIDATION_SHARE;

/// The number of training images held back for validation, and which images are removed. Test images are never
/// removed, so that results stay comparable. The default is the data as loaded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageChoice {
    /// The share of each class's training images that is held back for validation, above 0 and below 1. A final
    /// training, with hyperparameters chosen before, needs few.
    pub validation_share: f64,
    /// Removes images that have an exact copy among the test images.
    pub without_leaks: bool,
    /// Removes images of one flat colour.
    pub without_flat: bool,
}

impl Default for ImageChoice {
    fn default() -> Self {
        Self { validation_share: VALIDATION_SHARE, without_leaks: false, without_flat: false }
    }
}

impl ImageChoice {
    /// The chosen data, with lines for the user that count the removed images; `None` if nothing changes.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::common::error::Error::Setting) if the share is out of range.
    pub fn choose(&self, data: &FaceData) -> Result<Option<(FaceData, Vec<String>)>> {
        let mut chosen = None;
        if self.validation_share != VALIDATION_SHARE {
            chosen = Some(data.with_validation_share(self.validation_share)?);
        }
        if self.without_leaks {
            chosen = Some(chosen.as_ref().unwrap_or(data).without_leaks()?);
        }
        if self.without_flat {
            chosen = Some(chosen.as_ref().unwrap_or(data).without_flat()?);
        }
        Ok(chosen.map(|chosen| {
            let lines = chosen.notes.iter().skip(data.notes.len()).cloned().collect();
            (chosen, lines)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;

    #[test]
    fn only_what_is_asked_for_is_left_out() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 350, test: 70 }).unwrap();
        assert!(ImageChoice::default().choose(&data).unwrap().is_none());
        let both =
            ImageChoice { without_leaks: true, without_flat: true, ..ImageChoice::default() };
        let (chosen, lines) = both.choose(&data).unwrap().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(chosen.test.len(), data.test.len());
        let same = data.without_leaks().unwrap().without_flat().unwrap();
        assert_eq!(chosen.fingerprint(), same.fingerprint());
        let few = ImageChoice { validation_share: 0.1, ..both };
        let (chosen, lines) = few.choose(&data).unwrap().unwrap();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(chosen.validation.len() <= 35 && !chosen.validation.is_empty());
    }
}
