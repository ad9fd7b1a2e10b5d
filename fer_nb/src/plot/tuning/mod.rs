//! The figures of a study of hyperparameters.

mod history;
mod importance;
mod parallel;
mod slice;

use crate::common::Result;
use crate::evaluate::tune::{Range, Study, TrialState};
use crate::plot::axis;
use crate::plot::figure::Figure;
use crate::train::Monitor;

/// One trial of a figure.
#[derive(Debug, Clone)]
pub struct PlottedTrial {
    pub number: usize,
    /// Trained to its end, not pruned.
    pub complete: bool,
    /// What it reached.
    pub value: f64,
    /// Its place on each axis, 0 to 1.
    pub places: Vec<f64>,
}

/// One hyperparameter's axis.
#[derive(Debug, Clone)]
pub struct PlottedAxis {
    /// Its path without the part that all have, "learning_rate".
    pub name: String,
    /// Ticks: place on 0 to 1, and text.
    pub ticks: Vec<(f64, String)>,
}

/// What all figures of a study show.
#[derive(Debug, Clone)]
pub struct StudyData {
    /// What was learnt from: "FER2013", "made-up sample" or a folder's name; empty before the first trial
    /// is over.
    pub subject: String,
    /// "val_accuracy"
    pub objective: String,
    pub more_is_better: bool,
    pub axes: Vec<PlottedAxis>,
    /// By number; those that reached nothing are left out.
    pub trials: Vec<PlottedTrial>,
    /// Trials that failed or are not over.
    pub left_out: usize,
}

impl StudyData {
    fn of(study: &Study) -> Self {
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
                let places: Option<Vec<f64>> = ranges
                    .iter()
                    .map(|(path, range)| share(range, range.place(trial.values.get(*path)?)?))
                    .collect();
                Some(PlottedTrial {
                    number: trial.number,
                    complete: trial.state == TrialState::Complete,
                    value: trial.value.filter(|value| value.is_finite())?,
                    places: places?,
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

    /// The best of the trials that were trained to their end.
    fn best(&self) -> Option<&PlottedTrial> {
        let complete = self.trials.iter().filter(|trial| trial.complete);
        complete.min_by(|one, other| self.badness(one).total_cmp(&self.badness(other)))
    }

    fn badness(&self, trial: &PlottedTrial) -> f64 {
        if self.more_is_better { -trial.value } else { trial.value }
    }

    /// A headline that names what was learnt from.
    fn title(&self, words: &str) -> String {
        match self.subject.as_str() {
            "" => words.to_string(),
            subject => format!("{words}, {subject}"),
        }
    }

    /// "12 trials; 2 failed or not over"
    fn subtitle(&self) -> String {
        let count = self.trials.len();
        let mut text = format!("{count} trial{}", if count == 1 { "" } else { "s" });
        if self.left_out > 0 {
            text += &format!("; {} more failed or are not over", self.left_out);
        }
        text
    }
}

/// "train.optimizer.weight_decay" as "weight_decay"; the whole path says where it belongs elsewhere.
fn short(path: &str) -> String {
    path.rsplit('.').next().unwrap_or(path).to_string()
}

/// A place within a range's bounds on 0 to 1.
fn share(range: &Range, place: f64) -> Option<f64> {
    let (low, high) = range.bounds();
    (high > low).then(|| ((place - low) / (high - low)).clamp(0.0, 1.0))
}

fn ticks(range: &Range) -> Vec<(f64, String)> {
    let at = |value: toml::Value, text: String| Some((share(range, range.place(&value)?)?, text));
    match range {
        Range::Choice { values } => values
            .iter()
            .filter_map(|value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
                at(value.clone(), text)
            })
            .collect(),
        Range::Int { low, high } => {
            let step = ((high - low) / 5).max(1) as usize;
            (*low..=*high)
                .step_by(step)
                .filter_map(|value| at(toml::Value::Integer(value), value.to_string()))
                .collect()
        }
        Range::Float { low, high } => {
            let values = axis::ticks(*low, *high, 4);
            let step = match &values[..] {
                [first, second, ..] => second - first,
                _ => 1.0,
            };
            values
                .into_iter()
                .filter_map(|value| at(toml::Value::Float(value), axis::number(value, step)))
                .collect()
        }
        Range::Log { low, high } => {
            let (from, to) = (low.log10().ceil() as i32, high.log10().floor() as i32);
            let mut values: Vec<f64> = (from..=to).map(|power| 10f64.powi(power)).collect();
            if values.len() < 2 {
                values = vec![*low, *high];
            }
            values
                .into_iter()
                .filter_map(|value| at(toml::Value::Float(value), format!("{value:.0e}")))
                .collect()
        }
    }
}

impl Study {
    /// What each trial reached, and the best so far.
    pub fn history_figure(&self) -> Result<Figure> {
        Figure::new(history::HistoryPlot { study: StudyData::of(self) })
    }

    /// How much of the differences between trials each hyperparameter explains; see
    /// [`Study::importances`].
    pub fn importances_figure(&self) -> Result<Figure> {
        let shares =
            self.importances().into_iter().map(|(path, share)| (short(&path), share)).collect();
        Figure::new(importance::ImportancePlot { study: StudyData::of(self), shares })
    }

    /// A line a trial through the values that it tried, to what it reached.
    pub fn parallel_figure(&self) -> Result<Figure> {
        Figure::new(parallel::ParallelPlot { study: StudyData::of(self) })
    }

    /// What trials reached against each hyperparameter by itself, up to six of them.
    pub fn slice_figure(&self) -> Result<Figure> {
        Figure::new(slice::SlicePlot { study: StudyData::of(self) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::tune::{Space, Trial};
    use crate::train::Recipe;

    /// A study whose trials say what a smooth function of their values says.
    fn study(folder: &std::path::Path, trials: usize) -> Study {
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .float("network.block_dropout", 0.0, 0.5)
            .int("train.clean_epochs", 0, 10)
            .choice("train.batch_size", [32, 64, 128])
            .log("train.optimizer.weight_decay", 1e-5, 1e-1);
        let mut recipe = Recipe::default();
        recipe.set("choice.monitor", "val_accuracy").unwrap();
        recipe.set(
            "train.optimizer",
            "{ name = 'adamw', beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, weight_decay = 0.01 }",
        )
        .unwrap();
        let study = Study::open(folder, space, recipe).unwrap();
        for number in 1..=trials {
            let drawn =
                |salt| (crate::common::random::derive(number as u64, salt) % 1000) as f64 / 1000.0;
            let mut values = toml::Table::new();
            for (salt, (path, range)) in study.config().space.ranges().enumerate() {
                let (low, high) = range.bounds();
                values.insert(path.into(), range.value(low + (high - low) * drawn(salt)));
            }
            let rate = values["train.learning_rate"].as_float().unwrap().log10();
            let drop = values["network.block_dropout"].as_float().unwrap();
            let value = 0.64 - 0.05 * (rate + 3.0).powi(2) - 0.2 * (drop - 0.1).abs();
            let state = match number % 5 {
                0 => TrialState::Pruned,
                _ => TrialState::Complete,
            };
            let reason = String::new();
            let value = Some(value - 0.01 * drawn(9));
            let trial = Trial { number, state, value, epochs: 3, seconds: 1.0, reason, values };
            let path = Trial::folder(folder, number);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("trial.toml"), toml::to_string(&trial).unwrap()).unwrap();
        }
        Study::load(folder).unwrap()
    }

    #[test]
    fn every_figure_names_its_axes() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), 24);
        let figures = [
            ("history", study.history_figure().unwrap(), vec!["trial", "val_accuracy", "pruned"]),
            ("importances", study.importances_figure().unwrap(), vec!["learning_rate", "%"]),
            ("parallel", study.parallel_figure().unwrap(), vec!["batch_size", "1e-3", "128"]),
            ("slice", study.slice_figure().unwrap(), vec!["weight_decay", "val_accuracy"]),
        ];
        for (name, figure, parts) in figures {
            for part in parts {
                assert!(figure.svg().contains(part), "{part} in {name}");
            }
            assert!(figure.svg().contains("24 trials"), "{name}");
            if let Some(folder) = std::env::var_os("FER_TEST_FIGURES") {
                let file = format!("tuning_{name}.png");
                figure.save(std::path::Path::new(&folder).join(file)).unwrap();
            }
        }
        // What has no part in the function explains next to nothing.
        let importances = study.importances();
        let names: Vec<_> = importances.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names[..2], ["network.block_dropout", "train.learning_rate"], "{importances:?}");
        assert!(importances[2].1 < 0.15, "{importances:?}");
    }

    #[test]
    fn few_trials_or_none_are_drawn_too() {
        for trials in [0, 1, 3] {
            let folder = tempfile::tempdir().unwrap();
            let study = study(folder.path(), trials);
            study.history_figure().unwrap();
            study.parallel_figure().unwrap();
            study.slice_figure().unwrap();
            let figure = study.importances_figure().unwrap();
            assert!(figure.svg().contains("five finished trials"), "{trials}");
        }
    }
}
