//! Pixels of gray images: conversion to gray, cropping and shrinking, the same for data sets and photos.

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, RgbImage};

use crate::common::{Error, Result};

/// Height and width of an image, in pixels.
pub const SIDE: usize = 48;
/// Bytes of an image: one u8 per pixel, row-major.
pub const PIXELS: usize = SIDE * SIDE;

/// Gray as computed by PIL, OpenCV and TensorFlow: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), with PIL's rounding.
/// Transparency is ignored. (The image crate's weights are BT.709's, whose faces differ from those that Keras
/// trains on.)
pub(crate) fn gray(image: &DynamicImage) -> GrayImage {
    match image.as_rgb8() {
        Some(rgb) => gray_of(rgb),
        None if image.color().has_color() => gray_of(&image.to_rgb8()),
        None => image.to_luma8(),
    }
}

/// [`gray`] of an image in color.
pub(crate) fn gray_of(rgb: &RgbImage) -> GrayImage {
    let mut gray = GrayImage::new(rgb.width(), rgb.height());
    for (to, from) in gray.pixels_mut().zip(rgb.pixels()) {
        let [r, g, b] = from.0.map(u32::from);
        to.0 = [((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8];
    }
    gray
}

/// Scales an image to 48×48 with a triangle filter over the area of each pixel, as PIL's bilinear filter, without
/// keeping its proportions. An image of 48×48 stays unchanged. u8 [48 × 48] on 0 to 255, row-major.
///
/// # Errors
/// [`Error::Input`] for an image without pixels.
pub(crate) fn scaled(image: GrayImage) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    let side = SIDE as u32;
    let pixels = match (width, height) == (side, side) {
        true => image.into_raw(),
        false if width == 0 || height == 0 => Vec::new(),
        false => imageops::resize(&image, side, side, FilterType::Triangle).into_raw(),
    };
    match pixels.len() {
        PIXELS => Ok(pixels),
        _ => Err(Error::input("image", format!("{width}×{height} pixels"), "one pixel or more")),
    }
}

/// Crops a square, in pixels of the image, and scales it to 48×48; see [`scaled`]. Beyond the image's edges, its
/// last pixels are repeated.
///
/// # Errors
/// [`Error::Input`] for an image without pixels.
pub(crate) fn square(image: &GrayImage, left: i64, top: i64, side: u32) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return scaled(GrayImage::new(width, height));
    }
    let nearest = |at: i64, count: u32| at.clamp(0, i64::from(count) - 1) as u32;
    scaled(GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (nearest(left + i64::from(x), width), nearest(top + i64::from(y), height));
        *image.get_pixel(x, y)
    }))
}

/// Crops the largest centred square and scales it to 48×48; see [`square`].
///
/// # Errors
/// [`Error::Input`] for an image without pixels.
pub(crate) fn middle_square(image: &GrayImage) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    let side = width.min(height);
    square(image, i64::from((width - side) / 2), i64::from((height - side) / 2), side)
}

/// Divides width and height by `factor`, 1 or more: each pixel is the mean of a square, and incomplete squares at
/// the right and lower edge are dropped. `pixels` are u8 [height × width × `C`], row-major.
pub(crate) fn shrunk<const C: usize>(pixels: &[u8], width: u32, factor: u32) -> Vec<u8> {
    let (row, side) = (width as usize * C, factor.max(1) as usize);
    let area = (side * side) as u32;
    let mut shrunk = Vec::with_capacity(pixels.len() / (side * side));
    let mut sums = vec![[0u32; C]; width as usize / side];
    for band in pixels.chunks_exact((row * side).max(1)) {
        sums.fill([0; C]);
        for line in band.chunks_exact(row) {
            for (sums, square) in sums.iter_mut().zip(line.chunks_exact(side * C)) {
                for pixel in square.as_chunks::<C>().0 {
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                }
            }
        }
        shrunk.extend(sums.as_flattened().iter().map(|sum| ((sum + area / 2) / area) as u8));
    }
    shrunk
}

/// Whether a JPEG file reaches its end-of-image marker. The decoder fills the missing part of a truncated file with
/// gray and reports success. This function walks the segments (ITU-T T.81, annex B), because an embedded thumbnail
/// has a separate end marker.
pub(crate) fn is_complete_jpeg(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xD9;
    let mut at = 2;
    loop {
        // In entropy-coded data a 0xFF is followed by 0, or by a restart marker (D0 to D7). Between segments this
        // finds the next marker at once.
        let marker = loop {
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(0xFF), Some(0 | 0x01 | 0xD0..=0xD7)) => at += 2,
                (Some(0xFF), Some(0xFF)) => at += 1,
                (Some(0xFF), Some(marker)) => break *marker,
                (Some(_), Some(_)) => at += 1,
                _ => return false,
            }
        };
        if marker == END_OF_IMAGE {
            return true;
        }
        let (Some(high), Some(low)) = (bytes.get(at + 2), bytes.get(at + 3)) else { return false };
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
}

/// Whether a JPEG file of this length can contain this many pixels: each 8×8 block of the largest component takes
/// at least one bit. The decoder would fill missing data with gray, which takes seconds for a large picture in a
/// file of a kilobyte.
pub(crate) fn can_hold_jpeg(bytes: usize, (width, height): (u32, u32)) -> bool {
    u64::from(width) * u64::from(height) <= bytes as u64 * 8 * 64
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Luma, Rgb, Rgba, RgbaImage};

    use super::*;

    fn picture(width: u32, height: u32) -> GrayImage {
        GrayImage::from_fn(width, height, |x, y| Luma([(x * 7 + y * 13 + x * y % 31) as u8]))
    }

    #[test]
    fn colours_become_pils_gray() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 90], [255, 255, 255]];
        let image = RgbImage::from_fn(5, 1, |x, _| Rgb(colours[x as usize]));
        // PIL 13: Image.convert("L")
        let expected = [76, 150, 29, 131, 255];
        assert_eq!(gray(&DynamicImage::ImageRgb8(image)).into_raw(), expected);
        let rgba = RgbaImage::from_fn(5, 1, |x, _| {
            let [r, g, b] = colours[x as usize];
            Rgba([r, g, b, 77])
        });
        assert_eq!(gray(&DynamicImage::ImageRgba8(rgba)).into_raw(), expected);
    }

    #[test]
    fn the_middle_square_is_taken() {
        let image = picture(48, 48);
        assert_eq!(middle_square(&image).unwrap(), image.into_raw());
        // Left and right of the square are black, so is what a crop at the wrong place would see.
        let wide = GrayImage::from_fn(200, 96, |x, _| {
            Luma([if (52..148).contains(&x) { 200 } else { 0 }])
        });
        assert_eq!(middle_square(&wide).unwrap(), vec![200; PIXELS]);
        assert_eq!(middle_square(&imageops::rotate90(&wide)).unwrap(), vec![200; PIXELS]);
        for (width, height) in [(1, 1), (1, 500), (47, 49), (2000, 3)] {
            assert_eq!(middle_square(&picture(width, height)).unwrap().len(), PIXELS);
        }
        for empty in [GrayImage::new(0, 5), GrayImage::new(0, 0)] {
            assert!(matches!(middle_square(&empty), Err(Error::Input { .. })));
        }
    }

    #[test]
    fn shrinking_takes_means() {
        let photo = [
            [10, 20, 0, 0, 99], //
            [30, 40, 0, 1, 99],
            [255, 255, 7, 7, 99],
            [255, 255, 7, 7, 99],
        ];
        assert_eq!(shrunk::<1>(photo.as_flattened(), 5, 2), [25, 0, 255, 7]);
        assert_eq!(shrunk::<3>(&[1, 2, 3, 5, 6, 7, 1, 2, 3, 5, 6, 7], 2, 2), [3, 4, 5]);
        assert!(shrunk::<1>(&[0; 27], 3, 4).is_empty() && shrunk::<1>(&[], 0, 2).is_empty());
    }

    #[test]
    fn a_thumbnails_end_is_not_the_images_end() {
        let encoded = |image: DynamicImage| {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
            bytes.into_inner()
        };
        let image = DynamicImage::ImageLuma8(picture(96, 80));
        let (thumbnail, jpeg) = (encoded(image.thumbnail(16, 16)), encoded(image));
        // A comment segment (FFFE) that holds the thumbnail, after the start-of-image marker.
        let length = (thumbnail.len() as u16 + 2).to_be_bytes();
        let with_thumbnail = [&jpeg[..2], &[0xFF, 0xFE], &length, &thumbnail, &jpeg[2..]].concat();
        assert!(is_complete_jpeg(&with_thumbnail));
        assert!(!is_complete_jpeg(&with_thumbnail[..with_thumbnail.len() - 40]));
        assert!(is_complete_jpeg(&[&jpeg[..], b"what some cameras append"].concat()));
        // The smallest that there are: one color.
        let flat = DynamicImage::ImageRgb8(RgbImage::new(4000, 3000));
        let mut bytes = Cursor::new(Vec::new());
        flat.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        assert!(can_hold_jpeg(bytes.into_inner().len(), (4000, 3000)));
        assert!(!can_hold_jpeg(1000, (16_000, 3_000)));
    }
}
