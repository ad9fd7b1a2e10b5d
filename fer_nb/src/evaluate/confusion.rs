//! [`ConfusionMatrix`]: the predicted classes of each true class.

use polars::prelude::{Column, DataFrame};
use serde::{Deserialize, Serialize};

use crate::common::Result;
use crate::data::column;
use crate::emotion::Emotion;

/// How often each class was predicted for each class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    counts: [[u64; Emotion::COUNT]; Emotion::COUNT],
    title: String,
}

/// One kind of mistake: images of class `truth` that were predicted as `predicted`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// The class of the label.
    pub truth: Emotion,
    /// The predicted class.
    pub predicted: Emotion,
    /// The number of images.
    pub count: u64,
    /// `count` as a share of all images of `truth`, 0 to 1.
    pub share: f64,
}

impl std::fmt::Display for Confusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { truth, predicted, count, share } = self;
        write!(f, "{truth} predicted as {predicted}: {count} ({:.1} % of {truth})", share * 100.0)
    }
}

impl ConfusionMatrix {
    /// The order of [`ConfusionMatrix::most_confused`], for the captions of figures and tables.
    pub(crate) const RANKED_BY: &'static str = "by number of images";

    /// Counts pairs of class indices 0 to 6; pairs with another index are ignored.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u8, u8)>, title: impl Into<String>) -> Self {
        let mut counts = [[0; Emotion::COUNT]; Emotion::COUNT];
        for (truth, predicted) in pairs {
            let row = counts.get_mut(usize::from(truth));
            if let Some(cell) = row.and_then(|row| row.get_mut(usize::from(predicted))) {
                *cell += 1;
            }
        }
        Self { counts, title: title.into() }
    }

    /// Images by true class (row) and predicted class (column), class indices 0 to 6.
    pub fn counts(&self) -> &[[u64; Emotion::COUNT]; Emotion::COUNT] {
        &self.counts
    }

    /// The name of the evaluated data for headings: "FER2013", "made-up sample" or the name of a folder.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The number of images.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Images on the diagonal: correct predictions.
    pub(crate) fn correct(&self) -> u64 {
        self.counts.iter().enumerate().filter_map(|(index, row)| row.get(index)).sum()
    }

    /// The number of images of a class.
    pub(crate) fn support(&self, class: Emotion) -> u64 {
        self.counts.get(class.index()).into_iter().flatten().sum()
    }

    /// The images of one class that were predicted as another, or as itself.
    pub(crate) fn count(&self, truth: Emotion, predicted: Emotion) -> u64 {
        let row = self.counts.get(truth.index());
        row.and_then(|row| row.get(predicted.index())).copied().unwrap_or_default()
    }

    /// [`ConfusionMatrix::count`] as a share of the images of `truth`, 0 to 1.
    pub(crate) fn share(&self, truth: Emotion, predicted: Emotion) -> f64 {
        match self.support(truth) {
            0 => 0.0,
            support => self.count(truth, predicted) as f64 / support as f64,
        }
    }

    /// The number of predictions of each class (column sums), by class index.
    pub(crate) fn predicted(&self) -> [u64; Emotion::COUNT] {
        let mut sums = [0; Emotion::COUNT];
        for row in &self.counts {
            for (sum, count) in sums.iter_mut().zip(row) {
                *sum += count;
            }
        }
        sums
    }

    /// Each row divided by its sum, as scikit-learn's `normalize="true"`: shares on 0 to 1, recall
    /// on the diagonal. The row of a class without images is all 0.
    pub fn normalized(&self) -> [[f64; Emotion::COUNT]; Emotion::COUNT] {
        self.counts.map(|row| {
            let support: u64 = row.iter().sum();
            row.map(|count| if support == 0 { 0.0 } else { count as f64 / support as f64 })
        })
    }

    /// The `n` most frequent mistakes, or fewer. They are ranked by number of images, as in every figure and table;
    /// equals are in class order. Ranked by share of the true class, a rare class would come first with a handful
    /// of images.
    pub fn most_confused(&self, n: usize) -> Vec<Confusion> {
        let mut all = Vec::new();
        for (truth, (row, shares)) in
            Emotion::ALL.into_iter().zip(self.counts.into_iter().zip(self.normalized()))
        {
            for (predicted, (count, share)) in
                Emotion::ALL.into_iter().zip(row.into_iter().zip(shares))
            {
                if truth != predicted && count > 0 {
                    all.push(Confusion { truth, predicted, count, share });
                }
            }
        }
        all.sort_by_key(|confusion| std::cmp::Reverse(confusion.count));
        all.truncate(n);
        all
    }

    /// A table with a row for each true class that has images: `true` (str), then a u64 column for each class that
    /// has images or was predicted, with numbers of images.
    pub fn to_table(&self) -> Result<DataFrame> {
        let classes = self.classes();
        let mut columns = vec![Column::new("true".into(), column(&classes, |class| class.name()))];
        columns.extend(self.columns().into_iter().map(|predicted| {
            let counts = column(&classes, |truth| self.count(*truth, predicted));
            Column::new(predicted.name().into(), counts)
        }));
        Ok(DataFrame::new(classes.len(), columns)?)
    }
}

/// Aligned text: counts, then each row's recall in percent. Classes without images have no row, and a column only
/// if they were predicted.
impl std::fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "confusion matrix, {} (rows: true, columns: predicted)", self.title)?;
        writeln!(f)?;
        write!(f, "{:>8}", "")?;
        let columns = self.columns();
        for class in &columns {
            write!(f, " {class:>8}")?;
        }
        writeln!(f, "   recall")?;
        for truth in self.classes() {
            write!(f, "{truth:>8}")?;
            for predicted in &columns {
                write!(f, " {:>8}", self.count(truth, *predicted))?;
            }
            writeln!(f, " {:>6.1} %", self.share(truth, truth) * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> ConfusionMatrix {
        // label: 3 3 3 3 0 0 2, predicted: 3 3 3 4 0 2 2; 9 is no class
        let pairs = [(3, 3), (3, 3), (3, 3), (3, 4), (0, 0), (0, 2), (2, 2), (9, 1), (1, 9)];
        ConfusionMatrix::from_pairs(pairs, "made-up sample")
    }

    #[test]
    fn rows_are_the_truth() {
        let matrix = small();
        assert_eq!(matrix.counts[3], [0, 0, 0, 3, 1, 0, 0]);
        assert_eq!((matrix.total(), matrix.correct()), (7, 5));
        assert_eq!(matrix.predicted(), [1, 0, 2, 3, 1, 0, 0]);
        assert_eq!(matrix.normalized()[3], [0.0, 0.0, 0.0, 0.75, 0.25, 0.0, 0.0]);
        assert_eq!(matrix.normalized()[1], [0.0; 7], "a class without images");
    }

    #[test]
    fn the_commonest_mistakes_come_first() {
        let mut matrix = small();
        matrix.counts[5][4] = 2;
        let confused = matrix.most_confused(2);
        assert_eq!(confused.len(), 2);
        assert_eq!(confused[0].to_string(), "sad predicted as neutral: 2 (100.0 % of sad)");
        assert_eq!(confused[1].to_string(), "angry predicted as fear: 1 (50.0 % of angry)");
        assert_eq!(matrix.most_confused(99).len(), 3);
        assert!(ConfusionMatrix::from_pairs([(1, 1)], "").most_confused(3).is_empty());
    }

    #[test]
    fn text_and_tables_show_the_same() {
        let matrix = small();
        let text = matrix.to_string();
        assert_eq!(text.lines().count(), 6, "angry, fear and happy have images");
        assert!(text.starts_with("confusion matrix, made-up sample"), "{text}");
        let happy = text.lines().find(|line| line.trim_start().starts_with("happy ")).unwrap();
        assert!(happy.ends_with("  75.0 %"), "{happy}");
        let widths: Vec<usize> = text.lines().skip(2).map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
        let table = matrix.to_table().unwrap();
        assert_eq!(table.shape(), (3, 5), "and neutral was predicted");
        assert_eq!(table.column("neutral").unwrap().u64().unwrap().get(2), Some(1));
        let all = (0..7).map(|class| (class, 6 - class));
        let all = ConfusionMatrix::from_pairs(all, "made-up sample");
        assert_eq!(
            (all.to_table().unwrap().shape(), all.to_string().lines().count()),
            ((7, 8), 10)
        );
    }
}
