//! What only a notebook needs: tables and several figures in one cell, and how results show
//! themselves as a cell's last value.
//!
//! A notebook shows one output of each kind a cell, so everything here puts out HTML once and, for
//! where that isn't shown, its twin in plain text. [`LiveCurves`] alone shows more than that: it
//! changes while a later cell trains.

mod display;
mod gallery;
mod live;
mod live_curves;
mod show;
mod table;

pub use gallery::{Gallery, gallery};
pub use live_curves::LiveCurves;
pub use table::{Align, ShowFrame, Table};

/// Puts out a cell's value, as HTML and as text.
fn emit(html: &str, text: &str) {
    evcxr_runtime::mime_type("text/html").text(html);
    evcxr_runtime::mime_type("text/plain").text(text);
}
