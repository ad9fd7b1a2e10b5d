//! How long FER2013 takes to load, and how much memory at most:
//! `cargo run -p fer_nb --example load_speed -- PATH [ROUNDS]`, with a folder or a csv file.

use std::time::Instant;

use fer_nb::data::{Fer2013, PIXELS};

fn main() -> fer_nb::error::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: load_speed PATH [ROUNDS]");
        std::process::exit(2);
    };
    let rounds: usize = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    // The program itself, with libtorch loaded and no data: what a peak has to be judged against.
    let before = peak_mb();
    let mut seconds = Vec::new();
    let mut first_peak = None;
    let mut images = 0;
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        let data = Fer2013::from_path(&path)?;
        seconds.push(start.elapsed().as_secs_f64());
        first_peak = first_peak.or(peak_mb());
        images = data.train.len() + data.validation.len() + data.test.len();
    }
    let listed: Vec<String> = seconds.iter().map(|second| format!("{second:.3}")).collect();
    println!("seconds: {}", listed.join(" "));
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let pixels = images as f64 * PIXELS as f64 / 1e6;
    println!(
        "{images} images ({pixels:.0} MB), median of {} {median:.3} s, {:.1} µs an image",
        seconds.len(),
        median * 1e6 / images as f64
    );
    if let (Some(before), Some(first), Some(last)) = (before, first_peak, peak_mb()) {
        println!(
            "peak memory: {before:.0} MB before, {first:.0} MB once loaded, {last:.0} MB at last"
        );
    }
    Ok(())
}

/// The most memory that the process has held so far, in MB; Linux only.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
