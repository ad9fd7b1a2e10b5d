//! [`PdfBackend`]: a plotters backend that writes the operators of a PDF page.

use std::fmt::Write as _;

use plotters::prelude::DrawingBackend;
use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle, FontTransform,
};

use super::numbers::{components, rounded};
use super::text::Outlined;
use crate::plot::picture::PictureBackend;
use crate::plot::vector_backend::{Drawn, vector_backend};

/// How far the handles of a quarter of a circle are from its ends, in radii.
const HANDLE: f64 = 0.552_284_75;

/// What a page shows, in backend units from the upper left corner of the drawing.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Operators of the content stream.
    pub(super) content: String,
    /// Pictures: u8 [48 × 48] or [48 × 48 × 3]. The content calls the first one `/P0`.
    pub(super) pictures: Vec<Vec<u8>>,
}

/// Appends to a [`Page`]. Colours are opaque, as a canvas has them.
pub(super) struct PdfBackend<'a> {
    page: &'a mut Page,
}

impl<'a> PdfBackend<'a> {
    /// A backend of 19,200 × 10,800 units.
    pub(super) fn new(page: &'a mut Page) -> Self {
        Self { page }
    }

    fn push(&mut self, operators: std::fmt::Arguments<'_>) -> Drawn {
        self.page
            .content
            .write_fmt(operators)
            .map_err(|error| DrawingErrorKind::DrawingError(std::io::Error::other(error)))
    }

    /// Draws a path that `path` writes: filled, or its outline.
    fn paint(&mut self, style: &impl BackendStyle, fill: bool, path: &str) -> Drawn {
        let color = components(style.color());
        match fill {
            true => self.push(format_args!("{color} rg\n{path}f\n")),
            false => self.push(format_args!("{color} RG {} w\n{path}S\n", style.stroke_width())),
        }
    }
}

/// A path through points: `m` begins it and `l` continues it.
fn lines(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let operator = if path.is_empty() { "m" } else { "l" };
        path += &format!("{x} {y} {operator}\n");
    }
    path
}

impl DrawingBackend for PdfBackend<'_> {
    vector_backend!();

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let path = format!("{left} {top} {} {} re\n", right - left, bottom - top);
        self.paint(style, fill, &path)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.paint(style, false, &lines(path))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.paint(style, true, &lines(path))
    }

    /// Four curves, which differ from the circle by less than 0.03 % of its radius.
    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (x, y, radius) = (f64::from(x), f64::from(y), f64::from(radius));
        let mut path = format!("{} {y} m\n", x + radius);
        for (cos, sin) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)] {
            // A quarter later, cosine and sine are -sin and cos.
            let curve = [
                (cos - HANDLE * sin, sin + HANDLE * cos),
                (HANDLE * cos - sin, HANDLE * sin + cos),
                (-sin, cos),
            ];
            for (right, down) in curve {
                let at = (rounded(x + radius * right, 2), rounded(y + radius * down, 2));
                path += &format!("{} {} ", at.0, at.1);
            }
            path += "c\n";
        }
        self.paint(style, fill, &path)
    }

    /// As plotters' rasteriser does it: the baseline is half a line height below `position`.
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let bold = matches!(style.style(), FontStyle::Bold);
        let outlined = Outlined::new(text, bold)
            .map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let unit = outlined.unit(style.size());
        let width = unit * outlined.width;
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let down = style.size() / 2.0;
        // Of a turn clockwise, as y points down.
        let (cos, sin) = match style.transform() {
            FontTransform::None => (1.0, 0.0),
            FontTransform::Rotate90 => (0.0, 1.0),
            FontTransform::Rotate180 => (-1.0, 0.0),
            FontTransform::Rotate270 => (0.0, -1.0),
        };
        let (x, y) = (f64::from(x), f64::from(y));
        let matrix = [
            unit * cos,
            unit * sin,
            unit * sin,
            -unit * cos,
            x + left * cos - down * sin,
            y + left * sin + down * cos,
        ];
        let matrix = matrix.map(|value| rounded(value, 5).to_string()).join(" ");
        let color = components(style.color());
        self.push(format_args!("q {matrix} cm {color} rg\n{}Q\n", outlined.operators))
    }
}

impl PictureBackend for PdfBackend<'_> {
    fn draw_picture(&mut self, (x, y): BackendCoord, extent: u32, pixels: &[u8]) -> Drawn {
        let number = self.page.pictures.len();
        self.page.pictures.push(pixels.to_vec());
        // A picture fills the unit square upward.
        let bottom = i64::from(y) + i64::from(extent);
        self.push(format_args!("q {extent} 0 0 -{extent} {x} {bottom} cm /P{number} Do Q\n"))
    }
}
