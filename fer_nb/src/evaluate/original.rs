//! The published results of the original Keras project, which this crate rebuilds.

use polars::prelude::{Column, DataFrame};

use crate::common::Result;
use crate::emotion::Emotion;
use crate::evaluate::report::ClassificationReport;

/// Precision, recall and F1 of one row, as published: with two digits.
type Published = [f64; 3];

/// The original's published test results: one run of the seed CNN on FER2013's PublicTest and PrivateTest together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Original {
    /// Test images.
    pub(crate) images: u64,
    /// The share of correct predictions.
    pub accuracy: f64,
    /// Precision, recall and F1 of each class, by class index.
    classes: [Published; Emotion::COUNT],
    /// Plain means over the classes.
    macro_avg: Published,
    /// Means weighted by support.
    weighted_avg: Published,
}

/// The original's published results.
pub const fn original() -> Original {
    Original {
        images: 7178,
        accuracy: 0.5953,
        classes: [
            [0.51, 0.53, 0.52],
            [0.55, 0.14, 0.23],
            [0.47, 0.23, 0.31],
            [0.78, 0.87, 0.83],
            [0.49, 0.64, 0.56],
            [0.46, 0.43, 0.44],
            [0.71, 0.77, 0.74],
        ],
        macro_avg: [0.57, 0.52, 0.52],
        weighted_avg: [0.58, 0.60, 0.58],
    }
}

impl Original {
    /// The published F1 of each class, by class index.
    pub(crate) fn f1(&self) -> [f64; Emotion::COUNT] {
        self.classes.map(|[_, _, f1]| f1)
    }

    /// Precision, recall and F1 of a row of [`ClassificationReport::rows`]. Compared with fewer than seven classes,
    /// the macro average is over the same classes, and the other rows, which are for all images, are `None`.
    fn beside(&self, report: &ClassificationReport, row: &str) -> [Option<f64>; 3] {
        if let Ok(class) = row.parse::<Emotion>() {
            return self.classes[class.index()].map(Some);
        }
        let classes: Vec<Published> =
            report.present().map(|(class, _)| self.classes[class.index()]).collect();
        match (row, classes.len() == Emotion::COUNT) {
            ("macro avg", true) => self.macro_avg.map(Some),
            ("weighted avg", true) => self.weighted_avg.map(Some),
            ("accuracy", true) => [None, None, Some(self.accuracy)],
            ("macro avg", false) => {
                let mean = |score: usize| {
                    let sum: f64 = classes.iter().filter_map(|class| class.get(score)).sum();
                    sum / classes.len().max(1) as f64
                };
                [0, 1, 2].map(|score| Some(mean(score)))
            }
            _ => [None; 3],
        }
    }
}

impl ClassificationReport {
    /// A table of this report next to the original's: a row for each class, then macro avg, weighted avg and
    /// accuracy; columns `class`, and for each of precision, recall and F1 three of f64: ours, the original's (`…
    /// original`, two digits as published) and the `… difference`, ours minus the original's. The row `accuracy`
    /// has its values in the F1 columns, as in the report's text.
    ///
    /// The original's values are for FER2013's 7,178 test images: next to another data set's they say little.
    /// Classes without images have no row.
    pub(crate) fn beside_original(&self) -> Result<DataFrame> {
        let theirs = original();
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        for (name, row) in self.rows() {
            names.push(name);
            rows.push(([row.precision, row.recall, row.f1].map(Some), theirs.beside(self, name)));
        }
        names.push("accuracy");
        rows.push(([None, None, Some(self.accuracy())], theirs.beside(self, "accuracy")));
        let mut columns = vec![Column::new("class".into(), names)];
        for (place, score) in ["precision", "recall", "f1-score"].into_iter().enumerate() {
            type Pair = (Option<f64>, Option<f64>);
            let mut column = |name: String, of: fn(Pair) -> Option<f64>| {
                let values: Vec<_> =
                    rows.iter().map(|(ours, theirs)| of((ours[place], theirs[place]))).collect();
                columns.push(Column::new(name.into(), values));
            };
            column(score.to_string(), |(ours, _)| ours);
            column(format!("{score} original"), |(_, theirs)| theirs);
            column(format!("{score} difference"), |(ours, theirs)| Some(ours? - theirs?));
        }
        Ok(DataFrame::new(rows.len(), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::confusion::ConfusionMatrix;

    #[test]
    fn the_published_macro_average_is_that_of_the_classes() {
        let original = original();
        for (index, mean) in original.macro_avg.into_iter().enumerate() {
            let sum: f64 = original.classes.iter().map(|row| row[index]).sum();
            assert!((sum / 7.0 - mean).abs() < 0.0101, "{index}: {}", sum / 7.0);
        }
    }

    #[test]
    fn a_perfect_report_lies_above_it_everywhere() {
        let perfect = ConfusionMatrix::from_pairs((0..7).map(|class| (class, class)), "");
        let table = perfect.report().beside_original().unwrap();
        assert_eq!(table.shape(), (10, 10));
        let column = |name: &str| table.column(name).unwrap().f64().unwrap().clone();
        assert_eq!(column("f1-score original").get(2), Some(0.31));
        assert!((column("f1-score difference").get(9).unwrap() - 0.4047).abs() < 1e-12);
        assert_eq!(column("precision").get(9), None);
        assert!(column("recall difference").iter().flatten().all(|difference| difference > 0.0));
    }

    #[test]
    fn fewer_classes_are_compared_with_the_same_classes() {
        let two = ConfusionMatrix::from_pairs([(0, 0), (3, 3)], "").report();
        let table = two.beside_original().unwrap();
        assert_eq!(table.shape(), (5, 10));
        let theirs = table.column("f1-score original").unwrap().f64().unwrap().clone();
        let mean = theirs.get(2).unwrap();
        assert!((mean - (0.52 + 0.83) / 2.0).abs() < 1e-12, "{mean}");
        assert_eq!((theirs.get(3), theirs.get(4)), (None, None), "of all seven classes");
    }
}
