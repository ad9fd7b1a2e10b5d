//! The sheet for figures: 1920 × 1080 logical units, for every size of the file.
//!
//! A [`Canvas`] stores the drawing, including strokes and text, in these units, and paints it afterwards with any
//! backend and at any size. So a figure is drawn once, from a borrowed result, and a picture of twice the size has
//! the same content with more detail.

use plotters::coord::Shift;
use plotters::element::{Drawable, PointCollection};
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::common::{Error, Result};
use crate::emotion::Emotion;
use crate::plot::palette::{INK, MUTED, PAPER};
use crate::plot::picture::{Face, PictureBackend};
use crate::plot::style::{HEIGHT, Style, WIDTH, relabelled};

/// Left and right margin in logical units.
pub(super) const MARGIN: f64 = 70.0;

/// The CSS name under which the embedded Inter is registered with plotters; an SVG file uses the same name.
pub(super) const FONT_FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";
/// Inter's ascent minus its descent, in ems; plotters measures font sizes by it.
pub(super) const LINE_HEIGHT: f64 = (1984.0 + 494.0) / 2048.0;
/// Height of Inter's capitals, in ems.
pub(super) const CAP_HEIGHT: f64 = 1490.0 / 2048.0;

const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.ttf");
const SEMIBOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.ttf");

/// The embedded font, whose bold is semibold.
pub(super) const fn font_file(bold: bool) -> &'static [u8] {
    if bold { SEMIBOLD } else { REGULAR }
}

/// A position in logical units, from the upper left corner.
pub(super) type At = (f64, f64);

/// The part of a text that lies at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// The style of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    /// Size of the em in logical units.
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) bold: bool,
    pub(super) align: Align,
}

impl Type {
    /// Regular weight, dark, left-aligned.
    pub(super) fn new(size: f64) -> Self {
        Self { size, color: INK, bold: false, align: Align::Left }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub(super) fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    pub(super) fn centered(self) -> Self {
        self.align(Align::Center)
    }

    /// plotters' description of this type, with `unit` backend units in a logical unit.
    fn font(self, unit: f64) -> FontDesc<'static> {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        FontDesc::new(FontFamily::Name(FONT_FAMILY), self.size * LINE_HEIGHT * unit, style)
    }
}

/// Something drawn, in logical units.
#[derive(Debug, Clone)]
enum Mark {
    Rect { from: At, to: At, color: RGBColor },
    Line { points: Vec<At>, width: f64, color: RGBColor },
    Dot { center: At, radius: f64, color: RGBColor },
    Text { text: String, corner: At, kind: Type, upward: bool },
    Face { corner: At, side: f64, pixels: Vec<u8> },
}

impl Mark {
    /// Its colour; a picture has none.
    fn color(&mut self) -> Option<&mut RGBColor> {
        match self {
            Mark::Rect { color, .. } | Mark::Line { color, .. } | Mark::Dot { color, .. } => {
                Some(color)
            }
            Mark::Text { kind, .. } => Some(&mut kind.color),
            Mark::Face { .. } => None,
        }
    }
}

/// The content of a figure, in the order in which it was drawn.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    title: String,
    marks: Vec<Mark>,
    /// The positions in `marks` of the title and of the line below it, which may be missing.
    headline: [Option<usize>; 2],
}

impl Canvas {
    /// An empty canvas for the figure of this title.
    ///
    /// # Errors
    /// [`Error::Figure`] if the embedded font can't be read.
    pub(super) fn new(title: impl Into<String>) -> Result<Self> {
        let canvas = Self { title: title.into(), marks: Vec::new(), headline: [None; 2] };
        canvas.register_fonts()?;
        Ok(canvas)
    }

    /// The figure's headline.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Needed for every drawing, because in a notebook each cell has a separate table of fonts.
    fn register_fonts(&self) -> Result<()> {
        for (style, bold) in [(FontStyle::Normal, false), (FontStyle::Bold, true)] {
            register_font(FONT_FAMILY, style, font_file(bold))
                .map_err(|_| failure(&self.title, "the embedded font can't be read"))?;
        }
        Ok(())
    }

    /// Paints everything over the existing content of `area`; its width becomes 1920 logical units.
    ///
    /// # Errors
    /// [`Error::Figure`] if the backend fails.
    pub(super) fn paint<DB: PictureBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()> {
        self.register_fonts()?;
        let brush =
            Brush { area, unit: f64::from(area.dim_in_pixel().0) / f64::from(WIDTH), canvas: self };
        self.marks.iter().try_for_each(|mark| brush.paint(mark))
    }

    /// A filled rectangle between two opposite corners.
    pub(super) fn rect(&mut self, from: At, to: At, color: RGBColor) {
        self.marks.push(Mark::Rect { from, to, color });
    }

    /// The outline of a rectangle, within the rectangle.
    pub(super) fn frame(
        &mut self,
        (left, top): At,
        (right, bottom): At,
        width: f64,
        color: RGBColor,
    ) {
        self.rect((left, top), (right, top + width), color);
        self.rect((left, bottom - width), (right, bottom), color);
        self.rect((left, top), (left + width, bottom), color);
        self.rect((right - width, top), (right, bottom), color);
    }

    /// A line through `points`; fewer than two draw nothing.
    pub(super) fn line(&mut self, points: &[At], width: f64, color: RGBColor) {
        self.marks.push(Mark::Line { points: points.to_vec(), width, color });
    }

    /// A straight dashed line.
    pub(super) fn dashes(&mut self, from: At, to: At, width: f64, color: RGBColor) {
        let (dash, gap) = (14.0, 10.0);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let at = |distance: f64| {
            let share = (distance / length).min(1.0);
            (from.0 + dx * share, from.1 + dy * share)
        };
        let mut start = 0.0;
        while start < length {
            self.line(&[at(start), at(start + dash)], width, color);
            start += dash + gap;
        }
    }

    /// A filled circle.
    pub(super) fn dot(&mut self, center: At, radius: f64, color: RGBColor) {
        self.marks.push(Mark::Dot { center, radius, color });
    }

    /// A circle in the paper's colour, for a marked point of a line.
    pub(super) fn ring(&mut self, center: At, [outer, inner]: [f64; 2], color: RGBColor) {
        self.dot(center, outer, color);
        self.dot(center, inner, PAPER);
    }

    /// A text whose baseline is at `y`.
    pub(super) fn text(&mut self, text: &str, (x, y): At, kind: Type) {
        // plotters draws the baseline half a line height below the position.
        let corner = (x, y - kind.size * LINE_HEIGHT / 2.0);
        self.marks.push(Mark::Text { text: text.to_string(), corner, kind, upward: false });
    }

    /// A text centred on `middle`, by the height of its capitals.
    pub(super) fn label(&mut self, text: &str, (x, middle): At, kind: Type) {
        self.text(text, (x, middle + kind.size * CAP_HEIGHT / 2.0), kind);
    }

    /// A number above a bar `width` wide: centred, no wider than the bar, and clear of grid lines.
    pub(super) fn bar_label(
        &mut self,
        text: &str,
        (middle, top): At,
        width: f64,
        kind: Type,
    ) -> Result<()> {
        let (text, kind) = self.fit(text, width - 8.0, kind.centered())?;
        let half = self.width_of(&text, kind)? / 2.0 + 3.0;
        let baseline = top - 11.0;
        let height = kind.size * CAP_HEIGHT + 5.0;
        self.rect((middle - half, baseline - height), (middle + half, top - 4.0), PAPER);
        self.text(&text, (middle, baseline), kind);
        Ok(())
    }

    /// A text that runs upward, its baseline at `x`.
    pub(super) fn upward(&mut self, text: &str, (x, y): At, kind: Type) {
        let corner = (x - kind.size * LINE_HEIGHT / 2.0, y);
        self.marks.push(Mark::Text { text: text.to_string(), corner, kind, upward: true });
    }

    /// The width of a text in logical units.
    pub(super) fn width_of(&self, text: &str, kind: Type) -> Result<f64> {
        // plotters measures in whole units, hence the large size.
        let large = 100.0;
        let ((left, _), (right, _)) = kind
            .font(large)
            .layout_box(text)
            .map_err(|error| failure(&self.title, format!("text can't be measured: {error}")))?;
        Ok(f64::from(right - left) / large)
    }

    /// Reduces `kind` so that the text fits into `width`, but not below half its size; a text that is still too
    /// long ends in "…".
    pub(super) fn fit(&self, text: &str, width: f64, kind: Type) -> Result<(String, Type)> {
        let natural = self.width_of(text, kind)?;
        if natural <= width {
            return Ok((text.to_string(), kind));
        }
        // A little smaller than computed: at another size, the widths of letters are rounded differently.
        let size = (kind.size * width / natural * 0.985).max(kind.size / 2.0);
        let kind = Type { size, ..kind };
        let mut short: Vec<char> = text.chars().collect();
        let mut fitted = text.to_string();
        while self.width_of(&fitted, kind)? > width && short.pop().is_some() {
            fitted = short.iter().collect::<String>().trim_end().to_string() + "…";
        }
        Ok((fitted, kind))
    }

    /// The figure's title in the upper left corner, and a line below it that may be empty.
    pub(super) fn headline(&mut self, subtitle: &str) -> Result<()> {
        let title = self.title.clone();
        self.set_headline(0, &title, 92.0, Type::new(52.0).bold())?;
        self.set_subtitle(subtitle)
    }

    /// The figure with another title.
    pub(super) fn set_title(&mut self, title: &str) -> Result<()> {
        self.title = title.into();
        self.set_headline(0, title, 92.0, Type::new(52.0).bold())
    }

    /// The figure with another line below the title; an empty one removes it.
    pub(super) fn set_subtitle(&mut self, subtitle: &str) -> Result<()> {
        self.set_headline(1, subtitle, 144.0, Type::new(30.0).color(MUTED))
    }

    fn set_headline(&mut self, line: usize, text: &str, baseline: f64, kind: Type) -> Result<()> {
        let (text, kind) = self.fit(text, f64::from(WIDTH) - 2.0 * MARGIN, kind)?;
        let place = self.headline.get(line).copied().flatten();
        if place.is_none() && text.is_empty() {
            return Ok(());
        }
        self.text(&text, (MARGIN, baseline), kind);
        let last = self.marks.len() - 1;
        if let Some(place) = place {
            self.marks.swap_remove(place); // replaces it by the last one, which is the new one
        } else if let Some(place) = self.headline.get_mut(line) {
            *place = Some(last);
        }
        Ok(())
    }

    /// The same marks in the colours of a theme, without the paper if the figure is transparent.
    pub(super) fn styled(&self, style: &Style) -> Self {
        let mut canvas = self.clone();
        for color in canvas.marks.iter_mut().filter_map(Mark::color) {
            *color = style.theme.color(*color);
        }
        if style.transparent && !canvas.marks.is_empty() {
            canvas.marks.remove(0); // the paper, which is drawn first
        }
        canvas
    }

    /// The same marks with other words for the classes, in all texts except the headline.
    pub(super) fn relabelled(&self, labels: &[String; Emotion::COUNT]) -> Self {
        let mut canvas = self.clone();
        for (place, mark) in canvas.marks.iter_mut().enumerate() {
            if let Mark::Text { text, .. } = mark
                && !self.headline.contains(&Some(place))
            {
                *text = relabelled(text, labels);
            }
        }
        canvas
    }

    /// Writes the reason for an empty figure in the middle of the sheet.
    pub(super) fn nothing(&mut self, why: &str) -> Result<()> {
        let middle = (f64::from(WIDTH) / 2.0, f64::from(HEIGHT) / 2.0);
        let width = f64::from(WIDTH) - 2.0 * MARGIN;
        let (why, kind) = self.fit(why, width, Type::new(40.0).color(MUTED).centered())?;
        self.label(&why, middle, kind);
        Ok(())
    }

    /// A picture of 48 × 48 pixels (u8, row-major, gray or red, green and blue) in a square `side`
    /// wide.
    ///
    /// # Errors
    /// [`Error::Figure`] for a picture of another size.
    pub(super) fn face(&mut self, corner: At, side: f64, pixels: &[u8]) -> Result<()> {
        if Face::new((0, 0), 1, pixels).is_none() {
            let problem = format!("a picture has {} pixels instead of 48 × 48", pixels.len());
            return Err(failure(&self.title, problem));
        }
        self.marks.push(Mark::Face { corner, side, pixels: pixels.to_vec() });
        Ok(())
    }
}

/// Draws marks on a drawing area.
struct Brush<'a, DB: PictureBackend> {
    area: &'a DrawingArea<DB, Shift>,
    /// Backend units in a logical unit.
    unit: f64,
    canvas: &'a Canvas,
}

impl<DB: PictureBackend> Brush<'_, DB> {
    fn paint(&self, mark: &Mark) -> Result<()> {
        match mark {
            Mark::Rect { from, to, color } => {
                self.draw(&Rectangle::new([self.place(*from), self.place(*to)], color.filled()))
            }
            Mark::Line { points, width, color } => {
                let mut path: Vec<_> = points.iter().map(|point| self.place(*point)).collect();
                // plotters' rasteriser divides by the length of each piece.
                path.dedup();
                if path.len() < 2 {
                    return Ok(());
                }
                self.draw(&PathElement::new(path, color.stroke_width(self.length(*width))))
            }
            Mark::Dot { center, radius, color } => {
                self.draw(&Circle::new(self.place(*center), self.length(*radius), color.filled()))
            }
            Mark::Text { text, corner, kind, upward } => {
                let font = kind.font(self.unit);
                let font = if *upward { font.transform(FontTransform::Rotate270) } else { font };
                let horizontal = match kind.align {
                    Align::Left => HPos::Left,
                    Align::Center => HPos::Center,
                    Align::Right => HPos::Right,
                };
                let style = TextStyle::from(font);
                let style = style.color(&kind.color).pos(Pos::new(horizontal, VPos::Top));
                self.draw(&Text::new(text.as_str(), self.place(*corner), style))
            }
            Mark::Face { corner, side, pixels } => {
                match Face::new(self.place(*corner), self.length(*side), pixels) {
                    Some(face) => self.draw(&face),
                    None => Ok(()), // excluded by [`Canvas::face`]
                }
            }
        }
    }

    fn draw<'e, E>(&self, element: &'e E) -> Result<()>
    where
        &'e E: PointCollection<'e, (i32, i32)>,
        E: Drawable<DB>,
    {
        self.area.draw(element).map_err(|error| failure(&self.canvas.title, error))
    }

    /// A length in backend units, at least 1.
    fn length(&self, length: f64) -> u32 {
        ((length * self.unit).round() as u32).max(1)
    }

    /// A position in backend units. A position that is far outside, or not finite, is moved near the sheet, so that
    /// a backend's arithmetic can't overflow.
    fn place(&self, (x, y): At) -> (i32, i32) {
        let limit = f64::from(WIDTH);
        let clamp = |v: f64| (v.max(-limit).min(2.0 * limit) * self.unit).round() as i32;
        (clamp(x), clamp(y))
    }
}

/// A drawing error under the figure's name.
pub(super) fn failure(figure: &str, problem: impl ToString) -> Error {
    Error::Figure { figure: figure.to_string(), problem: problem.to_string() }
}
