//! The reliability diagram: confidence against accuracy.

use crate::common::Result;
use crate::evaluate::{Bin, Calibration};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{ACCENT, INK, MUTED, SECOND, tint};
use crate::plot::picture::PictureBackend;

const LEFT: f64 = 150.0;
const RIGHT: f64 = 1240.0;
const TOP: f64 = 244.0;
const MIDDLE: f64 = 740.0;
const BOTTOM: f64 = 960.0;

/// Accuracy and images by confidence, and the same after a temperature where there is one.
#[derive(Debug, Clone)]
pub struct ReliabilityPlot {
    /// What was evaluated: "FER2013 test images".
    pub subject: String,
    pub before: Calibration,
    /// After temperature scaling, with the temperature.
    pub after: Option<(f64, Calibration)>,
}

/// Bins with fewer images than this have no accuracy worth a dot; their bars are drawn all the same.
const FEWEST: u64 = 5;

/// Bins that hold at least so many images, with their lower ends.
fn filled(calibration: &Calibration, fewest: u64) -> impl Iterator<Item = (f64, &Bin)> {
    let width = 1.0 / calibration.bins.len().max(1) as f64;
    let bins = calibration.bins.iter().map(move |bin| (bin.high - width, bin));
    bins.filter(move |(_, bin)| bin.accuracy.total >= fewest)
}

impl Plot for ReliabilityPlot {
    fn title(&self) -> String {
        format!("Reliability, {}", self.subject)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let images: u64 = self.before.bins.iter().map(|bin| bin.accuracy.total).sum();
        let subtitle = format!(
            "n = {}; upright lines span the 95 % interval of a bin's accuracy, drawn from {FEWEST} images on",
            axis::thousands(images)
        );
        canvas.title(&self.title(), &subtitle)?;
        if images == 0 {
            return canvas.nothing("No image has been evaluated.");
        }
        let x = Scale { low: 0.0, high: 1.0, from: LEFT, to: RIGHT };
        let y = Scale { low: 0.0, high: 1.0, from: MIDDLE, to: TOP };
        axis::grid_lines(canvas, &y, (LEFT, RIGHT), axis::number)?;
        canvas.dashes((LEFT, MIDDLE), (RIGHT, TOP), 3.0, MUTED)?;
        let kind = Type::new(26.0).color(MUTED).centered();
        for value in axis::ticks(0.0, 1.0, 6) {
            canvas.text(&axis::number(value, 0.2), (x.at(value), BOTTOM + 36.0), kind)?;
        }
        canvas.text("confidence", ((LEFT + RIGHT) / 2.0, BOTTOM + 82.0), kind)?;
        canvas.text("accuracy", (LEFT, TOP - 24.0), Type::new(28.0).bold())?;
        let after = self.after.as_ref().map(|(_, calibration)| calibration);
        // The one that is used lies on top.
        if let Some(after) = after {
            curve(canvas, &self.before, (&x, &y), SECOND)?;
            curve(canvas, after, (&x, &y), ACCENT)?;
        } else {
            curve(canvas, &self.before, (&x, &y), ACCENT)?;
        }

        let shown = after.unwrap_or(&self.before);
        let most = shown.bins.iter().map(|bin| bin.accuracy.total).max().unwrap_or(1).max(1);
        let heights = Scale { low: 0.0, high: most as f64, from: BOTTOM, to: MIDDLE + 70.0 };
        canvas.text("images", (LEFT, MIDDLE + 48.0), Type::new(28.0).bold())?;
        canvas.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], 2.0, MUTED)?;
        for (low, bin) in filled(shown, 1) {
            let top = heights.at(bin.accuracy.total as f64).min(BOTTOM - 3.0);
            let (from, to) = ((x.at(low) + 3.0, top), (x.at(bin.high) - 3.0, BOTTOM));
            canvas.rect(from, to, tint(ACCENT, 0.55))?;
        }
        self.words(canvas)
    }
}

impl ReliabilityPlot {
    /// What the curves are, and how far they are off, to the right of them.
    fn words<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let left = 1330.0;
        let mut y = 260.0;
        let mut entry = |color, name: &str, ece: f64| -> Result<()> {
            canvas.line(&[(left, y - 12.0), (left + 56.0, y - 12.0)], 8.0, color)?;
            canvas.dot((left + 28.0, y - 12.0), 13.0, color)?;
            canvas.text(name, (left + 80.0, y), Type::new(34.0).bold())?;
            let words = format!("calibration error {ece:.3}");
            canvas.text(&words, (left + 80.0, y + 48.0), Type::new(32.0).color(INK))?;
            y += 140.0;
            Ok(())
        };
        match &self.after {
            None => entry(ACCENT, "as it is", self.before.ece)?,
            Some((temperature, after)) => {
                entry(SECOND, "as it is", self.before.ece)?;
                entry(ACCENT, &format!("at temperature {temperature:.2}"), after.ece)?;
            }
        }
        canvas.dashes((left, y - 12.0), (left + 56.0, y - 12.0), 3.0, MUTED)?;
        canvas.text("as sure as right", (left + 80.0, y), Type::new(34.0).color(MUTED))?;
        for (index, line) in
            ["Below the line the network", "is surer than it is right."].iter().enumerate()
        {
            let y = y + 96.0 + 44.0 * index as f64;
            canvas.text(line, (left, y), Type::new(32.0).color(MUTED))?;
        }
        Ok(())
    }
}

/// Accuracies at the bins' mean confidences, with intervals.
fn curve<DB: PictureBackend>(
    canvas: &Canvas<'_, DB>,
    calibration: &Calibration,
    (x, y): (&Scale, &Scale),
    color: plotters::style::RGBColor,
) -> Result<()> {
    let places: Vec<_> = filled(calibration, FEWEST)
        .map(|(_, bin)| (x.at(bin.confidence), y.at(bin.accuracy.value)))
        .collect();
    for (_, bin) in filled(calibration, FEWEST) {
        let at = x.at(bin.confidence);
        let ends = [(at, y.at(bin.accuracy.low)), (at, y.at(bin.accuracy.high))];
        canvas.line(&ends, 4.0, tint(color, 0.45))?;
    }
    canvas.line(&places, 6.0, color)?;
    for place in places {
        canvas.dot(place, 11.0, color)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;
    use crate::plot::Figure;

    #[test]
    fn both_curves_are_explained() {
        let evaluation = with_predictions(&[(0, 0), (1, 2), (3, 3)]);
        let calibration = evaluation.calibration();
        let figure = |after| {
            let subject = "made-up sample".to_string();
            Figure::new(ReliabilityPlot { subject, before: calibration.clone(), after }).unwrap()
        };
        assert!(figure(None).svg().contains("as it is"));
        let both = figure(Some((1.5, calibration.clone())));
        for part in ["at temperature 1.50", "confidence", "accuracy", "images", "n = 3"] {
            assert!(both.svg().contains(part), "{part}");
        }
        let nothing = Calibration { bins: vec![], ece: 0.0 };
        let plot = ReliabilityPlot { subject: String::new(), before: nothing, after: None };
        assert!(Figure::new(plot).unwrap().svg().contains("No image"));
    }
}
