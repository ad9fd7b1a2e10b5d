//! [`Task`]: work of many equal pieces that the user can stop, with progress reports.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::machine::{Interrupt, notebook_is_live, print_status};
use crate::common::text::count;
use crate::common::{Error, Result};

/// The time between two progress lines; shorter work prints none.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Work in progress: it listens for Stop, and prints its progress if it takes long. Threads can share it.
#[derive(Debug)]
pub struct Task {
    /// "loading images"
    what: String,
    /// The number of pieces; `None` if it is unknown.
    total: Option<usize>,
    done: AtomicUsize,
    interrupt: Interrupt,
    started: Instant,
    /// Seconds from the start to the last line.
    said: AtomicU64,
    /// Whether to print lines: for a person, but not if stdout is a file.
    watched: bool,
}

impl Task {
    /// Starts `what`, in words such as "loading images", and listens for Stop.
    pub fn begin(what: impl Into<String>, total: Option<usize>) -> Result<Self> {
        use std::io::IsTerminal;
        Ok(Self {
            what: what.into(),
            total,
            done: AtomicUsize::new(0),
            interrupt: Interrupt::listen()?,
            started: Instant::now(),
            said: AtomicU64::new(0),
            watched: notebook_is_live() || std::io::stdout().is_terminal(),
        })
    }

    /// Records another `pieces` as done.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the user stopped the work.
    pub fn step(&self, pieces: usize) -> Result<()> {
        let done = self.done.fetch_add(pieces, Ordering::Relaxed) + pieces;
        if self.interrupt.requested() && self.total != Some(done) {
            return Err(Error::stopped(&self.what, format!("after {}", self.so_far(done))));
        }
        let (now, last) = (self.started.elapsed().as_secs(), self.said.load(Ordering::Relaxed));
        let due = self.watched && now >= last + LINE_EVERY.as_secs();
        // If several threads find that a line is due, one prints it.
        let mine =
            || self.said.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if due && mine() {
            print_status(&format!("{}: {}", self.what, self.so_far(done)));
        }
        Ok(())
    }

    fn so_far(&self, done: usize) -> String {
        match self.total {
            Some(total) => format!("{} of {}", count(done), count(total)),
            None => count(done),
        }
    }
}
