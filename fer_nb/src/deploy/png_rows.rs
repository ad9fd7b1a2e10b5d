//! [`png_in_rgb`]: a PNG file's pixels at 8 bits without transparency, converted row by row. Whole, a photo of 50
//! megapixels at 16 bits with transparency takes 400 MB.

use std::io::Cursor;

use image::error::{DecodingError, ImageFormatHint, LimitError, LimitErrorKind};
use image::{ImageError, ImageFormat, ImageResult, RgbImage};
use png::{BitDepth, ColorType, InterlaceInfo, Transformations, expand_interlaced_row};

/// Decodes a PNG file to u8 [height × width × 3], as the image crate does in two steps; `most_bytes` bounds what the
/// decoder takes for its own use.
pub(super) fn png_in_rgb(bytes: &[u8], most_bytes: usize) -> ImageResult<RgbImage> {
    let limits = png::Limits { bytes: most_bytes };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Palettes become colors, and 1, 2 and 4 bits become 8.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(in_image)?;
    let (width, height) = reader.info().size();
    let kind = reader.output_color_type();
    let bytes_a_pixel = kind.0.samples() * kind.1 as usize / 8;
    let mut image = RgbImage::new(width, height);
    let stride = 3 * width as usize;
    let mut pass_row = vec![0; stride];
    let mut line = 0;
    while let Some(row) = reader.next_interlaced_row().map_err(in_image)? {
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                let to = image.get_mut(line..line + stride).unwrap_or_default();
                convert(row.data(), kind, to);
                line += stride;
            }
            InterlaceInfo::Adam7(pass) => {
                let length = 3 * (row.data().len() / bytes_a_pixel.max(1));
                let pixels = pass_row.get_mut(..length).unwrap_or_default();
                convert(row.data(), kind, pixels);
                expand_interlaced_row(&mut image, stride, pixels, pass, 24);
            }
        }
    }
    Ok(image)
}

/// Converts a row, in PNG's byte order, to red, green and blue.
fn convert(row: &[u8], kind: (ColorType, BitDepth), to: &mut [u8]) {
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    match (kind.0, kind.1 == BitDepth::Sixteen) {
        (Grayscale | Indexed, false) => each(row, to, |[v]| [v; 3]),
        (GrayscaleAlpha, false) => each(row, to, |[v, _]| [v; 3]),
        (Rgb, false) => each(row, to, |rgb: [u8; 3]| rgb),
        (Rgba, false) => each(row, to, |[r, g, b, _]| [r, g, b]),
        (Grayscale | Indexed, true) => each(row, to, |v: [u8; 2]| [rounded(v); 3]),
        (GrayscaleAlpha, true) => {
            each(row, to, |[high, low, ..]: [u8; 4]| [rounded([high, low]); 3])
        }
        (Rgb, true) => each(row, to, |[r, s, g, h, b, c]| [[r, s], [g, h], [b, c]].map(rounded)),
        (Rgba, true) => {
            each(row, to, |[r, s, g, h, b, c, _, _]| [[r, s], [g, h], [b, c]].map(rounded));
        }
    }
}

/// Converts each pixel of `BYTES` bytes.
fn each<const BYTES: usize>(row: &[u8], to: &mut [u8], pixel: impl Fn([u8; BYTES]) -> [u8; 3]) {
    let pixels = row.as_chunks::<BYTES>().0;
    for (to, from) in to.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *to = pixel(*from);
    }
}

/// 16 bits as 8, rounded as the image crate rounds.
fn rounded(value: [u8; 2]) -> u8 {
    ((u32::from(u16::from_be_bytes(value)) + 128) / 257) as u8
}

/// The decoder's error as the image crate passes it on.
fn in_image(error: png::DecodingError) -> ImageError {
    match error {
        png::DecodingError::IoError(error) => ImageError::IoError(error),
        png::DecodingError::LimitsExceeded => {
            ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
        other => {
            let format = ImageFormatHint::Exact(ImageFormat::Png);
            ImageError::Decoding(DecodingError::new(format, other))
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageBuffer, Rgba};

    use super::*;

    /// A picture of all kinds of values, with transparency.
    fn picture(width: u32, height: u32) -> DynamicImage {
        let value = |x: u32, y: u32, by: u32| (x * 7919 + y * 104_729 * by + by * 31) as u16;
        let pixels = ImageBuffer::from_fn(width, height, |x, y| {
            Rgba([value(x, y, 1), value(x, y, 2), value(x, y, 3), value(x, y, 4)])
        });
        DynamicImage::ImageRgba16(pixels)
    }

    fn by_the_image_crate(bytes: &[u8]) -> RgbImage {
        image::load_from_memory_with_format(bytes, ImageFormat::Png).unwrap().into_rgb8()
    }

    #[test]
    fn rows_are_what_the_image_crate_makes_of_the_whole() {
        for (width, height) in [(1, 1), (9, 5), (64, 33)] {
            let image = picture(width, height);
            for image in [
                DynamicImage::ImageLuma8(image.to_luma8()),
                DynamicImage::ImageLumaA8(image.to_luma_alpha8()),
                DynamicImage::ImageRgb8(image.to_rgb8()),
                DynamicImage::ImageRgba8(image.to_rgba8()),
                DynamicImage::ImageLuma16(image.to_luma16()),
                DynamicImage::ImageLumaA16(image.to_luma_alpha16()),
                DynamicImage::ImageRgb16(image.to_rgb16()),
                image,
            ] {
                let mut bytes = Cursor::new(Vec::new());
                image.write_to(&mut bytes, ImageFormat::Png).unwrap();
                let bytes = bytes.into_inner();
                assert_eq!(png_in_rgb(&bytes, 1 << 20).unwrap(), by_the_image_crate(&bytes));
            }
        }
    }

    /// What an encoder writes with these settings, of packed rows; all rows at once if they are none.
    fn encoded(info: png::Info<'_>, rows: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = png::Encoder::with_info(&mut bytes, info).unwrap().write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, &fdeflate::compress_to_vec(rows)).unwrap();
        drop(writer);
        bytes
    }

    #[test]
    fn palettes_few_bits_and_interlaced_files_too() {
        let (width, height) = (21, 13);
        let mut files = Vec::new();
        for (color, depth) in [
            (ColorType::Indexed, BitDepth::Four),
            (ColorType::Indexed, BitDepth::Eight),
            (ColorType::Grayscale, BitDepth::One),
            (ColorType::Grayscale, BitDepth::Two),
        ] {
            let mut info = png::Info::with_size(width, height);
            (info.color_type, info.bit_depth) = (color, depth);
            let palette: Vec<u8> = (0..3 * 256).map(|at| (at * 37 % 256) as u8).collect();
            let entries = 3 << depth as usize;
            info.palette = (color == ColorType::Indexed).then(|| palette[..entries].into());
            let row = 1 + (width as usize * depth as usize).div_ceil(8);
            let byte = |at: usize| if at.is_multiple_of(row) { 0 } else { (at * 101 % 256) as u8 };
            let rows: Vec<u8> = (0..row * height as usize).map(byte).collect();
            files.push(encoded(info, &rows));
        }
        // The seven passes of a picture (RFC 2083, 2.6).
        let whole = picture(width, height).to_rgba16();
        let mut passes = Vec::new();
        for (left, top, right, down) in [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ] {
            for y in (top..height).step_by(down) {
                passes.push(0);
                for x in (left..width).step_by(right) {
                    passes.extend(whole.get_pixel(x, y).0.iter().flat_map(|v| v.to_be_bytes()));
                }
            }
        }
        let mut info = png::Info::with_size(width, height);
        (info.color_type, info.bit_depth) = (ColorType::Rgba, BitDepth::Sixteen);
        info.interlaced = true;
        files.push(encoded(info, &passes));
        for bytes in &files {
            assert_eq!(png_in_rgb(bytes, 1 << 20).unwrap(), by_the_image_crate(bytes));
        }
        let interlaced = png_in_rgb(&files[4], 1 << 20).unwrap();
        assert_eq!(interlaced, DynamicImage::ImageRgba16(whole).into_rgb8());
    }
}
