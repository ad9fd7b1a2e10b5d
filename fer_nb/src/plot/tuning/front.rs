//! Two objectives: what each trial reached against what it costs.

use super::trials::{PlottedTrial, StudyData};
use crate::common::Result;
use crate::emotion::Emotion;
use crate::evaluate::tune::{Cost, Study};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, At, Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, SECOND, class_color};

const LEFT: f64 = 170.0;
const RIGHT: f64 = 1850.0;
const TOP: f64 = 240.0;
const BOTTOM: f64 = 950.0;
/// How many trials of the front are labelled with their number.
const MOST_NUMBERS: usize = 12;

impl Study {
    /// A dot for each trial, at what its network costs and what it reached, and a line along the Pareto front, see
    /// [`Study::front`]. Of a study with one objective it says that there is no front.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn front_figure(&self) -> Result<Figure> {
        let study = StudyData::of(self);
        let front: Vec<usize> = self.front().iter().map(|trial| trial.number).collect();
        let title = study.title("What accuracy costs");
        let cost = self.config().cost;
        let figure = Figure::draw(title, |canvas| match cost {
            Some(cost) => draw(canvas, &study, &front, cost),
            None => {
                canvas.headline(&study.subtitle())?;
                canvas.nothing("The study has one objective.")
            }
        })?;
        Ok(figure.of_data(self.to_table()?))
    }
}

/// The name of the axis of costs, and what it is counted in.
fn unit(cost: Cost) -> (&'static str, f64) {
    match cost {
        Cost::Flops => ("million floating-point operations an image", 1e6),
        Cost::Parameters => ("million parameters", 1e6),
    }
}

/// `front` are the numbers of the trials on it.
fn draw(canvas: &mut Canvas, study: &StudyData, front: &[usize], cost: Cost) -> Result<()> {
    let subtitle = format!("{}; those on the Pareto front are orange", study.subtitle());
    canvas.headline(&subtitle)?;
    let (name, unit) = unit(cost);
    let price = |trial: &PlottedTrial| trial.cost.map(|cost| cost / unit);
    let (low, high) = axis::round_range(study.trials.iter().filter_map(price));
    let (least, most) = axis::round_range(study.trials.iter().map(|trial| trial.value));
    if study.trials.iter().filter_map(price).next().is_none() {
        return canvas.nothing("No trial has finished yet.");
    }
    let x = Scale { low: low.max(0.0), high, from: LEFT + 24.0, to: RIGHT - 24.0 };
    let y = Scale { low: least, high: most, from: BOTTOM, to: TOP };
    axis::grid_lines(canvas, &y, (LEFT, RIGHT), axis::number);
    let ticks = axis::ticks(x.low, x.high, 8);
    let step = axis::step_between(&ticks);
    let texts = ticks.into_iter().map(|tick| (tick, axis::number(tick, step)));
    axis::below(canvas, &x, [BOTTOM + 42.0, BOTTOM + 92.0], texts, name);
    canvas.text(&study.objective, (LEFT, TOP - 30.0), Type::new(28.0).bold());

    let place = |trial: &PlottedTrial| Some((x.at(price(trial)?), y.at(trial.value)));
    let is_on_front = |trial: &&PlottedTrial| front.contains(&trial.number);
    for trial in study.trials.iter().filter(|trial| !is_on_front(trial)) {
        if let Some(at) = place(trial) {
            canvas.dot(at, 12.0, SECOND);
        }
    }
    let mut best: Vec<(usize, At)> = study
        .trials
        .iter()
        .filter(is_on_front)
        .filter_map(|trial| Some((trial.number, place(trial)?)))
        .collect();
    best.sort_by(|(_, one), (_, other)| one.0.total_cmp(&other.0));
    // In steps: between two trials nothing better than the cheaper one is known.
    let mut steps: Vec<At> = Vec::new();
    for (_, at) in &best {
        steps.extend(steps.last().map(|(_, before)| (at.0, *before)));
        steps.push(*at);
    }
    let color = class_color(Emotion::Angry);
    canvas.line(&steps, 4.0, color);
    for (number, at) in &best {
        canvas.dot(*at, 15.0, color);
        if best.len() <= MOST_NUMBERS {
            label(canvas, *number, *at, study.more_is_better)?;
        }
    }
    Ok(())
}

/// Writes a trial's number where nothing else can be: cheaper and better than it. To its right if that is off the panel.
fn label(canvas: &mut Canvas, number: usize, (x, y): At, is_better_above: bool) -> Result<()> {
    let (text, kind) = (format!("trial {number}"), Type::new(28.0).color(MUTED));
    let baseline = if is_better_above { y - 18.0 } else { y + 38.0 };
    match x - canvas.width_of(&text, kind)? - 18.0 > LEFT {
        true => canvas.text(&text, (x - 18.0, baseline), kind.align(Align::Right)),
        false => canvas.text(&text, (x + 18.0, baseline), kind),
    }
    Ok(())
}
