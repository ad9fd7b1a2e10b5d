//! What a study says of its trials: the best one, the Pareto front, the table, a few lines.

use std::path::Path;

use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series, df};

use super::pareto::{Pair, fronts};
use super::range::number;
use super::study::Study;
use super::trial::{Trial, TrialState};
use crate::common::Result;
use crate::common::frame::FrameCsv;
use crate::common::text::plural;

impl Study {
    /// The best trial that was trained to its end; the first of equals. Of two objectives it is the best in the first
    /// one, [`Study::monitor`].
    pub fn best(&self) -> Option<&Trial> {
        let sign = self.config.sign();
        let best = self.complete().min_by(|(_, a), (_, b)| (sign * a).total_cmp(&(sign * b)));
        best.map(|(trial, _)| trial)
    }

    /// The Pareto front of two objectives, the cheapest trial first: those trained to their end than which no other is
    /// better in one objective and at least as good in the other. Of one objective it is the best trial.
    pub fn front(&self) -> Vec<&Trial> {
        if self.config.cost.is_none() {
            return self.best().into_iter().collect();
        }
        let complete = self.complete().filter_map(|(it, _)| Some((it, self.config.pair(it)?)));
        let (trials, pairs): (Vec<&Trial>, Vec<Pair>) = complete.unzip();
        let mut front: Vec<(&Trial, Pair)> = trials
            .into_iter()
            .zip(pairs.iter().copied())
            .zip(fronts(&pairs))
            .filter_map(|(trial, front)| (front == 0).then_some(trial))
            .collect();
        front.sort_by(|(_, [_, one]), (_, [_, other])| one.total_cmp(other));
        front.into_iter().map(|(trial, _)| trial).collect()
    }

    /// The trials that were trained to their end, with the value that each reached.
    pub(super) fn complete(&self) -> impl Iterator<Item = (&Trial, f64)> {
        let complete = self.trials.iter().filter(|trial| trial.state == TrialState::Complete);
        complete.filter_map(|trial| Some((trial, trial.value?)))
    }

    /// What a trial reached: "val_accuracy 0.5123, 24.1 MFLOPs".
    pub(super) fn reached_by(&self, trial: &Trial) -> String {
        let mut text = format!("{} {}", self.monitor().name(), trial.shown_value());
        if let (Some(cost), Some(value)) = (self.config.cost, trial.cost) {
            text += &format!(", {}", cost.shown(value));
        }
        text
    }

    /// A row a trial. Columns: `trial` (u32), `state` (str), what trials are compared in (f64, null if there is none),
    /// `spread` (f64; only if a trial has several seeds: their standard deviation), `flops` or `parameters` (i64; only
    /// with two objectives) and then `front` (bool: on the Pareto front), `epochs` (u32), `seconds` (f64), and one for
    /// each value that is tuned: i64 or f64, or str if they are no numbers; null if a trial has none yet, or does not
    /// tune it.
    ///
    /// # Errors
    /// Whatever polars refuses.
    pub fn to_table(&self) -> Result<DataFrame> {
        let trials = || self.trials.iter();
        let mut table = df![
            "trial" => trials().map(|trial| trial.number as u32).collect::<Vec<_>>(),
            "state" => trials().map(|trial| trial.state.name()).collect::<Vec<_>>(),
            self.monitor().name() => trials().map(|trial| trial.value).collect::<Vec<_>>(),
        ]?;
        if self.config.seeds > 1 {
            let spread = trials().map(Trial::spread).collect::<Vec<_>>();
            table.with_column(Series::new("spread".into(), spread).into_column())?;
        }
        if let Some(cost) = self.config.cost {
            let costs = trials().map(|trial| trial.cost.map(|cost| cost as i64));
            let costs = Series::new(cost.name().into(), costs.collect::<Vec<_>>());
            table.with_column(costs.into_column())?;
            let front: Vec<usize> = self.front().iter().map(|trial| trial.number).collect();
            let is_on_it: Vec<bool> = trials().map(|it| front.contains(&it.number)).collect();
            table.with_column(Series::new("front".into(), is_on_it).into_column())?;
        }
        let epochs: Vec<u32> = trials().map(|trial| trial.epochs as u32).collect();
        table.with_column(Series::new("epochs".into(), epochs).into_column())?;
        let seconds: Vec<f64> = trials().map(|trial| trial.seconds).collect();
        table.with_column(Series::new("seconds".into(), seconds).into_column())?;
        for (path, _) in self.config.space.ranges() {
            table.with_column(column(path, trials().map(|trial| trial.values.get(path))))?;
        }
        Ok(table)
    }

    /// Writes [`Study::to_table`] as a CSV file.
    ///
    /// # Errors
    /// [`Error::Io`](crate::common::Error::Io) if it can't be written.
    pub fn to_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.to_table()?.to_csv(path)
    }
}

/// A column of the narrowest type that all values have.
fn column<'a>(path: &str, values: impl Iterator<Item = Option<&'a toml::Value>> + Clone) -> Column {
    fn all<'a, T>(
        values: impl Iterator<Item = Option<&'a toml::Value>>,
        as_type: impl Fn(&toml::Value) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        values
            .map(|value| match value {
                None => Some(None),
                Some(value) => as_type(value).map(Some),
            })
            .collect()
    }
    let series = if let Some(whole) = all(values.clone(), toml::Value::as_integer) {
        Series::new(path.into(), whole)
    } else if let Some(numbers) = all(values.clone(), number) {
        Series::new(path.into(), numbers)
    } else {
        let texts = values.map(|value| value.map(ToString::to_string));
        Series::new(path.into(), texts.collect::<Vec<_>>())
    };
    series.into_column()
}

impl std::fmt::Display for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |state| self.trials.iter().filter(|trial| trial.state == state).count();
        write!(
            f,
            "{}: {} complete, {} pruned, {} failed, {} running or stopped",
            plural(self.trials.len(), "trial"),
            count(TrialState::Complete),
            count(TrialState::Pruned),
            count(TrialState::Failed),
            count(TrialState::Running)
        )?;
        if count(TrialState::Waiting) > 0 {
            write!(f, ", {} waiting", count(TrialState::Waiting))?;
        }
        let retried = self.trials.iter().filter(|trial| trial.retries > 0).count();
        if retried > 0 {
            write!(f, "; {retried} of them retried after their process died")?;
        }
        let front = self.front();
        let is_one = self.config.cost.is_none();
        if !is_one && !front.is_empty() {
            write!(f, "\nPareto front: {}", plural(front.len(), "trial"))?;
        }
        for trial in front {
            let best = if is_one { "best " } else { "" };
            write!(f, "\n{best}trial {}: {}", trial.number, self.reached_by(trial))?;
            for (path, value) in &trial.values {
                write!(f, "\n  {path} = {value}")?;
            }
        }
        Ok(())
    }
}
