//! Checks of settings: [`Error::Setting`] with name, value and range if a value is outside its range.

use super::error::{Error, Result};

/// Any condition that the caller has checked.
pub(crate) fn ensure(ok: bool, name: &str, value: impl ToString, expected: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::setting(name, value, expected)) }
}

/// A finite number above 0.
pub(crate) fn positive(name: &str, value: f64) -> Result<()> {
    ensure(value.is_finite() && value > 0.0, name, value, "a number above 0")
}

/// A finite number, 0 or more.
pub(crate) fn not_negative(name: &str, value: f64) -> Result<()> {
    ensure(value.is_finite() && value >= 0.0, name, value, "a number, 0 or more")
}

/// A share from 0 to 1.
pub(crate) fn share(name: &str, value: f64) -> Result<()> {
    ensure((0.0..=1.0).contains(&value), name, value, "0 to 1")
}

/// A share below the whole: from 0 to below 1.
pub(crate) fn part(name: &str, value: f64) -> Result<()> {
    ensure((0.0..1.0).contains(&value), name, value, "at least 0 and below 1")
}
