//! Predictions by confidence: the most confident mistakes, and the accuracy within a range of
//! confidence.

use polars::prelude::{DataFrame, df};

use super::{Accuracy, Evaluation};
use crate::common::{Error, Result};
use crate::data::column;
use crate::emotion::Emotion;

impl Evaluation {
    /// Indices of the wrong predictions, the most confident first; at most `n`. Many of them have labels that
    /// people would not agree with.
    pub fn surest_mistakes(&self, n: usize) -> Vec<usize> {
        let mut wrong: Vec<(f32, usize)> = self
            .rows()
            .filter(|(_, label, predicted, _)| label != predicted)
            .map(|(index, _, _, confidence)| (confidence, index))
            .collect();
        wrong.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        wrong.into_iter().take(n).map(|(_, index)| index).collect()
    }

    /// Indices of the images with the highest loss, the highest first; at most `n`. The loss depends only on the
    /// label's probability, so the list also has mistakes with a low confidence.
    pub fn top_losses(&self, n: usize) -> Vec<usize> {
        let mut all: Vec<(f32, usize)> = self
            .rows()
            .map(|(index, label, _, _)| (self.probability(index, usize::from(label)), index))
            .collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        all.into_iter().take(n).map(|(_, index)| index).collect()
    }

    /// The accuracy of the predictions with a confidence of at least `low` and below `high`. For a calibrated
    /// network it is close to their mean confidence.
    pub fn accuracy_between(&self, low: f32, high: f32) -> Accuracy {
        let chosen = self.rows().filter(|(_, _, _, sure)| (low..high).contains(sure));
        let (total, correct) = chosen.fold((0, 0), |(total, correct), (_, label, predicted, _)| {
            (total + 1, correct + u64::from(label == predicted))
        });
        Accuracy::new(correct, total)
    }

    /// A table with a row for each of these indices, in their order: `index` (u32), `true` and `predicted` (str),
    /// `confidence` and `true_probability` (f32: of the predicted class and of the label).
    ///
    /// # Errors
    /// [`Error::Input`] for an index past the end.
    pub fn table_of(&self, indices: &[usize]) -> Result<DataFrame> {
        let rows = indices
            .iter()
            .map(|index| {
                self.rows()
                    .nth(*index)
                    .ok_or_else(|| Error::input("index", index, format!("below {}", self.len())))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(df!(
            "index" => column(&rows, |row| row.0 as u32),
            "true" => column(&rows, |row| Emotion::name_of(row.1)),
            "predicted" => column(&rows, |row| Emotion::name_of(row.2)),
            "confidence" => column(&rows, |row| row.3),
            "true_probability" => column(&rows, |row| self.probability(row.0, usize::from(row.1))),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_mistakes_come_first() {
        let sure = |p: f32| [p, 1.0 - p, 0.0, 0.0, 0.0, 0.0, 0.0];
        let probs = vec![sure(0.6), sure(0.9), sure(0.99), sure(0.9)];
        let evaluation = Evaluation::from_probs(vec![1, 2, 0, 3], probs, "four").unwrap();
        assert_eq!(evaluation.surest_mistakes(9), [1, 3, 0]);
        assert_eq!(evaluation.surest_mistakes(1), [1]);

        let sure = evaluation.accuracy_between(0.9, 0.95);
        assert_eq!((sure.correct, sure.total), (0, 2));
        assert_eq!(evaluation.accuracy_between(0.95, 1.01).correct, 1);

        let table = evaluation.table_of(&[3, 0]).unwrap();
        assert_eq!(table.shape(), (2, 5));
        assert_eq!(table.column("true").unwrap().str().unwrap().get(0), Some("happy"));
        let of_label = table.column("true_probability").unwrap().f32().unwrap();
        assert!(of_label.get(1).is_some_and(|share| (share - 0.4).abs() < 1e-6));
        assert!(evaluation.table_of(&[4]).is_err());
    }
}
