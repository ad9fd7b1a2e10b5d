//! Figures as pixels: plotters' bitmap backend draws on a larger sheet, which is shrunk and encoded as PNG.
//! Shrinking smooths the hard edges of polygons, and of glyphs, which plotters places on whole pixels.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};
use plotters::prelude::IntoDrawingArea;
use plotters::style::RGBColor;
use plotters_backend::{BackendCoord, DrawingBackend, DrawingErrorKind};
use plotters_bitmap::BitMapBackend;

use crate::data::pixels::{PIXELS, SIDE, shrunk};
use crate::plot::canvas::{Canvas, failure};
use crate::plot::picture::PictureBackend;

/// Bytes of a pixel: red, green, blue.
const CHANNELS: usize = 3;

/// RGB pixels, u8 [height × width × 3].
#[derive(Debug, Clone)]
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
}

impl Raster {
    /// A sheet of one colour.
    pub(super) fn sheet(width: u32, height: u32, color: RGBColor) -> Self {
        let pixels = [color.0, color.1, color.2].repeat(width as usize * height as usize);
        Self { width, height, pixels }
    }

    /// This picture in the middle of a sheet that is at least as large.
    pub(super) fn centered_on(self, mut sheet: Self) -> Self {
        if (self.width, self.height) == (sheet.width, sheet.height) {
            return self;
        }
        let left = (sheet.width.saturating_sub(self.width) / 2) as usize * CHANNELS;
        let top = (sheet.height.saturating_sub(self.height) / 2) as usize;
        let (line, whole) = (self.width as usize * CHANNELS, sheet.width as usize * CHANNELS);
        let lines = self.pixels.chunks_exact(line.max(1));
        for (from, to) in lines.zip(sheet.pixels.chunks_exact_mut(whole.max(1)).skip(top)) {
            for (to, from) in to.iter_mut().skip(left).zip(from) {
                *to = *from;
            }
        }
        sheet
    }

    /// A transparent PNG file, from the same drawing on black (this one) and on white: pixels that are equal on
    /// both are opaque.
    pub(super) fn encode_with_alpha(&self, on_white: &Self) -> Result<Vec<u8>, ImageError> {
        let pairs = self.pixels.chunks_exact(CHANNELS).zip(on_white.pixels.chunks_exact(CHANNELS));
        let pixels: Vec<u8> = pairs
            .flat_map(|(black, white)| {
                let differs =
                    black.iter().zip(white).map(|(black, white)| white.saturating_sub(*black));
                let alpha = 255 - differs.max().unwrap_or(0);
                let full = |value: u8| match alpha {
                    0 => 0,
                    alpha => (u32::from(value) * 255 / u32::from(alpha)).min(255) as u8,
                };
                black.iter().map(move |value| full(*value)).chain([alpha]).collect::<Vec<_>>()
            })
            .collect();
        encode(&pixels, self.width, self.height, ExtendedColorType::Rgba8)
    }

    /// Width and height divided by `factor`; each pixel is the mean of the square it stands for.
    pub(super) fn shrunk(&self, factor: u32) -> Self {
        let factor = factor.clamp(1, 16);
        let (width, height) = (self.width / factor, self.height / factor);
        let pixels = shrunk::<CHANNELS>(&self.pixels, self.width, factor);
        Self { width, height, pixels }
    }

    /// Paints a canvas over this picture.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::common::Error::Figure) if plotters reports an error.
    pub(super) fn paint(&mut self, canvas: &Canvas) -> crate::common::Result<()> {
        let size = (self.width, self.height);
        let area = BitMapBackend::with_buffer_and_format(&mut self.pixels, size)
            .map_err(|error| failure(canvas.title(), error))?
            .into_drawing_area();
        canvas.paint(&area)
    }

    /// As a PNG file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ImageError> {
        encode(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
    }
}

/// A square picture as a PNG file: u8 [`side` × `side`], gray, or [`side` × `side` × 3], RGB.
pub(super) fn encode_square(side: usize, pixels: &[u8]) -> Result<Vec<u8>, ImageError> {
    let gray = pixels.len() == side * side;
    let kind = if gray { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    encode(pixels, side as u32, side as u32, kind)
}

/// The encoder panics if the buffer's size does not match the picture's, so the size is checked first.
fn encode(
    pixels: &[u8],
    width: u32,
    height: u32,
    kind: ExtendedColorType,
) -> Result<Vec<u8>, ImageError> {
    let expected = u64::from(width) * u64::from(height) * u64::from(kind.bits_per_pixel() / 8);
    if pixels.len() as u64 != expected {
        return Err(ImageError::Parameter(image::error::ParameterError::from_kind(
            image::error::ParameterErrorKind::DimensionMismatch,
        )));
    }
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(pixels, width, height, kind)?;
    Ok(png)
}

impl PictureBackend for BitMapBackend<'_> {
    fn draw_picture(
        &mut self,
        (left, top): BackendCoord,
        extent: u32,
        pixels: &[u8],
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let edge = |index: usize| (index as u64 * u64::from(extent) / SIDE as u64) as i32;
        let channels = if pixels.len() == PIXELS { 1 } else { CHANNELS };
        for (row, line) in pixels.chunks_exact(SIDE * channels).enumerate() {
            for (column, pixel) in line.chunks_exact(channels).enumerate() {
                let color = match pixel {
                    [red, green, blue] => plotters::style::RGBColor(*red, *green, *blue),
                    [gray, ..] => plotters::style::RGBColor(*gray, *gray, *gray),
                    [] => continue,
                };
                self.draw_rect(
                    (left + edge(column), top + edge(row)),
                    (left + edge(column + 1), top + edge(row + 1)),
                    &color,
                    true,
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::palette::PAPER;

    #[test]
    fn shrinking_takes_means() {
        let mut raster = Raster::sheet(4, 2, PAPER);
        raster.pixels[..3].copy_from_slice(&[15, 255, 255]);
        let half = raster.shrunk(2);
        assert_eq!((half.width, half.height), (2, 1));
        assert_eq!(half.pixels, [195, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn a_picture_of_the_wrong_size_is_an_error() {
        assert!(encode_square(4, &[0; 15]).is_err());
        let png = encode_square(4, &[7; 16]).unwrap();
        assert_eq!(image::load_from_memory(&png).unwrap().to_luma8().into_raw(), [7; 16]);
    }
}
