//! [`Task`]: work of many equal pieces that the user may stop, and that says how far it is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::machine::{Interrupt, notebook_is_live, print_status};
use crate::common::text::count;
use crate::common::{Error, Result};

/// Between two lines about how far the work is; what takes less says nothing.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Work that is under way: it listens for Stop, and says how far it is where it takes long. It can
/// be shared by threads.
#[derive(Debug)]
pub struct Task {
    /// "loading images"
    what: String,
    /// How many pieces there are; `None` where nobody knows.
    total: Option<usize>,
    done: AtomicUsize,
    interrupt: Interrupt,
    started: Instant,
    /// Seconds from the start to the last line.
    said: AtomicU64,
    /// Whether anybody reads lines: a person does, and a file that stdout goes to does not want them.
    watched: bool,
}

impl Task {
    /// Begins `what`, in words such as "loading images", and listens for Stop.
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

    /// Another `pieces` are done.
    ///
    /// # Errors
    /// [`Error::Stopped`] where the user asked to stop.
    pub fn step(&self, pieces: usize) -> Result<()> {
        let done = self.done.fetch_add(pieces, Ordering::Relaxed) + pieces;
        if self.interrupt.requested() && self.total != Some(done) {
            return Err(Error::stopped(&self.what, format!("after {}", self.so_far(done))));
        }
        let (now, last) = (self.started.elapsed().as_secs(), self.said.load(Ordering::Relaxed));
        let due = self.watched && now >= last + LINE_EVERY.as_secs();
        // Of several threads that find a line due, one prints it.
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
