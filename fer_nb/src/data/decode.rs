//! Decodes an image file to 48×48 gray pixels, with notes on conversions.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat};

use super::pixels::{SIDE, can_hold_jpeg, gray, is_complete_jpeg, scaled};
use crate::common::file_kind::FileKind;
use crate::common::png_sum::is_damaged_png;

/// No face can be told in a smaller image.
const SHORTEST_SIDE: u32 = 8;
/// No photo of a face is larger; what claims to be would only eat memory.
const LARGEST_SIDE: u32 = 16_384;

/// The conversions that made an image 48×48 gray.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Converted {
    /// The image was in colour, had an alpha channel or 16 bits per channel.
    pub(super) color: bool,
    /// The image had another size.
    pub(super) size: bool,
    /// It lay on a side, by its EXIF orientation, or was mirrored.
    pub(super) turned: bool,
}

impl Converted {
    /// Whether there was any conversion.
    pub(super) fn any(self) -> bool {
        self.color || self.size || self.turned
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
            fill(decoder, bytes, out)
        }
        Ok(ImageFormat::Png) => {
            let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(broken)?;
            if decoder.is_apng().map_err(broken)? {
                return Err(ANIMATION.into());
            }
            let most = decoder.total_bytes().saturating_mul(2);
            let converted = fill(decoder, bytes, out)?;
            if is_damaged_png(bytes, most) { Err("damaged".into()) } else { Ok(converted) }
        }
        Ok(ImageFormat::WebP) => {
            let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(broken)?;
            if decoder.has_animation() {
                return Err(ANIMATION.into());
            }
            fill(decoder, bytes, out)
        }
        Ok(ImageFormat::Bmp) => {
            fill(BmpDecoder::new(Cursor::new(bytes)).map_err(broken)?, bytes, out)
        }
        _ => Err(match FileKind::of(bytes) {
            Some(kind) => format!("{kind}, expected JPEG, PNG, WebP or BMP"),
            None => "not an image".into(),
        }),
    }
}

const ANIMATION: &str = "an animation, expected one image";

fn fill(mut decoder: impl ImageDecoder, bytes: &[u8], out: &mut [u8]) -> Result<Converted, String> {
    let (width, height) = decoder.dimensions();
    if width.min(height) < SHORTEST_SIDE || width.max(height) > LARGEST_SIDE {
        return Err(format!(
            "{width}×{height} pixels, expected {SHORTEST_SIDE} to {LARGEST_SIDE} on each side"
        ));
    }
    let orientation = match has_exif(bytes) {
        true => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        false => Orientation::NoTransforms,
    };
    let side = SIDE as u32;
    let converted = Converted {
        color: decoder.color_type() != ColorType::L8,
        size: (width, height) != (side, side),
        turned: orientation != Orientation::NoTransforms,
    };
    if !converted.any() {
        decoder.read_image(out).map_err(broken)?;
        return Ok(converted);
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    let pixels = scaled(gray(&image)).map_err(|error| error.to_string())?;
    out.copy_from_slice(&pixels);
    Ok(converted)
}

/// Whether an image may have EXIF's fields: its beginning or, as in WebP, its end says so. Others need not be asked.
fn has_exif(bytes: &[u8]) -> bool {
    const LOOKED_AT: usize = 64;
    let names = |bytes: &[u8]| bytes.windows(4).any(|word| word.eq_ignore_ascii_case(b"exif"));
    names(bytes.get(..LOOKED_AT).unwrap_or(bytes)) || bytes.starts_with(b"RIFF")
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
            assert_eq!(converted, Converted { color: true, ..Converted::default() });
            assert!(pixels.iter().all(|pixel| *pixel == gray), "{color:?}: {}", pixels[0]);
        }
    }

    #[test]
    fn other_sizes_and_depths_are_converted() {
        let (pixels, converted) = decoded(&encoded(ramp(96, 60).into(), ImageFormat::Png)).unwrap();
        assert_eq!(
            (pixels.len(), converted),
            (PIXELS, Converted { size: true, ..Converted::default() })
        );
        let deep = image::ImageBuffer::from_pixel(48, 48, image::Luma([0x8080u16]));
        let deep = encoded(DynamicImage::ImageLuma16(deep), ImageFormat::Png);
        let (pixels, converted) = decoded(&deep).unwrap();
        assert_eq!((pixels[0], converted.color), (128, true));
        let clear = image::RgbaImage::from_pixel(48, 48, image::Rgba([9, 9, 9, 0]));
        assert_eq!(decoded(&encoded(clear.into(), ImageFormat::Png)).unwrap().0[0], 9);
        let jpeg =
            encoded(DynamicImage::ImageRgb8(image::RgbImage::new(64, 64)), ImageFormat::Jpeg);
        assert_eq!(decoded(&jpeg).unwrap().1, Converted { color: true, size: true, turned: false });
        let dot = decoded(&encoded(ramp(1, 1).into(), ImageFormat::Png)).unwrap_err();
        assert_eq!(dot, "1×1 pixels, expected 8 to 16384 on each side");
    }

    #[test]
    fn an_image_on_its_side_is_turned_upright() {
        let half =
            image::GrayImage::from_fn(48, 48, |_, y| image::Luma([if y < 24 { 250 } else { 5 }]));
        let plain = encoded(half.into(), ImageFormat::Jpeg);
        // EXIF orientation 6 (turn clockwise) in an APP1 segment, little-endian, one entry.
        let exif = b"\xFF\xE1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let turned = [&plain[..2], &exif[..], &plain[2..]].concat();
        let (pixels, converted) = decoded(&turned).unwrap();
        assert_eq!(converted, Converted { turned: true, ..Converted::default() });
        assert!(pixels[24 * 48 + 40] > 200 && pixels[24 * 48 + 7] < 50, "the upper half is right");
        assert!(!decoded(&plain).unwrap().1.any());
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
