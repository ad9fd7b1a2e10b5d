//! Round numbers for axes and labels.

use plotters::style::RGBColor;

use crate::common::Result;
use crate::common::text::count;
use crate::plot::canvas::{Align, At, Canvas, Type};
use crate::plot::palette::{GRID, MUTED};

/// A linear map from values to positions on the sheet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The position of `low`, in logical units.
    pub(super) from: f64,
    /// The position of `high`, in logical units.
    pub(super) to: f64,
}

impl Scale {
    /// The position of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span == 0.0 {
            return (self.from + self.to) / 2.0;
        }
        self.from + (value - self.low) / span * (self.to - self.from)
    }
}

/// Round values from `low` to `high`: multiples of 1, 2 or 5 times a power of ten, about `count`
/// of them. Empty if the ends are not finite or not in order.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    let step = step_of(span / count as f64);
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    if step <= 0.0 || last - first > 1000.0 {
        return Vec::new();
    }
    (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
}

/// The smallest of 1, 2, 5 times a power of ten that is no less than `raw`.
fn step_of(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(10.0 * power)
}

/// The range of the finite values, widened to round numbers; 0 to 1 if there are none.
pub(super) fn round_range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let mut range: Option<(f64, f64)> = None;
    // Larger values overflow, and a figure of this size could not show them.
    for value in values.into_iter().filter(|v| v.is_finite() && v.abs() < 1e12) {
        let (low, high) = range.unwrap_or((value, value));
        range = Some((low.min(value), high.max(value)));
    }
    let Some((low, high)) = range else { return (0.0, 1.0) };
    let margin = ((high - low) * 0.05).max(high.abs().max(1e-6) * 0.01);
    let (low, high) = (low - margin, high + margin);
    let step = step_of((high - low) / 5.0);
    ((low / step).floor() * step, (high / step).ceil() * step)
}

/// A number for an axis with ticks at distances of `step`: as many decimals as the step needs.
pub(super) fn number(value: f64, step: f64) -> String {
    if value.fract() == 0.0 && step >= 1.0 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(value.abs() as usize));
    }
    let digits = (-step.abs().log10()).ceil().clamp(0.0, 8.0) as usize;
    let digits = if step * 10f64.powi(digits as i32) < 0.99 { digits + 1 } else { digits };
    format!("{value:.digits$}")
}

/// Horizontal grid lines between `left` and `right` with their values to the left.
pub(super) fn grid_lines(
    canvas: &mut Canvas,
    scale: &Scale,
    (left, right): (f64, f64),
    format: impl Fn(f64, f64) -> String,
) {
    let values = ticks(scale.low, scale.high, 6);
    let step = step_between(&values);
    let kind = Type::new(28.0).color(MUTED).align(Align::Right);
    for value in values {
        let y = scale.at(value);
        canvas.line(&[(left, y), (right, y)], 2.0, GRID);
        canvas.label(&format(value, step), (left - 16.0, y), kind);
    }
}

/// The distance between ticks, 1 if there are fewer than two.
pub(super) fn step_between(ticks: &[f64]) -> f64 {
    match ticks {
        [one, other, ..] => other - one,
        _ => 1.0,
    }
}

/// Draws the axis of epochs below a panel that ends at `bottom`, between `left` and `right`; returns the position
/// of each epoch. Only whole epochs are marked, and the first one if there is room.
pub(super) fn epochs(
    canvas: &mut Canvas,
    (first, last): (f64, f64),
    (left, right): (f64, f64),
    bottom: f64,
) -> Scale {
    let x = Scale { low: first, high: last, from: left + 14.0, to: right - 14.0 };
    let mut marks = ticks(first, last, 6);
    marks.retain(|mark| mark.fract() == 0.0);
    if marks.first().is_none_or(|mark| x.at(*mark) - x.at(first) > 60.0) {
        marks.insert(0, first);
    }
    let texts = marks.into_iter().map(|mark| (mark, number(mark, 1.0)));
    below(canvas, &x, [bottom + 42.0, bottom + 88.0], texts, "epoch");
    x
}

/// Texts at their values below a panel, and the axis' name; `baselines` are of the texts and the name.
pub(super) fn below(
    canvas: &mut Canvas,
    x: &Scale,
    baselines: [f64; 2],
    texts: impl IntoIterator<Item = (f64, String)>,
    name: &str,
) {
    let kind = Type::new(28.0).color(MUTED).centered();
    for (value, text) in texts {
        canvas.text(&text, (x.at(value), baselines[0]), kind);
    }
    canvas.text(name, ((x.from + x.to) / 2.0, baselines[1]), kind);
}

/// A panel of two shares, 0 to 1, with its diagonal and both names. The axis of `x` lies at `bottom`.
pub(super) fn shares(
    canvas: &mut Canvas,
    [x, y]: [Scale; 2],
    bottom: f64,
    [x_name, y_name]: [&str; 2],
) {
    grid_lines(canvas, &y, (x.from, x.to), number);
    canvas.dashes((x.from, y.from), (x.to, y.to), 3.0, MUTED);
    let texts = ticks(0.0, 1.0, 6).into_iter().map(|value| (value, number(value, 0.2)));
    below(canvas, &x, [bottom + 36.0, bottom + 82.0], texts, x_name);
    canvas.text(y_name, (x.from, y.to - 24.0), Type::new(28.0).bold());
}

/// A legend in one line that ends at `right`: a swatch and a text each.
pub(super) fn legend(
    canvas: &mut Canvas,
    (right, middle): At,
    entries: &[(RGBColor, Option<RGBColor>, String)],
) -> Result<()> {
    let kind = Type::new(28.0);
    let (side, gap, space) = (28.0, 12.0, 44.0);
    let mut x = right;
    for (fill, outline, text) in entries.iter().rev() {
        x -= canvas.width_of(text, kind)?;
        canvas.label(text, (x, middle), kind);
        x -= gap + side;
        let (from, to) = ((x, middle - side / 2.0), (x + side, middle + side / 2.0));
        canvas.rect(from, to, *fill);
        if let Some(outline) = outline {
            canvas.frame(from, to, 3.0, *outline);
        }
        x -= space;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_can_be_read_in_a_narrow_window() {
        let figure = crate::plot::figure::Figure::draw("axes", |canvas| {
            let x = Scale { low: 0.0, high: 1.0, from: 300.0, to: 900.0 };
            let y = Scale { from: 900.0, to: 300.0, ..x };
            shares(canvas, [x, y], 900.0, ["x", "y"]);
            Ok(())
        });
        let svg = figure.unwrap().svg().to_string();
        let sizes: Vec<f64> = svg
            .split("font-size=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        // CSS pixels of a figure that is 900 wide.
        assert!(sizes.len() > 10 && sizes.iter().all(|size| size * 900.0 / 1920.0 >= 13.0));
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 7215.0, 4), [0.0, 2000.0, 4000.0, 6000.0]);
        assert!(ticks(f64::NAN, 1.0, 5).is_empty() && ticks(1.0, 1.0, 5).is_empty());
        assert!(ticks(0.0, f64::INFINITY, 5).is_empty());
    }

    #[test]
    fn ranges_hold_all_finite_values() {
        let (low, high) = round_range([0.31, f64::NAN, 1.72, f64::INFINITY]);
        assert!(low <= 0.31 && high >= 1.72 && low >= 0.0 && high < 2.5);
        let (low, high) = round_range([5.0]);
        assert!(low < 5.0 && high > 5.0);
        let (low, high) = round_range([0.0, 0.0]);
        assert!(low < 0.0 + 1e-9 && high > 0.0);
        assert_eq!(round_range([f64::NAN]), (0.0, 1.0));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(2000.0, 2000.0), "2,000");
        assert_eq!(number(0.6, 0.2), "0.6");
        assert_eq!(number(0.25, 0.05), "0.25");
        assert_eq!(number(1.0, 0.5), "1.0");
    }
}
