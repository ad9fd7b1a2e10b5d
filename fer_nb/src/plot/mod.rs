//! Figures as values: drawn once, shown in a notebook, saved as SVG, as PDF, or as PNG at slide size.
//!
//! Results have methods that draw them, each in its chart's file: `history.curves()?`,
//! `matrix.figure()?`. A chart is drawn in logical units (1920 × 1080) on a canvas, which three backends
//! paint, SVG, PDF and bitmap, so that all formats show the same.

mod annotated;
mod attention;
mod audit;
mod axis;
mod canvas;
mod confusion;
mod curves;
mod distribution;
mod embedded_font;
mod f1;
mod faces;
mod figure;
mod grid;
mod palette;
mod pdf;
mod picture;
mod predictions;
mod preview;
mod range_test;
mod raster;
mod reliability;
mod robustness;
mod roc;
mod run_curves;
mod style;
mod svg;
mod timeline;
mod top_losses;
mod tuning;
mod vector_backend;

pub use annotated::{Annotated, annotate, annotate_frame};
pub use attention::attention;
pub(crate) use curves::{CurrentEpoch, curves_while_training};
pub use figure::Figure;
pub(crate) use picture::base64;
pub use predictions::predictions;
pub use preview::augmentation_preview;
pub use style::Theme;
