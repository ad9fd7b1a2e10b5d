//! [`Outlined`]: a text as the outlines of its letters.

use ab_glyph::{Font, FontRef, InvalidFont, OutlineCurve, Point};

use super::numbers::rounded;
use crate::plot::canvas::{LINE_HEIGHT, font_file};

/// Units in an em, of a font that does not say.
const UNITS: f32 = 2048.0;

/// A text in the font's units, its baseline at 0 and y upward.
pub(super) struct Outlined {
    /// Operators that fill its letters. They move the origin to the text's end.
    pub(super) operators: String,
    /// From its first letter's origin to its end.
    pub(super) width: f64,
    /// Units in an em.
    units: f64,
}

impl Outlined {
    /// A text in the embedded Inter. A character that the font lacks is its box, as in a PNG.
    ///
    /// # Errors
    /// [`InvalidFont`] if the embedded font can't be read.
    pub(super) fn new(text: &str, bold: bool) -> Result<Self, InvalidFont> {
        let font = FontRef::try_from_slice(font_file(bold))?;
        let (mut operators, mut width, mut before) = (String::new(), 0.0, None);
        let mut place = 0.0; // where the origin is
        for letter in text.chars() {
            let glyph = font.glyph_id(letter);
            width += before.map_or(0.0, |before| font.kern_unscaled(before, glyph));
            before = Some(glyph);
            if let Some(outline) = font.outline(glyph).filter(|it| !it.curves.is_empty()) {
                if width != place {
                    operators += &format!("1 0 0 1 {} 0 cm\n", width - place);
                    place = width;
                }
                operators += &fill(&outline.curves);
            }
            width += font.h_advance_unscaled(glyph);
        }
        let units = font.units_per_em().unwrap_or(UNITS);
        Ok(Self { operators, width: width.into(), units: units.into() })
    }

    /// Backend units in a unit of the font, at a size of plotters'.
    pub(super) fn unit(&self, size: f64) -> f64 {
        size / LINE_HEIGHT / self.units
    }
}

/// Fills closed contours that follow each other.
fn fill(curves: &[OutlineCurve]) -> String {
    let mut path = String::new();
    let mut last: Option<Point> = None;
    for curve in curves {
        let (OutlineCurve::Line(from, _)
        | OutlineCurve::Quad(from, ..)
        | OutlineCurve::Cubic(from, ..)) = *curve;
        if last != Some(from) {
            path += &operator(&[from], 'm');
        }
        last = Some(match *curve {
            OutlineCurve::Line(_, to) => {
                path += &operator(&[to], 'l');
                to
            }
            // PDF has cubic curves only.
            OutlineCurve::Quad(from, handle, to) => {
                let toward = |end: Point| {
                    let part = |end: f32, handle: f32| end + (handle - end) * 2.0 / 3.0;
                    Point { x: part(end.x, handle.x), y: part(end.y, handle.y) }
                };
                path += &operator(&[toward(from), toward(to), to], 'c');
                to
            }
            OutlineCurve::Cubic(_, first, second, to) => {
                path += &operator(&[first, second, to], 'c');
                to
            }
        });
    }
    path + "f\n"
}

fn operator(points: &[Point], name: char) -> String {
    let mut text = String::new();
    for point in points {
        let (x, y) = (rounded(point.x.into(), 1), rounded(point.y.into(), 1));
        text += &format!("{x} {y} ");
    }
    text.push(name);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_closed_contours_side_by_side() {
        let text = Outlined::new("o i", false).unwrap();
        // Inter's widths of o, space and i, and the contours of o and i.
        let font = FontRef::try_from_slice(font_file(false)).unwrap();
        let widths = "o i".chars().map(|letter| font.h_advance_unscaled(font.glyph_id(letter)));
        assert_eq!(text.width, f64::from(widths.sum::<f32>()));
        let count = |name: &str| text.operators.matches(name).count();
        assert_eq!((count(" m\n"), count("f\n"), count(" cm\n")), (4, 2, 1));
        assert_eq!(Outlined::new("", true).unwrap().width, 0.0);
        assert_eq!(Outlined::new("\u{1f600}", true).unwrap().operators.matches("f\n").count(), 1);
    }
}
