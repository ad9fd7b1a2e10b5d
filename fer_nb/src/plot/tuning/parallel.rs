//! Parallel coordinates: an axis for each hyperparameter, a line for each trial.

use super::trials::StudyData;
use crate::common::Result;
use crate::emotion::Emotion;
use crate::evaluate::tune::Study;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, PAPER, class_color, sequential};
use crate::plot::style::WIDTH;

const TOP: f64 = 280.0;
const BOTTOM: f64 = 980.0;
/// Where lines pass the axis of a hyperparameter that their trial does not tune: below its end.
const MISSING: f64 = BOTTOM + 60.0;
/// How many hyperparameters a figure holds.
const MOST: usize = 7;

impl Study {
    /// A line for each trial, through the values that it tried to the value that it reached: the
    /// darker, the better. It passes below the axis of a hyperparameter that the trial does not tune.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn parallel_figure(&self) -> Result<Figure> {
        let study = StudyData::of(self);
        let title = study.title("What was tried, and what it gave");
        Ok(Figure::draw(title, |canvas| draw(canvas, &study))?.of_data(self.to_table()?))
    }
}

fn draw(canvas: &mut Canvas, study: &StudyData) -> Result<()> {
    let subtitle = format!("{}; darker is better, the best is orange", study.subtitle());
    canvas.headline(&subtitle)?;
    if study.trials.is_empty() {
        return canvas.nothing("No trial has finished yet.");
    }
    let axes = study.axes.get(..MOST).unwrap_or(&study.axes);
    let (left, right) = (MARGIN + 110.0, f64::from(WIDTH) - MARGIN - 130.0);
    let pitch = (right - left) / axes.len().max(1) as f64;
    let (low, high) = axis::round_range(study.trials.iter().map(|trial| trial.value));
    let y = Scale { low, high, from: BOTTOM, to: TOP };
    let height = |place: f64| BOTTOM + (TOP - BOTTOM) * place;

    let mut ordered: Vec<_> = study.trials.iter().collect();
    ordered.sort_by(|one, other| study.badness(other).total_cmp(&study.badness(one)));
    let best = study.best().map(|trial| trial.number);
    let count = ordered.len().saturating_sub(1).max(1) as f64;
    let is_best = |number: usize| best == Some(number);
    // The best trial is drawn on top.
    ordered.sort_by_key(|trial| is_best(trial.number));
    for (rank, trial) in ordered.into_iter().enumerate() {
        let places = trial.places.iter().take(axes.len()).enumerate();
        let at = |(index, place): (usize, &Option<f64>)| {
            (left + pitch * index as f64, place.map_or(MISSING, height))
        };
        let mut line: Vec<_> = places.map(at).collect();
        line.push((right, y.at(trial.value)));
        let best = is_best(trial.number);
        let color = match best {
            true => class_color(Emotion::Angry),
            false => sequential(0.25 + 0.75 * rank as f64 / count),
        };
        canvas.line(&line, if best { 7.0 } else { 3.5 }, color);
    }
    for (index, plotted) in axes.iter().enumerate() {
        let mut ticks = plotted.ticks.clone();
        if study.trials.iter().any(|trial| trial.places.get(index) == Some(&None)) {
            ticks.push(((BOTTOM - MISSING) / (BOTTOM - TOP), "not tuned".into()));
        }
        draw_axis(canvas, left + pitch * index as f64, pitch, &plotted.name, &ticks)?;
    }
    let ticks = axis::ticks(low, high, 6);
    let step = axis::step_between(&ticks);
    let ticks: Vec<_> = ticks
        .into_iter()
        .map(|value| ((value - low) / (high - low), axis::number(value, step)))
        .collect();
    draw_axis(canvas, right, pitch, &study.objective, &ticks)
}

fn draw_axis(
    canvas: &mut Canvas,
    x: f64,
    pitch: f64,
    name: &str,
    ticks: &[(f64, String)],
) -> Result<()> {
    canvas.line(&[(x, TOP), (x, BOTTOM)], 4.0, MUTED);
    let (name, kind) = canvas.fit(name, pitch - 20.0, Type::new(30.0).bold().centered())?;
    canvas.text(&name, (x, TOP - 36.0), kind);
    let kind = Type::new(26.0).align(Align::Right);
    for (place, text) in ticks {
        let y = BOTTOM + (TOP - BOTTOM) * place;
        let (text, kind) = canvas.fit(text, pitch * 0.45, kind)?;
        let width = canvas.width_of(&text, kind)?;
        // On a background, because lines run behind it.
        let (from, to) = ((x - 20.0 - width, y - 17.0), (x - 8.0, y + 17.0));
        canvas.rect(from, to, PAPER);
        canvas.label(&text, (x - 14.0, y), kind);
    }
    Ok(())
}
