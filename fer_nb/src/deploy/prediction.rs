//! [`Prediction`]: the probabilities of one image's classes, and the most probable class.

use polars::prelude::{DataFrame, df};
use serde::Serialize;

use crate::common::{Error, Result};
use crate::emotion::Emotion;
use crate::evaluate::probs::{argmax, check_probs, softmax};
use crate::evaluate::{Temperature, Threshold};

/// The most probable class of one image, and the probability of each class.
///
/// Displayed, the three most probable: "happy 93.1 %, neutral 4.0 %, surprise 1.2 %", after "uncertain; " if the
/// confidence is below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prediction {
    emotion: Emotion,
    confidence: f32,
    probs: [f32; Emotion::COUNT],
    uncertain: bool,
}

impl Prediction {
    /// A prediction from probabilities on 0 to 1 that add up to 1, by class index.
    ///
    /// # Errors
    /// [`Error::Input`] for other values.
    pub fn from_probs(probs: [f32; Emotion::COUNT]) -> Result<Self> {
        check_probs(&probs).map_err(|problem| {
            Error::input("prediction", problem, "seven probabilities on 0 to 1 that add up to 1")
        })?;
        let best = argmax(&probs);
        let emotion = Emotion::from_index(best).unwrap_or(Emotion::Angry);
        let confidence = probs.get(best).copied().unwrap_or_default();
        Ok(Self { emotion, confidence, probs, uncertain: false })
    }

    /// A prediction from logits, by class index.
    ///
    /// # Errors
    /// [`Error::Input`] for numbers that are not finite.
    pub fn from_logits(logits: [f32; Emotion::COUNT]) -> Result<Self> {
        match logits.iter().find(|logit| !logit.is_finite()) {
            Some(logit) => Err(Error::input("logit", logit, "finite numbers")),
            None => Self::from_probs(softmax(&logits)),
        }
    }

    /// The same prediction at a temperature, marked as uncertain by a threshold.
    pub(super) fn calibrated(self, temperature: Temperature, threshold: Threshold) -> Result<Self> {
        let calibrated = Self::from_probs(temperature.apply(&self.probs))?;
        let uncertain = threshold.is_uncertain(calibrated.confidence);
        // The class stays, because rounding can make two probabilities equal.
        Ok(Self { emotion: self.emotion, ..calibrated }.marked(uncertain))
    }

    /// The same prediction, marked as uncertain or not.
    pub(crate) fn marked(self, uncertain: bool) -> Self {
        Self { uncertain, ..self }
    }

    /// The most probable class, the first of equals.
    pub fn emotion(&self) -> Emotion {
        self.emotion
    }

    /// The probability of the most probable class, 0 to 1. Most networks are overconfident.
    pub fn confidence(&self) -> f32 {
        self.confidence
    }

    /// Probabilities of the seven classes, by class index.
    pub fn probs(&self) -> &[f32; Emotion::COUNT] {
        &self.probs
    }

    /// Whether the confidence is below the [`Threshold`].
    pub fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// All classes with their probabilities, the most probable first; equals in class order.
    pub fn ranked(&self) -> Vec<(Emotion, f32)> {
        let mut ranked: Vec<_> = Emotion::ALL.into_iter().zip(self.probs).collect();
        ranked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        ranked
    }

    /// A table with a row for each class, the most probable first: `emotion` (str), `probability` (f32, 0 to 1).
    pub fn to_table(&self) -> Result<DataFrame> {
        let (emotions, probs): (Vec<&str>, Vec<f32>) =
            self.ranked().into_iter().map(|(emotion, prob)| (emotion.name(), prob)).unzip();
        Ok(df!("emotion" => emotions, "probability" => probs)?)
    }
}

impl std::fmt::Display for Prediction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.uncertain {
            write!(f, "uncertain; ")?;
        }
        for (rank, (emotion, prob)) in self.ranked().into_iter().take(3).enumerate() {
            let comma = if rank == 0 { "" } else { ", " };
            write!(f, "{comma}{emotion} {:.1} %", prob * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_likeliest_are_shown() {
        let probs = [0.002, 0.001, 0.01, 0.931, 0.04, 0.004, 0.012];
        let prediction = Prediction::from_probs(probs).unwrap();
        assert_eq!(prediction.emotion, Emotion::Happy);
        assert_eq!(prediction.confidence, 0.931);
        assert_eq!(prediction.to_string(), "happy 93.1 %, neutral 4.0 %, surprise 1.2 %");
        let uncertain = prediction.marked(true);
        assert!(uncertain.to_string().starts_with("uncertain; happy 93.1 %"));
        let table = prediction.to_table().unwrap();
        assert_eq!(table.shape(), (7, 2));
        assert_eq!(table.column("emotion").unwrap().str().unwrap().get(6), Some("disgust"));
    }

    #[test]
    fn logits_become_probabilities_and_nan_an_error() {
        let prediction = Prediction::from_logits([0.0; 7]).unwrap();
        assert_eq!(prediction.to_string(), "angry 14.3 %, disgust 14.3 %, fear 14.3 %");
        let refused = Prediction::from_logits([f32::NAN; 7]);
        assert!(matches!(refused, Err(Error::Input { .. })));
        assert!(Prediction::from_probs([1.0; 7]).is_err());
    }

    #[test]
    fn json_names_the_class() {
        let prediction = Prediction::from_logits([0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0]).unwrap();
        let json = serde_json::to_value(prediction).unwrap();
        assert_eq!(json["emotion"], "sad");
        assert_eq!(json.as_object().map(|object| object.len()), Some(4));
    }
}
