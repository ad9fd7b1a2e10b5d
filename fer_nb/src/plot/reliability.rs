//! The reliability diagram: accuracy over confidence.

use plotters::style::RGBColor;

use polars::prelude::df;

use crate::common::Result;
use crate::common::text::count;
use crate::data::column;
use crate::evaluate::{Bin, Calibration, Evaluation, Temperature};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, MUTED, SECOND, tint};

impl Evaluation {
    /// Accuracy over confidence, without and, unless it is 1, with temperature scaling. The temperature must be
    /// fitted on other images.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn reliability_figure(&self, temperature: Temperature) -> Result<Figure> {
        let scaled = match temperature == Temperature::default() {
            true => None,
            false => {
                let scaled = self.at_temperature(temperature)?.calibration();
                Some((temperature.value(), scaled))
            }
        };
        let before = self.calibration();
        let series = std::iter::once((1.0, &before));
        let series = series.chain(scaled.as_ref().map(|(value, scaled)| (*value, scaled)));
        let rows: Vec<_> = series
            .flat_map(|(value, found)| found.bins.iter().map(move |bin| (value, *bin)))
            .collect();
        let data = df!(
            "temperature" => column(&rows, |(value, _)| *value),
            "bin_high" => column(&rows, |(_, bin)| bin.high),
            "images" => column(&rows, |(_, bin)| bin.accuracy.total as u32),
            "confidence" => column(&rows, |(_, bin)| bin.confidence),
            "accuracy" => column(&rows, |(_, bin)| bin.accuracy.value),
            "low" => column(&rows, |(_, bin)| bin.accuracy.low),
            "high" => column(&rows, |(_, bin)| bin.accuracy.high),
        )?;
        let figure = Figure::draw(format!("Reliability, {}", self.title()), |canvas| {
            draw(canvas, &before, scaled.as_ref())
        })?;
        Ok(figure.of_data(data))
    }
}

const LEFT: f64 = 150.0;
const RIGHT: f64 = 1240.0;
const TOP: f64 = 244.0;
const MIDDLE: f64 = 740.0;
const BOTTOM: f64 = 960.0;

/// Bins with fewer images have a bar but no dot: their accuracy says little.
const FEWEST: u64 = 5;

/// Bins of at least `fewest` images, with their lower ends.
fn filled(calibration: &Calibration, fewest: u64) -> impl Iterator<Item = (f64, &Bin)> {
    let width = 1.0 / calibration.bins.len().max(1) as f64;
    let bins = calibration.bins.iter().map(move |bin| (bin.high - width, bin));
    bins.filter(move |(_, bin)| bin.accuracy.total >= fewest)
}

/// The calibration, and the one after temperature scaling with its temperature.
fn draw(
    canvas: &mut Canvas,
    before: &Calibration,
    scaled: Option<&(f64, Calibration)>,
) -> Result<()> {
    let images: u64 = before.bins.iter().map(|bin| bin.accuracy.total).sum();
    canvas.headline(&format!(
        "n = {}; vertical lines span the 95 % interval of a bin's accuracy, for bins of {FEWEST} images or more",
        count(images as usize)
    ))?;
    if images == 0 {
        return canvas.nothing("No image has been evaluated.");
    }
    let x = Scale { low: 0.0, high: 1.0, from: LEFT, to: RIGHT };
    let y = Scale { low: 0.0, high: 1.0, from: MIDDLE, to: TOP };
    axis::shares(canvas, [x, y], BOTTOM, ["confidence", "accuracy"]);
    // The curve in use is drawn on top.
    let (shown, color) = match scaled {
        Some((_, scaled)) => (scaled, SECOND),
        None => (before, ACCENT),
    };
    curve(canvas, before, (&x, &y), color);
    if scaled.is_some() {
        curve(canvas, shown, (&x, &y), ACCENT);
    }
    let most = shown.bins.iter().map(|bin| bin.accuracy.total).max().unwrap_or(1).max(1);
    let heights = Scale { low: 0.0, high: most as f64, from: BOTTOM, to: MIDDLE + 70.0 };
    canvas.text("images", (LEFT, MIDDLE + 48.0), Type::new(28.0).bold());
    canvas.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], 2.0, MUTED);
    for (low, bin) in filled(shown, 1) {
        let top = heights.at(bin.accuracy.total as f64).min(BOTTOM - 3.0);
        let (from, to) = ((x.at(low) + 3.0, top), (x.at(bin.high) - 3.0, BOTTOM));
        canvas.rect(from, to, tint(ACCENT, 0.55));
    }

    let mut entries = vec![("as predicted".to_string(), before.ece, color)];
    entries
        .extend(scaled.map(|(t, scaled)| (format!("at temperature {t:.2}"), scaled.ece, ACCENT)));
    legend(canvas, &entries);
    Ok(())
}

/// Name, calibration error and colour of each curve, to the right of the curves.
fn legend(canvas: &mut Canvas, entries: &[(String, f64, RGBColor)]) {
    let left = 1330.0;
    let mut y = 260.0;
    for (name, ece, color) in entries {
        canvas.line(&[(left, y - 12.0), (left + 56.0, y - 12.0)], 8.0, *color);
        canvas.dot((left + 28.0, y - 12.0), 13.0, *color);
        canvas.text(name, (left + 80.0, y), Type::new(34.0).bold());
        let words = format!("calibration error {ece:.3}");
        canvas.text(&words, (left + 80.0, y + 48.0), Type::new(32.0));
        y += 140.0;
    }
    let kind = Type::new(32.0).color(MUTED);
    canvas.dashes((left, y - 12.0), (left + 56.0, y - 12.0), 3.0, MUTED);
    canvas.text("perfect calibration", (left + 80.0, y), Type { size: 34.0, ..kind });
    canvas.text("Below the line the network", (left, y + 96.0), kind);
    canvas.text("is overconfident.", (left, y + 140.0), kind);
}

/// Accuracies at the bins' mean confidences, with intervals.
fn curve(
    canvas: &mut Canvas,
    calibration: &Calibration,
    (x, y): (&Scale, &Scale),
    color: RGBColor,
) {
    let places: Vec<_> = filled(calibration, FEWEST)
        .map(|(_, bin)| (x.at(bin.confidence), y.at(bin.accuracy.value)))
        .collect();
    for (_, bin) in filled(calibration, FEWEST) {
        let at = x.at(bin.confidence);
        let ends = [(at, y.at(bin.accuracy.low)), (at, y.at(bin.accuracy.high))];
        canvas.line(&ends, 4.0, tint(color, 0.45));
    }
    canvas.line(&places, 6.0, color);
    for place in places {
        canvas.dot(place, 11.0, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;

    #[test]
    fn both_curves_are_explained() {
        let evaluation = with_predictions(&[(0, 0), (1, 2), (3, 3)]);
        let figure = |temperature| {
            let temperature = Temperature::new(temperature).unwrap();
            evaluation.reliability_figure(temperature).unwrap().svg().to_string()
        };
        assert!(!figure(1.0).contains("at temperature"));
        let both = figure(1.5);
        for part in ["at temperature 1.50", "confidence", "accuracy", "images", "n = 3"] {
            assert!(both.contains(part), "{part}");
        }
        let nothing = Calibration { bins: vec![], ece: 0.0 };
        let figure = Figure::draw("nothing", |canvas| draw(canvas, &nothing, None)).unwrap();
        assert!(figure.svg().contains("No image"));
    }
}
