//! [`ClassificationReport`]: precision, recall and F1 of each class, computed and printed as in scikit-learn.

use polars::prelude::{DataFrame, df};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::common::Result;
use crate::data::column;
use crate::emotion::Emotion;
use crate::evaluate::confusion::ConfusionMatrix;

/// One row of a report, all on 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The share of images of the class among those predicted as the class.
    pub precision: f64,
    /// The share of images predicted as the class among those of the class.
    pub recall: f64,
    /// The harmonic mean of precision and recall, 2·TP / (images of the class + predicted as it).
    #[serde(rename = "f1-score")]
    pub f1: f64,
    /// The number of images of the class; for an average, of all images.
    pub support: u64,
}

/// Precision, recall, F1 and support of the classes that have images, with accuracy and averages.
///
/// The same numbers as scikit-learn's `classification_report(labels, predictions, labels=classes, zero_division=0)`
/// with the classes that occur in the labels: an undefined share is 0, also in the averages. A prediction of a
/// class without images counts as wrong. Displayed, it is that function's text with `digits=2`, byte for byte; as
/// JSON, its `output_dict` with an additional `title`. (Two differences: if no prediction is correct, scikit-learn
/// 1.9 prints each support with ".0" after it, because of its types; and if a class without images was predicted,
/// it has "micro avg" instead of the accuracy.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationReport {
    #[serde(default)]
    title: String,
    #[serde(flatten, with = "by_class")]
    classes: [Scores; Emotion::COUNT],
    accuracy: f64,
    #[serde(rename = "macro avg")]
    macro_avg: Scores,
    #[serde(rename = "weighted avg")]
    weighted_avg: Scores,
}

/// The classes' scores in JSON: a key for each class that has images.
mod by_class {
    use std::collections::BTreeMap;

    use super::*;

    type Classes = [Scores; Emotion::COUNT];

    pub(super) fn serialize<S: Serializer>(classes: &Classes, to: S) -> Result<S::Ok, S::Error> {
        let present = Emotion::names().into_iter().zip(classes);
        to.collect_map(present.filter(|(_, scores)| scores.support > 0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Classes, D::Error> {
        let present = BTreeMap::<Emotion, Scores>::deserialize(from)?;
        Ok(Emotion::ALL.map(|class| present.get(&class).copied().unwrap_or_default()))
    }
}

impl ConfusionMatrix {
    /// Precision, recall and F1 of each class that has images.
    pub fn report(&self) -> ClassificationReport {
        self.report_over(&self.classes())
    }

    /// [`ConfusionMatrix::report`] with averages over the given classes, even those without images.
    pub(super) fn report_over(&self, classes: &[Emotion]) -> ClassificationReport {
        ClassificationReport::from_counts(self, classes)
    }
}

impl ClassificationReport {
    fn from_counts(matrix: &ConfusionMatrix, averaged: &[Emotion]) -> Self {
        let predicted = matrix.predicted();
        let mut classes = [Scores::default(); Emotion::COUNT];
        for (index, (scores, (row, predicted))) in
            classes.iter_mut().zip(matrix.counts().iter().zip(predicted)).enumerate()
        {
            let hits = row.get(index).copied().unwrap_or_default();
            let support: u64 = row.iter().sum();
            *scores = Scores {
                precision: share(hits, predicted),
                recall: share(hits, support),
                f1: share(2 * hits, support + predicted),
                support,
            };
        }
        let total = matrix.total();
        // Sums in class order and one division at the end, as in numpy, so that rounding to two digits always
        // equals scikit-learn's.
        let averaged = || averaged.iter().filter_map(|class| classes.get(class.index()));
        let average = |weight: &dyn Fn(&Scores) -> f64| {
            let weights: f64 = averaged().map(weight).sum();
            let mean = |score: &dyn Fn(&Scores) -> f64| {
                let sum: f64 = averaged().map(|class| score(class) * weight(class)).sum();
                if weights == 0.0 { 0.0 } else { sum / weights }
            };
            Scores {
                precision: mean(&|class| class.precision),
                recall: mean(&|class| class.recall),
                f1: mean(&|class| class.f1),
                support: total,
            }
        };
        Self {
            classes,
            accuracy: share(matrix.correct(), total),
            macro_avg: average(&|_| 1.0),
            weighted_avg: average(&|class| class.support as f64),
            title: matrix.title().into(),
        }
    }

    /// The share of correct predictions, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.accuracy
    }

    /// The plain mean over the classes: each class has the same weight.
    pub fn macro_avg(&self) -> Scores {
        self.macro_avg
    }

    /// The mean weighted by support: each image has the same weight.
    pub fn weighted_avg(&self) -> Scores {
        self.weighted_avg
    }

    /// The name of the evaluated data for headings: "FER2013", "made-up sample" or the name of a folder.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The classes that have images with their scores, in class order.
    pub(crate) fn present(&self) -> impl Iterator<Item = (Emotion, Scores)> + '_ {
        let all = Emotion::ALL.into_iter().zip(self.classes);
        all.filter(|(_, scores)| scores.support > 0)
    }

    /// The scores of one class; all 0 if it has no images.
    pub fn class(&self, emotion: Emotion) -> Scores {
        self.classes.get(emotion.index()).copied().unwrap_or_default()
    }

    /// The scores of the classes that have images with their names, then both averages, in the printed order.
    pub fn rows(&self) -> Vec<(&'static str, Scores)> {
        let averages = [("macro avg", self.macro_avg), ("weighted avg", self.weighted_avg)];
        let classes = self.present().map(|(class, scores)| (class.name(), scores));
        classes.chain(averages).collect()
    }

    /// A table with a row for each class that has images, then accuracy, macro avg and weighted avg. Columns:
    /// `class` (str), `precision`, `recall`, `f1-score` (f64, 0 to 1), `support` (u64). As in the text, the
    /// accuracy is in the F1 column and its precision and recall are null.
    pub fn to_table(&self) -> Result<DataFrame> {
        let mut rows: Vec<(&str, Option<Scores>)> =
            self.rows().into_iter().map(|(name, scores)| (name, Some(scores))).collect();
        rows.insert(self.present().count(), ("accuracy", None));
        Ok(df!(
            "class" => column(&rows, |(name, _)| *name),
            "precision" => column(&rows, |(_, scores)| scores.map(|scores| scores.precision)),
            "recall" => column(&rows, |(_, scores)| scores.map(|scores| scores.recall)),
            "f1-score" => column(&rows, |(_, scores)| scores.map_or(self.accuracy, |scores| scores.f1)),
            "support" => column(&rows, |(_, scores)| scores.unwrap_or(self.macro_avg).support),
        )?)
    }
}

/// A share on 0 to 1, or 0 if it is undefined (scikit-learn's `zero_division=0`).
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// scikit-learn's text with `digits=2`, with its empty lines and the final line feed.
impl std::fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:>12}  precision    recall  f1-score   support", "")?;
        writeln!(f)?;
        let line = |f: &mut std::fmt::Formatter<'_>, name: &str, row: Scores| {
            let Scores { precision, recall, f1, support } = row;
            writeln!(f, "{name:>12}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}")
        };
        for (class, scores) in self.present() {
            line(f, class.name(), scores)?;
        }
        writeln!(f)?;
        let (accuracy, total) = (self.accuracy, self.macro_avg.support);
        writeln!(f, "{:>12}  {:>9} {:>9} {accuracy:>9.2} {total:>9}", "accuracy", "", "")?;
        line(f, "macro avg", self.macro_avg)?;
        line(f, "weighted avg", self.weighted_avg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels and predictions of the texts in testdata: disgust and sad are absent from the labels, sad and
    /// surprise from the predictions.
    const PAIRS: [(u8, u8); 12] = [
        (3, 3),
        (3, 3),
        (3, 3),
        (3, 4),
        (0, 0),
        (0, 2),
        (2, 2),
        (2, 0),
        (2, 1),
        (4, 4),
        (6, 3),
        (4, 0),
    ];

    fn report() -> ClassificationReport {
        ConfusionMatrix::from_pairs(PAIRS, "made-up sample").report()
    }

    #[test]
    fn text_is_scikit_learns() {
        assert_eq!(report().to_string(), include_str!("testdata/report.txt"));
    }

    #[test]
    fn text_of_seven_classes_is_scikit_learns() {
        let pairs = PAIRS.into_iter().chain([(1, 1), (5, 1), (5, 5)]);
        let report = ConfusionMatrix::from_pairs(pairs, "made-up sample").report();
        assert_eq!(report.to_string(), include_str!("testdata/report_of_seven.txt"));
    }

    #[test]
    fn numbers_are_scikit_learns() {
        let report = report();
        let fear = report.class(Emotion::Fear);
        assert_eq!((fear.precision, fear.recall, fear.f1, fear.support), (0.5, 1.0 / 3.0, 0.4, 3));
        assert_eq!(report.class(Emotion::Sad), Scores::default());
        assert_eq!(report.accuracy, 6.0 / 12.0);
    }

    #[test]
    fn json_has_scikit_learns_keys_and_comes_back() {
        let report = report();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["macro avg"]["support"], 12);
        assert_eq!(json["fear"]["f1-score"], 0.4);
        assert!(json.get("sad").is_none(), "{json}");
        assert_eq!(serde_json::from_value::<ClassificationReport>(json).unwrap(), report);
    }

    #[test]
    fn the_table_has_the_accuracy_between_classes_and_averages() {
        let table = report().to_table().unwrap();
        assert_eq!(table.shape(), (8, 5), "five classes have images");
        assert_eq!(table.column("class").unwrap().str().unwrap().get(5), Some("accuracy"));
        assert_eq!(table.column("precision").unwrap().f64().unwrap().get(5), None);
        assert_eq!(table.column("f1-score").unwrap().f64().unwrap().get(5), Some(0.5));
        assert_eq!(table.column("support").unwrap().u64().unwrap().get(7), Some(12));
    }

    #[test]
    fn no_image_at_all_is_all_zero() {
        let report = ConfusionMatrix::from_pairs([], "").report();
        assert_eq!((report.accuracy, report.macro_avg), (0.0, Scores::default()));
        assert_eq!(report.weighted_avg, Scores::default());
    }
}
