//! [`EvaluationSummary`]: an evaluation's metrics in one value, for JSON.

use serde::Serialize;

use super::{AbsentClass, Accuracy, ClassificationReport, Confusion, Evaluation};
use crate::emotion::Emotion;

/// All metrics of an [`Evaluation`]: the content of `fer evaluate --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationSummary {
    title: String,
    loss: f64,
    accuracy: Accuracy,
    classification_report: ClassificationReport,
    /// Images by true (row) and predicted class (column).
    confusion_matrix: [[u64; Emotion::COUNT]; Emotion::COUNT],
    most_confused: Vec<Confusion>,
    /// Classes without images; omitted from the JSON if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent: Vec<AbsentClass>,
}

impl EvaluationSummary {
    /// The share of correct predictions, with its interval.
    pub fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    /// Mean cross-entropy, in nats.
    pub fn loss(&self) -> f64 {
        self.loss
    }
}

impl Evaluation {
    /// All metrics in one value for JSON.
    pub fn summary(&self) -> EvaluationSummary {
        let matrix = self.confusion_matrix();
        EvaluationSummary {
            title: self.title().into(),
            loss: self.loss(),
            accuracy: self.accuracy(),
            classification_report: matrix.report(),
            confusion_matrix: *matrix.counts(),
            most_confused: matrix.most_confused(usize::MAX),
            absent: matrix.absent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn json_has_a_key_for_each_metric() {
        let summary = with_predictions(&[(3, 3), (2, 5), (1, 1)]).summary();
        let json = serde_json::to_value(summary).unwrap();
        assert_eq!(
            (&json["title"], &json["accuracy"]["correct"]),
            (&"made-up sample".into(), &2.into())
        );
        assert_eq!(json["confusion_matrix"][2][5], 1);
        assert_eq!(json["classification_report"]["happy"]["recall"], 1.0);
        assert_eq!(json["most_confused"].as_array().map(Vec::len), Some(1));
        assert_eq!(json["absent"][2], serde_json::json!({ "class": "sad", "predicted": 1 }));
        let all = with_predictions(&[0, 1, 2, 3, 4, 5, 6].map(|class| (class, class))).summary();
        assert!(serde_json::to_value(all).unwrap().get("absent").is_none());
    }
}
