//! Colours: one for each class, the same in every figure, and one scale for shares.

use plotters::style::RGBColor;

use crate::emotion::Emotion;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Secondary text; its contrast with the paper is 5.9 : 1.
pub(super) const MUTED: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xdf, 0xdf, 0xdf);
/// The background. It is painted, so that a figure stays legible in JupyterLab's dark theme.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// The main series of a figure without classes: validation, the audit's bars.
pub(super) const ACCENT: RGBColor = RGBColor(0x1f, 0x3f, 0x77);
/// The series for comparison: training.
pub(super) const SECOND: RGBColor = RGBColor(0x8a, 0x8a, 0x8a);

/// The colour of a class: Okabe and Ito's colour-blind-safe set ("Color Universal Design", 2008,
/// <https://jfly.uni-koeln.de/color/>), without their yellow, which is illegible on white; black, which replaces
/// it, is softened to a dark grey.
pub(super) const fn class_color(emotion: Emotion) -> RGBColor {
    match emotion {
        Emotion::Angry => RGBColor(0xd5, 0x5e, 0x00),
        Emotion::Disgust => RGBColor(0x00, 0x9e, 0x73),
        Emotion::Fear => RGBColor(0xcc, 0x79, 0xa7),
        Emotion::Happy => RGBColor(0xe6, 0x9f, 0x00),
        Emotion::Neutral => RGBColor(0x40, 0x40, 0x40),
        Emotion::Sad => RGBColor(0x00, 0x72, 0xb2),
        Emotion::Surprise => RGBColor(0x56, 0xb4, 0xe9),
    }
}

/// `color` with a share (0 to 1) of it mixed with white.
pub(super) fn tint(color: RGBColor, share: f64) -> RGBColor {
    mix(PAPER, color, share)
}

/// The sequential scale for a share of 0 to 1: ColorBrewer's nine "Blues", lightest first, with linear
/// interpolation. Values outside have the colour of the nearer end, NaN that of 0.
pub(super) fn sequential(share: f64) -> RGBColor {
    const BLUES: [RGBColor; 9] = [
        RGBColor(0xf7, 0xfb, 0xff),
        RGBColor(0xde, 0xeb, 0xf7),
        RGBColor(0xc6, 0xdb, 0xef),
        RGBColor(0x9e, 0xca, 0xe1),
        RGBColor(0x6b, 0xae, 0xd6),
        RGBColor(0x42, 0x92, 0xc6),
        RGBColor(0x21, 0x71, 0xb5),
        RGBColor(0x08, 0x51, 0x9c),
        RGBColor(0x08, 0x30, 0x6b),
    ];
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let place = share * (BLUES.len() - 1) as f64;
    let low = (place as usize).min(BLUES.len() - 2);
    match (BLUES.get(low), BLUES.get(low + 1)) {
        (Some(from), Some(to)) => mix(*from, *to, place - low as f64),
        _ => PAPER,
    }
}

/// Dark or white text, whichever has the higher contrast on `background`.
pub(super) fn text_on(background: RGBColor) -> RGBColor {
    if contrast(background, INK) >= contrast(background, PAPER) { INK } else { PAPER }
}

/// Contrast ratio of two colours, 1 to 21 (WCAG 2.1).
fn contrast(a: RGBColor, b: RGBColor) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance, 0 to 1 (WCAG 2.1).
fn luminance(RGBColor(r, g, b): RGBColor) -> f64 {
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// An sRGB channel as linear light, 0 to 1.
fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

fn mix(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let channel =
        |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    RGBColor(channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a colour becomes for a person without one kind of cone; the matrices are those of
    /// Machado, Oliveira and Fernandes (2009) at severity 1, applied to linear light.
    fn seen_with(matrix: [[f64; 3]; 3], RGBColor(r, g, b): RGBColor) -> [f64; 3] {
        let light = [linear(r), linear(g), linear(b)];
        matrix.map(|row| row.iter().zip(light).map(|(m, l)| m * l).sum::<f64>().clamp(0.0, 1.0))
    }

    /// CIE 1976 L*a*b* (D65) of linear sRGB.
    fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
        let f = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
        let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn classes_stay_apart_for_colour_blind_eyes() {
        let normal = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let protan = [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ];
        let deutan = [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ];
        for matrix in [normal, protan, deutan] {
            for a in Emotion::ALL {
                for b in Emotion::ALL.into_iter().filter(|b| *b > a) {
                    let (x, y) = (
                        lab(seen_with(matrix, class_color(a))),
                        lab(seen_with(matrix, class_color(b))),
                    );
                    let distance: f64 =
                        x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                    assert!(distance > 12.0, "{a} and {b} are {distance:.1} apart");
                }
            }
        }
    }

    #[test]
    fn classes_stand_out_from_the_paper() {
        for emotion in Emotion::ALL {
            assert!(contrast(class_color(emotion), PAPER) > 2.0, "{emotion}");
        }
        assert!(contrast(MUTED, PAPER) > 4.5);
    }

    #[test]
    fn the_scale_darkens_and_its_text_is_legible() {
        let mut last = 2.0;
        for step in 0..=100 {
            let color = sequential(f64::from(step) / 100.0);
            assert!(luminance(color) < last);
            assert!(contrast(color, text_on(color)) > 4.0, "at {step} %");
            last = luminance(color);
        }
        assert_eq!(sequential(f64::NAN), sequential(0.0));
        assert_eq!(sequential(7.0), sequential(1.0));
    }
}
