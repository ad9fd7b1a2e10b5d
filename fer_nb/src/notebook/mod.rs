//! What only a notebook needs: tables, several figures in one cell, and how results show themselves as a
//! cell's last value, in one file for each stage.
//!
//! A notebook shows one output of each type a cell, so everything here is put out once as HTML and once
//! as plain text, for where HTML isn't shown. Only [`LiveCurves`] shows more: it changes while a later
//! cell trains.

mod data;
mod deploy;
mod evaluate;
mod gallery;
mod hyperparameters;
mod live;
mod live_curves;
mod model;
mod project;
mod show;
mod table;
mod train;

pub use gallery::{Gallery, gallery};
pub use live_curves::LiveCurves;
pub use table::{ShowFrame, Table};

/// Puts out a cell's value, as HTML and as text.
fn emit(html: &str, text: &str) {
    evcxr_runtime::mime_type("text/html").text(html);
    evcxr_runtime::mime_type("text/plain").text(text);
}
