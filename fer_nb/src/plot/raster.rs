//! Figures as pixels: plotters' bitmap backend at twice the size asked for, halved, and packed as
//! PNG. Halving smooths what plotters draws with hard edges: polygons, and glyphs that it places on
//! whole pixels.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};
use plotters_backend::{BackendCoord, DrawingBackend, DrawingErrorKind};
use plotters_bitmap::BitMapBackend;

use crate::plot::picture::PictureBackend;

/// Bytes of a pixel: red, green, blue.
const CHANNELS: usize = 3;

/// RGB pixels, u8 [height × width × 3].
#[derive(Debug, Clone)]
pub struct Raster {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
}

impl Raster {
    /// A white sheet.
    pub fn white(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![255; width as usize * height as usize * CHANNELS] }
    }

    /// Half the width and height; each pixel is the mean of four.
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let row = self.width as usize * CHANNELS;
        let mut pixels = Vec::with_capacity(width as usize * height as usize * CHANNELS);
        for pair in self.pixels.chunks_exact(row * 2).take(height as usize) {
            let (upper, lower) = pair.split_at(row);
            let blocks =
                upper.chunks_exact(2 * CHANNELS).zip(lower.chunks_exact(2 * CHANNELS));
            for (above, below) in blocks.take(width as usize) {
                if let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (above, below) {
                    pixels.extend([mean([a, d, g, j]), mean([b, e, h, k]), mean([c, f, i, l])]);
                }
            }
        }
        Self { width, height, pixels }
    }

    /// As a PNG file.
    pub fn encode(&self) -> Result<Vec<u8>, ImageError> {
        encode(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
    }
}

fn mean(four: [&u8; 4]) -> u8 {
    ((four.into_iter().map(|v| u16::from(*v)).sum::<u16>() + 2) / 4) as u8
}

/// A square gray picture, u8 [`side` × `side`], as a PNG file.
pub fn encode_gray(side: usize, pixels: &[u8]) -> Result<Vec<u8>, ImageError> {
    encode(pixels, side as u32, side as u32, ExtendedColorType::L8)
}

/// The encoder itself panics where the buffer has another size than the picture; so that's checked.
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
        side: usize,
        pixels: &[u8],
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let edge = |index: usize| (index as u64 * u64::from(extent) / side as u64) as i32;
        for (row, line) in pixels.chunks_exact(side).enumerate() {
            for (column, gray) in line.iter().enumerate() {
                let color = plotters::style::RGBColor(*gray, *gray, *gray);
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
    fn halving_takes_means() {
        let mut raster = Raster::white(4, 2);
        raster.pixels[..3].copy_from_slice(&[15, 255, 255]);
        let half = raster.halved();
        assert_eq!((half.width, half.height), (2, 1));
        assert_eq!(half.pixels, [195, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn a_picture_of_the_wrong_size_is_an_error() {
        assert!(encode_gray(4, &[0; 15]).is_err());
        let png = encode_gray(4, &[7; 16]).unwrap();
        assert_eq!(image::load_from_memory(&png).unwrap().to_luma8().into_raw(), [7; 16]);
    }
}
