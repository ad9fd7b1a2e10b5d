//! The machine and the versions: the first cell of every notebook.

use std::fmt;

use super::device::{device, device_name};
use super::hardware;
use super::paths::{figures, root, runs};
use super::precision::Precision;
use crate::common::text::shown;

/// Versions, device and folders, as rows of name and value.
#[derive(Debug, Clone)]
pub struct Environment {
    /// In the order of display.
    pub rows: Vec<(&'static str, String)>,
}

impl Environment {
    /// Collects the rows. This cannot fail: a missing item is reported in its row.
    pub fn detect() -> Self {
        let (device, precision) = match device() {
            Ok(device) => (device_name(device), Precision::Auto.report(device)),
            Err(error) => (error.to_string(), String::new()),
        };
        let folder = match root() {
            Ok(root) => shown(root),
            Err(error) => error.to_string(),
        };
        let rows = vec![
            ("fer_nb", env!("CARGO_PKG_VERSION").to_string()),
            ("rustc", env!("FER_RUSTC").to_string()),
            ("tch", "0.24.0 (libtorch 2.11.0)".to_string()),
            ("device", device),
            ("precision", precision),
            ("processor", processor()),
            ("project", folder),
            ("runs", shown(runs(""))),
            ("figures", shown(figures(""))),
        ];
        Self { rows }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.rows.iter().enumerate() {
            let end = if index + 1 == self.rows.len() { "" } else { "\n" };
            write!(f, "{name:<10} {value}{end}")?;
        }
        Ok(())
    }
}

/// The processor's name, and the number of cores that this process may use.
fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", hardware::processor())
}
