//! Start time and memory of this process.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since bench.py started this process, at the time in `BENCH_STARTED`.
pub(crate) fn seconds_since_start() -> Option<f64> {
    let started: f64 = std::env::var("BENCH_STARTED").ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs_f64() - started)
}

/// The peak memory of the process so far, in MB; Linux only.
pub(crate) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
