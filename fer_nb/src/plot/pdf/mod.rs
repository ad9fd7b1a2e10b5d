//! Figures as PDF files: one page of vectors, of the figure's size, at 96 pixels an inch as in CSS.
//!
//! The crates that make PDF files bring 25 (krilla) to 52 others (krilla-svg; svg2pdf 40), and each crate makes the
//! first cell of a notebook slower. A figure needs few of the format's operators: paths, fills, pictures. Texts are
//! outlines, so a file embeds no font and looks the same everywhere. The format is ISO 32000-1:2008.

mod backend;
mod file;
mod numbers;
mod text;

use plotters::prelude::IntoDrawingArea;

use crate::common::Result;
use crate::plot::canvas::{Canvas, failure};
use crate::plot::style::Style;
use backend::{Page, PdfBackend};

/// What is on a canvas, in the colours of its light theme, as a PDF file.
///
/// # Errors
/// [`Error::Figure`](crate::common::Error::Figure) if it can't be drawn.
pub(super) fn document(canvas: &Canvas, style: &Style) -> Result<Vec<u8>> {
    let mut page = Page::default();
    let area = PdfBackend::new(&mut page).into_drawing_area();
    canvas.styled(style).paint(&area)?;
    drop(area);
    file::write(canvas.title(), &page, style).map_err(|error| failure(canvas.title(), error))
}
