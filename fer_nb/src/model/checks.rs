//! Checks of settings that several networks share.

use crate::common::{Error, Result};

/// A share of activations to drop: at least 0 and below 1.
pub(super) fn share(field: &str, share: f64) -> Result<()> {
    if (0.0..1.0).contains(&share) {
        return Ok(());
    }
    Err(Error::setting(format!("network.{field}"), share, "at least 0 and below 1"))
}

/// A number of 1 or more.
pub(super) fn positive(field: &str, number: i64) -> Result<()> {
    if number >= 1 {
        return Ok(());
    }
    Err(Error::setting(format!("network.{field}"), number, "1 or more"))
}

/// The channels of 1 to 5 stages, all but the last of which may halve 48 pixels, and equally many numbers in
/// `field`.
pub(super) fn stages(channels: &[i64], field: &str, numbers: &[i64]) -> Result<()> {
    let stages = channels.len();
    for (field, numbers, fits, expected) in [
        ("channels", channels, (1..=5).contains(&stages), "1 to 5".to_string()),
        (field, numbers, numbers.len() == stages, stages.to_string()),
    ] {
        if !fits || numbers.iter().any(|number| *number < 1) {
            let expected = format!("{expected} numbers, each 1 or more");
            return Err(Error::setting(
                format!("network.{field}"),
                format!("{numbers:?}"),
                expected,
            ));
        }
    }
    Ok(())
}
