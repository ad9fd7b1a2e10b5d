//! Loss and accuracy over the epochs.

use plotters::style::RGBColor;

use crate::common::Result;
use crate::common::text::{percent, plural};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, INK, MUTED, SECOND};
use crate::train::{EpochRecord, History};

impl History {
    /// Loss and accuracy over the epochs, training and validation, with the best epoch marked.
    /// Values that are not finite leave a gap.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn curves(&self) -> Result<Figure> {
        Curves { history: self, current: None, nothing: "No epoch has been recorded." }.figure()
    }
}

/// [`History::curves`] during a training, with the epoch in progress.
pub(crate) fn curves_while_training(
    history: &History,
    current: Option<CurrentEpoch>,
) -> Result<Figure> {
    Curves { history, current, nothing: "Waiting for the first epoch." }.figure()
}

/// The progress of the epoch in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CurrentEpoch {
    /// The epoch, from 1.
    pub(crate) epoch: usize,
    /// Completed batches.
    pub(crate) batch: usize,
    /// Batches in an epoch.
    pub(crate) batches: usize,
    /// Training loss so far, in nats.
    pub(crate) loss: f64,
}

impl CurrentEpoch {
    /// Its position on the axis of epochs, between the ends of the previous epoch and of this one.
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

/// Two panels, loss and accuracy.
#[derive(Debug, Clone, Copy)]
struct Curves<'a> {
    history: &'a History,
    /// The epoch in progress: a hollow dot in the panel of the loss.
    current: Option<CurrentEpoch>,
    /// The message if there is no epoch to show.
    nothing: &'static str,
}

/// One panel.
struct Panel {
    name: &'static str,
    train: fn(&EpochRecord) -> f64,
    validation: fn(&EpochRecord) -> f64,
    /// A value in words, for labels.
    format: fn(f64) -> String,
    /// A tick and the distance between ticks, in words.
    tick: fn(f64, f64) -> String,
    left: f64,
    /// The loss of the epoch in progress, in the panel of the loss.
    current: Option<f64>,
}

const TOP: f64 = 300.0;
const BOTTOM: f64 = 940.0;
const PANEL_WIDTH: f64 = 600.0;

impl Curves<'_> {
    fn figure(&self) -> Result<Figure> {
        let title = match self.history.title.as_str() {
            "" => "Training".to_string(), // not started yet
            title => format!("Training, {title}"),
        };
        let data = self.history.to_table()?;
        Ok(Figure::draw(title, |canvas| self.draw(canvas))?.of_data(data))
    }

    fn draw(&self, canvas: &mut Canvas) -> Result<()> {
        let History { epochs, stopped, .. } = self.history;
        let mut subtitle = plural(epochs.len(), "epoch");
        let current = self.current.map(|current| current.to_string());
        if let Some(more) = stopped.as_ref().map(|reason| reason.to_string()).or(current) {
            subtitle += &format!("; {more}");
        }
        canvas.headline(&subtitle)?;
        let finite = |p: &EpochRecord| {
            [p.loss, p.accuracy, p.val_loss, p.val_accuracy].into_iter().any(f64::is_finite)
        };
        let loss = self.current.map(|current| current.loss).filter(|loss| loss.is_finite());
        if !epochs.iter().any(finite) && loss.is_none() {
            return canvas.nothing(self.nothing);
        }
        let panels = [
            Panel {
                name: "Loss",
                train: |p| p.loss,
                validation: |p| p.val_loss,
                format: |v| format!("{v:.3}"),
                tick: axis::number,
                left: 160.0,
                current: loss,
            },
            Panel {
                name: "Accuracy",
                train: |p| p.accuracy,
                validation: |p| p.val_accuracy,
                format: |v| percent(v, 1),
                tick: |v, step| format!("{} %", axis::number(v * 100.0, step * 100.0)),
                left: 1100.0,
                current: None,
            },
        ];
        panels.iter().try_for_each(|panel| self.draw_panel(canvas, panel))
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel) -> Result<()> {
        let (left, right) = (panel.left, panel.left + PANEL_WIDTH);
        canvas.text(panel.name, (left, 216.0), Type::new(38.0).bold());

        let values =
            self.history.epochs.iter().flat_map(|p| [(panel.train)(p), (panel.validation)(p)]);
        let values = values.chain(panel.current);
        let (low, high) = axis::round_range(values);
        let y = Scale { low: low.max(0.0), high, from: BOTTOM, to: TOP };
        axis::grid_lines(canvas, &y, (left, right), panel.tick);

        let x = axis::epochs(canvas, self.range(), (left, right), BOTTOM);

        if let Some(best) = self.history.best() {
            let value = (panel.validation)(best);
            let at = x.at(best.epoch as f64);
            canvas.dashes((at, TOP - 14.0), (at, BOTTOM), 3.0, MUTED);
            let words = format!("best epoch {}: {}", best.epoch, (panel.format)(value));
            let kind = Type::new(28.0).bold();
            let half = canvas.width_of(&words, kind)? / 2.0;
            let middle = at.max(left + half).min(right - half);
            canvas.text(&words, (middle, TOP - 28.0), kind.centered());
        }

        let series =
            [("train", SECOND, 4.5, panel.train), ("validation", ACCENT, 6.0, panel.validation)];
        let mut ends = Vec::new();
        for (name, color, width, value) in series {
            let place = |point: &EpochRecord| (x.at(point.epoch as f64), y.at(value(point)));
            for piece in self.history.epochs.split(|point| !value(point).is_finite()) {
                let piece: Vec<_> = piece.iter().map(place).collect();
                draw_piece(canvas, &piece, width, color);
            }
            if let Some(end) = self.history.epochs.iter().map(value).rfind(|v| v.is_finite()) {
                ends.push((y.at(end), name, color, (panel.format)(end)));
            }
        }
        if let Some(best) = self.history.best().filter(|best| (panel.validation)(best).is_finite())
        {
            let center = (x.at(best.epoch as f64), y.at((panel.validation)(best)));
            canvas.ring(center, [13.0, 8.0], INK);
        }
        if let (Some(current), Some(loss)) = (&self.current, panel.current) {
            let center = (x.at(current.place()), y.at(loss));
            canvas.ring(center, [11.0, 7.0], SECOND);
        }
        label_ends(canvas, right, ends);
        Ok(())
    }

    /// The first and the last place on the axis of epochs.
    fn range(&self) -> (f64, f64) {
        let recorded = || self.history.epochs.iter().map(|point| point.epoch as f64);
        let current =
            self.current.map(|current| (current.epoch as f64 - 1.0, current.epoch as f64));
        let first = recorded().reduce(f64::min).or(current.map(|(begin, _)| begin));
        let last = recorded().chain(current.map(|(_, end)| end)).reduce(f64::max);
        (first.unwrap_or(1.0), last.unwrap_or(1.0))
    }
}

/// A line, or a dot for a single point.
fn draw_piece(canvas: &mut Canvas, piece: &[(f64, f64)], width: f64, color: RGBColor) {
    match piece {
        [only] => canvas.dot(*only, width * 1.6, color),
        _ => canvas.line(piece, width, color),
    }
}

/// The name and last value next to the end of each line, moved apart if lines end close together.
fn label_ends(canvas: &mut Canvas, right: f64, mut ends: Vec<(f64, &str, RGBColor, String)>) {
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
        let kind = Type::new(28.0).color(color);
        canvas.text(name, (right + 14.0, y - 4.0), kind.bold());
        canvas.text(&value, (right + 14.0, y + 30.0), kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> EpochRecord {
        let t = epoch as f64;
        EpochRecord {
            epoch,
            loss: 1.8 / t.sqrt(),
            accuracy: 1.0 - 0.75 / t.sqrt(),
            val_loss: 1.1 + (t - 23.0).powi(2) / 900.0,
            val_accuracy: 0.6 - (t - 23.0).powi(2) / 2000.0,
            learning_rate: 1e-3,
            seconds: 1.0,
        }
    }

    fn history(epochs: Vec<EpochRecord>) -> History {
        History { epochs, title: "made-up sample".into(), ..History::default() }
    }

    fn svg(history: &History, current: Option<CurrentEpoch>) -> String {
        Curves { history, current, nothing: "No epoch" }.figure().unwrap().svg().to_string()
    }

    #[test]
    fn the_best_epoch_is_marked() {
        let svg = svg(&history((1..=35).map(record).collect()), None);
        for part in ["best epoch 23: 1.100", "best epoch 23: 60.0 %", "validation", "made-up"] {
            assert!(svg.contains(part), "{part}");
        }
    }

    #[test]
    fn one_epoch_many_epochs_and_none_are_drawn() {
        for count in [0, 1, 2, 200] {
            let figure = history((1..=count).map(record).collect()).curves().unwrap();
            assert!(figure.png(1).is_ok());
            assert_eq!(figure.svg().contains("No epoch"), count == 0);
        }
    }

    #[test]
    fn the_epoch_in_progress_has_its_place_and_its_words() {
        let current = |epoch, loss| Some(CurrentEpoch { epoch, batch: 120, batches: 360, loss });
        assert!((current(3, 1.0).unwrap().place() - 7.0 / 3.0).abs() < 1e-12);
        let range = |history, current| Curves { history, current, nothing: "" }.range();
        let two = history((1..=2).map(record).collect());
        assert_eq!(range(&two, current(3, 1.2)), (1.0, 3.0));
        assert!(svg(&two, current(3, 1.2)).contains("2 epochs; epoch 3: batch 120 of 360"));
        let none = history(Vec::new());
        assert_eq!(range(&none, current(1, 1.9)), (0.0, 1.0));
        assert!(!svg(&none, current(1, 1.9)).contains("No epoch"));
        assert!(svg(&none, current(1, f64::NAN)).contains("No epoch"));
    }

    #[test]
    fn what_is_not_finite_leaves_a_gap() {
        let mut epochs: Vec<EpochRecord> = (1..=9).map(record).collect();
        epochs[3].loss = f64::NAN;
        epochs[5].val_loss = f64::INFINITY;
        epochs[7].accuracy = f64::NEG_INFINITY;
        epochs[8].loss = 1e300;
        let figure = history(epochs).curves().unwrap();
        assert!(figure.png(1).is_ok() && !figure.svg().contains("NaN"));
        let bad = EpochRecord { loss: f64::NAN, accuracy: f64::NAN, ..record(1) };
        let bad = EpochRecord { val_loss: f64::NAN, val_accuracy: f64::NAN, ..bad };
        assert!(svg(&history(vec![bad; 3]), None).contains("No epoch"));
    }
}
