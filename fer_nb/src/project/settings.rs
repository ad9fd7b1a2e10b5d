//! Hyperparameters from outside, the way papermill does it for Python.

use std::fmt::Display;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The hyperparameter `name`: `$FER_<NAME>` where that is set, else `default`. What can't be read
/// as the default's type is an error that names the variable.
///
/// ```
/// let epochs = fer_nb::project::param("epochs", 35)?; // FER_EPOCHS=2 makes it 2
/// # assert_eq!(epochs, 35);
/// # Ok::<(), fer_nb::error::Error>(())
/// ```
pub fn param<T: FromStr + Display>(name: &str, default: T) -> Result<T> {
    let variable = format!("FER_{}", name.to_uppercase());
    match std::env::var(&variable) {
        Ok(text) if !text.trim().is_empty() => text.trim().parse().map_err(|_| {
            Error::config(variable, text, format!("a value such as the default, {default}"))
        }),
        _ => Ok(default),
    }
}
