//! Small pictures inside a figure, enlarged with sharp pixels.

use plotters::element::{Drawable, PointCollection};
use plotters_backend::{BackendCoord, DrawingBackend, DrawingErrorKind};

use crate::data::PIXELS;

/// A backend that enlarges a small picture. plotters' `blit_bitmap` draws pixel by pixel, which in an SVG takes
/// thousands of rectangles per face.
pub(super) trait PictureBackend: DrawingBackend {
    /// Draws `pixels` (u8, row-major, gray [48 × 48] or red, green and blue [48 × 48 × 3]) as a square of `extent`
    /// backend units with its upper left corner at `corner`.
    fn draw_picture(
        &mut self,
        corner: BackendCoord,
        extent: u32,
        pixels: &[u8],
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>>;
}

/// A face of 48×48 pixels as an element that plotters draws.
#[derive(Debug)]
pub(super) struct Face<'a> {
    corner: BackendCoord,
    extent: u32,
    pixels: &'a [u8],
}

impl<'a> Face<'a> {
    /// A face at `corner`, `extent` backend units wide; `None` unless `pixels` is u8 [48 × 48] or
    /// [48 × 48 × 3].
    pub(super) fn new(corner: BackendCoord, extent: u32, pixels: &'a [u8]) -> Option<Self> {
        (pixels.len() == PIXELS || pixels.len() == 3 * PIXELS).then_some(Self {
            corner,
            extent,
            pixels,
        })
    }
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Face<'_> {
    type Point = &'a BackendCoord;
    type IntoIter = std::iter::Once<&'a BackendCoord>;

    fn point_iter(self) -> Self::IntoIter {
        std::iter::once(&self.corner)
    }
}

impl<DB: PictureBackend> Drawable<DB> for Face<'_> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut corner: I,
        backend: &mut DB,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<DB::ErrorType>> {
        match corner.next() {
            Some(corner) => backend.draw_picture(corner, self.extent, self.pixels),
            None => Ok(()),
        }
    }
}

/// Standard base64 (RFC 4648) with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (bits >> (18 - 6 * place)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_face_has_48_by_48_pixels() {
        assert!(Face::new((0, 0), 96, &[0; PIXELS]).is_some());
        assert!(Face::new((0, 0), 96, &[0; 3 * PIXELS]).is_some());
        assert!(Face::new((0, 0), 96, &[0; PIXELS - 1]).is_none());
    }
}
