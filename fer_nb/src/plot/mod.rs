//! Figures as values: drawn once with plotters, shown in a notebook, saved as SVG or as PNG at slide
//! size.
//!
//! A picture is a [`Plot`]: plain data and one `draw` routine in logical units (1920 × 1080). A
//! [`Figure`] holds any of them and puts it on paper through two backends, [`svg`] and [`raster`],
//! so that both formats show the same. Results give their figures themselves, e.g.
//! `history.curves()?.save("figures/curves.png")?`.

pub mod annotated;
pub mod audit;
pub mod axis;
pub mod canvas;
pub mod confusion;
pub mod curves;
pub mod distribution;
pub mod f1;
pub mod faces;
pub mod figure;
pub mod grid;
mod impls;
pub mod palette;
pub mod picture;
pub mod predictions;
pub mod range_test;
pub mod raster;
pub mod reliability;
pub mod roc;
pub mod svg;
pub mod tuning;

pub use annotated::{Annotated, annotate};
pub use canvas::{Canvas, HEIGHT, WIDTH};
pub use figure::{Figure, Plot};
pub(crate) use impls::curves_while_training;
pub use impls::{attention, augmentation_preview, predictions};
