//! [`Schedule`]: how the learning rate changes within a run.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::common::{Result, check, parsed};

/// The factor of `TrainConfig::learning_rate` at each step. Callbacks such as `ReduceLrOnPlateau` change the
/// learning rate; the two effects multiply.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// Linear from 0 to 1 during `warmup_epochs`, then half a cosine down to `floor` (Loshchilov and Hutter, "SGDR:
    /// Stochastic Gradient Descent with Warm Restarts", 2017).
    Cosine {
        /// Epochs of warm-up, also fractions of one; 0 or more.
        warmup_epochs: f64,
        /// The last step's share of the learning rate; 0 to 1.
        floor: f64,
    },
    /// Half a cosine from `1 / start_divisor` up to 1 in the first `rise` of the steps, then down to `1 /
    /// (start_divisor · end_divisor)` (Smith and Topin, "Super-Convergence", 2018; PyTorch's `OneCycleLR` with two
    /// phases). Momentum does not change.
    OneCycle {
        /// The share of steps in which the rate rises; above 0 and below 1.
        rise: f64,
        /// The peak divided by the rate at the start; 1 or more.
        start_divisor: f64,
        /// The rate at the start divided by the rate at the end; 1 or more.
        end_divisor: f64,
    },
}

impl Schedule {
    /// Cosine after `warmup_epochs` of warm-up, down to 0.
    pub const fn cosine(warmup_epochs: f64) -> Self {
        Schedule::Cosine { warmup_epochs, floor: 0.0 }
    }

    /// One cycle with PyTorch's defaults: rise 0.3, divisors 25 and 10,000.
    pub const fn one_cycle() -> Self {
        Schedule::OneCycle { rise: 0.3, start_divisor: 25.0, end_divisor: 1e4 }
    }

    /// The factor at step `step` (from 0) of `epochs` epochs of `steps_per_epoch` steps.
    pub fn factor(&self, step: usize, epochs: usize, steps_per_epoch: usize) -> f64 {
        // Down from `high` to `low` along half a cosine; `part` is 0 to 1.
        let anneal = |high: f64, low: f64, part: f64| {
            low + (high - low) * 0.5 * (1.0 + (PI * part.clamp(0.0, 1.0)).cos())
        };
        let steps = (epochs as f64 * steps_per_epoch as f64).max(1.0);
        let last = (steps - 1.0).max(1.0);
        let step = step as f64;
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine { warmup_epochs, floor } => {
                let warmup = warmup_epochs * steps_per_epoch as f64;
                if step < warmup {
                    ((step + 1.0) / warmup).min(1.0)
                } else {
                    anneal(1.0, floor, (step - warmup) / (last - warmup).max(1.0))
                }
            }
            Schedule::OneCycle { rise, start_divisor, end_divisor } => {
                let start = 1.0 / start_divisor;
                let peak = rise * steps - 1.0;
                // A rise of a single step has no length to divide by, so it starts at the peak.
                if step < peak {
                    anneal(start, 1.0, step / peak)
                } else {
                    anneal(1.0, start / end_divisor, (step - peak) / (last - peak).max(1e-9))
                }
            }
        }
    }

    /// Returns an error for the first value out of range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Schedule::Constant => Ok(()),
            Schedule::Cosine { warmup_epochs, floor } => {
                check::not_negative("schedule.warmup_epochs", warmup_epochs)?;
                check::share("schedule.floor", floor)
            }
            Schedule::OneCycle { rise, start_divisor, end_divisor } => {
                let divisor = |name, value: f64| {
                    check::ensure(value.is_finite() && value >= 1.0, name, value, "1 or more")
                };
                let ok = rise > 0.0 && rise < 1.0;
                check::ensure(ok, "schedule.rise", rise, "above 0 and below 1")?;
                divisor("schedule.start_divisor", start_divisor)?;
                divisor("schedule.end_divisor", end_divisor)
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => f.write_str("constant"),
            Schedule::Cosine { warmup_epochs, floor } => {
                let epochs = if *warmup_epochs == 1.0 { "epoch" } else { "epochs" };
                write!(f, "cosine to {floor}, {warmup_epochs} {epochs} of warm-up")
            }
            Schedule::OneCycle { rise, .. } => write!(f, "one-cycle, {rise} of the steps rising"),
        }
    }
}

parsed! {
    Schedule: "schedule",
    "constant" => Schedule::Constant,
    "cosine" => Schedule::cosine(1.0),
    "one-cycle" => Schedule::one_cycle(),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule, epochs: usize, steps: usize) -> Vec<f64> {
        (0..epochs * steps).map(|step| schedule.factor(step, epochs, steps)).collect()
    }

    #[test]
    fn cosine_warms_up_in_a_line_and_ends_at_its_floor() {
        let factors = factors(Schedule::Cosine { warmup_epochs: 0.5, floor: 0.1 }, 3, 8);
        assert_eq!(factors[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((factors[23] - 0.1).abs() < 1e-12, "{factors:?}");
        assert!(factors[4..].windows(2).all(|pair| pair[1] < pair[0]), "{factors:?}");
    }

    #[test]
    fn a_warm_up_of_parts_of_steps_never_overshoots() {
        let factors = factors(Schedule::cosine(0.1), 1, 15);
        assert_eq!(factors[..2], [1.0 / 1.5, 1.0]);
        assert!(factors.iter().all(|factor| (0.0..=1.0).contains(factor)), "{factors:?}");
    }

    #[test]
    fn every_length_of_a_rise_gives_numbers_with_the_peak_among_them() {
        for (rise, steps) in [(0.1, 10), (0.5, 2), (0.25, 4), (0.3, 10), (0.3, 7), (0.999, 3)] {
            let schedule = Schedule::OneCycle { rise, start_divisor: 25.0, end_divisor: 1e4 };
            let factors = factors(schedule, 1, steps);
            assert!(factors.iter().all(|factor| (0.0..=1.0).contains(factor)), "{factors:?}");
            let highest = factors.iter().copied().fold(0.0, f64::max);
            assert!(highest > 0.5, "{rise} of {steps}: {factors:?}");
        }
        // So many that their product is no whole number of the machine's.
        assert!(Schedule::one_cycle().factor(7, usize::MAX, 359).is_finite());
    }

    #[test]
    fn one_step_in_all_is_no_division_by_zero() {
        for schedule in [Schedule::cosine(0.0), Schedule::cosine(3.0), Schedule::one_cycle()] {
            assert!(schedule.factor(0, 1, 1).is_finite(), "{schedule}");
            assert!(schedule.factor(7, 1, 1).is_finite(), "{schedule}");
        }
    }

    #[test]
    fn names_and_values_are_checked() {
        assert_eq!("one-cycle".parse::<Schedule>().unwrap(), Schedule::one_cycle());
        let message = "linear".parse::<Schedule>().unwrap_err().to_string();
        assert_eq!(message, "schedule = linear: expected constant, cosine or one-cycle");
        let message = Schedule::cosine(-1.0).validate().unwrap_err().to_string();
        assert_eq!(message, "schedule.warmup_epochs = -1: expected a number, 0 or more");
    }
}
