//! A study as a file of Optuna's: [`Study::to_optuna`].

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::range::{Range, number};
use super::study::Study;
use super::trial::{Trial, TrialState};
use crate::common::files::write_text;
use crate::common::{Error, Result};
use crate::train::History;

/// Who the file says has written it.
const WORKER: &str = "fer_nb";

/// Operations of Optuna's journal (`JournalOperation` in optuna/storages/journal/_storage.py).
const CREATE_STUDY: u8 = 0;
const SET_STUDY_USER_ATTR: u8 = 2;
const SET_STUDY_SYSTEM_ATTR: u8 = 3;
const CREATE_TRIAL: u8 = 4;

impl Study {
    /// Writes the study as a journal of Optuna's, whole or not at all: `JournalStorage(JournalFileBackend(path))` opens
    /// it in Python, and `optuna-dashboard path` shows it. The study has the folder's name. Trials have their states,
    /// values, the parameters that were tuned in them with distributions, and as intermediate values what they reached
    /// after each epoch, the mean over the seeds that came as far; Optuna knows no intermediate values of two objectives.
    /// It counts trials from 0; the attribute `trial` has the number of this study. A trial's end is when its
    /// `trial.toml` was written.
    ///
    /// # Errors
    /// [`Error::Io`] if the file can't be written; [`Error::File`] for a trial's history that is damaged.
    pub fn to_optuna(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let name = self.folder().file_name().unwrap_or_default().to_string_lossy();
        let mut directions = vec![if self.monitor().is_minimised() { 1 } else { 2 }];
        let mut metrics = vec![self.monitor().name()];
        if let Some(cost) = self.config().cost {
            directions.push(1);
            metrics.push(cost.name());
        }
        let mut lines = vec![json!({
            "op_code": CREATE_STUDY, "worker_id": WORKER,
            "study_name": name, "directions": directions,
        })];
        lines.push(json!({
            "op_code": SET_STUDY_SYSTEM_ATTR, "worker_id": WORKER, "study_id": 0,
            "system_attr": { "study:metric_names": metrics },
        }));
        let config = self.config();
        let attributes = [
            ("recipe", json!(config.recipe.about)),
            ("sampler", json!(config.sampler.name())),
            ("pruner", json!(config.pruner.map(|pruner| pruner.name()))),
            ("seeds", json!(config.seeds)),
        ];
        for (key, value) in attributes {
            lines.push(json!({
                "op_code": SET_STUDY_USER_ATTR, "worker_id": WORKER, "study_id": 0,
                "user_attr": { key: value },
            }));
        }
        for trial in self.trials() {
            lines.push(self.optuna_trial(trial)?);
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        write_text(path, text)
    }

    fn optuna_trial(&self, trial: &Trial) -> Result<Value> {
        let (mut distributions, mut params) = (Map::new(), Map::new());
        for (path, range) in self.config().space.ranges() {
            let value = trial.values.get(path).and_then(|value| internal(range, value));
            if let Some(value) = value.filter(|_| trial.state != TrialState::Waiting) {
                // A text in the text, as Optuna keeps it.
                distributions.insert(path.into(), json!(distribution(range).to_string()));
                params.insert(path.into(), json!(value));
            }
        }
        let two = self.config().cost.is_some();
        let value = trial.value.filter(|value| value.is_finite());
        let is_whole = value.is_some() && trial.cost.is_some() == two;
        let state = match trial.state {
            TrialState::Running => 0,
            TrialState::Complete if is_whole => 1,
            TrialState::Pruned => 2,
            TrialState::Complete | TrialState::Failed => 3,
            TrialState::Waiting => 4,
        };
        let mut user = Map::new();
        user.insert("trial".into(), json!(trial.number));
        user.insert("epochs".into(), json!(trial.epochs));
        user.insert("seconds".into(), json!(trial.seconds));
        if let Some(spread) = trial.spread() {
            user.insert("spread".into(), json!(spread));
            user.insert("reached".into(), json!(trial.reached));
        }
        if let Some(reason) = &trial.reason {
            user.insert("reason".into(), json!(reason));
        }
        let system = match &trial.given {
            Some(given) => json!({ "fixed_params": given }),
            None => json!({}),
        };
        let file = Trial::folder(self.folder(), trial.number).join("trial.toml");
        let written = std::fs::metadata(&file).and_then(|found| found.modified());
        let written = written.map_err(|error| Error::io("read", &file, error))?;
        let spent = Duration::try_from_secs_f64(trial.seconds).unwrap_or_default();
        let began = match trial.state {
            TrialState::Waiting => Value::Null,
            _ => json!(iso(written.checked_sub(spent).unwrap_or(written))),
        };
        let reached = value.filter(|_| matches!(state, 1 | 2));
        let (value, values) = match (two, reached) {
            (true, Some(reached)) => (None, Some([Some(reached), trial.cost])),
            (_, reached) => (reached, None),
        };
        let steps = if two { Map::new() } else { self.after_epochs(trial)? };
        let mut line = json!({
            "op_code": CREATE_TRIAL, "worker_id": WORKER, "study_id": 0,
            "state": state,
            "value": value,
            "values": values,
            "datetime_start": began,
            "distributions": distributions,
            "params": params,
            "user_attrs": user,
            "system_attrs": system,
            "intermediate_values": steps,
        });
        if let (Some(line), true) = (line.as_object_mut(), trial.is_over()) {
            line.insert("datetime_complete".into(), json!(iso(written)));
        }
        Ok(line)
    }

    /// What a trial's monitor was after each epoch, by epoch: the mean over the seeds that came as far.
    fn after_epochs(&self, trial: &Trial) -> Result<Map<String, Value>> {
        let runs = self.runs_of(trial).into_iter();
        let runs = runs.filter(|run| run.path().join("history.csv").is_file());
        let histories: Vec<History> = runs.map(|run| run.history()).collect::<Result<_>>()?;
        let longest = histories.iter().map(|history| history.epochs.len()).max().unwrap_or(0);
        let mean = |epoch: usize| {
            let records = histories.iter().filter_map(|history| history.epochs.get(epoch));
            let values: Vec<f64> = records.map(|record| self.monitor().of(record)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let values = (0..longest).map(|epoch| (epoch + 1, mean(epoch)));
        let finite = values.filter(|(_, value)| value.is_finite());
        Ok(finite.map(|(epoch, value)| (epoch.to_string(), json!(value))).collect())
    }
}

/// The distribution of a range, as optuna.distributions.distribution_to_json writes it.
fn distribution(range: &Range) -> Value {
    let (name, attributes) = match range {
        Range::Float { low, high } => {
            let attributes = json!({ "step": null, "low": low, "high": high, "log": false });
            ("FloatDistribution", attributes)
        }
        Range::Log { low, high } => {
            let attributes = json!({ "step": null, "low": low, "high": high, "log": true });
            ("FloatDistribution", attributes)
        }
        Range::Int { low, high } => {
            let attributes = json!({ "log": false, "step": 1, "low": low, "high": high });
            ("IntDistribution", attributes)
        }
        Range::Choice { values } => {
            let choices: Vec<Value> = values.iter().map(choice).collect();
            ("CategoricalDistribution", json!({ "choices": choices }))
        }
    };
    json!({ "name": name, "attributes": attributes })
}

/// A choice as Optuna can hold it: a number, a truth value or a text; others as TOML writes them.
fn choice(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(whole) => json!(whole),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(is) => json!(is),
        other => json!(other.to_string()),
    }
}

/// A value as Optuna keeps it: a number; of a choice, its index.
fn internal(range: &Range, value: &toml::Value) -> Option<f64> {
    match range {
        Range::Choice { values } => {
            values.iter().position(|other| other == value).map(|index| index as f64)
        }
        _ => number(value),
    }
}

/// A time as `2026-11-30T18:00:00.000000+00:00`. The date is counted as in Howard Hinnant, "chrono-compatible
/// low-level date algorithms", civil_from_days.
fn iso(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400 + 719_468, since.as_secs() % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // python3: datetime.fromtimestamp(s, timezone.utc).isoformat(timespec="microseconds")
        let cases = [
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (951_782_400, "2000-02-29T00:00:00.000000+00:00"),
            (1_764_547_199, "2025-11-30T23:59:59.000000+00:00"),
            (4_107_542_400, "2100-03-01T00:00:00.000000+00:00"),
        ];
        for (seconds, text) in cases {
            assert_eq!(iso(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn choices_that_optuna_can_not_hold_are_texts() {
        let values = vec![1.into(), "a".into(), toml::Value::Array(vec![1.into(), 2.into()])];
        let text = distribution(&Range::Choice { values }).to_string();
        assert!(text.contains(r#"[1,"a","[1, 2]"]"#), "{text}");
    }
}
