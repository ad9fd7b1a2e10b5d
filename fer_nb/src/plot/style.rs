//! [`Theme`]: the look of a figure, which can change after it was drawn. A figure keeps its marks, and is painted
//! again with another theme, size or title.

use plotters::style::RGBColor;

use crate::common::{Error, Result};
use crate::emotion::Emotion;

/// Width of a figure in logical units, and of its PNG in pixels at scale 1.
pub(super) const WIDTH: u32 = 1920;
/// Height of a figure in logical units, and of its PNG in pixels at scale 1.
pub(super) const HEIGHT: u32 = 1080;

/// The colours of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// White paper.
    #[default]
    Light,
    /// Light and dark are exchanged, and hues stay, as JupyterLab's dark theme displays figures.
    Dark,
    /// Shades of gray, for a printer without colours.
    Print,
}

impl Theme {
    /// A colour of the light theme in this theme.
    pub(super) fn color(self, color: RGBColor) -> RGBColor {
        let [red, green, blue] = [color.0, color.1, color.2].map(f64::from);
        let channel = |value: f64| value.round().clamp(0.0, 255.0) as u8;
        match self {
            Theme::Light => color,
            // CSS' `invert(.93) hue-rotate(180deg)` (Filter Effects, section 13).
            Theme::Dark => {
                let [r, g, b] = [red, green, blue].map(|value| 0.93 * 255.0 - 0.86 * value);
                RGBColor(
                    channel(-0.574 * r + 1.430 * g + 0.144 * b),
                    channel(0.426 * r + 0.430 * g + 0.144 * b),
                    channel(0.426 * r + 1.430 * g - 0.856 * b),
                )
            }
            // Rec. 709's luma.
            Theme::Print => {
                let gray = channel(0.2126 * red + 0.7152 * green + 0.0722 * blue);
                RGBColor(gray, gray, gray)
            }
        }
    }
}

/// The user's choices for a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) theme: Theme,
    /// Whether the background is visible through the paper.
    pub(super) transparent: bool,
    /// Width and height in pixels at scale 1.
    pub(super) size: (u32, u32),
}

impl Default for Style {
    fn default() -> Self {
        Self { theme: Theme::Light, transparent: false, size: (WIDTH, HEIGHT) }
    }
}

impl Style {
    /// # Errors
    /// [`Error::Input`] for a side of fewer than 64 or more than 7,680 pixels.
    pub(super) fn sized(self, width: u32, height: u32) -> Result<Self> {
        const SIDES: std::ops::RangeInclusive<u32> = 64..=7680;
        for (side, value) in [("width", width), ("height", height)] {
            if !SIDES.contains(&value) {
                let name = format!("{side} of a figure");
                return Err(Error::input(name, value, "64 to 7,680 pixels"));
            }
        }
        Ok(Self { size: (width, height), ..self })
    }

    /// The sheet in logical units: the figure in the middle, and paper on two sides unless the size has its
    /// proportions. Left, top, width, height.
    pub(super) fn sheet(&self) -> [f64; 4] {
        let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
        let (wanted, own) = (f64::from(self.size.0) / f64::from(self.size.1), width / height);
        let whole = (width * (wanted / own).max(1.0), height * (own / wanted).max(1.0));
        [(width - whole.0) / 2.0, (height - whole.1) / 2.0, whole.0, whole.1]
    }

    /// Width and height of the drawing in pixels, scaled by `scale`.
    pub(super) fn drawing(&self, scale: u32) -> (u32, u32) {
        let [_, _, width, _] = self.sheet();
        let unit = f64::from(scale * self.size.0) / width;
        let pixels = |units: u32| ((f64::from(units) * unit).round() as u32).max(1);
        (pixels(WIDTH), pixels(HEIGHT))
    }
}

/// A text of a figure with other words for the classes: replaces each whole word that is a class name.
pub(super) fn relabelled(text: &str, labels: &[String; Emotion::COUNT]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
            continue;
        }
        let class = Emotion::ALL.into_iter().find(|emotion| emotion.name() == word);
        shown.push_str(class.and_then(|class| labels.get(class.index())).unwrap_or(&word));
        word.clear();
        shown.extend(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::palette::{INK, PAPER};

    #[test]
    fn dark_swaps_light_and_dark_and_print_has_no_hue() {
        let light = |color: RGBColor| u32::from(color.0) + u32::from(color.1) + u32::from(color.2);
        assert!(light(Theme::Dark.color(PAPER)) < 90 && light(Theme::Dark.color(INK)) > 600);
        let gray = Theme::Print.color(RGBColor(0xd5, 0x5e, 0x00));
        assert!(gray.0 == gray.1 && gray.1 == gray.2);
        assert_eq!(Theme::Light.color(INK), INK);
        // Orange stays orange.
        let orange = Theme::Dark.color(RGBColor(0xe6, 0x9f, 0x00));
        assert!(orange.0 > orange.1 && orange.1 > orange.2, "{orange:?}");
    }

    #[test]
    fn a_sheet_of_other_proportions_has_paper_on_two_sides() {
        let sized = |width, height| Style::default().sized(width, height).unwrap();
        assert_eq!(Style::default().sheet(), [0.0, 0.0, 1920.0, 1080.0]);
        assert_eq!(sized(960, 540).sheet(), [0.0, 0.0, 1920.0, 1080.0]);
        assert_eq!(sized(1000, 1000).sheet(), [0.0, -420.0, 1920.0, 1920.0]);
        assert_eq!(sized(1000, 1000).drawing(1), (1000, 563));
        assert_eq!(sized(3840, 1080).sheet(), [-960.0, 0.0, 3840.0, 1080.0]);
        assert!(Style::default().sized(63, 100).is_err());
        assert!(Style::default().sized(100, 7681).is_err());
    }

    #[test]
    fn only_whole_words_that_are_classes_change() {
        let labels = Emotion::ALL.map(|emotion| emotion.name().to_uppercase());
        assert_eq!(relabelled("sad as neutral: 30", &labels), "SAD as NEUTRAL: 30");
        assert_eq!(relabelled("happy", &labels), "HAPPY");
        assert_eq!(relabelled("happyness, fearful, sadly", &labels), "happyness, fearful, sadly");
        assert_eq!(relabelled("", &labels), "");
    }
}
