//! Decodes an image file to 48×48 gray pixels, with notes on conversions.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat};

use super::pixels::{SIDE, can_hold_jpeg, gray, is_complete_jpeg, scaled};
use crate::common::file_kind::FileKind;
use crate::common::png_sum::is_damaged_png;

/// No photo of a face is larger; a file that claims to be would only use memory.
const LARGEST_SIDE: u32 = 16_384;

/// The conversions that made an image 48×48 gray.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Converted {
    /// The image was in colour, had an alpha channel or 16 bits per channel.
    pub(super) color: bool,
    /// The image had another size.
    pub(super) size: bool,
}

impl Converted {
    /// Whether there was any conversion.
    pub(super) fn any(self) -> bool {
        self.color || self.size
    }
}

/// Decodes a JPEG, PNG, WebP or BMP, whatever its name, into `out` (u8 [48 × 48], row-major). Colour becomes luma
/// by ITU-R BT.601, as in Pillow's `convert("L")` and so in Keras; other sizes are scaled without keeping their
/// proportions. The error describes the file's fault in a few words.
pub(super) fn decode(bytes: &[u8], out: &mut [u8]) -> Result<Converted, String> {
    if bytes.is_empty() {
        return Err("0 bytes".into());
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => {
            if !is_complete_jpeg(bytes) {
                return Err("cut short".into());
            }
            let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(broken)?;
            if !can_hold_jpeg(bytes.len(), decoder.dimensions()) {
                return Err("cut short".into());
            }
            fill(decoder, out)
        }
        Ok(ImageFormat::Png) => {
            let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(broken)?;
            let most = decoder.total_bytes().saturating_mul(2);
            let converted = fill(decoder, out)?;
            if is_damaged_png(bytes, most) { Err("damaged".into()) } else { Ok(converted) }
        }
        Ok(ImageFormat::WebP) => fill(WebPDecoder::new(Cursor::new(bytes)).map_err(broken)?, out),
        Ok(ImageFormat::Bmp) => fill(BmpDecoder::new(Cursor::new(bytes)).map_err(broken)?, out),
        _ => Err(match FileKind::of(bytes) {
            Some(kind) => format!("{kind}, expected JPEG, PNG, WebP or BMP"),
            None => "not an image".into(),
        }),
    }
}

fn fill(decoder: impl ImageDecoder, out: &mut [u8]) -> Result<Converted, String> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 || width > LARGEST_SIDE || height > LARGEST_SIDE {
        return Err(format!("{width}×{height} pixels, expected {SIDE}×{SIDE}"));
    }
    let side = SIDE as u32;
    let converted = Converted {
        color: decoder.color_type() != ColorType::L8,
        size: (width, height) != (side, side),
    };
    if !converted.any() {
        decoder.read_image(out).map_err(broken)?;
        return Ok(converted);
    }
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let pixels = scaled(gray(&image)).map_err(|error| error.to_string())?;
    out.copy_from_slice(&pixels);
    Ok(converted)
}

fn broken(error: image::ImageError) -> String {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "cut short".into()
        }
        error => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            format!("broken image: {}", line.chars().take(80).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;

    fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn ramp(width: u32, height: u32) -> image::GrayImage {
        image::GrayImage::from_fn(width, height, |x, y| image::Luma([(x * 3 + y) as u8]))
    }

    fn decoded(bytes: &[u8]) -> Result<(Vec<u8>, Converted), String> {
        let mut out = vec![0; PIXELS];
        decode(bytes, &mut out).map(|converted| (out, converted))
    }

    #[test]
    fn gray_of_the_right_size_is_taken_as_it_is() {
        let png = encoded(ramp(48, 48).into(), ImageFormat::Png);
        let (pixels, converted) = decoded(&png).unwrap();
        assert_eq!(pixels, ramp(48, 48).into_raw());
        assert!(!converted.any());
        let jpeg = encoded(ramp(48, 48).into(), ImageFormat::Jpeg);
        let (pixels, converted) = decoded(&jpeg).unwrap();
        assert!(!converted.any());
        let far = pixels.iter().zip(ramp(48, 48).iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(far < Some(12), "{far:?}");
    }

    #[test]
    fn colour_becomes_luma_as_pillow_makes_it() {
        // np.asarray(Image.fromarray(...).convert("L")) gives 76, 150, 29 and 124.
        for (color, gray) in
            [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([200, 100, 50], 124)]
        {
            let image = image::RgbImage::from_pixel(48, 48, image::Rgb(color));
            let (pixels, converted) = decoded(&encoded(image.into(), ImageFormat::Png)).unwrap();
            assert_eq!(converted, Converted { color: true, size: false });
            assert!(pixels.iter().all(|pixel| *pixel == gray), "{color:?}: {}", pixels[0]);
        }
    }

    #[test]
    fn other_sizes_and_depths_are_converted() {
        let (pixels, converted) = decoded(&encoded(ramp(96, 60).into(), ImageFormat::Png)).unwrap();
        assert_eq!((pixels.len(), converted), (PIXELS, Converted { color: false, size: true }));
        let deep = image::ImageBuffer::from_pixel(48, 48, image::Luma([0x8080u16]));
        let deep = encoded(DynamicImage::ImageLuma16(deep), ImageFormat::Png);
        let (pixels, converted) = decoded(&deep).unwrap();
        assert_eq!((pixels[0], converted.color), (128, true));
        let clear = image::RgbaImage::from_pixel(48, 48, image::Rgba([9, 9, 9, 0]));
        assert_eq!(decoded(&encoded(clear.into(), ImageFormat::Png)).unwrap().0[0], 9);
        let jpeg =
            encoded(DynamicImage::ImageRgb8(image::RgbImage::new(64, 64)), ImageFormat::Jpeg);
        assert_eq!(decoded(&jpeg).unwrap().1, Converted { color: true, size: true });
    }

    #[test]
    fn every_way_to_cut_a_file_short_is_noticed() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = encoded(ramp(48, 48).into(), format);
            // A PNG without its IEND chunk (12 bytes) still has all its pixels.
            let spare = if format == ImageFormat::Png { 12 } else { 0 };
            for length in 0..whole.len() - spare {
                assert!(decoded(&whole[..length]).is_err(), "{format:?}, {length} bytes");
            }
        }
        let jpeg = encoded(ramp(48, 48).into(), ImageFormat::Jpeg);
        assert_eq!(decoded(&[]).unwrap_err(), "0 bytes");
        assert_eq!(decoded(&jpeg[..jpeg.len() / 2 + 200]).unwrap_err(), "cut short");
        let page = decoded(b"<html></html>").unwrap_err();
        assert!(page.starts_with("a web page, expected JPEG"), "{page}");
        // Bytes behind the end are no reason to refuse an image.
        assert!(decoded(&[jpeg.as_slice(), b"\0\0\n"].concat()).is_ok());
    }

    #[test]
    fn damaged_bytes_never_end_the_run() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = encoded(ramp(48, 48).into(), format);
            for at in 0..whole.len() {
                for value in [0x00, 0x7F, 0xFF, whole[at] ^ 0x10] {
                    let mut damaged = whole.clone();
                    damaged[at] = value;
                    let _ = decoded(&damaged);
                }
            }
        }
    }
}
