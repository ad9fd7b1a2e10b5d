//! The value of each trial.

use super::trials::{PlottedTrial, StudyData};
use crate::common::Result;
use crate::evaluate::tune::Study;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{At, Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, PAPER, SECOND};

const LEFT: f64 = 170.0;
const RIGHT: f64 = 1850.0;
const TOP: f64 = 240.0;
const BOTTOM: f64 = 950.0;

impl Study {
    /// A dot for each trial at its value, and a line for the best value so far.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn history_figure(&self) -> Result<Figure> {
        let study = StudyData::of(self);
        Ok(Figure::draw(study.title("Trials of the study"), |canvas| draw(canvas, &study))?
            .of_data(self.to_table()?))
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

    let place = |trial: &PlottedTrial| (x.at(trial.number as f64), y.at(trial.value));
    let mut steps: Vec<At> = Vec::new();
    let mut least = f64::INFINITY;
    for trial in study.trials.iter().filter(|trial| trial.complete) {
        if study.badness(trial) < least {
            least = study.badness(trial);
            let (at, value) = place(trial);
            steps.extend(steps.last().map(|(_, before)| (at, *before)));
            steps.push((at, value));
        }
    }
    steps.extend(steps.last().map(|(_, best)| (RIGHT - 10.0, *best)));
    canvas.line(&steps, 5.0, ACCENT);
    for trial in &study.trials {
        match trial.complete {
            true => canvas.dot(place(trial), 13.0, ACCENT),
            false => canvas.ring(place(trial), [13.0, 8.0], SECOND),
        }
    }
    Ok(())
}
