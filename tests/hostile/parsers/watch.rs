//! [`Watch`]: ends what never ends; and the memory that an input takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the watch gives up: what takes so long may never end.
const GIVE_UP: Duration = Duration::from_secs(60);

/// When the input in work began, in milliseconds after the start; 0 for none.
pub(crate) struct Watch {
    started: Instant,
    since: AtomicU64,
}

impl Watch {
    /// A watch that a thread keeps.
    pub(crate) fn start() -> Arc<Self> {
        let watch = Arc::new(Self { started: Instant::now(), since: AtomicU64::new(0) });
        let kept = watch.clone();
        std::thread::spawn(move || kept.keep());
        watch
    }

    pub(crate) fn begin(&self) {
        self.since.store(self.started.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Ends the process if an input never ends; the parent knows which one it was.
    fn keep(&self) {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let since = self.since.load(Ordering::Relaxed);
            let now = self.started.elapsed().as_millis() as u64;
            if since > 0 && now.saturating_sub(since) > GIVE_UP.as_millis() as u64 {
                eprintln!("an input takes over {} s", GIVE_UP.as_secs());
                std::process::exit(3);
            }
        }
    }
}

/// Peak memory in bytes since the last [`reset_peak`].
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

pub(crate) fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
