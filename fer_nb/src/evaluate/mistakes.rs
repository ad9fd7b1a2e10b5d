//! Predictions by confidence: the mistakes that a network is surest of, and how often it is right
//! when it is sure.

use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series};

use super::evaluation::name;
use super::{Accuracy, Evaluation};
use crate::common::{Error, Result};

impl Evaluation {
    /// Places of the wrong predictions, the most confident first; `n` at most.
    ///
    /// Among them are the labels that people would not agree with.
    pub fn surest_mistakes(&self, n: usize) -> Vec<usize> {
        let mut wrong: Vec<(f32, usize)> = self
            .rows()
            .filter(|(_, label, predicted, _)| label != predicted)
            .map(|(index, _, _, confidence)| (confidence, index))
            .collect();
        wrong.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        wrong.into_iter().take(n).map(|(_, index)| index).collect()
    }

    /// Places of the images with the highest loss, the highest first; `n` at most. It is the
    /// probability of the label that counts, so among them are also mistakes that were close.
    pub fn top_losses(&self, n: usize) -> Vec<usize> {
        let mut all: Vec<(f32, usize)> = self
            .rows()
            .map(|(index, label, _, _)| (self.probability(index, label), index))
            .collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        all.into_iter().take(n).map(|(_, index)| index).collect()
    }

    /// The accuracy of the images whose prediction has a confidence of at least `low` and below
    /// `high`: a calibrated network is right as often as it is sure.
    pub fn accuracy_between(&self, low: f32, high: f32) -> Accuracy {
        let chosen = self.rows().filter(|(_, _, _, sure)| (low..high).contains(sure));
        let (total, correct) = chosen.fold((0, 0), |(total, correct), (_, label, predicted, _)| {
            (total + 1, correct + u64::from(label == predicted))
        });
        Accuracy::new(correct, total)
    }

    /// A row for each of these places, in their order: `index` (u32), `true` and `predicted` (str),
    /// `confidence` and `true_probability` (f32: of the predicted class and of the label's).
    ///
    /// # Errors
    /// [`Error::Setting`] where an index is past the end.
    pub fn table_of(&self, indices: &[usize]) -> Result<DataFrame> {
        let rows = indices
            .iter()
            .map(|index| {
                self.rows().nth(*index).ok_or_else(|| {
                    Error::setting("index", index, format!("below {}", self.labels.len()))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let places: Vec<u32> = rows.iter().map(|row| row.0 as u32).collect();
        let labels: Vec<&str> = rows.iter().map(|row| name(&row.1)).collect();
        let predicted: Vec<&str> = rows.iter().map(|row| name(&row.2)).collect();
        let confidence: Vec<f32> = rows.iter().map(|row| row.3).collect();
        let of_label: Vec<f32> = rows.iter().map(|row| self.probability(row.0, row.1)).collect();
        let columns: Vec<Column> = vec![
            Series::new("index".into(), places).into_column(),
            Series::new("true".into(), labels).into_column(),
            Series::new("predicted".into(), predicted).into_column(),
            Series::new("confidence".into(), confidence).into_column(),
            Series::new("true_probability".into(), of_label).into_column(),
        ];
        Ok(DataFrame::new(rows.len(), columns)?)
    }

    /// Place, label, prediction and the prediction's probability of each image.
    fn rows(&self) -> impl Iterator<Item = (usize, u8, u8, f32)> + '_ {
        self.labels.iter().zip(&self.predictions).enumerate().map(|(index, (label, predicted))| {
            (index, *label, *predicted, self.probability(index, *predicted))
        })
    }

    fn probability(&self, index: usize, class: u8) -> f32 {
        let row = self.probs.get(index);
        row.and_then(|row| row.get(usize::from(class))).copied().unwrap_or_default()
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
