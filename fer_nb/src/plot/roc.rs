//! ROC curves of the classes.

use polars::prelude::df;

use crate::common::Result;
use crate::data::column;
use crate::evaluate::{Evaluation, Roc};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, class_color};

impl Evaluation {
    /// The ROC curve of each class against the rest, with the area below it.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn roc_figure(&self) -> Result<Figure> {
        let absent = self.classification_report().absent_subtitle();
        let curves = self.roc();
        let points: Vec<_> = curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| (curve.emotion, *point)))
            .collect();
        let data = df!(
            "class" => column(&points, |(class, _)| class.name()),
            "false_positive_rate" => column(&points, |(_, (rate, _))| *rate),
            "true_positive_rate" => column(&points, |(_, (_, rate))| *rate),
        )?;
        let title = format!("ROC of each class against the rest, {}", self.title());
        Ok(Figure::draw(title, |canvas| draw(canvas, &curves, &absent))?.of_data(data))
    }
}

const LEFT: f64 = 150.0;
const RIGHT: f64 = 1160.0;
const TOP: f64 = 210.0;
const BOTTOM: f64 = 960.0;
/// More points would make the file larger without a visible difference.
const MOST_POINTS: usize = 400;

fn draw(canvas: &mut Canvas, classes: &[Roc], absent: &str) -> Result<()> {
    canvas.headline(absent)?;
    if classes.is_empty() {
        return canvas.nothing("There are no two classes to tell apart.");
    }
    let x = Scale { low: 0.0, high: 1.0, from: LEFT, to: RIGHT };
    let y = Scale { low: 0.0, high: 1.0, from: BOTTOM, to: TOP };
    axis::shares(canvas, [x, y], BOTTOM, ["false positive rate", "true positive rate"]);
    for roc in classes {
        let step = roc.points.len().div_ceil(MOST_POINTS).max(1);
        let last = roc.points.last().into_iter();
        let places: Vec<_> = roc
            .points
            .iter()
            .step_by(step)
            .chain(last)
            .map(|(rate, hits)| (x.at(*rate), y.at(*hits)))
            .collect();
        canvas.line(&places, 5.0, class_color(roc.emotion));
    }
    legend(canvas, classes);
    Ok(())
}

/// The classes by area, the largest first, and their mean.
fn legend(canvas: &mut Canvas, classes: &[Roc]) {
    let (left, right) = (1270.0, 1800.0);
    let (bold, plain) = (Type::new(34.0).bold(), Type::new(34.0));
    let head = Type::new(28.0).color(MUTED).align(Align::Right);
    canvas.text("area below", (right, 240.0), head);
    let mut ranked: Vec<_> = classes.iter().collect();
    ranked.sort_by(|one, other| other.auc.total_cmp(&one.auc));
    let mut y = 310.0;
    for roc in &ranked {
        let color = class_color(roc.emotion);
        canvas.line(&[(left, y - 12.0), (left + 56.0, y - 12.0)], 10.0, color);
        canvas.text(roc.emotion.name(), (left + 80.0, y), bold);
        canvas.text(&format!("{:.3}", roc.auc), (right, y), plain.align(Align::Right));
        y += 66.0;
    }
    let mean = ranked.iter().map(|roc| roc.auc).sum::<f64>() / ranked.len().max(1) as f64;
    canvas.line(&[(left, y - 34.0), (right, y - 34.0)], 2.0, MUTED);
    canvas.text("mean", (left + 80.0, y + 16.0), bold);
    canvas.text(&format!("{mean:.3}"), (right, y + 16.0), bold.align(Align::Right));
    canvas.dashes((left, y + 84.0), (left + 56.0, y + 84.0), 3.0, MUTED);
    canvas.text("chance, 0.500", (left + 80.0, y + 96.0), plain.color(MUTED));
}

#[cfg(test)]
mod tests {
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn classes_and_areas_are_named() {
        let figure = with_predictions(&[(0, 0), (1, 2), (3, 3), (3, 0)]).roc_figure().unwrap();
        for part in ["angry", "disgust", "happy", "mean", "true positive rate"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        let figure = with_predictions(&[(0, 0)]).roc_figure().unwrap();
        assert!(figure.svg().contains("no two classes"));
    }
}
