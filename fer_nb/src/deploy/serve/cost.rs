//! The memory for decoding a photo, from its header: a file of some hundred kilobytes can contain a picture of
//! hundreds of megabytes.

use std::io::Cursor;
use std::path::Path;

use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::common::machine::guarded;
use crate::common::{Error, Result};

/// Bytes of the pixels of a JPEG, PNG, WebP or BMP file, from its header: width × height × channels, and twice that
/// at 16 bits. 0 for bytes of other formats: the decoder reports the error.
///
/// # Errors
/// [`Error::File`] for a photo of more than `most` bytes.
pub(super) fn decoded_bytes(bytes: &[u8], most: u64) -> Result<u64> {
    let Some((width, height, pixel)) = header(bytes) else { return Ok(0) };
    let cost = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(pixel);
    if cost <= most {
        return Ok(cost);
    }
    let problem = format!("{width}×{height} pixels are too many");
    let hint = format!(
        "This server takes {} megapixels in color at 8 bits; the photo has {pixel} bytes a pixel. Make it \
         smaller, or look at it with `fer predict`.",
        most / 3_000_000
    );
    Err(Error::file(Path::new("photo"), problem, hint))
}

/// Width, height and bytes per pixel.
fn header(bytes: &[u8]) -> Option<(u32, u32, u64)> {
    if let Some(header) = png(bytes) {
        return Some(header);
    }
    let format = image::guess_format(bytes).ok()?;
    let (ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp) = format else { return None };
    let read = || {
        let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().ok()?;
        let (width, height) = decoder.dimensions();
        Some((width, height, u64::from(decoder.color_type().bytes_per_pixel())))
    };
    guarded(read).ok().flatten()
}

/// The same for a PNG file, whose header has a fixed position: the decoder would unpack a color profile before it
/// returns the size of the picture.
fn png(bytes: &[u8]) -> Option<(u32, u32, u64)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(..18)?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let channels = match header.get(17)? {
        0 => 1,
        2 => 3,
        4 => 2,
        _ => 4, // a palette becomes colors, possibly transparent ones
    };
    let deep = u64::from(*header.get(16)? == 16);
    Some((number(8)?, number(12)?, channels << deep))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::DynamicImage;

    fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn the_header_says_what_a_photo_costs() {
        use DynamicImage as Image;
        use ImageFormat::{Bmp, Jpeg, Png, WebP};
        for (image, format, pixel) in [
            (Image::new_luma8(40, 30), Png, 1),
            (Image::new_luma_a8(40, 30), Png, 2),
            (Image::new_rgb8(40, 30), Png, 3),
            (Image::new_rgba8(40, 30), Png, 4),
            (Image::new_luma16(40, 30), Png, 2),
            (Image::new_rgba16(40, 30), Png, 8),
            (Image::new_luma8(40, 30), Jpeg, 1),
            (Image::new_rgb8(40, 30), Jpeg, 3),
            (Image::new_rgb8(40, 30), WebP, 3),
            (Image::new_rgb8(40, 30), Bmp, 3),
        ] {
            let bytes = file(&image, format);
            let cost = 40 * 30 * pixel;
            assert_eq!(decoded_bytes(&bytes, cost).unwrap(), cost, "{format:?}, {pixel}");
            let refused = decoded_bytes(&bytes, cost - 1).unwrap_err().to_string();
            assert!(refused.starts_with("photo: 40×30 pixels are too many. "), "{refused}");
            for kept in 0..bytes.len().min(600) {
                let _ = decoded_bytes(&bytes[..kept], cost);
            }
        }
        assert_eq!(decoded_bytes(b"no photo", 0).unwrap(), 0);
        assert_eq!(decoded_bytes(b"", 0).unwrap(), 0);
    }
}
