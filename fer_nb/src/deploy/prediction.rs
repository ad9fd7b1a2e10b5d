//! [`Prediction`]: a network's answer for one image.

use polars::prelude::{DataFrame, df};
use serde::{Deserialize, Serialize};

use crate::common::{Error, Result};
use crate::emotion::Emotion;
use crate::evaluate::evaluation::{argmax, check_probs, softmax};

/// The likeliest class of one image, and how likely the network takes each class to be.
///
/// Displayed, the three likeliest: "happy 93.1 %, neutral 4.0 %, surprise 1.2 %", and before them
/// "uncertain; " where that is the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The likeliest class, the first of equals.
    pub emotion: Emotion,
    /// Its probability, 0 to 1. Networks are commonly surer than they are right.
    pub confidence: f32,
    /// Probabilities of the seven classes, by class index.
    pub probs: [f32; Emotion::COUNT],
    /// Whether the confidence is too low for the answer to count; see
    /// [`Threshold`](crate::evaluate::Threshold).
    pub uncertain: bool,
}

impl Prediction {
    /// From probabilities on 0 to 1 that add up to 1; others are an error.
    pub fn from_probs(probs: [f32; Emotion::COUNT]) -> Result<Self> {
        check_probs(&probs).map_err(|problem| {
            Error::setting("prediction", problem, "seven probabilities on 0 to 1 that add up to 1")
        })?;
        let best = argmax(&probs);
        let emotion = Emotion::from_index(best).unwrap_or(Emotion::Angry);
        let confidence = probs.get(best).copied().unwrap_or_default();
        Ok(Self { emotion, confidence, probs, uncertain: false })
    }

    /// From the network's last layer before softmax; numbers that are not finite are an error.
    pub fn from_logits(logits: [f32; Emotion::COUNT]) -> Result<Self> {
        match logits.iter().find(|logit| !logit.is_finite()) {
            Some(logit) => Err(Error::setting("logit", logit, "finite numbers")),
            None => Self::from_probs(softmax(&logits)),
        }
    }

    /// All classes with their probabilities, the likeliest first; equals in class order.
    pub fn ranked(&self) -> Vec<(Emotion, f32)> {
        let mut ranked: Vec<_> = Emotion::ALL.into_iter().zip(self.probs).collect();
        ranked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        ranked
    }

    /// One row a class, the likeliest first: `emotion` (str), `probability` (f32, 0 to 1).
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
        let uncertain = Prediction { uncertain: true, ..prediction };
        assert!(uncertain.to_string().starts_with("uncertain; happy 93.1 %"));
        let table = prediction.to_table().unwrap();
        assert_eq!(table.shape(), (7, 2));
        assert_eq!(table.column("emotion").unwrap().str().unwrap().get(6), Some("disgust"));
    }

    #[test]
    fn logits_become_probabilities_and_nan_an_error() {
        let prediction = Prediction::from_logits([0.0; 7]).unwrap();
        assert_eq!(prediction.to_string(), "angry 14.3 %, disgust 14.3 %, fear 14.3 %");
        let error = Prediction::from_logits([f32::NAN; 7]).unwrap_err();
        assert_eq!(error.to_string(), "logit = NaN: expected finite numbers");
        assert!(Prediction::from_probs([1.0; 7]).is_err());
    }

    #[test]
    fn json_names_the_class() {
        let prediction = Prediction::from_logits([0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0]).unwrap();
        let json = serde_json::to_value(prediction).unwrap();
        assert_eq!(json["emotion"], "sad");
        assert_eq!(serde_json::from_value::<Prediction>(json).unwrap(), prediction);
    }
}
