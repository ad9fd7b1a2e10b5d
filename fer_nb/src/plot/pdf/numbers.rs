//! Numbers as a PDF file has them.

use plotters_backend::BackendColor;

/// Red, green and blue, 0 to 1.
pub(super) fn components(color: BackendColor) -> String {
    let (red, green, blue) = color.rgb;
    [red, green, blue].map(|part| rounded(f64::from(part) / 255.0, 4).to_string()).join(" ")
}

/// A number with so many decimals at most, as `Display` writes it without needless zeros.
pub(super) fn rounded(value: f64, decimals: i32) -> f64 {
    let factor = 10f64.powi(decimals);
    (value * factor).round() / factor + 0.0 // no -0
}
