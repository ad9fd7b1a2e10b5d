//! Attacks every parser of a stranger's bytes, in this process, for a bounded time, and prints a line of JSON a target:
//! what was tried, and each failure with the seed and the number that make its input again.
//!
//! An input fails if it ends in a panic, takes over 10 s, costs over 1 GB, or is refused by an error that does not name
//! the file or takes more than one line. `campaign.py` starts this and notices signals.
//!
//!     hostile_parsers SECONDS SEED [TARGET [FIRST_NUMBER]]

mod damage;
mod fixture;
mod photos;
mod settings;
mod tables;
mod target;
mod tensors;
mod watch;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fer_nb::prelude::Result;
use fer_nb::project::fail_large_writes;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::damage::damaged;
use self::fixture::Fixture;
use self::target::Target;
use self::watch::{Watch, peak, reset_peak};

const HANG: Duration = Duration::from_secs(10);
const MOST_MEMORY: u64 = 1_000_000_000;
/// Failures of a target that are told one by one.
const TOLD: usize = 10;

/// What came of a target.
#[derive(Default)]
struct Tally {
    tried: u64,
    refused: u64,
    failed: u64,
    told: Vec<String>,
    slowest: Duration,
    /// Bytes.
    most_memory: u64,
}

impl Tally {
    fn add(&mut self, number: u64, took: Duration, refused: bool, problem: Option<String>) {
        self.tried += 1;
        self.refused += u64::from(refused);
        self.slowest = self.slowest.max(took);
        if let Some(problem) = problem {
            self.failed += 1;
            if self.told.len() < TOLD {
                let problem: String = problem.chars().take(300).collect();
                self.told.push(format!("number {number}: {problem}"));
            }
        }
    }

    fn print(&self, target: &str) {
        let milliseconds = (self.slowest.as_secs_f64() * 1000.0).round();
        let line = serde_json::json!({
            "target": target, "tried": self.tried, "refused": self.refused, "failed": self.failed,
            "told": self.told, "slowest_seconds": milliseconds / 1000.0,
            "peak_mb": self.most_memory / 1_000_000,
        });
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// Whether an input was refused, and what is wrong with how it ended.
fn judged(
    target: &Target,
    result: std::thread::Result<Result<()>>,
    took: Duration,
) -> (bool, Option<String>) {
    let (refused, problem) = match result {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            (false, Some(format!("panic: {}", text.unwrap_or_default())))
        }
        Ok(Ok(())) => (false, None),
        Ok(Err(error)) => {
            let text = error.to_string();
            let problem = match target.named {
                Some(name) if !text.contains(name) => {
                    Some(format!("the error does not name {name}: {text}"))
                }
                _ if text.lines().count() != 1 || text.contains('\x1b') => {
                    Some(format!("not a line: {text:?}"))
                }
                _ => None,
            };
            (true, problem)
        }
    };
    (refused, problem.or_else(|| (took > HANG).then(|| format!("{:.1} s", took.as_secs_f64()))))
}

/// The input of this number; another one for each target.
fn input(target: &Target, seed: u64, number: u64) -> (Vec<u8>, StdRng) {
    let salt = |sum: u64, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    let salt = target.name.bytes().fold(seed, salt);
    let mut random = StdRng::seed_from_u64(salt ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (damaged(target, &mut random), random)
}

/// Attacks a target until a time, or with the input of one number alone.
fn attack(
    target: &mut Target,
    seed: u64,
    until: Instant,
    only: Option<u64>,
    watch: &Watch,
    place: Option<&File>,
) -> Tally {
    let mut tally = Tally::default();
    reset_peak();
    let mut number = only.unwrap_or(0);
    while Instant::now() < until && (only.is_none() || tally.tried == 0) {
        if let Some(place) = place {
            let _ = place.write_at(format!("{number:<12} {:<40}\n", target.name).as_bytes(), 0);
        }
        let (bytes, mut random) = input(target, seed, number);
        let begun = Instant::now();
        watch.begin();
        let result = catch_unwind(AssertUnwindSafe(|| (target.attack)(&bytes, &mut random)));
        watch.end();
        let took = begun.elapsed();
        let (refused, mut problem) = judged(target, result, took);
        if tally.tried % 16 == 0 || took > Duration::from_millis(100) {
            let now = peak();
            if now > MOST_MEMORY {
                problem = problem.or(Some(format!("{} MB at the peak", now / 1_000_000)));
            }
            tally.most_memory = tally.most_memory.max(now);
            reset_peak();
        }
        tally.add(number, took, refused, problem);
        number += 1;
    }
    if let Some((path, bytes)) = &target.whole {
        std::fs::write(path, bytes).expect("room for a file");
    }
    tally
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10.0);
    let seed: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(26);
    let only = arguments.next();
    let number = arguments.next().and_then(|text| text.parse().ok());
    fail_large_writes();
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Fixture::make(folder.path().to_path_buf());
    let mut targets = target::all(&fixture);
    targets.retain(|target| only.as_deref().is_none_or(|only| target.name == only));
    let share = Duration::from_secs_f64(seconds / targets.len().max(1) as f64);
    let watch = Watch::start();
    // Says what was in work, should the process end by a signal.
    let place = std::env::var("HOSTILE_PLACE").ok().and_then(|path| File::create(path).ok());
    std::panic::set_hook(Box::new(|_| {})); // each is told
    for target in &mut targets {
        let until = Instant::now() + share;
        attack(target, seed, until, number, &watch, place.as_ref()).print(target.name);
    }
}
