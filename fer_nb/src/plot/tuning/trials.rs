//! The trials of a study, placed on axes, for all figures of a study.

use crate::common::text::plural;
use crate::evaluate::tune::{Range, Study, TrialState};
use crate::plot::axis;
use crate::train::Monitor;

/// One trial.
#[derive(Debug, Clone)]
pub(super) struct PlottedTrial {
    pub(super) number: usize,
    /// Whether it was trained to its end.
    pub(super) complete: bool,
    /// Its value.
    pub(super) value: f64,
    /// The second objective's value, if there are two.
    pub(super) cost: Option<f64>,
    /// Its place on each axis, 0 to 1; `None` if it does not tune that hyperparameter.
    pub(super) places: Vec<Option<f64>>,
}

/// One hyperparameter's axis.
#[derive(Debug, Clone)]
pub(super) struct PlottedAxis {
    /// The last part of its path: "learning_rate".
    pub(super) name: String,
    /// Ticks: position on 0 to 1, and text.
    pub(super) ticks: Vec<(f64, String)>,
}

/// The trials and axes of a study's figures.
#[derive(Debug, Clone)]
pub(super) struct StudyData {
    /// The data: "FER2013", "made-up sample" or the name of a folder; empty before the first completed trial.
    pub(super) subject: String,
    /// "val_accuracy"
    pub(super) objective: String,
    pub(super) more_is_better: bool,
    pub(super) axes: Vec<PlottedAxis>,
    /// The trials with a value, by number.
    pub(super) trials: Vec<PlottedTrial>,
    /// Trials that failed or are unfinished.
    pub(super) left_out: usize,
}

impl StudyData {
    pub(super) fn of(study: &Study) -> Self {
        let ranges: Vec<_> = study.config().space.ranges().collect();
        let axes = ranges
            .iter()
            .map(|(path, range)| PlottedAxis { name: short(path), ticks: ticks(range) })
            .collect();
        let trials: Vec<_> = study
            .trials()
            .iter()
            .filter(|trial| matches!(trial.state, TrialState::Complete | TrialState::Pruned))
            .filter_map(|trial| {
                let places: Vec<Option<f64>> = ranges
                    .iter()
                    .map(|(path, range)| share(range, range.place(trial.values.get(*path)?)?))
                    .collect();
                Some(PlottedTrial {
                    number: trial.number,
                    complete: trial.state == TrialState::Complete,
                    value: trial.value.filter(|value| value.is_finite())?,
                    cost: trial.cost,
                    places,
                })
            })
            .collect();
        let more_is_better = matches!(study.monitor(), Monitor::Accuracy | Monitor::ValAccuracy);
        let left_out = study.trials().len() - trials.len();
        let objective = study.monitor().name().to_string();
        let config =
            study.trials().iter().find_map(|trial| trial.run(study.folder()).config().ok());
        let subject = config.map(|config| config.data_title).unwrap_or_default();
        Self { subject, objective, more_is_better, axes, trials, left_out }
    }

    /// The best of the complete trials.
    pub(super) fn best(&self) -> Option<&PlottedTrial> {
        let complete = self.trials.iter().filter(|trial| trial.complete);
        complete.min_by(|one, other| self.badness(one).total_cmp(&self.badness(other)))
    }

    pub(super) fn badness(&self, trial: &PlottedTrial) -> f64 {
        if self.more_is_better { -trial.value } else { trial.value }
    }

    /// A headline that names the data.
    pub(super) fn title(&self, words: &str) -> String {
        match self.subject.as_str() {
            "" => words.to_string(),
            subject => format!("{words}, {subject}"),
        }
    }

    /// "12 trials; 2 more failed or are unfinished"
    pub(super) fn subtitle(&self) -> String {
        let mut text = plural(self.trials.len(), "trial");
        if self.left_out > 0 {
            text += &format!("; {} more failed or are unfinished", self.left_out);
        }
        text
    }
}

/// "train.optimizer.weight_decay" as "weight_decay", and "train.optimizer.name" as "optimizer".
pub(super) fn short(path: &str) -> String {
    let path = path.strip_suffix(".name").unwrap_or(path);
    path.rsplit('.').next().unwrap_or(path).to_string()
}

/// A position within a range's bounds on 0 to 1.
fn share(range: &Range, place: f64) -> Option<f64> {
    let (low, high) = range.bounds();
    (high > low).then(|| ((place - low) / (high - low)).clamp(0.0, 1.0))
}

fn ticks(range: &Range) -> Vec<(f64, String)> {
    let ticks: Vec<(toml::Value, String)> = match range {
        Range::Choice { values } => {
            let text = |value: &toml::Value| match value.as_str() {
                Some(text) => text.to_string(),
                None => value.to_string(),
            };
            values.iter().map(|value| (value.clone(), text(value))).collect()
        }
        Range::Int { low, high } => {
            let values = (*low..=*high).step_by(((high - low) / 5).max(1) as usize);
            values.map(|value| (value.into(), value.to_string())).collect()
        }
        Range::Float { low, high } => {
            let values = axis::ticks(*low, *high, 4);
            let step = axis::step_between(&values);
            values.into_iter().map(|value| (value.into(), axis::number(value, step))).collect()
        }
        Range::Log { low, high } => {
            let powers = low.log10().ceil() as i32..=high.log10().floor() as i32;
            let mut values: Vec<f64> = powers.map(|power| 10f64.powi(power)).collect();
            if values.len() < 2 {
                values = vec![*low, *high];
            }
            values.into_iter().map(|value| (value.into(), format!("{value:.0e}"))).collect()
        }
    };
    let placed = |(value, text)| Some((share(range, range.place(&value)?)?, text));
    ticks.into_iter().filter_map(placed).collect()
}
