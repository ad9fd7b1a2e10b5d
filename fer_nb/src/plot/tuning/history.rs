//! The value that each trial reached.

use super::trials::StudyData;
use crate::common::Result;
use crate::evaluate::tune::Study;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, PAPER, SECOND};

const LEFT: f64 = 170.0;
const RIGHT: f64 = 1850.0;
const TOP: f64 = 240.0;
const BOTTOM: f64 = 950.0;

impl Study {
    /// A dot for each trial, at the value that it reached, and a line for the best so far.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn history_figure(&self) -> Result<Figure> {
        let study = StudyData::of(self);
        Figure::draw(study.title("Trials of the study"), |canvas| draw(canvas, &study))
    }
}

fn draw(canvas: &mut Canvas, study: &StudyData) -> Result<()> {
    canvas.headline(&study.subtitle())?;
    let Some(last) = study.trials.last() else {
        return canvas.nothing("No trial has finished yet.");
    };
    let (low, high) = axis::round_range(study.trials.iter().map(|trial| trial.value));
    let y = Scale { low, high, from: BOTTOM, to: TOP };
    axis::grid_lines(canvas, &y, (LEFT, RIGHT), axis::number);
    let x = Scale { low: 0.5, high: last.number as f64 + 0.5, from: LEFT + 10.0, to: RIGHT - 10.0 };
    let mut ticks = axis::ticks(1.0, last.number as f64, 10);
    ticks.retain(|tick| tick.fract() == 0.0 && *tick >= 1.0);
    let texts = ticks.into_iter().map(|tick| (tick, axis::number(tick, 1.0)));
    axis::below(canvas, &x, [BOTTOM + 42.0, BOTTOM + 92.0], texts, "trial");
    canvas.text(&study.objective, (LEFT, TOP - 30.0), Type::new(28.0).bold());
    let legend =
        [(ACCENT, None, "complete".to_string()), (PAPER, Some(SECOND), "pruned".to_string())];
    axis::legend(canvas, (RIGHT, TOP - 40.0), &legend)?;

    let mut best: Option<f64> = None;
    let mut steps = Vec::new();
    for trial in study.trials.iter().filter(|trial| trial.complete) {
        let better = best.is_none_or(|best| match study.more_is_better {
            true => trial.value > best,
            false => trial.value < best,
        });
        if let Some(before) = best.filter(|_| better) {
            steps.push((x.at(trial.number as f64), y.at(before)));
        }
        if better {
            best = Some(trial.value);
            steps.push((x.at(trial.number as f64), y.at(trial.value)));
        }
    }
    if let Some(best) = best {
        steps.push((RIGHT - 10.0, y.at(best)));
    }
    canvas.line(&steps, 5.0, ACCENT);
    for trial in &study.trials {
        let place = (x.at(trial.number as f64), y.at(trial.value));
        if trial.complete {
            canvas.dot(place, 13.0, ACCENT);
        } else {
            canvas.ring(place, [13.0, 8.0], SECOND);
        }
    }
    Ok(())
}
