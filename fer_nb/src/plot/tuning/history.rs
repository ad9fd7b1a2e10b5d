//! What each trial reached.

use super::StudyData;
use crate::common::Result;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{ACCENT, MUTED, PAPER, SECOND};
use crate::plot::picture::PictureBackend;

const LEFT: f64 = 170.0;
const RIGHT: f64 = 1850.0;
const TOP: f64 = 240.0;
const BOTTOM: f64 = 950.0;

/// A dot a trial, and the best so far as a line.
#[derive(Debug, Clone)]
pub struct HistoryPlot {
    pub study: StudyData,
}

impl Plot for HistoryPlot {
    fn title(&self) -> String {
        self.study.title("Trials of the study")
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let study = &self.study;
        canvas.title(&self.title(), &study.subtitle())?;
        let Some(last) = study.trials.last() else {
            return canvas.nothing("No trial is over yet.");
        };
        let (low, high) = axis::round_range(study.trials.iter().map(|trial| trial.value));
        let y = Scale { low, high, from: BOTTOM, to: TOP };
        axis::grid_lines(canvas, &y, (LEFT, RIGHT), axis::number)?;
        let x =
            Scale { low: 0.5, high: last.number as f64 + 0.5, from: LEFT + 10.0, to: RIGHT - 10.0 };
        let kind = Type::new(26.0).color(MUTED).centered();
        let whole = |tick: &f64| tick.fract() == 0.0 && *tick >= 1.0;
        for tick in axis::ticks(1.0, last.number as f64, 10).into_iter().filter(whole) {
            canvas.text(&axis::number(tick, 1.0), (x.at(tick), BOTTOM + 42.0), kind)?;
        }
        canvas.text("trial", ((LEFT + RIGHT) / 2.0, BOTTOM + 92.0), kind)?;
        canvas.text(&study.objective, (LEFT, TOP - 30.0), Type::new(28.0).bold())?;
        let legend = [
            (ACCENT, None, "trained to its end".to_string()),
            (PAPER, Some(SECOND), "pruned".to_string()),
        ];
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
        canvas.line(&steps, 5.0, ACCENT)?;
        for trial in &study.trials {
            let place = (x.at(trial.number as f64), y.at(trial.value));
            if trial.complete {
                canvas.dot(place, 13.0, ACCENT)?;
            } else {
                canvas.dot(place, 13.0, SECOND)?;
                canvas.dot(place, 8.0, PAPER)?;
            }
        }
        Ok(())
    }
}
