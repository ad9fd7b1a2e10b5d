//! Notebook-only features: tables, several figures in one cell, and the display of results as a cell's last value,
//! with one file for each stage.
//!
//! A cell displays its last value; [`display`] displays further values before it. Every output has two formats,
//! HTML and plain text, for programs without HTML. [`LiveCurves`] changes while a later cell trains.

mod comparison;
mod data;
mod deploy;
mod display;
mod evaluate;
mod gallery;
mod hyperparameters;
mod live;
mod live_curves;
mod model;
mod project;
mod result;
mod show;
mod shown;
mod table;
mod table_text;
mod train;

pub use display::{ShowValue, display};
pub use gallery::{Gallery, gallery};
pub use live_curves::LiveCurves;
pub use result::ShowResult;
pub use shown::{Formats, Shown};
pub use table::Table;
