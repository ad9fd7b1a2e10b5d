//! A plotters backend that writes SVG.
//!
//! plotters' SVG backend rounds to whole pixels, embeds no pictures and places text by other rules. This one uses
//! tenths of a unit, embeds faces as PNG and the font, and gives each text its width in Inter, so that a viewer
//! without support for embedded fonts has the same layout.

use std::fmt::Write as _;

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle,
    FontTransform,
};

use crate::common::text::escape_xml;
use crate::data::SIDE;
use crate::plot::canvas::LINE_HEIGHT;
use crate::plot::embedded_font;
use crate::plot::palette::PAPER;
use crate::plot::picture::{PictureBackend, base64};
use crate::plot::raster::encode_square;
use crate::plot::style::Style;
use crate::plot::vector_backend::{Drawn, STEPS, vector_backend};

/// Writes elements to a string, without the `<svg>` element, which [`document`] adds.
pub(super) struct SvgBackend<'a> {
    body: &'a mut String,
}

impl<'a> SvgBackend<'a> {
    /// A backend of 19,200 × 10,800 units that appends to `body`.
    pub(super) fn new(body: &'a mut String) -> Self {
        Self { body }
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) -> Drawn {
        self.body
            .write_fmt(element)
            .map_err(|error| DrawingErrorKind::DrawingError(std::io::Error::other(error)))
    }
}

/// The complete file. It has no ids, so that a page can hold any number of figures, and it shrinks to the available
/// width.
pub(super) fn document(title: &str, body: &str, style: &Style) -> String {
    let (pixels_wide, pixels_high) = style.size;
    let [left, top, width, height] = style.sheet();
    let around = if style.transparent || [left, top] == [0.0, 0.0] {
        String::new()
    } else {
        let RGBColor(red, green, blue) = style.theme.color(PAPER);
        let color = hex(BackendColor { alpha: 1.0, rgb: (red, green, blue) });
        let (x, y) = (tenths(left), tenths(top));
        let (width, height) = (tenths(width), tenths(height));
        format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{color}\"/>\n"
        )
    };
    let (family, font) = embedded_font::for_texts(body);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{} {} {} {}\" \
         width=\"{pixels_wide}\" height=\"{pixels_high}\" style=\"max-width:100%;height:auto\" role=\"img\" \
         aria-label=\"{}\" font-family=\"{}\">\n{font}{around}{body}</svg>\n",
        tenths(left),
        tenths(top),
        tenths(width),
        tenths(height),
        escape_xml(title),
        family,
    )
}

fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

/// A length in the SVG's units, without unnecessary zeros.
fn units(steps: impl Into<f64>) -> f64 {
    (steps.into() * 100.0 / f64::from(STEPS)).round() / 100.0
}

fn hex(color: BackendColor) -> String {
    let (r, g, b) = color.rgb;
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The attributes of a filled shape, or of an outline.
fn paint(style: &impl BackendStyle, fill: bool) -> String {
    let (color, opacity) = (hex(style.color()), opacity(style.color()));
    if fill {
        return format!("fill=\"{color}\"{opacity}");
    }
    let width = units(style.stroke_width());
    format!("fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"{opacity}")
}

/// The attribute for a transparent colour; empty for an opaque one.
fn opacity(color: BackendColor) -> String {
    if color.alpha >= 1.0 { String::new() } else { format!(" opacity=\"{}\"", color.alpha) }
}

fn points(path: impl IntoIterator<Item = BackendCoord>) -> String {
    let pairs: Vec<String> =
        path.into_iter().map(|(x, y)| format!("{},{}", units(x), units(y))).collect();
    pairs.join(" ")
}

impl DrawingBackend for SvgBackend<'_> {
    vector_backend!();

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.push(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}/>\n",
            units(left.min(right)),
            units(top.min(bottom)),
            units((right - left).abs()),
            units((bottom - top).abs()),
            paint(style, fill),
        ))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.push(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
             stroke-linejoin=\"round\"{}/>\n",
            points(path),
            hex(style.color()),
            units(style.stroke_width()),
            opacity(style.color()),
        ))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.push(format_args!("<polygon points=\"{}\" {}/>\n", points(path), paint(style, true),))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.push(format_args!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {}/>\n",
            units(x),
            units(y),
            units(radius),
            paint(style, fill),
        ))
    }

    /// As in plotters' rasteriser: the baseline is half a line height below `position`.
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        position: BackendCoord,
    ) -> Drawn {
        let ((left, _), (right, _)) =
            style.layout_box(text).map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let (x, y) = (units(position.0), units(position.1));
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let weight = match style.style() {
            FontStyle::Bold => " font-weight=\"600\"",
            _ => "",
        };
        let turn = match style.transform() {
            FontTransform::None => String::new(),
            FontTransform::Rotate90 => format!(" transform=\"rotate(90 {x} {y})\""),
            FontTransform::Rotate180 => format!(" transform=\"rotate(180 {x} {y})\""),
            FontTransform::Rotate270 => format!(" transform=\"rotate(270 {x} {y})\""),
        };
        self.push(format_args!(
            "<text x=\"{x}\" y=\"{}\" font-size=\"{}\" textLength=\"{}\" \
             lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{}{weight}{anchor}{turn}>{}</text>\n",
            units(f64::from(position.1) + style.size() / 2.0),
            units(style.size() / LINE_HEIGHT),
            units(right - left),
            hex(style.color()),
            opacity(style.color()),
            escape_xml(text),
        ))
    }
}

impl PictureBackend for SvgBackend<'_> {
    fn draw_picture(&mut self, (x, y): BackendCoord, extent: u32, pixels: &[u8]) -> Drawn {
        let png = encode_square(SIDE, pixels)
            .map_err(|error| DrawingErrorKind::DrawingError(std::io::Error::other(error)))?;
        let extent = units(extent);
        self.push(format_args!(
            "<image x=\"{}\" y=\"{}\" width=\"{extent}\" height=\"{extent}\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
            units(x),
            units(y),
            base64(&png),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_no_needless_digits() {
        assert_eq!(units(120).to_string(), "12");
        assert_eq!(units(123).to_string(), "12.3");
    }

    #[test]
    fn a_document_shrinks_and_names_its_fonts() {
        let svg = document("A & B", "", &Style::default());
        assert!(svg.contains("viewBox=\"0 0 1920 1080\"") && svg.contains("max-width:100%"));
        assert!(svg.contains("aria-label=\"A &amp; B\""));
        assert!(svg.contains("Inter, Helvetica, Arial, sans-serif"));
        assert!(!svg.contains(" id="));
    }
}
