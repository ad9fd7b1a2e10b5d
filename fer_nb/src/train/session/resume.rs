//! Saves a run after each epoch, and resumes it exactly.

use std::path::Path;

use super::state::{Session, State};
use crate::common::text::shown;
use crate::common::{Error, Result};
use crate::train::callbacks::{Callback, CallbackState};
use crate::train::run::{Checkpoint, RunFolder, RunState, SavedCallback, first_difference};

/// Writes the checkpoint, `config.toml`, `history.csv` and `stopped.toml`. The network must hold the trained
/// weights, not their average.
pub(crate) fn save(session: &Session<'_>, folder: &RunFolder) -> Result<()> {
    // The checkpoint comes first, so that the other files never refer to an epoch without one; and a training that
    // fails in its first epoch leaves the previous run unchanged.
    checkpoint(session)?.save(folder.checkpoint())?;
    folder.save_config(&session.run)?;
    folder.save_history(&session.state.history)?;
    folder.save_stopped(session.stop.as_ref())
}

fn checkpoint(session: &Session<'_>) -> Result<Checkpoint> {
    let State { learner, history, learning_rate, .. } = &*session.state;
    let mut tensors = Vec::new();
    for (name, tensor) in learner.network.parameters().named_tensors()? {
        tensors.push((format!("network.{name}"), tensor));
    }
    for (name, tensor) in learner.optimizer.tensors() {
        tensors.push((format!("optimizer.{name}"), tensor.shallow_clone()));
    }
    if let Some(average) = &learner.average {
        tensors.push(("ema".to_string(), average.tensor().shallow_clone()));
    }
    let mut saved = Vec::new();
    for (index, callback) in acting(session.callbacks).enumerate() {
        let state = callback.state()?;
        for (name, tensor) in state.tensors {
            tensors.push((format!("callback.{index}.{name}"), tensor));
        }
        let name = callback.name().into();
        saved.push(SavedCallback { name, settings: state.settings, values: state.values });
    }
    let state = RunState {
        learning_rate: *learning_rate,
        optimizer_steps: learner.optimizer.steps(),
        ema_steps: learner.average.as_ref().map_or(0, |average| average.steps()),
        stopped: session.stop.clone(),
        run: session.run.clone(),
        epochs: history.epochs.clone(),
        callbacks: saved,
    };
    Ok(Checkpoint { state, tensors })
}

/// The callbacks that are part of a run.
fn acting(callbacks: &[Box<dyn Callback>]) -> impl Iterator<Item = &dyn Callback> {
    callbacks.iter().map(|callback| callback.as_ref()).filter(|callback| !callback.observes_only())
}

/// Resumes from the run folder's checkpoint; returns a line for the user. If the session must resume, a failure is
/// an error; otherwise the line says why training starts from the beginning.
pub(crate) fn resume_from(session: &mut Session<'_>) -> Result<String> {
    let insists = session.must_resume;
    let Some(folder) = session.folder else {
        let expected = "a trainer with a run folder: .run_folder(runs(\"baseline\"))";
        return Err(Error::input("resume", "no run folder", expected));
    };
    let path = folder.checkpoint();
    if !insists && !path.is_file() {
        return Ok("no run to resume: training starts".into());
    }
    let checkpoint = match Checkpoint::load(&path) {
        Err(Error::File { problem, .. }) if !insists => {
            return Ok(format!(
                "training starts over, since the run's checkpoint can't be read: {problem}"
            ));
        }
        checkpoint => checkpoint?,
    };
    let saved = &checkpoint.state;
    let done = saved.epochs.len();
    let difference = match saved.run.difference(&session.run) {
        None => callbacks_difference(session.callbacks, &saved.callbacks)?,
        difference => difference,
    };
    if let Some(difference) = difference {
        if insists {
            let hint = "Resume it with its own settings, or train without resuming.";
            return Err(Error::file(&path, format!("a different run: {difference}"), hint));
        }
        return Ok(format!(
            "training starts over, since the folder holds a different run: {difference}"
        ));
    }
    let epochs = session.config.epochs;
    if insists && epochs < done {
        let expected = format!("{done}, which are completed, or more");
        return Err(Error::setting("epochs", epochs, expected));
    }
    let finished = saved.stopped.is_some() || done >= epochs;
    if finished && !insists {
        return Ok("the folder's run is finished: training starts over".into());
    }
    take_over(session, &checkpoint, &path)
        .map_err(|error| error.in_file(&path, "Retrain, or restore the file."))?;
    let then = &checkpoint.state.run.precision;
    let computed = match *then == session.run.precision {
        true => String::new(),
        false => format!(", computing in {} and not in {then} as before", session.run.precision),
    };
    // These files may have been damaged or lost.
    folder.save_config(&checkpoint.state.run)?;
    folder.save_history(&session.state.history)?;
    Ok(format!("resuming {} after epoch {done}{computed}", shown(folder.path())))
}

/// The first difference between the callbacks and the saved ones, in words.
fn callbacks_difference(
    callbacks: &[Box<dyn Callback>],
    saved: &[SavedCallback],
) -> Result<Option<String>> {
    let names = |names: Vec<&str>| format!("[{}]", names.join(", "));
    let then = names(saved.iter().map(|saved| saved.name.as_str()).collect());
    let now = names(acting(callbacks).map(|callback| callback.name()).collect());
    if then != now {
        return Ok(Some(format!("callbacks were {then} and are now {now}")));
    }
    for (saved, callback) in saved.iter().zip(acting(callbacks)) {
        let prefix = format!("{}.", saved.name);
        let settings = callback.state()?.settings;
        if let Some(difference) = first_difference(&saved.settings, &settings, &prefix) {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

fn take_over(session: &mut Session<'_>, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
    let (state, saved) = (&mut *session.state, &checkpoint.state);
    let learner = &mut state.learner;
    let weights = checkpoint.tensors_below("network.");
    learner.network.parameters_mut().load_named(&weights, path)?;
    let moments = checkpoint.tensors_below("optimizer.");
    learner.optimizer.restore(saved.optimizer_steps, &moments)?;
    if let Some(average) = &mut learner.average {
        let saved_average = checkpoint.tensors_below("ema");
        let Some((_, tensor)) = saved_average.first() else {
            return Err(Error::file(path, "the moving average 'ema' is missing", "Retrain."));
        };
        average.restore(saved.ema_steps, tensor)?;
    }
    let device = learner.device();
    let acting = session.callbacks.iter_mut().filter(|callback| !callback.observes_only());
    for (index, (callback, saved)) in acting.zip(&saved.callbacks).enumerate() {
        let tensors = checkpoint.tensors_below(&format!("callback.{index}."));
        let tensors = tensors
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.f_to_device(device)?)))
            .collect::<Result<_>>()?;
        let SavedCallback { settings, values, .. } = saved.clone();
        callback.restore(&CallbackState { settings, values, tensors })?;
    }
    state.learning_rate = saved.learning_rate;
    state.history.epochs = saved.epochs.clone();
    state.history.stopped = saved.stopped.clone();
    state.in_folder = true;
    Ok(())
}
