//! Figures as pixels: plotters' bitmap backend draws on a larger sheet, which is shrunk and encoded as
//! PNG. Shrinking smooths the hard edges of polygons, and of glyphs, which plotters places on whole
//! pixels.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};
use plotters::prelude::IntoDrawingArea;
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
    /// A white sheet.
    pub(super) fn white(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![255; width as usize * height as usize * CHANNELS] }
    }

    /// Width and height divided by `factor`; each pixel is the mean of the square it stands for.
    pub(super) fn shrunk(&self, factor: u32) -> Self {
        let factor = factor.clamp(1, 16);
        let (width, height) = (self.width / factor, self.height / factor);
        let pixels = shrunk::<CHANNELS>(&self.pixels, self.width, factor);
        Self { width, height, pixels }
    }

    /// Paints what is on a canvas over it.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::common::Error::Figure) if plotters can't.
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

/// The encoder panics if the buffer's size is not the picture's, so it is checked first.
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

    #[test]
    fn shrinking_takes_means() {
        let mut raster = Raster::white(4, 2);
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
