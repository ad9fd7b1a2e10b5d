//! [`Evaluation`]: the predictions on one data set, from a network or from a table.

use std::path::Path;

use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series};
use serde::{Deserialize, Serialize};

use crate::common::{Error, Result};
use crate::emotion::Emotion;
use crate::evaluate::accuracy::Accuracy;
use crate::evaluate::confusion::{Confusion, ConfusionMatrix};
use crate::evaluate::report::ClassificationReport;

/// Keras' `epsilon()`: the least probability that its cross-entropy takes a logarithm of.
const EPSILON: f64 = 1e-7;

/// How far seven probabilities may be from adding up to 1; bfloat16's rounding stays below.
const SUM_TOLERANCE: f64 = 0.02;

/// Labels and predictions of N images, in the data set's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Class index of each image's label, 0 to 6.
    pub labels: Vec<u8>,
    /// Class index of each prediction, 0 to 6.
    pub predictions: Vec<u8>,
    /// Probabilities of the seven classes, by class index, each image's adding up to 1.
    pub probs: Vec<[f32; Emotion::COUNT]>,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// What was evaluated, for headings: "FER2013", "made-up sample" or a folder's name.
    pub title: String,
}

/// Everything that is counted from an [`Evaluation`]: what `fer evaluate --json` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSummary {
    /// What was evaluated.
    pub title: String,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of right predictions with its interval.
    pub accuracy: Accuracy,
    /// Scores of each class.
    pub classification_report: ClassificationReport,
    /// Images by true (row) and predicted class (column).
    pub confusion_matrix: [[u64; Emotion::COUNT]; Emotion::COUNT],
    /// All kinds of mistakes, the commonest first.
    pub most_confused: Vec<Confusion>,
}

impl Evaluation {
    /// Puts an evaluation together: `labels` [N] on 0 to 6, `probs` [N] × 7 on 0 to 1, `loss` in
    /// nats. The prediction is the likeliest class, the first of equals as in numpy's `argmax`.
    ///
    /// An error where there is no image, where labels and probabilities differ in number, or where
    /// a label is no class; where probabilities are NaN, off 0 to 1 or don't add up to 1; where the
    /// loss is not finite. The image is named by its index.
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
                Error::setting(format!("probs[{index}]"), problem, expected)
            })?;
        }
        if !loss.is_finite() {
            return Err(Error::setting("loss", loss, "a finite number"));
        }
        let predictions = probs.iter().map(|row| argmax(row) as u8).collect();
        Ok(Self { labels, predictions, probs, loss, title: title.into() })
    }

    /// As [`Evaluation::new`], with the loss computed: the mean of −ln p of the true class. As in
    /// Keras, p is taken as 1e-7 where it is less.
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

    /// From a network's last layer before softmax: `logits` [N] × 7, any finite numbers. Softmax
    /// and loss are computed in f64; the prediction is the greatest logit, the first of equals.
    pub fn from_logits(
        labels: Vec<u8>,
        logits: &[[f32; Emotion::COUNT]],
        title: impl Into<String>,
    ) -> Result<Self> {
        check_labels(&labels, logits.len())?;
        for (index, row) in logits.iter().enumerate() {
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                return Err(Error::setting(format!("logits[{index}]"), value, "finite numbers"));
            }
        }
        let loss = mean(labels.iter().zip(logits).map(|(label, row)| {
            let logit = row.get(usize::from(*label)).copied().unwrap_or_default();
            log_sum_exp(row) - f64::from(logit)
        }));
        let probs = logits.iter().map(softmax).collect();
        let mut evaluation = Self::new(labels, probs, loss, title)?;
        // Logits that differ can have equal probabilities after rounding; the logits decide.
        evaluation.predictions = logits.iter().map(|row| argmax(row) as u8).collect();
        Ok(evaluation)
    }

    /// Reads labels and predictions from a CSV file: a column `label` (or `true`) of class indices
    /// or names, and either `prob_angry` … `prob_surprise` or `logit_angry` … `logit_surprise`, in
    /// any order; other columns are ignored. The title is the file's name.
    ///
    /// Errors name the file and the row, counted from 1 below the header.
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        super::table_file::read(path.as_ref())
    }

    /// Writes what [`Evaluation::table`] shows as a CSV file, which [`Evaluation::from_csv`] reads.
    pub fn to_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        super::table_file::write(self, path.as_ref())
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The same without the images of these places; places past the end are no image's.
    ///
    /// # Errors
    /// [`Error::Setting`] where none would be left.
    pub fn without(&self, indices: &[usize]) -> Result<Self> {
        let mut keep = vec![true; self.len()];
        for index in indices {
            if let Some(keep) = keep.get_mut(*index) {
                *keep = false;
            }
        }
        let mut kept = self.clone();
        let mut of_image = keep.iter().copied();
        kept.labels.retain(|_| of_image.next().unwrap_or(true));
        let mut of_image = keep.iter().copied();
        kept.predictions.retain(|_| of_image.next().unwrap_or(true));
        let mut of_image = keep.iter().copied();
        kept.probs.retain(|_| of_image.next().unwrap_or(true));
        let predictions = kept.predictions;
        // The loss of fewer images is another one.
        let mut kept = Self::from_probs(kept.labels, kept.probs, kept.title)?;
        kept.predictions = predictions;
        Ok(kept)
    }

    /// The share of right predictions, with its 95 % interval.
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

    /// The `n` commonest mistakes, most images first.
    pub fn most_confused(&self, n: usize) -> Vec<Confusion> {
        self.confusion_matrix().most_confused(n)
    }

    /// All figures in one value that can be written as JSON.
    pub fn summary(&self) -> EvaluationSummary {
        let matrix = self.confusion_matrix();
        EvaluationSummary {
            title: self.title.clone(),
            loss: self.loss,
            accuracy: self.accuracy(),
            classification_report: matrix.report(),
            confusion_matrix: matrix.counts,
            most_confused: matrix.most_confused(usize::MAX),
        }
    }

    /// One row an image, in order. Columns: `index` (u32), `true` and `predicted` (str), `correct`
    /// (bool), `confidence` (f32: probability of the predicted class), `prob_angry` …
    /// `prob_surprise` (f32).
    pub fn table(&self) -> Result<DataFrame> {
        let names = |classes: &[u8]| -> Vec<&'static str> { classes.iter().map(name).collect() };
        let pairs = || self.labels.iter().zip(&self.predictions);
        let indices: Vec<u32> = (0..self.len() as u32).collect();
        let correct: Vec<bool> = pairs().map(|(label, predicted)| label == predicted).collect();
        let confidence: Vec<f32> = self
            .predictions
            .iter()
            .zip(&self.probs)
            .map(|(predicted, row)| row.get(usize::from(*predicted)).copied().unwrap_or_default())
            .collect();
        let mut columns: Vec<Column> = vec![
            Series::new("index".into(), indices).into_column(),
            Series::new("true".into(), names(&self.labels)).into_column(),
            Series::new("predicted".into(), names(&self.predictions)).into_column(),
            Series::new("correct".into(), correct).into_column(),
            Series::new("confidence".into(), confidence).into_column(),
        ];
        for emotion in Emotion::ALL {
            let probs: Vec<f32> = self
                .probs
                .iter()
                .map(|row| row.get(emotion.index()).copied().unwrap_or_default())
                .collect();
            columns.push(Series::new(format!("prob_{emotion}").into(), probs).into_column());
        }
        Ok(DataFrame::new(self.len(), columns)?)
    }
}

impl std::fmt::Display for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: accuracy {}, loss {:.4}", self.title, self.accuracy(), self.loss)
    }
}

fn check_labels(labels: &[u8], rows: usize) -> Result<()> {
    if labels.is_empty() || labels.len() != rows {
        let found = format!("{} labels, {rows} predictions", labels.len());
        return Err(Error::setting("evaluation", found, "one or more of each, equally many"));
    }
    match labels.iter().enumerate().find(|(_, label)| usize::from(**label) >= Emotion::COUNT) {
        Some((index, label)) => Err(Error::setting(format!("labels[{index}]"), label, "0 to 6")),
        None => Ok(()),
    }
}

/// What is wrong with seven probabilities, if anything.
pub(crate) fn check_probs(row: &[f32; Emotion::COUNT]) -> std::result::Result<(), String> {
    if let Some(value) = row.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(format!("probability {value}"));
    }
    let sum: f64 = row.iter().copied().map(f64::from).sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(format!("probabilities that add up to {sum:.4}"));
    }
    Ok(())
}

/// The index of the greatest value, the first of equals, as numpy's `argmax`; NaN is never greatest.
pub(crate) fn argmax(row: &[f32; Emotion::COUNT]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in row.iter().enumerate() {
        if *value > best.1 {
            best = (index, *value);
        }
    }
    best.0
}

/// Probabilities from logits: e^x over its sum, computed in f64 from the greatest logit down so
/// that nothing overflows.
pub(crate) fn softmax(logits: &[f32; Emotion::COUNT]) -> [f32; Emotion::COUNT] {
    let log_sum = log_sum_exp(logits);
    logits.map(|logit| (f64::from(logit) - log_sum).exp() as f32)
}

fn log_sum_exp(logits: &[f32; Emotion::COUNT]) -> f64 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let greatest = f64::from(greatest);
    greatest + logits.iter().map(|logit| (f64::from(*logit) - greatest).exp()).sum::<f64>().ln()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

pub(crate) fn name(class: &u8) -> &'static str {
    Emotion::from_index(usize::from(*class)).map_or("", Emotion::name)
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
        assert_eq!(argmax(&[f32::NAN, -1.0, 0.5, f32::NAN, 0.5, 0.0, 0.0]), 2);
    }

    #[test]
    fn bad_values_are_named() {
        let say = |labels: Vec<u8>, probs: Vec<[f32; 7]>, loss: f64| {
            Evaluation::new(labels, probs, loss, "").unwrap_err().to_string()
        };
        assert_eq!(
            say(vec![0, 1], vec![one_hot(0)], 0.0),
            "evaluation = 2 labels, 1 predictions: expected one or more of each, equally many"
        );
        assert!(say(vec![], vec![], 0.0).contains("0 labels"));
        assert_eq!(say(vec![0, 7], vec![one_hot(0); 2], 0.0), "labels[1] = 7: expected 0 to 6");
        let mut row = one_hot(2);
        row[4] = f32::NAN;
        assert!(say(vec![0, 1], vec![one_hot(0), row], 0.0).starts_with("probs[1] = probab"));
        assert!(say(vec![0], vec![[0.5; 7]], 0.0).contains("add up to 3.5"));
        assert!(say(vec![0], vec![[3.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0]], 0.0).contains("3"));
        assert_eq!(
            say(vec![0], vec![one_hot(0)], f64::NAN),
            "loss = NaN: expected a finite number"
        );
        let infinite = [[f32::INFINITY, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]];
        let error = Evaluation::from_logits(vec![0], &infinite, "").unwrap_err();
        assert_eq!(error.to_string(), "logits[0] = inf: expected finite numbers");
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

    #[test]
    fn a_summary_comes_back_from_json() {
        let probs = vec![one_hot(3), one_hot(5), one_hot(1)];
        let evaluation = Evaluation::from_probs(vec![3, 2, 1], probs, "made-up sample").unwrap();
        let json = serde_json::to_string(&evaluation.summary()).unwrap();
        let back: EvaluationSummary = serde_json::from_str(&json).unwrap();
        let summary = evaluation.summary();
        // serde_json writes numbers exactly and reads them to the last bit but one.
        assert!((back.accuracy.high - summary.accuracy.high).abs() < 1e-15);
        assert_eq!(back.confusion_matrix, summary.confusion_matrix);
        assert_eq!(
            back.classification_report.to_string(),
            summary.classification_report.to_string()
        );
        assert_eq!(back.most_confused, summary.most_confused);
        assert_eq!(back.most_confused.len(), 1);
    }
}
