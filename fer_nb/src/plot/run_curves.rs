//! The curves of several runs in one figure.

use plotters::style::RGBColor;
use polars::prelude::df;

use crate::common::Result;
use crate::common::text::{percent, plural};
use crate::data::column;
use crate::emotion::Emotion;
use crate::evaluate::Comparison;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, SECOND, class_color};
use crate::train::{EpochRecord, History};

/// Distinguishable colours: those of the classes. Further runs are gray.
const COLORED: usize = Emotion::COUNT;
const TOP: f64 = 300.0;
const BOTTOM: f64 = 940.0;
const WIDTH: f64 = 580.0;
const LEGEND: f64 = 1520.0;

impl Comparison {
    /// The curves of all runs: loss and accuracy on the validation images over the epochs, a line for each run,
    /// with each best epoch marked. Runs after the seventh are gray and have no name.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let runs: Vec<(&str, &History)> =
            self.runs.iter().map(|run| (run.run.as_str(), &run.history)).collect();
        let points: Vec<(&str, EpochRecord)> = runs
            .iter()
            .flat_map(|(run, history)| history.epochs.iter().map(|epoch| (*run, *epoch)))
            .collect();
        let epochs: Vec<EpochRecord> = points.iter().map(|(_, epoch)| *epoch).collect();
        let mut data = df!("run" => column(&points, |(run, _)| *run))?;
        for of_epochs in (History { epochs, ..History::default() }).to_table()?.columns() {
            data.with_column(of_epochs.clone())?;
        }
        Ok(figure(&self.title, &runs)?.of_data(data))
    }
}

fn figure(title: &str, runs: &[(&str, &History)]) -> Result<Figure> {
    Figure::draw(format!("Runs, {title}"), |canvas| draw(canvas, runs))
}

struct Panel {
    name: &'static str,
    value: fn(&EpochRecord) -> f64,
    tick: fn(f64, f64) -> String,
    left: f64,
}

fn draw(canvas: &mut Canvas, runs: &[(&str, &History)]) -> Result<()> {
    canvas.headline(&format!("{} on the validation images", plural(runs.len(), "run")))?;
    let panels = [
        Panel { name: "Loss", value: |p| p.val_loss, tick: axis::number, left: 160.0 },
        Panel {
            name: "Accuracy",
            value: |p| p.val_accuracy,
            tick: |v, step| format!("{} %", axis::number(v * 100.0, step * 100.0)),
            left: 900.0,
        },
    ];
    let known = |point: &EpochRecord| panels.iter().any(|panel| (panel.value)(point).is_finite());
    if !runs.iter().any(|(_, history)| history.epochs.iter().any(known)) {
        return canvas.nothing("No epoch has been recorded.");
    }
    panels.iter().for_each(|panel| draw_panel(canvas, panel, runs));
    draw_legend(canvas, runs)
}

fn color(place: usize) -> RGBColor {
    Emotion::ALL.get(place).map_or(SECOND, |emotion| class_color(*emotion))
}

fn draw_panel(canvas: &mut Canvas, panel: &Panel, runs: &[(&str, &History)]) {
    let (left, right) = (panel.left, panel.left + WIDTH);
    canvas.text(panel.name, (left, 250.0), Type::new(38.0).bold());
    let points = || runs.iter().flat_map(|(_, history)| &history.epochs);
    let (low, high) = axis::round_range(points().map(panel.value));
    let y = Scale { low: low.max(0.0), high, from: BOTTOM, to: TOP };
    axis::grid_lines(canvas, &y, (left, right), panel.tick);

    let epochs = || points().map(|point| point.epoch as f64);
    let first = epochs().reduce(f64::min).unwrap_or(1.0);
    let last = epochs().reduce(f64::max).unwrap_or(1.0);
    let x = axis::epochs(canvas, (first, last), (left, right), BOTTOM);

    // The first runs are drawn last, so that their lines are above the gray ones.
    for (place, (_, history)) in runs.iter().enumerate().rev() {
        let at = |point: &EpochRecord| (x.at(point.epoch as f64), y.at((panel.value)(point)));
        for piece in history.epochs.split(|point| !(panel.value)(point).is_finite()) {
            let piece: Vec<_> = piece.iter().map(at).collect();
            match piece.as_slice() {
                [only] => canvas.dot(*only, 8.0, color(place)),
                piece => canvas.line(piece, 5.0, color(place)),
            }
        }
        let best = history.best().filter(|best| (panel.value)(best).is_finite());
        if let Some(best) = best {
            canvas.ring(at(best), [11.0, 6.0], color(place));
        }
    }
}

/// The name of each run, in its colour, with its best epoch's values, from the top of the panels down.
fn draw_legend(canvas: &mut Canvas, runs: &[(&str, &History)]) -> Result<()> {
    let (mut y, step) = (TOP + 10.0, 86.0);
    for (place, (name, history)) in runs.iter().take(COLORED).enumerate() {
        canvas.rect((LEGEND, y - 20.0), (LEGEND + 28.0, y + 8.0), color(place));
        let kind = Type::new(30.0).bold();
        let (name, kind) = canvas.fit(name, 1920.0 - 70.0 - LEGEND - 44.0, kind)?;
        canvas.text(&name, (LEGEND + 44.0, y + 4.0), kind);
        let words = history.best().map_or("no epoch".to_string(), |best| {
            format!("epoch {}: {:.3}, {}", best.epoch, best.val_loss, percent(best.val_accuracy, 1))
        });
        canvas.text(&words, (LEGEND + 44.0, y + 38.0), Type::new(26.0).color(MUTED));
        y += step;
    }
    if let Some(more) = runs.len().checked_sub(COLORED).filter(|more| *more > 0) {
        canvas.rect((LEGEND, y - 20.0), (LEGEND + 28.0, y + 8.0), SECOND);
        let words = format!("{} more", more);
        canvas.text(&words, (LEGEND + 44.0, y + 4.0), Type::new(30.0).color(MUTED));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(epochs: usize, shift: f64) -> History {
        let record = |epoch: usize| EpochRecord {
            epoch,
            loss: 1.0,
            accuracy: 0.5,
            val_loss: 1.2 + shift + (epoch as f64 - 4.0).powi(2) / 50.0,
            val_accuracy: 0.5 - shift / 2.0,
            learning_rate: 1e-3,
            seconds: 1.0,
        };
        History { epochs: (1..=epochs).map(record).collect(), ..History::default() }
    }

    #[test]
    fn each_run_has_a_line_and_a_name_and_those_without_are_counted() {
        let histories: Vec<History> =
            (0..10).map(|n| history(n, f64::from(n as u8) / 50.0)).collect();
        let names: Vec<String> = (0..10).map(|n| format!("run_{n}")).collect();
        let runs: Vec<(&str, &History)> =
            names.iter().map(String::as_str).zip(&histories).collect();
        let figure = figure("made-up sample", &runs).unwrap();
        assert!(figure.png(1).is_ok());
        for part in ["Runs, made-up sample", "10 runs", "run_0", "run_6", "no epoch", "3 more"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(!figure.svg().contains("run_7"));
        // Two panels, of nine runs: one has no epoch, and one has a dot for its only one.
        let lines = |color: &str| figure.svg().matches(&format!("stroke=\"{color}\"")).count();
        assert_eq!(lines("#8a8a8a"), 2 * 3);
        assert_eq!(lines("#cc79a7"), 2);
    }

    #[test]
    fn runs_without_epochs_say_so() {
        let nothing = History::default();
        assert!(figure("x", &[("a", &nothing)]).unwrap().svg().contains("No epoch"));
    }
}
