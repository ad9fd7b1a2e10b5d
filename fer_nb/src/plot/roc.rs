//! ROC curves of the classes.

use crate::common::Result;
use crate::evaluate::Roc;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{MUTED, class_color};
use crate::plot::picture::PictureBackend;

const LEFT: f64 = 150.0;
const RIGHT: f64 = 1160.0;
const TOP: f64 = 210.0;
const BOTTOM: f64 = 960.0;
/// A curve of more points than this shows no more; an SVG would only grow.
const MOST_POINTS: usize = 400;

/// A curve a class, with the area below it.
#[derive(Debug, Clone)]
pub struct RocPlot {
    /// What was evaluated: "FER2013 test images".
    pub subject: String,
    pub classes: Vec<Roc>,
}

impl Plot for RocPlot {
    fn title(&self) -> String {
        format!("ROC of each class against the rest, {}", self.subject)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        canvas.title(&self.title(), "")?;
        if self.classes.is_empty() {
            return canvas.nothing("There are no two classes to tell apart.");
        }
        let x = Scale { low: 0.0, high: 1.0, from: LEFT, to: RIGHT };
        let y = Scale { low: 0.0, high: 1.0, from: BOTTOM, to: TOP };
        axis::grid_lines(canvas, &y, (LEFT, RIGHT), axis::number)?;
        canvas.dashes((LEFT, BOTTOM), (RIGHT, TOP), 3.0, MUTED)?;
        let kind = Type::new(26.0).color(MUTED).centered();
        for value in axis::ticks(0.0, 1.0, 6) {
            canvas.text(&axis::number(value, 0.2), (x.at(value), BOTTOM + 36.0), kind)?;
        }
        let name = "false positive rate";
        canvas.text(name, ((LEFT + RIGHT) / 2.0, BOTTOM + 82.0), kind)?;
        canvas.text("true positive rate", (LEFT, TOP - 24.0), Type::new(28.0).bold())?;
        for roc in &self.classes {
            let step = roc.points.len().div_ceil(MOST_POINTS).max(1);
            let last = roc.points.last().into_iter();
            let places: Vec<_> = roc
                .points
                .iter()
                .step_by(step)
                .chain(last)
                .map(|(rate, hits)| (x.at(*rate), y.at(*hits)))
                .collect();
            canvas.line(&places, 5.0, class_color(roc.emotion))?;
        }
        self.legend(canvas)
    }
}

impl RocPlot {
    /// The classes by area, the largest first, and their mean.
    fn legend<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let (left, right) = (1270.0, 1800.0);
        let (bold, plain) = (Type::new(34.0).bold(), Type::new(34.0));
        canvas.text(
            "area below",
            (right, 240.0),
            Type::new(28.0).color(MUTED).align(Align::Right),
        )?;
        let mut ranked: Vec<_> = self.classes.iter().collect();
        ranked.sort_by(|one, other| other.auc.total_cmp(&one.auc));
        let mut y = 310.0;
        for roc in &ranked {
            let color = class_color(roc.emotion);
            canvas.line(&[(left, y - 12.0), (left + 56.0, y - 12.0)], 10.0, color)?;
            canvas.text(roc.emotion.name(), (left + 80.0, y), bold)?;
            canvas.text(&format!("{:.3}", roc.auc), (right, y), plain.align(Align::Right))?;
            y += 66.0;
        }
        let mean = ranked.iter().map(|roc| roc.auc).sum::<f64>() / ranked.len().max(1) as f64;
        canvas.line(&[(left, y - 34.0), (right, y - 34.0)], 2.0, MUTED)?;
        canvas.text("mean", (left + 80.0, y + 16.0), bold)?;
        canvas.text(&format!("{mean:.3}"), (right, y + 16.0), bold.align(Align::Right))?;
        canvas.dashes((left, y + 84.0), (left + 56.0, y + 84.0), 3.0, MUTED)?;
        canvas.text("chance, 0.500", (left + 80.0, y + 96.0), plain.color(MUTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;
    use crate::plot::Figure;

    #[test]
    fn classes_and_areas_are_named() {
        let classes = with_predictions(&[(0, 0), (1, 2), (3, 3), (3, 0)]).roc();
        let subject = "made-up sample".to_string();
        let figure = Figure::new(RocPlot { subject, classes }).unwrap();
        for part in ["angry", "disgust", "happy", "mean", "true positive rate"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        let nothing = RocPlot { subject: String::new(), classes: vec![] };
        assert!(Figure::new(nothing).unwrap().svg().contains("no two classes"));
    }
}
