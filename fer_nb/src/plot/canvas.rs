//! The sheet that figures draw on: 1920 × 1080 logical units, whatever the backend's size.
//!
//! Everything, strokes and text included, is given in these units, so a picture twice as large is
//! the same picture, only sharper.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::common::{Error, Result};
use crate::plot::palette::{INK, MUTED, PAPER};
use crate::plot::picture::{Face, PictureBackend};

/// Width of a figure in logical units, and of its PNG in pixels at scale 1.
pub const WIDTH: u32 = 1920;
/// Height of a figure in logical units, and of its PNG in pixels at scale 1.
pub const HEIGHT: u32 = 1080;
/// Left and right margin in logical units.
pub const MARGIN: f64 = 70.0;

/// The CSS name under which the embedded Inter is known to plotters; an SVG carries it as it is.
pub const FONT_FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";
/// Inter's ascent less its descent, in ems; plotters measures font sizes by it.
pub const LINE_HEIGHT: f64 = (1984.0 + 494.0) / 2048.0;
/// Height of Inter's capitals, in ems.
pub const CAP_HEIGHT: f64 = 1490.0 / 2048.0;

const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.ttf");
const SEMIBOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.ttf");

/// Which part of a text lies at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    /// Size of the em in logical units.
    pub size: f64,
    pub color: RGBColor,
    pub bold: bool,
    pub align: Align,
}

impl Type {
    /// Regular weight, dark, left-aligned.
    pub fn new(size: f64) -> Self {
        Self { size, color: INK, bold: false, align: Align::Left }
    }

    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    pub fn centered(self) -> Self {
        self.align(Align::Center)
    }

    /// plotters' description of this type, where a logical unit is `unit` of the backend's.
    fn font(self, unit: f64) -> FontDesc<'static> {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        FontDesc::new(FontFamily::Name(FONT_FAMILY), self.size * LINE_HEIGHT * unit, style)
    }
}

/// A drawing area in logical units.
pub struct Canvas<'a, DB: PictureBackend> {
    area: &'a DrawingArea<DB, Shift>,
    /// Backend units in a logical unit.
    unit: f64,
    figure: &'a str,
}

impl<'a, DB: PictureBackend> Canvas<'a, DB> {
    /// Paints the whole of `area` white and gets it ready for the figure of this title.
    pub fn new(area: &'a DrawingArea<DB, Shift>, figure: &'a str) -> Result<Self> {
        let canvas = Self::over(area, figure)?;
        canvas.rect((0.0, 0.0), (f64::from(WIDTH), f64::from(HEIGHT)), PAPER)?;
        Ok(canvas)
    }

    /// As [`Canvas::new`], on what `area` shows already.
    ///
    /// The fonts are registered here, with every drawing, because in a notebook each cell has
    /// plotters' table of fonts anew.
    pub fn over(area: &'a DrawingArea<DB, Shift>, figure: &'a str) -> Result<Self> {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, SEMIBOLD)] {
            register_font(FONT_FAMILY, style, bytes)
                .map_err(|_| failure(figure, "the embedded font can't be read"))?;
        }
        let unit = f64::from(area.dim_in_pixel().0) / f64::from(WIDTH);
        Ok(Self { area, unit, figure })
    }

    fn draw<'e, E>(&self, element: &'e E) -> Result<()>
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: plotters::element::Drawable<DB>,
    {
        self.area.draw(element).map_err(|error| failure(self.figure, error))
    }

    /// A length in backend units, at least 1.
    fn length(&self, length: f64) -> u32 {
        ((length * self.unit).round() as u32).max(1)
    }

    /// A position in backend units. What is far outside, or not finite, is moved to the sheet's
    /// neighbourhood, so that a backend's arithmetic can't overflow.
    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let limit = f64::from(WIDTH);
        let clamp = |v: f64| (v.max(-limit).min(2.0 * limit) * self.unit).round() as i32;
        (clamp(x), clamp(y))
    }

    /// A filled rectangle between two opposite corners.
    pub fn rect(&self, from: (f64, f64), to: (f64, f64), color: RGBColor) -> Result<()> {
        self.draw(&Rectangle::new([self.place(from), self.place(to)], color.filled()))
    }

    /// The outline of a rectangle, its stroke `width` wide and inside of it.
    pub fn frame(
        &self,
        (left, top): (f64, f64),
        (right, bottom): (f64, f64),
        width: f64,
        color: RGBColor,
    ) -> Result<()> {
        self.rect((left, top), (right, top + width), color)?;
        self.rect((left, bottom - width), (right, bottom), color)?;
        self.rect((left, top), (left + width, bottom), color)?;
        self.rect((right - width, top), (right, bottom), color)
    }

    /// A line through `points`; fewer than two draw nothing.
    pub fn line(&self, points: &[(f64, f64)], width: f64, color: RGBColor) -> Result<()> {
        let mut path: Vec<(i32, i32)> = points.iter().map(|point| self.place(*point)).collect();
        // plotters' rasteriser divides by the length of each piece.
        path.dedup();
        if path.len() < 2 {
            return Ok(());
        }
        self.draw(&PathElement::new(path, color.stroke_width(self.length(width))))
    }

    /// A straight dashed line.
    pub fn dashes(
        &self,
        from: (f64, f64),
        to: (f64, f64),
        width: f64,
        color: RGBColor,
    ) -> Result<()> {
        let (dash, gap) = (14.0, 10.0);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let at = |distance: f64| {
            let share = (distance / length).min(1.0);
            (from.0 + dx * share, from.1 + dy * share)
        };
        let mut start = 0.0;
        while start < length {
            self.line(&[at(start), at(start + dash)], width, color)?;
            start += dash + gap;
        }
        Ok(())
    }

    /// A filled circle.
    pub fn dot(&self, center: (f64, f64), radius: f64, color: RGBColor) -> Result<()> {
        self.draw(&Circle::new(self.place(center), self.length(radius), color.filled()))
    }

    /// A text whose baseline is at `y`.
    pub fn text(&self, text: &str, (x, y): (f64, f64), kind: Type) -> Result<()> {
        // plotters draws the baseline half a line height below the position.
        let corner = (x, y - kind.size * LINE_HEIGHT / 2.0);
        self.write(text, corner, kind, kind.font(self.unit))
    }

    /// A text centred on `middle`, by the height of its capitals.
    pub fn label(&self, text: &str, (x, middle): (f64, f64), kind: Type) -> Result<()> {
        self.text(text, (x, middle + kind.size * CAP_HEIGHT / 2.0), kind)
    }

    /// A number above a bar `width` wide: centred, no wider than the bar, and clear of grid lines.
    pub fn bar_label(
        &self,
        text: &str,
        (middle, top): (f64, f64),
        width: f64,
        kind: Type,
    ) -> Result<()> {
        let (text, kind) = self.fit(text, width - 8.0, kind.centered())?;
        let half = self.width_of(&text, kind)? / 2.0 + 3.0;
        let baseline = top - 11.0;
        let height = kind.size * CAP_HEIGHT + 5.0;
        self.rect((middle - half, baseline - height), (middle + half, top - 4.0), PAPER)?;
        self.text(&text, (middle, baseline), kind)
    }

    /// A text that runs upward, its baseline at `x`.
    pub fn upward(&self, text: &str, (x, y): (f64, f64), kind: Type) -> Result<()> {
        let corner = (x - kind.size * LINE_HEIGHT / 2.0, y);
        let font = kind.font(self.unit).transform(FontTransform::Rotate270);
        self.write(text, corner, kind, font)
    }

    fn write(
        &self,
        text: &str,
        corner: (f64, f64),
        kind: Type,
        font: FontDesc<'static>,
    ) -> Result<()> {
        let horizontal = match kind.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle::from(font).color(&kind.color).pos(Pos::new(horizontal, VPos::Top));
        self.draw(&Text::new(text, self.place(corner), style))
    }

    /// The width of a text in logical units.
    pub fn width_of(&self, text: &str, kind: Type) -> Result<f64> {
        // plotters measures in whole units, so it's asked for a large size.
        let large = 100.0;
        let ((left, _), (right, _)) = kind
            .font(large)
            .layout_box(text)
            .map_err(|error| failure(self.figure, format!("text can't be measured: {error}")))?;
        Ok(f64::from(right - left) / large)
    }

    /// `kind` made as small as it takes for the text to fit into `width`, though not below half
    /// its size; what is still too long then ends in "…".
    pub fn fit(&self, text: &str, width: f64, kind: Type) -> Result<(String, Type)> {
        let natural = self.width_of(text, kind)?;
        if natural <= width {
            return Ok((text.to_string(), kind));
        }
        // A little less than it takes: at another size, letters round to other widths.
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
    pub fn title(&self, title: &str, subtitle: &str) -> Result<()> {
        let width = f64::from(WIDTH) - 2.0 * MARGIN;
        let (title, kind) = self.fit(title, width, Type::new(52.0).bold())?;
        self.text(&title, (MARGIN, 92.0), kind)?;
        if !subtitle.is_empty() {
            let (subtitle, kind) = self.fit(subtitle, width, Type::new(30.0).color(MUTED))?;
            self.text(&subtitle, (MARGIN, 144.0), kind)?;
        }
        Ok(())
    }

    /// What a figure shows that has nothing to show.
    pub fn nothing(&self, why: &str) -> Result<()> {
        let middle = (f64::from(WIDTH) / 2.0, f64::from(HEIGHT) / 2.0);
        let width = f64::from(WIDTH) - 2.0 * MARGIN;
        let (why, kind) = self.fit(why, width, Type::new(40.0).color(MUTED).centered())?;
        self.label(&why, middle, kind)
    }

    /// A picture of 48×48 pixels (u8, row-major, gray or red, green and blue) in a square `side` wide.
    pub fn face(&self, corner: (f64, f64), side: f64, pixels: &[u8]) -> Result<()> {
        match Face::new(self.place(corner), self.length(side), pixels) {
            Some(face) => self.draw(&face),
            None => {
                let problem = format!("a picture has {} pixels instead of 48 × 48", pixels.len());
                Err(failure(self.figure, problem))
            }
        }
    }
}

/// A drawing error under the figure's name.
pub fn failure(figure: &str, problem: impl ToString) -> Error {
    Error::Figure { figure: figure.to_string(), problem: problem.to_string() }
}
