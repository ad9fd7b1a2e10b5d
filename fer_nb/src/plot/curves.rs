//! Loss and accuracy over the epochs.

use crate::common::Result;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{ACCENT, INK, MUTED, SECOND};
use crate::plot::picture::PictureBackend;

/// One epoch's figures. What is not finite leaves a gap in its line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// From 1.
    pub epoch: usize,
    pub loss: f64,
    /// Shares of 0 to 1.
    pub accuracy: f64,
    pub val_loss: f64,
    pub val_accuracy: f64,
}

/// How far the epoch is that training is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurrentEpoch {
    /// From 1.
    pub epoch: usize,
    /// Batches that are done.
    pub batch: usize,
    /// Batches an epoch.
    pub batches: usize,
    /// Training loss so far, in nats.
    pub loss: f64,
}

impl CurrentEpoch {
    /// Its place on the axis of epochs: between the end of the one before, and its own.
    fn place(&self) -> f64 {
        let share = self.batch as f64 / self.batches.max(1) as f64;
        self.epoch as f64 - 1.0 + share.min(1.0)
    }
}

impl std::fmt::Display for CurrentEpoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {}: batch {} of {}", self.epoch, self.batch, self.batches)
    }
}

/// Two panels, loss and accuracy, each with training and validation, the best epoch marked.
#[derive(Debug, Clone)]
pub struct CurvesPlot {
    /// Where the data came from: "FER2013", "made-up sample" or a folder's name.
    pub origin: String,
    pub epochs: Vec<CurvePoint>,
    /// Why training ended before its last epoch, if it did.
    pub stopped: Option<String>,
    /// The epoch that training is in, marked by a hollow dot in the panel of the loss.
    pub current: Option<CurrentEpoch>,
    /// What is said where there is no epoch to show.
    pub nothing: String,
}

/// What one panel shows.
struct Panel<'a> {
    name: &'a str,
    train: fn(&CurvePoint) -> f64,
    validation: fn(&CurvePoint) -> f64,
    /// A value in words, for labels.
    format: fn(f64) -> String,
    /// A tick and the distance between ticks, in words.
    tick: fn(f64, f64) -> String,
    left: f64,
    /// The loss of the epoch that training is in, in the panel that shows it.
    current: Option<f64>,
}

const TOP: f64 = 300.0;
const BOTTOM: f64 = 940.0;
const PANEL_WIDTH: f64 = 600.0;

impl CurvesPlot {
    /// The epoch with the lowest finite validation loss.
    pub fn best(&self) -> Option<&CurvePoint> {
        self.epochs
            .iter()
            .filter(|point| point.val_loss.is_finite())
            .min_by(|a, b| a.val_loss.total_cmp(&b.val_loss))
    }

    fn draw_panel<DB: PictureBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        panel: &Panel<'_>,
    ) -> Result<()> {
        let (left, right) = (panel.left, panel.left + PANEL_WIDTH);
        canvas.text(panel.name, (left, 216.0), Type::new(38.0).bold())?;

        let values = self.epochs.iter().flat_map(|p| [(panel.train)(p), (panel.validation)(p)]);
        let values = values.chain(panel.current);
        let (low, high) = axis::round_range(values);
        let y = Scale { low: low.max(0.0), high, from: BOTTOM, to: TOP };
        axis::grid_lines(canvas, &y, (left, right), panel.tick)?;

        let (first, last) = self.range();
        let x = Scale { low: first, high: last, from: left + 14.0, to: right - 14.0 };
        let kind = Type::new(26.0).color(MUTED).centered();
        let mut marks = axis::ticks(first, last, 6);
        marks.retain(|mark| mark.fract() == 0.0);
        if marks.first().is_none_or(|mark| x.at(*mark) - x.at(first) > 60.0) {
            marks.insert(0, first);
        }
        for mark in marks {
            canvas.text(&axis::number(mark, 1.0), (x.at(mark), BOTTOM + 42.0), kind)?;
        }
        canvas.text("epoch", ((left + right) / 2.0, BOTTOM + 88.0), kind)?;

        if let Some(best) = self.best() {
            let value = (panel.validation)(best);
            let at = x.at(best.epoch as f64);
            canvas.dashes((at, TOP - 14.0), (at, BOTTOM), 3.0, MUTED)?;
            let words = format!("best epoch {}: {}", best.epoch, (panel.format)(value));
            let kind = Type::new(28.0).bold();
            let half = canvas.width_of(&words, kind)? / 2.0;
            let middle = at.max(left + half).min(right - half);
            canvas.text(&words, (middle, TOP - 28.0), kind.centered())?;
        }

        let series =
            [("train", SECOND, 4.5, panel.train), ("validation", ACCENT, 6.0, panel.validation)];
        let mut ends = Vec::new();
        for (name, color, width, value) in series {
            let mut piece: Vec<(f64, f64)> = Vec::new();
            let mut end = None;
            for point in &self.epochs {
                let v = value(point);
                if v.is_finite() {
                    let place = (x.at(point.epoch as f64), y.at(v));
                    piece.push(place);
                    end = Some((place.1, v));
                } else {
                    draw_piece(canvas, &piece, width, color)?;
                    piece.clear();
                }
            }
            draw_piece(canvas, &piece, width, color)?;
            if let Some((end, v)) = end {
                ends.push((end, name, color, (panel.format)(v)));
            }
        }
        if let Some(best) = self.best().filter(|best| (panel.validation)(best).is_finite()) {
            let center = (x.at(best.epoch as f64), y.at((panel.validation)(best)));
            canvas.dot(center, 13.0, INK)?;
            canvas.dot(center, 8.0, crate::plot::palette::PAPER)?;
        }
        if let (Some(current), Some(loss)) = (&self.current, panel.current) {
            let center = (x.at(current.place()), y.at(loss));
            canvas.dot(center, 11.0, SECOND)?;
            canvas.dot(center, 7.0, crate::plot::palette::PAPER)?;
        }
        label_ends(canvas, right, ends)
    }

    /// The first and the last place on the axis of epochs.
    fn range(&self) -> (f64, f64) {
        let recorded = || self.epochs.iter().map(|point| point.epoch as f64);
        let current =
            self.current.map(|current| (current.epoch as f64 - 1.0, current.epoch as f64));
        let first = recorded().reduce(f64::min).or(current.map(|(begin, _)| begin));
        let last = recorded().chain(current.map(|(_, end)| end)).reduce(f64::max);
        (first.unwrap_or(1.0), last.unwrap_or(1.0))
    }
}

/// A line; where there is one point only, a dot.
fn draw_piece<DB: PictureBackend>(
    canvas: &Canvas<'_, DB>,
    piece: &[(f64, f64)],
    width: f64,
    color: plotters::style::RGBColor,
) -> Result<()> {
    match piece {
        [only] => canvas.dot(*only, width * 1.6, color),
        _ => canvas.line(piece, width, color),
    }
}

/// Name and last value beside the end of each line, moved apart where lines end close together.
fn label_ends<DB: PictureBackend>(
    canvas: &Canvas<'_, DB>,
    right: f64,
    mut ends: Vec<(f64, &str, plotters::style::RGBColor, String)>,
) -> Result<()> {
    const APART: f64 = 76.0;
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let [upper, lower] = ends.as_mut_slice() {
        let missing = APART - (lower.0 - upper.0);
        if missing > 0.0 {
            upper.0 -= missing / 2.0;
            lower.0 += missing / 2.0;
            let shift = (TOP - upper.0).max(0.0) - (lower.0 - BOTTOM).max(0.0);
            upper.0 += shift;
            lower.0 += shift;
        }
    }
    for (y, name, color, value) in ends {
        let color = if color == SECOND { MUTED } else { color };
        let kind = Type::new(28.0).color(color).align(Align::Left);
        canvas.text(name, (right + 14.0, y - 4.0), kind.bold())?;
        canvas.text(&value, (right + 14.0, y + 30.0), kind)?;
    }
    Ok(())
}

impl Plot for CurvesPlot {
    fn title(&self) -> String {
        match self.origin.as_str() {
            "" => "Training".to_string(), // before it began
            origin => format!("Training, {origin}"),
        }
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let epochs = match self.epochs.len() {
            1 => "1 epoch".to_string(),
            n => format!("{n} epochs"),
        };
        let current = self.current.map(|current| current.to_string());
        let subtitle = match self.stopped.as_ref().or(current.as_ref()) {
            Some(more) => format!("{epochs}; {more}"),
            None => epochs,
        };
        canvas.title(&self.title(), &subtitle)?;
        let finite = |p: &CurvePoint| {
            [p.loss, p.accuracy, p.val_loss, p.val_accuracy].into_iter().any(f64::is_finite)
        };
        let loss = self.current.map(|current| current.loss).filter(|loss| loss.is_finite());
        if !self.epochs.iter().any(finite) && loss.is_none() {
            return canvas.nothing(&self.nothing);
        }
        self.draw_panel(
            canvas,
            &Panel {
                name: "Loss",
                train: |p| p.loss,
                validation: |p| p.val_loss,
                format: |v| format!("{v:.3}"),
                tick: axis::number,
                left: 160.0,
                current: loss,
            },
        )?;
        self.draw_panel(
            canvas,
            &Panel {
                name: "Accuracy",
                train: |p| p.accuracy,
                validation: |p| p.val_accuracy,
                format: |v| axis::percent(v, 1),
                tick: |v, step| format!("{} %", axis::number(v * 100.0, step * 100.0)),
                left: 1100.0,
                current: None,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Figure;

    fn point(epoch: usize) -> CurvePoint {
        let t = epoch as f64;
        CurvePoint {
            epoch,
            loss: 1.8 / t.sqrt(),
            accuracy: 1.0 - 0.75 / t.sqrt(),
            val_loss: 1.1 + (t - 23.0).powi(2) / 900.0,
            val_accuracy: 0.6 - (t - 23.0).powi(2) / 2000.0,
        }
    }

    fn plot() -> CurvesPlot {
        CurvesPlot {
            origin: String::new(),
            epochs: Vec::new(),
            stopped: None,
            current: None,
            nothing: "No epoch has been recorded.".into(),
        }
    }

    fn figure(epochs: Vec<CurvePoint>) -> Figure {
        let stopped = Some("early stopping".to_string());
        let plot = CurvesPlot { origin: "made-up sample".into(), epochs, stopped, ..plot() };
        Figure::new(plot).unwrap()
    }

    #[test]
    fn the_best_epoch_is_marked() {
        let svg = figure((1..=35).map(point).collect()).svg().to_string();
        for part in ["best epoch 23: 1.100", "best epoch 23: 60.0 %", "validation", "made-up"] {
            assert!(svg.contains(part), "{part}");
        }
    }

    #[test]
    fn one_epoch_many_epochs_and_none_are_drawn() {
        for count in [0, 1, 2, 200] {
            let figure = figure((1..=count).map(point).collect());
            assert!(figure.png(1).is_ok());
            assert_eq!(figure.svg().contains("No epoch"), count == 0);
        }
    }

    #[test]
    fn the_epoch_that_training_is_in_has_its_place_and_its_words() {
        let current = |epoch, loss| Some(CurrentEpoch { epoch, batch: 120, batches: 360, loss });
        assert!((current(3, 1.0).unwrap().place() - 7.0 / 3.0).abs() < 1e-12);
        let epochs: Vec<_> = (1..=2).map(point).collect();
        let within = CurvesPlot { epochs, current: current(3, 1.2), ..plot() };
        assert_eq!(within.range(), (1.0, 3.0));
        let svg = Figure::new(within).unwrap().svg().to_string();
        assert!(svg.contains("2 epochs; epoch 3: batch 120 of 360"));
        let first = CurvesPlot { current: current(1, 1.9), ..plot() };
        assert_eq!(first.range(), (0.0, 1.0));
        assert!(!Figure::new(first).unwrap().svg().contains("No epoch"));
        let lost = CurvesPlot { current: current(1, f64::NAN), ..plot() };
        assert!(Figure::new(lost).unwrap().svg().contains("No epoch"));
    }

    #[test]
    fn what_is_not_finite_leaves_a_gap() {
        let mut epochs: Vec<CurvePoint> = (1..=9).map(point).collect();
        epochs[3].loss = f64::NAN;
        epochs[5].val_loss = f64::INFINITY;
        epochs[7].accuracy = f64::NEG_INFINITY;
        epochs[8].loss = 1e300;
        let figure = figure(epochs);
        assert!(figure.png(1).is_ok() && !figure.svg().contains("NaN"));
        let bad = CurvePoint { loss: f64::NAN, accuracy: f64::NAN, ..point(1) };
        let bad = CurvePoint { val_loss: f64::NAN, val_accuracy: f64::NAN, ..bad };
        let plot = CurvesPlot { epochs: vec![bad; 3], ..plot() };
        assert!(plot.best().is_none());
        assert!(Figure::new(plot).unwrap().svg().contains("No epoch"));
    }
}
