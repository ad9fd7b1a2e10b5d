//! Progress of a training: a bar in a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::common::machine::{notebook_is_live, print_line, print_status};
use crate::train::record::EpochRecord;

/// The time between two lines within an epoch in a log, in which they stay.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// The time between two such lines in a notebook, in which each replaces the previous one.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// The time between two updates of a terminal's bar.
const BAR_EVERY: Duration = Duration::from_millis(500);

/// The output of progress: indicatif on a terminal, plain lines on stdout in a notebook or a log.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    epochs: usize,
    images: usize,
    /// The images of the epoch that were completed when its clock started.
    before: usize,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// For `epochs` epochs of `images` training images.
    pub(crate) fn new(epochs: usize, images: usize) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(images as u64);
            let template = "{prefix} {bar:30} {pos}/{len} {per_sec} {msg}";
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let now = Instant::now();
        Self { bar, epochs, images, before: 0, started: now, last_line: now }
    }

    /// An epoch, from 1, of which `done` images are already completed.
    pub(crate) fn epoch(&mut self, epoch: usize, done: usize) {
        self.before = done;
        self.started = Instant::now();
        self.last_line = self.started;
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
            bar.reset();
            bar.set_position(done as u64);
        }
    }

    /// Whether a line or a bar is due; reading the metrics waits for a GPU.
    pub(crate) fn due(&self) -> bool {
        let every = match &self.bar {
            Some(_) => BAR_EVERY,
            None if notebook_is_live() => STATUS_EVERY,
            None => LINE_EVERY,
        };
        self.last_line.elapsed() > every
    }

    /// Shows that `done` images of the epoch are completed, with its loss and accuracy so far.
    pub(crate) fn step(&mut self, epoch: usize, done: usize, loss: f64, accuracy: f64) {
        self.last_line = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let rate = done.saturating_sub(self.before) as f64 / seconds;
        let message = format!("loss {loss:.4} accuracy {accuracy:.4}");
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(message);
            }
            None => print_status(&format!(
                "epoch {epoch}/{}: {done}/{} images, {message}, {rate:.0} images/s, {} left",
                self.epochs,
                self.images,
                clock(self.images.saturating_sub(done) as f64 / rate)
            )),
        }
    }

    /// Prints the line of a completed epoch. `train_seconds` is the time without validation.
    pub(crate) fn epoch_end(
        &mut self,
        record: &EpochRecord,
        train_seconds: f64,
        messages: &[String],
    ) {
        let EpochRecord { epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds } =
            record;
        let epochs = self.epochs;
        let rate = self.images as f64 / train_seconds.max(1e-9);
        let left = clock(seconds * epochs.saturating_sub(*epoch) as f64);
        self.line(&format!(
            "epoch {epoch:>2}/{epochs}: loss {loss:.4}  accuracy {accuracy:.4}  val_loss {val_loss:.4}  \
             val_accuracy {val_accuracy:.4}  lr {learning_rate:.1e}  {rate:.0} images/s  {left} left"
        ));
        for message in messages {
            self.line(&format!("  {message}"));
        }
    }

    /// Prints a line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => print_line(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Seconds as 0:07, 12:30 or 1:02:03.
fn clock(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.round() as u64 } else { 0 };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn times_read_like_a_clock() {
        assert_eq!(clock(6.6), "0:07");
        assert_eq!(clock(750.0), "12:30");
        assert_eq!(clock(3723.0), "1:02:03");
        assert_eq!(clock(f64::INFINITY), "0:00");
    }
}
