//! [`LiveCurves`]: the curves of a training, updated while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Formats, Shown, live};
use crate::common::text::escape_xml;
use crate::common::{During, Result, brief};
use crate::model::Network;
use crate::plot::{CurrentEpoch, Figure, curves_while_training};
use crate::train::{BatchEnd, Callback, EpochEnd, History, StopReason, TrainBegin};

/// The time between two updates within an epoch. Reading a loss waits for a GPU.
const WITHIN_EPOCH: Duration = Duration::from_secs(5);

/// The curves so far, as a value and as a callback of the [`Trainer`](crate::train::Trainer).
///
/// A cell that ends in it displays the chart. A training in a later cell that has a clone extends the chart, epoch
/// by epoch:
///
/// ```no_run
/// # use fer_nb::prelude::*;
/// # let data = FaceData::open()?;
/// # let trainer = Trainer::new(SeedCnn::new(device()?, 42)?, TrainConfig::default())?;
/// let live = LiveCurves::new();
/// let mut trainer = trainer.callback(live.clone());
/// // One cell ends in `live`; the next one trains:
/// trainer.fit(&data)?;
/// # Ok::<(), Error>(())
/// ```
///
/// If no cell has displayed it, the training cell does. It only observes: a training gives the same weights with it
/// and without it, and a run can be resumed either way. Outside a notebook it draws nothing during training.
#[derive(Clone)]
pub struct LiveCurves {
    /// The kernel's id for the output.
    id: Arc<str>,
    state: Arc<Mutex<State>>,
}

brief!(LiveCurves, |live| "{}", live.text());

#[derive(Debug)]
struct State {
    history: History,
    /// The epoch in progress, and the number of batches in its mean loss.
    current: Option<(CurrentEpoch, usize)>,
    shown: Instant,
}

impl LiveCurves {
    /// A chart without epochs. Clones share its id, by which a later cell finds it.
    pub fn new() -> Self {
        let state = State { history: History::default(), current: None, shown: Instant::now() };
        let state = Arc::new(Mutex::new(state));
        // Cells share no counter. At any time, two charts of a process have different addresses, and two processes
        // of a machine have different numbers.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let (process, place) = (std::process::id(), Arc::as_ptr(&state) as usize);
        Self { id: format!("curves-{process:x}-{now:x}-{place:x}").into(), state }
    }

    /// The epochs so far.
    pub fn history(&self) -> History {
        self.state().history.clone()
    }

    /// The chart with the epochs so far.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let state = self.state();
        curves_while_training(&state.history, state.current.map(|(current, _)| current))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another thread leaves the history usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and displays it.
    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        let (html, text) = self.page();
        live::show(&self.id, &html, &text);
        self.state().shown = Instant::now();
    }

    /// The chart as HTML and as text. If it can't be drawn, the text has the reason; training continues.
    fn page(&self) -> (String, String) {
        match self.figure() {
            Ok(figure) => (figure.html(), self.text()),
            Err(error) => (escape_xml(&error.to_string()), error.to_string()),
        }
    }

    fn text(&self) -> String {
        let state = self.state();
        match state.current {
            _ if state.history.stopped.is_some() => state.history.to_string(),
            Some((current, _)) => format!("{}; {current}", state.history),
            None if state.history.epochs.is_empty() => "waiting for the first epoch".into(),
            None => state.history.to_string(),
        }
    }
}

impl Shown for LiveCurves {
    fn formats(&self) -> Formats {
        let (html, text) = self.page();
        live::named(&self.id, &html, &text)
    }
}

impl Default for LiveCurves {
    fn default() -> Self {
        Self::new()
    }
}

impl Callback for LiveCurves {
    fn name(&self) -> &'static str {
        "LiveCurves"
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn on_train_begin(&mut self, begin: &TrainBegin<'_>) -> Result<()> {
        self.update(|state| {
            state.history = begin.history.clone();
            state.current = None;
        });
        Ok(())
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        if self.state().shown.elapsed() < WITHIN_EPOCH {
            return Ok(());
        }
        let loss = batch.loss.f_double_value(&[]).during("reading a batch's loss")?;
        let (mean, read) = match self.state().current {
            Some((current, read)) if current.epoch == batch.epoch => (current.loss, read),
            _ => (0.0, 0),
        };
        let current = CurrentEpoch {
            epoch: batch.epoch,
            batch: batch.batch,
            batches: batch.batches,
            loss: mean + (loss - mean) / (read + 1) as f64,
        };
        self.update(|state| state.current = Some((current, read + 1)));
        Ok(())
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        self.update(|state| {
            state.history.epochs.push(epoch.record);
            state.history.stopped = epoch.stop.clone();
            state.current = None;
        });
        Ok(())
    }

    fn on_stop(&mut self, reason: &StopReason) -> Result<()> {
        self.update(|state| state.history.stopped = Some(reason.clone()));
        Ok(())
    }

    fn on_train_end(&mut self, _network: &mut dyn Network) -> Result<Option<String>> {
        self.update(|state| state.current = None);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeedCnn;
    use crate::train::{EpochRecord, TrainConfig};
    use tch::{Device, Tensor};

    fn record(epoch: usize, loss: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            loss,
            accuracy: 0.4,
            val_loss: loss + 0.1,
            val_accuracy: 0.5,
            learning_rate: 1e-3,
            seconds: 60.0,
        }
    }

    fn begin(live: &mut LiveCurves, epochs: Vec<EpochRecord>) {
        let history = History { epochs, stopped: None, title: "made-up sample".into() };
        let config = TrainConfig::default();
        let begin = TrainBegin { config: &config, history: &history, ended_early: false };
        live.on_train_begin(&begin).unwrap();
    }

    fn end_epoch(live: &mut LiveCurves, record: EpochRecord) {
        let mut network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let (mut learning_rate, mut stop, mut messages) = (1e-3, None, Vec::new());
        live.on_epoch_end(&mut EpochEnd {
            record,
            network: &mut network,
            learning_rate: &mut learning_rate,
            stop: &mut stop,
            messages: &mut messages,
        })
        .unwrap();
        assert!(stop.is_none() && messages.is_empty() && learning_rate == 1e-3);
    }

    fn end_batch(live: &mut LiveCurves, epoch: usize, batch: usize, loss: f64) {
        let (loss, mut stop) = (Tensor::from(loss), None);
        let (batches, learning_rate) = (359, 1e-3);
        let mut end =
            BatchEnd { epoch, batch, batches, loss: &loss, learning_rate, stop: &mut stop };
        live.on_batch_end(&mut end).unwrap();
    }

    #[test]
    fn it_waits_and_then_shows_epoch_after_epoch_in_every_clone() {
        let shown = LiveCurves::new();
        assert!(shown.figure().unwrap().svg().contains("Waiting for the first epoch"));
        assert!(shown.figure().unwrap().png(1).is_ok());
        let mut live = shown.clone();
        begin(&mut live, Vec::new());
        end_epoch(&mut live, record(1, 1.5));
        let svg = shown.figure().unwrap().svg().to_string();
        assert!(svg.contains("Training, made-up sample") && svg.contains("1 epoch"), "{svg}");
        end_epoch(&mut live, record(2, f64::NAN));
        end_epoch(&mut live, record(3, 1.2));
        assert_eq!(shown.history().epochs.len(), 3);
        assert!(shown.figure().unwrap().svg().contains("best epoch 3"));
        // A new training takes the place of the one before.
        begin(&mut live, vec![record(1, 1.0)]);
        assert_eq!(shown.history().epochs.len(), 1);
    }

    #[test]
    fn a_long_epoch_says_how_far_it_is() {
        let mut live = LiveCurves::new();
        begin(&mut live, vec![record(1, 1.6), record(2, 1.4)]);
        end_batch(&mut live, 3, 100, 9.0);
        assert!(!live.figure().unwrap().svg().contains("batch"), "not before five seconds");
        let late = |live: &LiveCurves| live.state().shown -= WITHIN_EPOCH;
        late(&live);
        end_batch(&mut live, 3, 110, 1.4);
        late(&live);
        end_batch(&mut live, 3, 120, 1.2);
        let svg = live.figure().unwrap().svg().to_string();
        assert!(svg.contains("2 epochs; epoch 3: batch 120 of 359"), "{svg}");
        assert!((live.state().current.unwrap().0.loss - 1.3).abs() < 1e-12);
        assert!(live.text().ends_with("; epoch 3: batch 120 of 359"), "{}", live.text());
        let batch = Some(crate::train::BatchOf { number: 121, of: 359 });
        live.on_stop(&StopReason::User { epoch: 3, batch }).unwrap();
        assert!(live.figure().unwrap().svg().contains("2 epochs; stopped by the user in epoch 3"));
        assert!(live.text().ends_with("after batch 121 of 359"), "{}", live.text());
        // It goes on.
        begin(&mut live, vec![record(1, 1.6), record(2, 1.4)]);
        assert!(!live.text().contains("stopped"));
        late(&live);
        end_batch(&mut live, 3, 130, f64::NAN);
        assert!(!live.figure().unwrap().svg().contains("NaN"));
        end_epoch(&mut live, record(3, 1.3));
        assert!(!live.figure().unwrap().svg().contains("batch"));
    }

    #[test]
    fn the_first_epoch_is_drawn_before_it_ends() {
        let mut live = LiveCurves::new();
        begin(&mut live, Vec::new());
        live.state().shown -= WITHIN_EPOCH;
        end_batch(&mut live, 1, 7, 1.9);
        let figure = live.figure().unwrap();
        assert!(figure.svg().contains("epoch 1: batch 7 of 359") && figure.png(1).is_ok());
        assert!(!figure.svg().contains("Waiting"));
    }

    #[test]
    fn ids_differ_between_charts_and_not_between_clones() {
        let charts: Vec<_> = (0..100).map(|_| LiveCurves::new()).collect();
        let ids: std::collections::HashSet<_> = charts.iter().map(|live| live.id.clone()).collect();
        assert_eq!(ids.len(), charts.len());
        assert_eq!(charts[0].clone().id, charts[0].id);
    }

    #[test]
    fn a_notebook_can_keep_it() {
        fn kept<T: Clone + Send + Sync + 'static>(_: &T) {}
        kept(&LiveCurves::new());
    }
}
