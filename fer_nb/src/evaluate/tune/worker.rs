//! What a process that works on a study does: [`Study::optimize`].

use std::time::{Duration, Instant};

use tch::Device;

use super::folder::{not_comparable, read_trials};
use super::plan::{Next, Plan};
use super::study::Study;
use super::training::{Ended, Training};
use super::trial::{Trial, TrialState};
use crate::common::Result;
use crate::common::machine::{Interrupt, print_line};
use crate::data::FaceData;
use crate::train::{RunFolder, StopReason};

/// How long a process waits before it looks again whether others are further.
const PATIENCE: Duration = Duration::from_millis(500);

impl Study {
    /// Trains until the study has `trials` completed trials, or the user stops it. Another call resumes, with
    /// the trial that was stopped first. Trials that other processes
    /// work on are left to them.
    ///
    /// # Errors
    /// Whatever does not depend on the values that are tried, such as a disk that is full. A trial that
    /// fails by its values is kept as failed.
    pub fn optimize(&mut self, data: &FaceData, trials: usize, device: Device) -> Result<()> {
        self.optimize_for(data, trials, None, device)
    }

    /// [`Study::optimize`] that begins no further trial after `limit`.
    ///
    /// # Errors
    /// As [`Study::optimize`].
    pub fn optimize_for(
        &mut self,
        data: &FaceData,
        trials: usize,
        limit: Option<Duration>,
        device: Device,
    ) -> Result<()> {
        let began = Instant::now();
        self.stopped = None;
        self.check_images(data)?;
        let mut waiting: Option<Interrupt> = None;
        while self.stopped.is_none() {
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                self.stopped =
                    limit.map(|limit| StopReason::TimeLimit { seconds: limit.as_secs_f64() });
                break;
            }
            self.trials = read_trials(&self.folder)?;
            match self.plan().next(trials)? {
                Next::Nothing => break,
                Next::Again => (),
                Next::Wait => {
                    let interrupt = match waiting.take() {
                        Some(interrupt) => interrupt,
                        None => Interrupt::listen()?,
                    };
                    std::thread::sleep(PATIENCE);
                    if interrupt.requested() {
                        self.stopped = Some(StopReason::User { epoch: 0, batch: None });
                    }
                    waiting = Some(interrupt);
                }
                Next::Trial { claim, trial, until } => {
                    waiting = None;
                    let number = trial.number;
                    if let Err(error) = self.train(*trial, until, data, device) {
                        self.forget(number);
                        return Err(error);
                    }
                    drop(claim);
                }
            }
        }
        self.trials = read_trials(&self.folder)?;
        Ok(())
    }

    /// The study as it stood when it was last read.
    pub(super) fn plan(&self) -> Plan<'_> {
        Plan { folder: &self.folder, config: &self.config, trials: &self.trials }
    }

    /// Trials on other images can't be compared.
    fn check_images(&self, data: &FaceData) -> Result<()> {
        let now = format!("{:016x}", data.fingerprint());
        let over = self.trials.iter().filter(|trial| trial.epochs > 0);
        for trial in over {
            if trial.run(&self.folder).config()?.data_fingerprint != now {
                return Err(not_comparable(
                    &self.folder,
                    "trials that were trained on other images",
                ));
            }
        }
        Ok(())
    }

    /// Trains a trial, with Hyperband until `until` epochs are done.
    pub(super) fn train(
        &mut self,
        mut trial: Trial,
        until: usize,
        data: &FaceData,
        device: Device,
    ) -> Result<()> {
        let values: Vec<_> =
            trial.values.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        print_line(&format!("trial {}: {}", trial.number, values.join(", ")));
        let (study, config, trials) = (&*self.folder, &self.config, &*self.trials);
        let until = config.hyperband().and(Some(until));
        let training = Training { study, config, trials, data, device };
        match training.run(&mut trial, until)? {
            Ended::Stopped(reason) => self.stopped = Some(reason),
            Ended::Paused => trial.rungs.extend(trial.value),
            Ended::Complete(reason) => {
                trial.state = TrialState::Complete;
                trial.reason = reason.map(|reason| reason.to_string());
                // One that early stopping ended is compared at later rungs with what it reached.
                let rungs = config.hyperband().map(|it| it.bracket(trial.number).rungs.len());
                if let (Some(rungs), Some(value)) = (rungs, trial.value) {
                    trial.rungs.resize(rungs, value);
                }
            }
            Ended::Pruned(reason) => {
                trial.state = TrialState::Pruned;
                trial.reason = Some(reason.to_string());
            }
            Ended::Failed(error) => {
                trial.state = TrialState::Failed;
                trial.reason = Some(error.to_string());
            }
        }
        trial.save(&self.folder)?;
        if trial.is_over() {
            let (number, state) = (trial.number, trial.state.name());
            print_line(&format!("trial {number} is {state}: {}", self.reached_by(&trial)));
        }
        Ok(())
    }

    /// Removes a trial of which nothing was trained, or lets it wait again if its values were given; what can't be
    /// removed is only in the way.
    fn forget(&self, number: usize) {
        let run = RunFolder::at(Trial::folder(&self.folder, number));
        if run.checkpoint().exists() || run.weights().exists() {
            return;
        }
        match Trial::load(run.path()) {
            Ok(Some(Trial { given: Some(given), .. })) => {
                let _ = Trial::waiting(number, given).save(&self.folder);
            }
            _ => {
                let _ = std::fs::remove_dir_all(run.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::claim::Claim;
    use super::super::config::StudyConfig;
    use super::super::cost::Cost;
    use super::super::fixtures::{data, recipe, without_dropout};
    use super::super::pruner::Pruner;
    use super::super::space::Space;
    use super::*;
    use crate::common::Error;
    use crate::data::SampleConfig;
    use crate::train::Monitor;

    #[test]
    fn a_study_goes_on_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .choice("network.block_dropout", [0.0, 0.25]);
        let open = || Study::open(folder.path(), space.clone(), recipe()).unwrap();
        let data = data();
        let mut study = open();
        study.optimize(&data, 2, Device::Cpu).unwrap();
        assert_eq!(study.trials().len(), 2);
        assert!(study.trials().iter().all(Trial::is_over), "{study}");
        let first = study.trials()[0].clone();
        let mut study = open();
        study.optimize(&data, 3, Device::Cpu).unwrap();
        assert_eq!(study.trials().len(), 3);
        assert_eq!(study.trials()[0], first);
        let best = study.best().unwrap();
        assert!(study.trials().iter().all(|trial| trial.value <= best.value));
        assert_eq!(study.recipe_of(best).unwrap().train.epochs, 2);
        let table = study.to_table().unwrap();
        assert_eq!(table.shape(), (3, 7));
        assert!(study.to_string().starts_with("3 trials: 3 complete"), "{study}");
        // Every trial is a run.
        assert!(best.run(study.folder()).network(Device::Cpu).is_ok());

        let others = FaceData::sample(SampleConfig { seed: 2, train: 70, test: 35 }).unwrap();
        let refused = study.optimize(&others, 4, Device::Cpu);
        assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");

        // A trial that was stopped is taken up again.
        let stopped = Trial { state: TrialState::Running, value: None, ..first.clone() };
        stopped.save(study.folder()).unwrap();
        let mut study = open();
        study.optimize(&data, 3, Device::Cpu).unwrap();
        assert_eq!(study.trials()[0].value, first.value);
        assert!(study.trials()[0].is_over());

        let other = Space::new().log("train.learning_rate", 1e-3, 1e-2);
        let refused = Study::open(folder.path(), other, recipe());
        assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");
    }

    #[test]
    fn a_trial_whose_process_died_is_taken_up() {
        let parent = tempfile::tempdir().unwrap();
        let mut recipe = recipe();
        recipe.train.epochs = 1;
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let died_with = |name: &str, content: &dyn Fn(&Study, &Path)| {
            let folder = parent.path().join(name);
            let mut study = Study::open(&folder, space.clone(), recipe.clone()).unwrap();
            let trial = Trial::folder(&folder, 1);
            std::fs::create_dir(&trial).unwrap();
            content(&study, &trial);
            study.optimize(&data(), 2, Device::Cpu).unwrap();
            assert_eq!(study.trials().len(), 2, "{name}: {study}");
            let text = study.to_string();
            assert!(text.starts_with("2 trials: 2 complete"), "{name}: {text}");
            assert!(text.contains("; 1 of them retried"), "{name}: {text}");
            assert_eq!(study.trials()[0].retries, 1, "{name}");
            // Once: nothing is left to do.
            study.optimize(&data(), 2, Device::Cpu).unwrap();
            assert_eq!(study.trials().iter().map(|trial| trial.retries).sum::<usize>(), 1);
        };
        let claim = |trial: &Path| std::fs::write(trial.join("claim"), "4711").unwrap();
        died_with("before_its_claim", &|_, _| ());
        died_with("before_trial_toml", &|_, trial| claim(trial));
        died_with("while_writing_it", &|_, trial| {
            claim(trial);
            std::fs::write(trial.join(".fer_nb-tmp123"), "number = ").unwrap();
        });
        died_with("in_training", &|study, trial| {
            claim(trial);
            study.plan().draw(1, &toml::Table::new()).save(study.folder()).unwrap();
        });
        // A run without its trial.toml is of nobody knows which values.
        let other = parent.path().join("other");
        let mut study = Study::open(&other, space.clone(), recipe.clone()).unwrap();
        study.optimize(&data(), 1, Device::Cpu).unwrap();
        died_with("after_a_run", &|study, trial| {
            std::fs::remove_dir(trial).unwrap();
            std::fs::rename(Trial::folder(&other, 1), trial).unwrap();
            std::fs::remove_file(trial.join("trial.toml")).unwrap();
            assert!(study.trials().is_empty());
        });
    }

    #[test]
    fn a_trial_that_another_process_begins_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let mut study = Study::open(folder.path(), space, recipe()).unwrap();
        let claim = Claim::new(&Trial::folder(folder.path(), 1)).unwrap().unwrap();
        study.optimize(&data(), 2, Device::Cpu).unwrap();
        assert_eq!(study.trials().iter().map(|trial| trial.number).collect::<Vec<_>>(), [2]);
        drop(claim);
    }

    #[test]
    fn a_value_is_the_mean_over_seeds() {
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = without_dropout();
        recipe.train.epochs = 1;
        recipe.choice.monitor = Monitor::ValLoss;
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let config = StudyConfig { seeds: 3, ..StudyConfig::new(space, recipe) };
        let none = StudyConfig { seeds: 0, ..config.clone() };
        let refused = Study::with_config(folder.path(), none).unwrap_err().to_string();
        assert!(refused.contains("seeds") && refused.contains("1 or more"), "{refused}");
        let mut study = Study::with_config(folder.path(), config).unwrap();
        study.optimize(&data(), 1, Device::Cpu).unwrap();
        let trial = study.trials()[0].clone();
        let runs = study.runs_of(&trial);
        let losses: Vec<f64> =
            runs.iter().map(|run| run.history().unwrap().epochs[0].val_loss).collect();
        assert_eq!(trial.reached, losses);
        assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
        let mean = losses.iter().sum::<f64>() / 3.0;
        assert!((trial.value.unwrap() - mean).abs() < 1e-12);
        let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((trial.spread().unwrap() - variance.sqrt()).abs() < 1e-12);
        assert_eq!(trial.epochs, 3);
        let seeds: Vec<u64> = runs.iter().map(|run| run.config().unwrap().train.seed).collect();
        assert_eq!(seeds, [seeds[0], seeds[0] + 1, seeds[0] + 2]);
        let names = study.to_table().unwrap();
        let names: Vec<_> =
            names.get_column_names().into_iter().map(|name| name.as_str()).collect();
        assert_eq!(names[..5], ["trial", "state", "val_loss", "spread", "epochs"]);
        assert!(study.to_string().contains("over 3 seeds"), "{study}");
        // A process that died within the second seed: the first is not trained again.
        let begun = Trial { state: TrialState::Running, value: None, ..trial.clone() };
        begun.save(study.folder()).unwrap();
        std::fs::remove_dir_all(runs[1].path()).unwrap();
        let before = std::fs::metadata(runs[0].checkpoint()).unwrap().modified().unwrap();
        study.optimize(&data(), 1, Device::Cpu).unwrap();
        assert_eq!(study.trials()[0].reached, losses);
        assert_eq!(std::fs::metadata(runs[0].checkpoint()).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn hyperband_waits_at_a_rung_and_trains_the_best_further() {
        let parent = tempfile::tempdir().unwrap();
        let mut recipe = without_dropout();
        recipe.train.epochs = 3;
        recipe.choice.monitor = Monitor::ValLoss;
        let space = Space::new().log("train.learning_rate", 1e-5, 1e-2);
        let config = StudyConfig {
            pruner: Some(Pruner::Hyperband),
            ..StudyConfig::new(space.clone(), recipe.clone())
        };
        let tuned = StudyConfig { space: space.int("train.epochs", 1, 3), ..config.clone() };
        let refused = Study::with_config(parent.path().join("tuned"), tuned);
        assert!(refused.unwrap_err().to_string().contains("train.epochs"));
        let data = data();
        let folder = parent.path().join("study");
        let mut alone = Study::with_config(&folder, config).unwrap();
        // Another process holds the first trial: the rung waits for it, until that process gives it up.
        let claim = Claim::new(&Trial::folder(&folder, 1)).unwrap();
        alone.plan().draw(1, &toml::Table::new()).save(&folder).unwrap();
        loop {
            alone.trials = read_trials(&folder).unwrap();
            let Next::Trial { claim: _held, trial, until } = alone.plan().next(3).unwrap() else {
                break;
            };
            alone.train(*trial, until, &data, Device::Cpu).unwrap();
        }
        assert!(matches!(alone.plan().next(3).unwrap(), Next::Wait), "{alone}");
        assert!(alone.trials().iter().all(|trial| !trial.is_over()), "{alone}");
        let rungs: Vec<_> = alone.trials().iter().map(|trial| trial.rungs.len()).collect();
        assert_eq!(rungs, [0, 1, 1]);
        drop(claim);
        alone.optimize(&data, 5, Device::Cpu).unwrap();
        // Of three trials one is trained to its end; the second bracket prunes none.
        let states: Vec<_> = alone.trials().iter().map(|trial| trial.state).collect();
        let pruned = states.iter().filter(|state| **state == TrialState::Pruned).count();
        assert_eq!((pruned, alone.complete().count()), (2, 3), "{alone}");
        assert!(states[3..].iter().all(|state| *state == TrialState::Complete), "{alone}");
        for trial in alone.trials() {
            let epochs = trial.run(alone.folder()).history().unwrap().epochs.len();
            assert_eq!(epochs, if trial.state == TrialState::Pruned { 1 } else { 3 });
        }
        // The one that went on did so as if it had not been paused.
        let winner = alone.trials().iter().find(|it| it.state == TrialState::Complete).unwrap();
        let mut trainer = alone
            .recipe_of(winner)
            .unwrap()
            .trainer(Device::Cpu, parent.path().join("whole"))
            .unwrap();
        let whole: Vec<f64> =
            trainer.fit(&data).unwrap().epochs.iter().map(|epoch| epoch.val_loss).collect();
        let paused = winner.run(alone.folder()).history().unwrap();
        let paused: Vec<f64> = paused.epochs.iter().map(|epoch| epoch.val_loss).collect();
        assert_eq!(paused, whole);
    }

    #[test]
    fn values_that_fail_are_kept_as_failed() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new().log("train.learning_rate", 1e28, 1e30);
        let mut study = Study::open(folder.path(), space, recipe()).unwrap();
        study.optimize(&data(), 2, Device::Cpu).unwrap();
        assert!(study.trials().iter().all(|trial| trial.state == TrialState::Failed), "{study}");
        assert!(study.trials()[0].reason.is_some());
        assert!(study.best().is_none());
        let none = folder.path().join("none");
        assert!(matches!(Study::load(none), Err(Error::Missing { .. })));
    }

    #[test]
    fn two_objectives_have_a_front_and_what_a_trial_does_not_tune_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = recipe();
        recipe.train.epochs = 1;
        let small = "{ name = 'vgg', channels = [4, 8], convolutions = [1, 1], hidden = 8 }";
        recipe.set("network", small).unwrap();
        let momentum = Space::new().float("train.optimizer.momentum", 0.5, 0.99);
        let space = Space::new()
            .choice("network.channels", [vec![4, 8], vec![8, 16], vec![16, 32]])
            .choice("train.optimizer.name", ["adam", "sgd"])
            .when("train.optimizer.name", ["sgd"], momentum);
        let config = StudyConfig { cost: Some(Cost::Flops), ..StudyConfig::new(space, recipe) };
        let refused = Study::with_config(folder.path(), config.clone()).unwrap_err().to_string();
        assert!(refused.contains("pruner = median: expected none"), "{refused}");
        let config = StudyConfig { pruner: None, ..config };
        let mut study = Study::with_config(folder.path(), config.clone()).unwrap();
        study.optimize(&data(), 9, Device::Cpu).unwrap();
        assert_eq!(study.complete().count(), 9, "{study}");
        let table = study.to_table().unwrap();
        let names: Vec<_> = table.get_column_names().iter().map(|name| name.as_str()).collect();
        assert_eq!(names[..5], ["trial", "state", "val_accuracy", "flops", "front"]);
        for trial in study.trials() {
            let network = study.recipe_of(trial).unwrap().network.build(Device::Cpu, 0).unwrap();
            assert_eq!(trial.cost, Some(network.summary().flops() as f64));
            let is_sgd = trial.values["train.optimizer.name"].as_str() == Some("sgd");
            assert_eq!(trial.values.contains_key("train.optimizer.momentum"), is_sgd, "{study}");
        }
        // No other trial is better than one of the front, and the front goes up.
        let front: Vec<_> = study.front().iter().map(|it| (it.cost, it.value)).collect();
        assert!(!front.is_empty() && front.is_sorted(), "{front:?}");
        for (cost, value) in &front {
            let better = study.trials().iter().filter(|it| it.cost < *cost && it.value >= *value);
            assert_eq!(better.count(), 0, "{study}");
        }
        assert!(front.iter().any(|(_, value)| *value == study.best().unwrap().value));
        assert!(study.to_string().contains(" MFLOPs\n"), "{study}");
        // The same study is opened again.
        assert_eq!(Study::with_config(folder.path(), config).unwrap().front().len(), front.len());
    }
}
