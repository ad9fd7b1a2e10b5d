//! The published results of the original Keras project, which this crate rebuilds.

use polars::prelude::{Column, DataFrame};

use crate::common::Result;
use crate::emotion::Emotion;
use crate::evaluate::report::ClassificationReport;

/// Precision, recall and F1 of one row, as published: with two digits.
type Published = [f64; 3];

/// The original's published test results: one run of the seed network on FER2013's PublicTest and
/// PrivateTest together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Original {
    /// Test images.
    pub(crate) images: u64,
    /// Share predicted correctly.
    pub accuracy: f64,
    /// Precision, recall and F1 of each class, by class index.
    classes: [Published; Emotion::COUNT],
    /// Plain means over the classes.
    macro_avg: Published,
    /// Means weighted by support.
    weighted_avg: Published,
}

/// The original's published numbers.
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

    /// Names and numbers in the order of [`ClassificationReport::rows`].
    fn rows(&self) -> impl Iterator<Item = Published> {
        self.classes.into_iter().chain([self.macro_avg, self.weighted_avg])
    }
}

impl ClassificationReport {
    /// A table of this report beside the original's: one row a class, then macro avg, weighted avg and
    /// accuracy; columns `class`, and for each of precision, recall and F1 three of f64: ours, the
    /// original's (`… original`, two digits as published) and the `… difference`, ours less the
    /// original's. The row `accuracy` has its numbers in the F1 columns, as in the report's text.
    ///
    /// The original's are of FER2013's 7,178 test images: beside another data set's they say little.
    pub(crate) fn beside_original(&self) -> Result<DataFrame> {
        let theirs = original();
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        for ((name, row), theirs) in self.rows().into_iter().zip(theirs.rows()) {
            names.push(name);
            rows.push(
                [(row.precision, theirs[0]), (row.recall, theirs[1]), (row.f1, theirs[2])]
                    .map(Some),
            );
        }
        names.push("accuracy");
        rows.push([None, None, Some((self.accuracy(), theirs.accuracy))]);
        let mut columns = vec![Column::new("class".into(), names)];
        for (place, score) in ["precision", "recall", "f1-score"].into_iter().enumerate() {
            let mut column = |name: String, of: fn((f64, f64)) -> f64| {
                let values: Vec<_> = rows.iter().map(|row| row[place].map(of)).collect();
                columns.push(Column::new(name.into(), values));
            };
            column(score.to_string(), |(ours, _)| ours);
            column(format!("{score} original"), |(_, theirs)| theirs);
            column(format!("{score} difference"), |(ours, theirs)| ours - theirs);
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
}
