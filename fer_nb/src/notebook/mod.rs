//! What only a notebook needs: tables, several figures in one cell, and how results show themselves as a
//! cell's last value, in one file for each stage.
//!
//! A cell shows its last value; [`display`] shows any number of values before it. Everything is put out once
//! as HTML and once as plain text, for where HTML isn't shown. [`LiveCurves`] changes while a later cell
//! trains.

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
