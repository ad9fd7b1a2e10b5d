//! The values of trials over one hyperparameter at a time.

use super::trials::StudyData;
use crate::common::Result;
use crate::emotion::Emotion;
use crate::evaluate::tune::Study;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, GRID, MUTED, SECOND, class_color};
use crate::plot::style::WIDTH;

/// The maximum number of hyperparameters in a figure.
const MOST: usize = 6;

impl Study {
    /// The values of the trials over each hyperparameter, up to six of them.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn slice_figure(&self) -> Result<Figure> {
        let study = StudyData::of(self);
        let title = study.title(&format!("Each value against {}", study.objective));
        Ok(Figure::draw(title, |canvas| draw(canvas, &study))?.of_data(self.to_table()?))
    }
}

fn draw(canvas: &mut Canvas, study: &StudyData) -> Result<()> {
    let subtitle = format!("{}; pruned ones are hollow, the best is orange", study.subtitle());
    canvas.headline(&subtitle)?;
    if study.trials.is_empty() {
        return canvas.nothing("No trial has finished yet.");
    }
    let axes = study.axes.get(..MOST).unwrap_or(&study.axes);
    let columns = axes.len().clamp(1, 3);
    let rows = axes.len().div_ceil(columns);
    let (low, high) = axis::round_range(study.trials.iter().map(|trial| trial.value));
    let (top, bottom, gap) = (200.0, 1060.0, 40.0);
    let width = (f64::from(WIDTH) - 2.0 * MARGIN + gap) / columns as f64;
    let height = (bottom - top) / rows as f64;
    for index in 0..axes.len() {
        let left = MARGIN + width * (index % columns) as f64;
        let top = top + height * (index / columns) as f64;
        let y = Scale { low, high, from: top + height - 104.0, to: top + 56.0 };
        draw_panel(canvas, study, index, (left + 100.0, left + width - gap), &y)?;
    }
    Ok(())
}

fn draw_panel(
    canvas: &mut Canvas,
    study: &StudyData,
    index: usize,
    (left, right): (f64, f64),
    y: &Scale,
) -> Result<()> {
    let Some(plotted) = study.axes.get(index) else { return Ok(()) };
    axis::grid_lines(canvas, y, (left, right), axis::number);
    canvas.text(&study.objective, (left, y.to - 22.0), Type::new(26.0).bold());
    let x = |place: f64| left + 24.0 + (right - left - 48.0) * place;
    let kind = Type::new(26.0).color(MUTED).centered();
    let room = (right - left) / plotted.ticks.len().max(1) as f64;
    for (place, text) in &plotted.ticks {
        canvas.line(&[(x(*place), y.to), (x(*place), y.from)], 2.0, GRID);
        let (text, kind) = canvas.fit(text, room, kind)?;
        canvas.text(&text, (x(*place), y.from + 38.0), kind);
    }
    let middle = (left + right) / 2.0;
    let (name, kind) =
        canvas.fit(&plotted.name, right - left, Type::new(28.0).bold().centered())?;
    canvas.text(&name, (middle, y.from + 84.0), kind);
    let best = study.best().map(|trial| trial.number);
    let mut ordered: Vec<_> = study.trials.iter().collect();
    ordered.sort_by_key(|trial| (best == Some(trial.number), trial.complete));
    for trial in ordered {
        let Some(place) = trial.places.get(index).copied().flatten() else { continue };
        let at = (x(place), y.at(trial.value));
        if best == Some(trial.number) {
            canvas.dot(at, 15.0, class_color(Emotion::Angry));
        } else if trial.complete {
            canvas.dot(at, 10.0, ACCENT);
        } else {
            canvas.ring(at, [10.0, 6.0], SECOND);
        }
    }
    Ok(())
}
