//! [`Evaluation`]: the predictions on one data set, from a network or from a table.

use polars::prelude::{Column, DataFrame, df};
use serde::Serialize;

use crate::common::text::plural;
use crate::common::{Error, Result, brief};
use crate::data::column;
use crate::emotion::Emotion;
use crate::evaluate::accuracy::Accuracy;
use crate::evaluate::confusion::{Confusion, ConfusionMatrix};
use crate::evaluate::probs::{Row, argmax, check_probs, log_sum_exp, softmax};
use crate::evaluate::report::ClassificationReport;

/// Keras' `epsilon()`: the minimum probability for the logarithm in its cross-entropy.
const EPSILON: f64 = 1e-7;

/// Labels and predictions of N images, in the data set's order, all validated: one or more images, classes 0 to 6,
/// probabilities on 0 to 1 that add up to 1, a finite loss.
///
/// ```
/// use fer_nb::evaluate::Evaluation;
/// use fer_nb::prelude::*;
///
/// let likely_happy = [0.0, 0.0, 0.1, 0.8, 0.1, 0.0, 0.0];
/// let test = Evaluation::from_probs(vec![3, 3, 2], vec![likely_happy; 3], "three faces")?;
/// assert_eq!(test.accuracy().correct, 2);
/// assert_eq!(test.most_confused(1)[0].to_string(), "fear predicted as happy: 1 (100.0 % of fear)");
/// println!("{test}\n{}", test.classification_report());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize)]
pub struct Evaluation {
    labels: Vec<u8>,
    predictions: Vec<u8>,
    probs: Vec<Row>,
    loss: f64,
    title: String,
}

brief!(
    Evaluation,
    |test| "{}, accuracy {}, {}",
    plural(test.labels.len(), "image"),
    test.accuracy(),
    test.title
);

impl Evaluation {
    /// Creates an evaluation: `labels` \[N\] on 0 to 6, `probs` \[N\] × 7 on 0 to 1, `loss` in nats. The prediction
    /// is the most probable class, the first of equals as in numpy's `argmax`.
    ///
    /// # Errors
    /// [`Error::Input`], with the image's index, for no image, for different numbers of labels and probabilities,
    /// for an invalid label, for probabilities that are NaN, outside 0 to 1 or don't add up to 1, and for a loss
    /// that is not finite.
    pub fn new(
        labels: Vec<u8>,
        probs: Vec<[f32; Emotion::COUNT]>,
        loss: f64,
        title: impl Into<String>,
    ) -> Result<Self> {
        check_labels(&labels, probs.len())?;
        for (index, row) in probs.iter().enumerate() {
            check_probs(row).map_err(|problem| {
                let expected = "seven probabilities on 0 to 1 that add up to 1";
                Error::input(format!("probs[{index}]"), problem, expected)
            })?;
        }
        if !loss.is_finite() {
            return Err(Error::input("loss", loss, "a finite number"));
        }
        let predictions = probs.iter().map(|row| argmax(row) as u8).collect();
        Ok(Self { labels, predictions, probs, loss, title: title.into() })
    }

    /// As [`Evaluation::new`], with the loss computed: the mean of −ln p of the true class. As in Keras, p is at
    /// least 1e-7.
    ///
    /// # Errors
    /// As [`Evaluation::new`].
    pub fn from_probs(
        labels: Vec<u8>,
        probs: Vec<[f32; Emotion::COUNT]>,
        title: impl Into<String>,
    ) -> Result<Self> {
        check_labels(&labels, probs.len())?;
        let loss = mean(labels.iter().zip(&probs).map(|(label, row)| {
            let p = row.get(usize::from(*label)).copied().unwrap_or_default();
            -f64::from(p).max(EPSILON).ln()
        }));
        Self::new(labels, probs, loss, title)
    }

    /// From a network's last layer before softmax: `logits` \[N\] × 7, any finite numbers. Softmax
    /// and loss are computed in f64; the prediction is the greatest logit, the first of equals.
    ///
    /// # Errors
    /// As [`Evaluation::new`], and [`Error::Input`] for logits that are not finite.
    pub fn from_logits(
        labels: Vec<u8>,
        logits: &[[f32; Emotion::COUNT]],
        title: impl Into<String>,
    ) -> Result<Self> {
        check_labels(&labels, logits.len())?;
        for (index, row) in logits.iter().enumerate() {
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                return Err(Error::input(format!("logits[{index}]"), value, "finite numbers"));
            }
        }
        let loss = mean(labels.iter().zip(logits).map(|(label, row)| {
            let logit = row.get(usize::from(*label)).copied().unwrap_or_default();
            log_sum_exp(row) - f64::from(logit)
        }));
        let probs = logits.iter().map(softmax).collect();
        let mut evaluation = Self::new(labels, probs, loss, title)?;
        // Different logits can have equal probabilities after rounding; the logits determine the prediction.
        evaluation.predictions = logits.iter().map(|row| argmax(row) as u8).collect();
        Ok(evaluation)
    }

    /// The same predictions with other probabilities, f32 [N] × 7, that keep each image's order of classes, and
    /// with their loss.
    pub(super) fn with_probs(&self, probs: Vec<Row>) -> Result<Self> {
        let mut other = Self::from_probs(self.labels.clone(), probs, self.title.clone())?;
        other.predictions.clone_from(&self.predictions);
        Ok(other)
    }

    /// The same with another title.
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// The class index of each image's label, 0 to 6.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The class index of each prediction, 0 to 6.
    pub fn predictions(&self) -> &[u8] {
        &self.predictions
    }

    /// Probabilities of the seven classes, by class index; those of an image add up to 1.
    pub fn probs(&self) -> &[[f32; Emotion::COUNT]] {
        &self.probs
    }

    /// Mean cross-entropy, in nats.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// The name of the evaluated data for headings: "FER2013", "made-up sample" or the name of a folder.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The number of images, 1 or more.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one image")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The evaluation without the images at these indices; indices past the end are ignored.
    ///
    /// # Errors
    /// [`Error::Input`] if none would remain.
    pub fn without(&self, indices: &[usize]) -> Result<Self> {
        let left: Vec<usize> = (0..self.len()).filter(|index| !indices.contains(index)).collect();
        let of = |classes: &[u8]| left.iter().filter_map(|at| classes.get(*at).copied()).collect();
        let probs = left.iter().filter_map(|at| self.probs.get(*at).copied()).collect();
        // The loss of fewer images has to be computed again.
        let mut kept = Self::from_probs(of(&self.labels), probs, self.title.clone())?;
        kept.predictions = of(&self.predictions);
        Ok(kept)
    }

    /// The share of correct predictions, with its 95 % interval.
    pub fn accuracy(&self) -> Accuracy {
        let pairs = self.labels.iter().zip(&self.predictions);
        let correct = pairs.filter(|(label, predicted)| label == predicted).count();
        Accuracy::new(correct as u64, self.len() as u64)
    }

    /// Images by true and predicted class.
    pub fn confusion_matrix(&self) -> ConfusionMatrix {
        let pairs = self.labels.iter().copied().zip(self.predictions.iter().copied());
        ConfusionMatrix::from_pairs(pairs, self.title.clone())
    }

    /// Precision, recall, F1 and support of each class, as scikit-learn counts them.
    pub fn classification_report(&self) -> ClassificationReport {
        self.confusion_matrix().report()
    }

    /// The `n` most frequent mistakes, in the order of [`ConfusionMatrix::most_confused`].
    pub fn most_confused(&self, n: usize) -> Vec<Confusion> {
        self.confusion_matrix().most_confused(n)
    }

    /// A table with a row for each image, in order. Columns: `index` (u32), `true` and `predicted` (str), `correct`
    /// (bool), `confidence` (f32: probability of the predicted class), `prob_angry` … `prob_surprise` (f32).
    pub fn table(&self) -> Result<DataFrame> {
        let rows: Vec<_> = self.rows().collect();
        let mut table = df!(
            "index" => column(&rows, |row| row.0 as u32),
            "true" => column(&rows, |row| Emotion::name_of(row.1)),
            "predicted" => column(&rows, |row| Emotion::name_of(row.2)),
            "correct" => column(&rows, |row| row.1 == row.2),
            "confidence" => column(&rows, |row| row.3),
        )?;
        for emotion in Emotion::ALL {
            let probs = column(&rows, |row| self.probability(row.0, emotion.index()));
            table.with_column(Column::new(format!("prob_{emotion}").into(), probs))?;
        }
        Ok(table)
    }

    /// Each image's index, label, prediction and the prediction's probability, 0 to 1.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, u8, u8, f32)> + '_ {
        self.labels.iter().zip(&self.predictions).enumerate().map(|(at, (label, predicted))| {
            (at, *label, *predicted, self.probability(at, usize::from(*predicted)))
        })
    }

    /// One image's probability of a class index, 0 to 1; 0 past the end.
    pub(super) fn probability(&self, index: usize, class: usize) -> f32 {
        self.probs.get(index).and_then(|row| row.get(class)).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: accuracy {}, loss {:.4}", self.title, self.accuracy(), self.loss)
    }
}

fn check_labels(labels: &[u8], rows: usize) -> Result<()> {
    if labels.is_empty() || labels.len() != rows {
        let found = format!("{}, {}", plural(labels.len(), "label"), plural(rows, "prediction"));
        return Err(Error::input("evaluation", found, "one or more of each, equally many"));
    }
    match labels.iter().enumerate().find(|(_, label)| usize::from(**label) >= Emotion::COUNT) {
        Some((index, label)) => Err(Error::input(format!("labels[{index}]"), label, "0 to 6")),
        None => Ok(()),
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_hot(class: usize) -> [f32; 7] {
        let mut row = [0.0; 7];
        row[class] = 1.0;
        row
    }

    #[test]
    fn the_first_of_equals_is_predicted() {
        let tied = [0.0, 0.3, 0.3, 0.1, 0.3, 0.0, 0.0];
        let evaluation = Evaluation::new(vec![1, 4], vec![tied; 2], 1.0, "ties").unwrap();
        assert_eq!(evaluation.predictions, [1, 1]);
        assert_eq!(evaluation.accuracy().value, 0.5);
    }

    #[test]
    fn bad_values_are_named() {
        let refused = |labels: Vec<u8>, probs: Vec<[f32; 7]>, loss: f64| match Evaluation::new(
            labels, probs, loss, "",
        ) {
            Err(Error::Input { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(vec![0, 1], vec![one_hot(0)], 0.0), "evaluation");
        assert_eq!(refused(vec![], vec![], 0.0), "evaluation");
        assert_eq!(refused(vec![0, 7], vec![one_hot(0); 2], 0.0), "labels[1]");
        let mut row = one_hot(2);
        row[4] = f32::NAN;
        assert_eq!(refused(vec![0, 1], vec![one_hot(0), row], 0.0), "probs[1]");
        assert_eq!(refused(vec![0], vec![[0.5; 7]], 0.0), "probs[0]");
        assert_eq!(refused(vec![0], vec![[3.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0]], 0.0), "probs[0]");
        assert_eq!(refused(vec![0], vec![one_hot(0)], f64::NAN), "loss");
        let infinite = [[f32::INFINITY, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]];
        let refused = Evaluation::from_logits(vec![0], &infinite, "");
        assert!(matches!(refused, Err(Error::Input { what, .. }) if what == "logits[0]"));
    }

    #[test]
    fn softmax_and_loss_hold_at_the_extremes() {
        let logits = [[1e30f32, 0.0, 0.0, 0.0, 0.0, 0.0, -1e30], [0.0; 7]];
        let evaluation = Evaluation::from_logits(vec![0, 6], &logits, "").unwrap();
        assert_eq!(evaluation.probs[0], one_hot(0));
        assert!((evaluation.loss - 7f64.ln() / 2.0).abs() < 1e-12, "{}", evaluation.loss);
        // Keras: CategoricalCrossentropy()([[1, 0, …]], [[0, 1, …]]) = 16.118
        let wrong = Evaluation::from_probs(vec![1], vec![one_hot(0)], "").unwrap();
        assert!((wrong.loss - 16.118_095_650_958_32).abs() < 1e-9, "{}", wrong.loss);
    }

    #[test]
    fn images_can_be_left_out() {
        let probs = vec![one_hot(3), one_hot(5), one_hot(1)];
        let all = Evaluation::from_probs(vec![3, 2, 1], probs, "made-up sample").unwrap();
        let right = all.without(&[1, 99]).unwrap();
        assert_eq!((right.labels.clone(), right.accuracy().value), (vec![3, 1], 1.0));
        assert!(right.loss < all.loss);
        assert!(all.without(&[0, 1, 2]).is_err());
    }

    #[test]
    fn logits_decide_where_rounding_makes_probabilities_equal() {
        let close = [[0.0, 1e-9, 0.0, 0.0, 0.0, 0.0, 0.0]];
        let evaluation = Evaluation::from_logits(vec![1], &close, "").unwrap();
        assert_eq!(evaluation.probs[0][0], evaluation.probs[0][1]);
        assert_eq!(evaluation.predictions, [1]);
    }

    #[test]
    fn the_table_has_a_row_an_image() {
        let probs = vec![one_hot(3), one_hot(5)];
        let evaluation = Evaluation::from_probs(vec![3, 2], probs, "made-up sample").unwrap();
        let table = evaluation.table().unwrap();
        assert_eq!(table.shape(), (2, 12));
        let text = |column: &str| table.column(column).unwrap().str().unwrap().get(1);
        assert_eq!((text("true"), text("predicted")), (Some("fear"), Some("sad")));
        assert_eq!(table.column("correct").unwrap().bool().unwrap().get(0), Some(true));
        assert_eq!(table.column("prob_sad").unwrap().f32().unwrap().get(1), Some(1.0));
        assert_eq!(
            evaluation.to_string(),
            "made-up sample: accuracy 0.5000 (95 % interval 0.095–0.905, n = 2), loss 8.0590"
        );
    }
}
