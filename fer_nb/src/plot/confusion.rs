//! Which class was taken for which.

use crate::common::Result;
use crate::emotion::Emotion;
use crate::plot::axis::{percent, thousands};
use crate::plot::canvas::{Align, Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{MUTED, class_color, sequential, text_on};
use crate::plot::picture::PictureBackend;

/// A cell for each pair of true and predicted class: the count, and its share of the true class,
/// which also gives the colour. Beside it, what is confused most.
#[derive(Debug, Clone)]
pub struct ConfusionPlot {
    /// What was evaluated, e.g. "FER2013 test images".
    pub subject: String,
    /// Row = true class, column = predicted class.
    pub counts: [[u64; Emotion::COUNT]; Emotion::COUNT],
    /// The accuracy's 95 % interval, 0 to 1.
    pub interval: Option<(f64, f64)>,
}

const LEFT: f64 = 330.0;
const TOP: f64 = 158.0;
const CELL: (f64, f64) = (136.0, 113.0);

impl ConfusionPlot {
    fn cells(&self) -> impl Iterator<Item = (Emotion, Emotion, u64, f64)> + '_ {
        self.counts.iter().zip(Emotion::ALL).flat_map(|(row, truth)| {
            let total: u64 = row.iter().sum();
            row.iter().zip(Emotion::ALL).map(move |(count, predicted)| {
                let share = if total == 0 { 0.0 } else { *count as f64 / total as f64 };
                (truth, predicted, *count, share)
            })
        })
    }

    /// The pairs that are confused most, by share of the true class, largest first.
    pub fn confusions(&self, count: usize) -> Vec<(Emotion, Emotion, f64)> {
        let mut pairs: Vec<_> = self
            .cells()
            .filter(|(truth, predicted, count, _)| truth != predicted && *count > 0)
            .map(|(truth, predicted, _, share)| (truth, predicted, share))
            .collect();
        pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
        pairs.truncate(count);
        pairs
    }

    fn summary<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let left = LEFT + CELL.0 * Emotion::COUNT as f64 + 70.0;
        let total: u64 = self.counts.iter().flatten().sum();
        let right: u64 =
            self.cells().filter(|(t, p, ..)| t == p).map(|(_, _, count, _)| count).sum();
        let share = percent(right as f64 / total as f64, 1);
        canvas.text("Accuracy", (left, TOP + 34.0), Type::new(32.0).color(MUTED))?;
        canvas.text(&share, (left, TOP + 114.0), Type::new(76.0).bold())?;
        let words = format!("{} of {} right", thousands(right), thousands(total));
        canvas.text(&words, (left, TOP + 160.0), Type::new(30.0).color(MUTED))?;

        if let Some((low, high)) = self.interval {
            let words = format!("95 % interval {:.1}–{:.1} %", low * 100.0, high * 100.0);
            canvas.text(&words, (left, TOP + 204.0), Type::new(30.0).color(MUTED))?;
        }

        let mut y = TOP + 290.0;
        let confusions = self.confusions(6);
        if !confusions.is_empty() {
            canvas.text("Confused most", (left, y), Type::new(32.0).color(MUTED))?;
        }
        for (truth, predicted, share) in confusions {
            y += 60.0;
            canvas.rect((left, y - 28.0), (left + 10.0, y + 8.0), class_color(truth))?;
            let words = format!("{truth} as {predicted}");
            canvas.text(&words, (left + 26.0, y), Type::new(34.0))?;
            let kind = Type::new(34.0).bold().align(Align::Right);
            canvas.text(&percent(share, 0), (1850.0, y), kind)?;
        }
        let words = "Percent: share of the true class";
        canvas.text(words, (left, TOP + 7.0 * CELL.1 - 6.0), Type::new(26.0).color(MUTED))
    }
}

impl Plot for ConfusionPlot {
    fn title(&self) -> String {
        format!("Confusion matrix, {}", self.subject)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        canvas.title(&self.title(), "")?;
        if self.counts.iter().flatten().all(|count| *count == 0) {
            return canvas.nothing("There are no predictions to compare.");
        }
        for (truth, predicted, count, share) in self.cells() {
            let x = LEFT + CELL.0 * predicted.index() as f64;
            let y = TOP + CELL.1 * truth.index() as f64;
            let background = sequential(share);
            canvas.rect((x + 1.5, y + 1.5), (x + CELL.0 - 1.5, y + CELL.1 - 1.5), background)?;
            let kind = Type::new(34.0).color(text_on(background)).centered();
            let kind = if truth == predicted { kind.bold() } else { kind };
            let middle = x + CELL.0 / 2.0;
            let (number, kind) = canvas.fit(&thousands(count), CELL.0 - 10.0, kind)?;
            canvas.text(&number, (middle, y + 54.0), kind)?;
            let kind = Type { size: 26.0, bold: false, ..kind };
            canvas.text(&percent(share, 0), (middle, y + 91.0), kind)?;
        }
        for emotion in Emotion::ALL {
            let place = emotion.index() as f64 + 0.5;
            let (x, y) = (LEFT + CELL.0 * place, TOP + CELL.1 * place);
            let kind = Type::new(32.0).bold();
            let color = class_color(emotion);
            canvas.rect((LEFT - 14.0, y - 55.0), (LEFT - 6.0, y + 55.0), color)?;
            canvas.label(emotion.name(), (LEFT - 28.0, y), kind.align(Align::Right))?;
            let bottom = TOP + CELL.1 * Emotion::COUNT as f64;
            canvas.rect((x - 66.0, bottom + 6.0), (x + 66.0, bottom + 14.0), color)?;
            canvas.text(
                emotion.name(),
                (x, bottom + 52.0),
                Type { size: 29.0, ..kind.centered() },
            )?;
        }
        let kind = Type::new(30.0).color(MUTED).centered();
        let middle = (LEFT + CELL.0 * 3.5, TOP + CELL.1 * 3.5);
        canvas.upward("true class", (100.0, middle.1), kind)?;
        canvas.text("predicted class", (middle.0, TOP + CELL.1 * 7.0 + 104.0), kind)?;
        self.summary(canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Figure;

    fn plot() -> ConfusionPlot {
        let mut counts = [[10; 7]; 7];
        for (place, row) in counts.iter_mut().enumerate() {
            row[place] = 140;
        }
        counts[1][0] = 300;
        ConfusionPlot { subject: "made-up sample".into(), counts, interval: Some((0.5, 0.6)) }
    }

    #[test]
    fn counts_shares_and_the_worst_pair_are_there() {
        let figure = Figure::new(plot()).unwrap();
        for part in ["true class", "predicted class", "disgust as angry", "61 %", "140", "made-up"]
        {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert_eq!(plot().confusions(1)[0].0, Emotion::Disgust);
        assert!(figure.png(1).is_ok());
    }

    #[test]
    fn empty_rows_and_an_empty_matrix_are_drawn() {
        let mut one = plot();
        one.counts[3] = [0; 7];
        assert!(!Figure::new(one).unwrap().svg().contains("NaN"));
        let none = ConfusionPlot { counts: [[0; 7]; 7], ..plot() };
        assert!(Figure::new(none).unwrap().svg().contains("no predictions"));
    }
}
