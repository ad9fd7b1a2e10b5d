//! Displays of stage 5 in a cell.

use crate::common::Result;
use crate::common::text::{count, percent, plural, shown};
use crate::emotion::Emotion;
use crate::evaluate::tune::Study;
use crate::evaluate::{
    Accuracy, Across, ClassificationReport, ConfusionMatrix, Evaluation, Protocol, Robustness,
    Trust, original,
};
use crate::notebook::show::{Show, shows};
use crate::notebook::{Formats, Shown, Table};

/// The accuracy with its interval.
impl Shown for Accuracy {
    fn formats(&self) -> Formats {
        Formats::text(self.to_string())
    }
}

impl Show for Evaluation {
    fn overview(&self) -> Result<Table> {
        let Accuracy { correct, total, value, low, high } = self.accuracy();
        let rows = [
            ["images".to_string(), count(total as usize)],
            ["predicted right".to_string(), count(correct as usize)],
            ["accuracy".to_string(), format!("{value:.4}")],
            ["95 % interval".to_string(), format!("{low:.4}–{high:.4}")],
            ["loss".to_string(), format!("{:.4}", self.loss())],
        ];
        let table = Table::pairs(rows).right([1]).caption(format!("Evaluation, {}", self.title()));
        Ok(table.note(self.confusion_matrix().absent_note()))
    }
}

shows!(Evaluation, "number of images, accuracy with its interval, and loss");

impl Evaluation {
    /// The first `n` of [`Evaluation::most_confused`] as a table: true class, predicted class, number of images,
    /// and share of the true class.
    pub fn most_confused_table(&self, n: usize) -> Table {
        let heads = ["true", "predicted", "images", "share of the true class"];
        let caption = format!("Most confused, {}, {}", ConfusionMatrix::RANKED_BY, self.title());
        let table = Table::new(heads).right([2, 3]).caption(caption);
        self.most_confused(n).into_iter().fold(table, |table, mistake| {
            table.row([
                mistake.truth.to_string(),
                mistake.predicted.to_string(),
                count(mistake.count as usize),
                percent(mistake.share, 1),
            ])
        })
    }

    /// The classes in descending order of F1, with the original's F1 on FER2013 and the class with which each is
    /// confused most, by number of images.
    pub fn difficulty(&self) -> Table {
        let (report, published) = (self.classification_report(), original().f1());
        let confused = self.most_confused(Emotion::COUNT * Emotion::COUNT);
        let mut classes: Vec<Emotion> = report.present().map(|(class, _)| class).collect();
        let f1 = |emotion: &Emotion| report.class(*emotion).f1;
        classes.sort_by(|one, other| f1(other).total_cmp(&f1(one)));
        let heads = ["class", "F1", "original's", "recall", "test images", "confused with"];
        let caption = format!(
            "Classes by F1, most confused {}, {}",
            ConfusionMatrix::RANKED_BY,
            self.title()
        );
        let table = Table::new(heads).right([1, 2, 3, 4]).caption(caption);
        let table = table.note(report.absent_note());
        classes.into_iter().fold(table, |table, emotion| {
            let scores = report.class(emotion);
            let with = confused.iter().find(|mistake| mistake.truth == emotion).map_or_else(
                || "–".to_string(),
                |mistake| format!("{} ({})", mistake.predicted, percent(mistake.share, 0)),
            );
            table.row([
                emotion.to_string(),
                format!("{:.2}", scores.f1),
                format!("{:.2}", published.get(emotion.index()).copied().unwrap_or_default()),
                format!("{:.2}", scores.recall),
                scores.support.to_string(),
                with,
            ])
        })
    }
}

impl Show for ClassificationReport {
    fn overview(&self) -> Result<Table> {
        let table = Table::with_digits(&self.to_table()?, 2)?;
        let caption = format!("Classification report, {}", self.title());
        Ok(table.caption(caption).note(self.absent_note()))
    }
}

shows!(
    ClassificationReport,
    "the scores of each class, with scikit-learn's columns and digits",
    Display
);

impl ClassificationReport {
    /// `ClassificationReport::beside_original` as a table: our precision, recall and F1, the
    /// original's, and the difference.
    ///
    /// # Errors
    /// [`Error::Table`](crate::error::Error::Table) if it can't be built.
    pub fn comparison(&self) -> Result<Table> {
        let heads = ["class"].into_iter().chain(
            ["precision", "recall", "F1"].into_iter().flat_map(|score| [score, "original", "±"]),
        );
        let mut note = "±: ours minus the original's".to_string();
        let absent = self.absent_note();
        if !absent.is_empty() {
            note += &format!("\n{absent}");
        }
        Ok(Table::with_digits(&self.beside_original()?, 2)?
            .heads(heads)
            .caption(format!("Ours: {}. The original: FER2013", self.title()))
            .note(note))
    }
}

impl Show for ConfusionMatrix {
    fn overview(&self) -> Result<Table> {
        let caption =
            format!("Confusion matrix, {} (rows: true, columns: predicted)", self.title());
        Ok(Table::from_frame(&self.to_table()?)?.caption(caption).note(self.absent_note()))
    }
}

shows!(
    ConfusionMatrix,
    "the number of images of each true class (row) and prediction (column)",
    Display
);

impl Show for Across {
    fn overview(&self) -> Result<Table> {
        let caption = format!("{} on the test images of several data sets", self.run);
        Ok(Table::with_digits(&self.to_table()?, 3)?.caption(caption).note(self.notes()))
    }
}

shows!(Across, "one row for each data set: accuracy with its interval, macro F1 and loss", Display);

impl Show for Study {
    fn overview(&self) -> Result<Table> {
        let caption = format!("Study in {}", shown(self.folder()));
        Ok(Table::with_digits(&self.to_table()?, 4)?.caption(caption).note(self.to_string()))
    }
}

shows!(Study, "one row for each trial: its hyperparameters, its state and its value", Display);

impl Show for Robustness {
    fn overview(&self) -> Result<Table> {
        let note = format!(
            "{}. The last interval is of the difference from the images as they are, on the same images.",
            self.conditions()
        );
        let table = Table::new(Self::HEADS).right([1, 3]);
        let table = self.lines().into_iter().fold(table, Table::row);
        Ok(table.caption(format!("Accuracy on corrupted images, {}", self.title)).note(note))
    }
}

shows!(Robustness, "accuracy after each corruption, and the points lost, with their intervals");

impl Show for Trust {
    fn overview(&self) -> Result<Table> {
        let name = String::from;
        let mut rows = vec![
            [name("accuracy"), self.intervals.accuracy.to_string()],
            [name("macro F1"), self.intervals.macro_f1.to_string()],
            [name("balanced accuracy"), self.intervals.balanced_accuracy.to_string()],
            [name("top-2 accuracy"), format!("{:.4}", self.top_2.value)],
            [name("top-3 accuracy"), format!("{:.4}", self.top_3.value)],
            [name("calibration error"), format!("{:.4}", self.ece)],
        ];
        if let Some((temperature, ece)) = self.calibrated {
            let on = self.fitted_on();
            let name = format!("at temperature {temperature:.2}, fitted on {on}");
            rows.push([name, format!("{ece:.4}")]);
        }
        if let Some((threshold, counted)) = &self.certain {
            let confidence = percent(f64::from(threshold.uncertain_below()), 1);
            rows.push([
                format!("accuracy at confidence {confidence} or more"),
                counted.to_string(),
            ]);
        }
        if let Some((leaked, accuracy)) = &self.without_leaks {
            let name = format!("accuracy without {}", plural(*leaked, "leaked image"));
            let accuracy = match accuracy.total {
                0 => "– (none is left)".to_string(),
                _ => accuracy.to_string(),
            };
            rows.push([name, accuracy]);
        }
        let protocol = self.protocol.as_ref().map(Protocol::to_string);
        let notes: Vec<String> = self.overlap_note.clone().into_iter().chain(protocol).collect();
        Ok(Table::pairs(rows).note(notes.join("\n")))
    }
}

shows!(Trust, "intervals, calibration, accuracy without leaks, and the protocol", Display);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::{two_rows, with_predictions};

    #[test]
    fn an_evaluation_names_its_data() {
        let evaluation = with_predictions(&[(0, 0), (1, 0)]);
        let text = evaluation.overview().unwrap().to_string();
        assert!(text.contains("0.5000") && text.contains(evaluation.title()), "{text}");
    }

    #[test]
    fn the_easiest_class_comes_first_and_a_comparison_names_both() {
        let pairs = [(3, 3), (3, 3), (5, 5), (5, 4), (0, 0)];
        let easy = with_predictions(&pairs).difficulty().to_string();
        let place = |name| easy.find(&format!("\n{name}")).unwrap();
        assert!(place("angry") < place("happy") && place("happy") < place("sad"), "{easy}");
        assert!(easy.contains("No images of disgust, fear, neutral, surprise"), "{easy}");
        assert!(easy.contains("neutral (50 %)"), "{easy}");
        let pairs = (0..7).map(|class| (class, class));
        let report = ConfusionMatrix::from_pairs(pairs, "made-up sample").report();
        let text = report.comparison().unwrap().to_string();
        assert!(text.contains("Ours: made-up sample. The original: FER2013"), "{text}");
        assert!(text.contains("0.83") && text.contains("original"), "{text}");
    }

    #[test]
    fn figure_and_table_say_the_same_of_corrupted_images() {
        let robustness = two_rows();
        let svg = robustness.figure().unwrap().svg().to_string();
        let table = robustness.overview().unwrap();
        let (text, html) = (table.to_string(), table.html());
        for cell in robustness.lines().iter().flatten().chain([&robustness.conditions()]) {
            for shown in [&svg, &text, &html] {
                assert!(shown.contains(cell.as_str()), "{cell} in {shown}");
            }
        }
        assert!(text.contains("made-up sample"), "{text}");
    }

    #[test]
    fn figure_and_tables_rank_mistakes_the_same_way() {
        // By number of images sad as neutral leads, by share of the class disgust as angry.
        let mistakes = [((5, 4), 30), ((1, 0), 2), ((2, 6), 9), ((2, 5), 8)];
        let right = [((5, 5), 300), ((1, 1), 1), ((2, 2), 30)];
        let pairs: Vec<(u8, u8)> = mistakes
            .into_iter()
            .chain(right)
            .flat_map(|(pair, times)| std::iter::repeat_n(pair, times))
            .collect();
        let test = with_predictions(&pairs);
        let svg = test.confusion_matrix().figure().unwrap().svg().to_string();
        let table = test.most_confused_table(9).to_string();
        let ranked = test.most_confused(9);
        assert_eq!(ranked.len(), mistakes.len());
        let ascending = |places: Vec<Option<usize>>| {
            places.iter().all(Option::is_some) && places.is_sorted_by(|one, other| one < other)
        };
        let in_figure =
            ranked.iter().map(|one| svg.find(&format!("{} as {}", one.truth, one.predicted)));
        assert!(ascending(in_figure.collect()), "{svg}");
        let row = |one: &crate::evaluate::Confusion| {
            let starts = |line: &str| {
                let mut words = line.split_whitespace();
                let pair = (words.next(), words.next());
                pair == (Some(one.truth.name()), Some(one.predicted.name()))
            };
            table.lines().position(starts)
        };
        assert!(ascending(ranked.iter().map(row).collect()), "{table}");
        for shown in [&svg, &table, &test.difficulty().to_string()] {
            assert!(shown.contains(ConfusionMatrix::RANKED_BY), "{shown}");
        }
        // Of one class's mistakes, difficulty names the one that comes first.
        assert!(test.difficulty().to_string().contains("surprise (19 %)"));
    }
}
