//! The loss over the learning rate.

use crate::common::Result;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, INK, MUTED};
use crate::train::RangeTest;

impl RangeTest {
    /// The smoothed loss over the learning rate's logarithm, with the steepest fall marked.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let title = format!("Learning-rate range test, {}", self.title);
        Ok(Figure::draw(title, |canvas| draw(canvas, self))?.of_data(self.to_table()?))
    }
}

const LEFT: f64 = 180.0;
const RIGHT: f64 = 1820.0;
const TOP: f64 = 260.0;
const BOTTOM: f64 = 930.0;

fn draw(canvas: &mut Canvas, test: &RangeTest) -> Result<()> {
    let suggestion = test.suggestion();
    let subtitle = match suggestion {
        Some(rate) => format!("the loss falls fastest at {rate:.1e}"),
        None => "the loss does not fall at any of them".to_string(),
    };
    canvas.headline(&subtitle)?;
    let points: Vec<_> = test
        .points
        .iter()
        .map(|point| (point.learning_rate.log10(), point.smoothed))
        .filter(|(rate, loss)| rate.is_finite() && loss.is_finite())
        .collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return canvas.nothing("No step has been recorded.");
    };
    // The values of an exploding loss are omitted, because they would flatten the rest of the curve.
    let least = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let top = first.1 + (first.1 - least).max(0.02 * first.1.abs());
    let shown = points.iter().take_while(|point| point.1 <= top).count().max(1);
    let (points, beyond) = points.split_at(shown);
    let (low, high) = axis::round_range(points.iter().map(|point| point.1));
    let y = Scale { low, high, from: BOTTOM, to: TOP };
    axis::grid_lines(canvas, &y, (LEFT, RIGHT), axis::number);
    let x = Scale { low: first.0, high: last.0, from: LEFT + 14.0, to: RIGHT - 14.0 };
    let exponents = first.0.ceil() as i32..=last.0.floor() as i32;
    let texts = exponents.map(|exponent| (f64::from(exponent), format!("1e{exponent}")));
    axis::below(canvas, &x, [BOTTOM + 42.0, BOTTOM + 92.0], texts, "learning rate");
    canvas.text("loss, smoothed", (LEFT, TOP - 36.0), Type::new(28.0).bold());
    if let Some(rate) = suggestion {
        let at = x.at(rate.log10());
        canvas.dashes((at, TOP - 14.0), (at, BOTTOM), 3.0, MUTED);
        let words = format!("{rate:.1e}");
        let kind = Type::new(28.0).bold().centered();
        canvas.text(&words, (at.clamp(LEFT + 320.0, RIGHT - 360.0), TOP - 36.0), kind);
    }
    if let (Some(edge), Some(_)) = (points.last(), beyond.first()) {
        let kind = Type::new(26.0).color(MUTED).centered();
        let at = x.at(edge.0).clamp(LEFT + 120.0, RIGHT - 120.0);
        canvas.text("the loss explodes here", (at, TOP - 36.0), kind);
    }
    let places: Vec<_> = points.iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
    canvas.line(&places, 6.0, ACCENT);
    if let Some(rate) = suggestion
        && let Some(nearest) = points
            .iter()
            .min_by(|a, b| (a.0 - rate.log10()).abs().total_cmp(&(b.0 - rate.log10()).abs()))
    {
        canvas.ring((x.at(nearest.0), y.at(nearest.1)), [13.0, 8.0], INK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::RangePoint;

    #[test]
    fn the_suggestion_is_marked_and_an_empty_test_is_drawn_too() {
        let loss = |i: i32| 2.0 - (f64::from(i - 50) / 8.0).tanh();
        let point = |learning_rate, loss| RangePoint { learning_rate, loss, smoothed: loss };
        let points = (0..100).map(|i| point(1e-5 * 1.12f64.powi(i), loss(i))).collect();
        let test = RangeTest { points, title: "made-up sample".into() };
        let words = format!("falls fastest at {:.1e}", test.suggestion().unwrap());
        let figure = test.figure().unwrap();
        assert!(figure.svg().contains(&words) && figure.png(1).is_ok());
        for points in [vec![], vec![point(1e-3, 2.0)], vec![point(1e-3, f64::NAN)]] {
            assert!(RangeTest { points, ..test.clone() }.figure().unwrap().png(1).is_ok());
        }
    }
}
