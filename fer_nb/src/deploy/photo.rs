//! [`Photo`]: a JPEG, PNG, WebP or BMP file, decoded from untrusted bytes.

use std::io::Cursor;
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::imageops;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult,
    Limits, RgbImage,
};

use serde::Serialize;

use super::png_rows::png_in_rgb;
use crate::common::file_kind::{FileKind, head};
use crate::common::machine::guarded;
use crate::common::plain_file::IMAGE;
use crate::common::png_sum::is_damaged_png;
use crate::common::way_out::Wanted;
use crate::common::{Error, Result, brief};
use crate::data::pixels::{can_hold_jpeg, gray_of, is_complete_jpeg, middle_square};

const HINT: &str = "A complete JPEG, PNG, WebP or BMP file is expected.";

/// The longest side of a photo, in pixels.
const MAX_SIDE: u32 = 16_000;
/// The maximum size of a photo: 50 megapixels, as phones have. It is checked in the file's header before decoding,
/// because a small file can contain a picture that fills the memory.
const MAX_PIXELS: u64 = 50_000_000;
/// The shortest side of a photo that can show a face, in pixels.
const MIN_SIDE: u32 = 8;
/// The most that a decoder may allocate, in bytes: twice what such a photo takes with transparency, and some more.
const MAX_BYTES: u64 = 512 << 20;

/// The allowed sizes of a photo, for implementations in other languages.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct PhotoRule {
    least_side: u32,
    most_side: u32,
    most_pixels: u64,
    cut_out: u32,
}

impl Default for PhotoRule {
    fn default() -> Self {
        let (least_side, most_side, most_pixels) = (MIN_SIDE, MAX_SIDE, MAX_PIXELS);
        Self { least_side, most_side, most_pixels, cut_out: Photo::CUT_OUT }
    }
}

/// A photo, rotated by its EXIF orientation.
#[derive(Clone)]
pub struct Photo {
    rgb: RgbImage,
    gray: GrayImage,
}

brief!(Photo, |photo| "{} × {} pixels", photo.rgb.width(), photo.rgb.height());

impl Photo {
    /// Pictures with a longer side of at most this many pixels are treated as faces, cropped as in FER2013.
    pub const CUT_OUT: u32 = 96;

    /// Reads a JPEG, PNG, WebP or BMP file of at least 8 pixels on each side, at most 16,000 on the longer one,
    /// and at most 50 megapixels.
    ///
    /// # Errors
    /// [`Error::Missing`] for a file that does not exist, [`Error::Io`] for one that can't be read, and as
    /// [`Photo::decode`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(Error::missing(
                "the image",
                path,
                "Give the path of a JPEG, PNG, WebP or BMP file.",
            ));
        }
        let refused = |source| Error::io("read", path, source);
        let (mut bytes, mut file) = head(path).map_err(refused)?;
        // Only the beginning of a video is read.
        if FileKind::of(&bytes).is_some_and(FileKind::is_image) {
            file.read_rest(&mut bytes, IMAGE).map_err(refused)?;
        }
        Self::decode(&bytes, path)
    }

    /// Decodes the bytes of such a file; `name` is the file's name for errors.
    ///
    /// # Errors
    /// [`Error::File`] for another format, a truncated file or an animation, and for a photo that is too small or
    /// too large; see [`Photo::open`].
    pub fn decode(bytes: &[u8], name: impl AsRef<Path>) -> Result<Self> {
        decode(bytes, name.as_ref()).map(Self::from)
    }

    /// Red, green and blue, u8 [height × width × 3].
    pub fn rgb(&self) -> &RgbImage {
        &self.rgb
    }

    /// The same in gray, as computed by PIL: u8 [height × width].
    pub fn gray(&self) -> &GrayImage {
        &self.gray
    }

    /// The network's input for a photo that shows only a face: the largest centred square, scaled to u8 [48 × 48]
    /// on 0 to 255, row-major.
    ///
    /// # Errors
    /// [`Error::Input`] for a photo without pixels.
    pub fn middle_square(&self) -> Result<Vec<u8>> {
        middle_square(&self.gray)
    }

    /// The photo mirrored left to right.
    pub fn mirrored(&self) -> Self {
        let (rgb, gray) =
            (imageops::flip_horizontal(&self.rgb), imageops::flip_horizontal(&self.gray));
        Self { rgb, gray }
    }

    /// This photo with another to its right, on black if their heights differ.
    pub fn beside(&self, right: &Self) -> Self {
        let (left, (width, height)) = (self.size(), right.size());
        let (width, height) = (left.0.saturating_add(width), left.1.max(height));
        let mut rgb = RgbImage::new(width, height);
        let mut gray = GrayImage::new(width, height);
        for (photo, at) in [(self, 0), (right, i64::from(left.0))] {
            imageops::replace(&mut rgb, &photo.rgb, at, 0);
            imageops::replace(&mut gray, &photo.gray, at, 0);
        }
        Self { rgb, gray }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.gray.dimensions()
    }
}

impl From<DynamicImage> for Photo {
    fn from(image: DynamicImage) -> Self {
        let rgb = image.into_rgb8();
        Self { gray: gray_of(&rgb), rgb }
    }
}

fn decode(bytes: &[u8], name: &Path) -> Result<DynamicImage> {
    let problem = |problem: String| Err(Error::file(name, problem, HINT));
    if bytes.is_empty() {
        return problem("the file has 0 bytes".into());
    }
    let format = match FileKind::of(bytes) {
        Some(FileKind::Jpeg) => ImageFormat::Jpeg,
        Some(FileKind::Png) => ImageFormat::Png,
        Some(FileKind::WebP) => ImageFormat::WebP,
        Some(FileKind::Bmp) => ImageFormat::Bmp,
        None => return problem("this is not an image".into()),
        Some(kind) => {
            let way_out = kind.way_out(name, Wanted::Photo);
            let hint = if way_out.is_empty() { HINT } else { &way_out };
            return Err(Error::file(name, format!("this is {kind}"), hint));
        }
    };
    if format == ImageFormat::Jpeg && !is_complete_jpeg(bytes) {
        return problem("the image is cut short".into());
    }
    let undecodable = |why: &str| {
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        problem(format!("the image can't be decoded ({why})"))
    };
    match guarded(|| upright(bytes, format, name)) {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(ImageError::IoError(error)))
            if error.kind() == std::io::ErrorKind::UnexpectedEof =>
        {
            problem("the image is cut short".into())
        }
        Ok(Err(ImageError::Limits(_))) => problem("the image is too large to decode".into()),
        Ok(Err(other)) => undecodable(&other.to_string()),
        Err(panic) => undecodable(&panic),
    }
}

/// Rejects a picture by its size, before it is decoded.
fn check_size(width: u32, height: u32, name: &Path) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    let size = format!("{width}×{height} pixels");
    if width.min(height) < MIN_SIDE {
        let hint = "A face takes 8 pixels on each side or more.";
        return Err(Error::file(name, format!("{size} are too few"), hint));
    }
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        let hint = "Expected are at most 50 megapixels, and 16,000 pixels on the longer side.";
        return Err(Error::file(name, format!("{size} are too many"), hint));
    }
    Ok(())
}

/// The decoded image, rotated by its orientation; the inner result is an error for an image that can be decoded but
/// is rejected.
fn upright(bytes: &[u8], format: ImageFormat, name: &Path) -> ImageResult<Result<DynamicImage>> {
    let is_animated = match format {
        ImageFormat::Png => PngDecoder::new(Cursor::new(bytes))?.is_apng()?,
        ImageFormat::WebP => WebPDecoder::new(Cursor::new(bytes))?.has_animation(),
        _ => false,
    };
    if is_animated {
        let hint = "Save one of its frames as JPEG or PNG.";
        return Ok(Err(Error::file(name, "this is an animation", hint)));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if let Err(refusal) = check_size(width, height, name) {
        return Ok(Err(refusal));
    }
    let is_short = match format {
        ImageFormat::Jpeg => !can_hold_jpeg(bytes.len(), (width, height)),
        ImageFormat::Png => is_damaged_png(bytes, decoder.total_bytes().saturating_mul(2)),
        _ => false,
    };
    if is_short {
        return Ok(Err(Error::file(name, "the image is cut short or damaged", HINT)));
    }
    let orientation = decoder.orientation()?;
    // Not in more bits or channels than are used: a telephone's photo has 50 million pixels, and turning it
    // takes them twice.
    let rgb = match format {
        ImageFormat::Png => png_in_rgb(bytes, MAX_BYTES as usize)?,
        _ => DynamicImage::from_decoder(decoder)?.into_rgb8(),
    };
    let mut image = DynamicImage::ImageRgb8(rgb);
    image.apply_orientation(orientation);
    Ok(Ok(image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    fn bytes(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A gradient with enough detail that its files have some length.
    fn picture(width: u32, height: u32) -> GrayImage {
        GrayImage::from_fn(width, height, |x, y| Luma([(x * 7 + y * 13 + x * y % 31) as u8]))
    }

    fn problem(bytes: &[u8]) -> String {
        let message = Photo::decode(bytes, "face.jpg").unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    }

    #[test]
    fn sixteen_bits_become_eight() {
        let deep = DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(9, 8, Luma([51400])));
        let photo = Photo::decode(&bytes(&deep, ImageFormat::Png), "").unwrap();
        assert_eq!(photo.gray.as_raw(), &[200; 72]);
        assert_eq!(photo.rgb.as_raw(), &[200; 216]);
        assert_eq!(photo.middle_square().unwrap(), [200; 48 * 48]);
    }

    #[test]
    fn photos_are_put_side_by_side() {
        let left = DynamicImage::ImageLuma8(picture(20, 10));
        let photo = Photo::decode(&bytes(&left, ImageFormat::Png), "").unwrap();
        let both = photo.beside(&photo.mirrored());
        assert_eq!(both.size(), (40, 10));
        assert_eq!(both.gray.get_pixel(3, 7), photo.gray.get_pixel(3, 7));
        assert_eq!(both.gray.get_pixel(36, 7), photo.gray.get_pixel(3, 7));
        assert_eq!(both.rgb.get_pixel(39, 9).0, [photo.gray.get_pixel(0, 9).0[0]; 3]);
    }

    #[test]
    fn sizes_are_refused_before_anything_is_decoded() {
        for (width, height, part) in [
            (1, 1, "1×1 pixels are too few"),
            (7, 300, "7×300 pixels are too few"),
            (20_000, 8, "20000×8 pixels are too many"),
            (8_000, 8_000, "8000×8000 pixels are too many"),
        ] {
            let refused = check_size(width, height, Path::new("")).unwrap_err();
            assert!(refused.to_string().contains(part));
        }
        assert!(check_size(8, 8, Path::new("")).is_ok());
        assert!(check_size(8_660, 5_773, Path::new("")).is_ok());
        // A header that promises 40,000×40,000 pixels: 57 bytes that would become 4.8 GB.
        let mut bomb = bytes(&DynamicImage::ImageLuma8(picture(48, 48)), ImageFormat::Png);
        bomb[16..24].copy_from_slice(&[0, 0, 0x9C, 0x40, 0, 0, 0x9C, 0x40]);
        let crc = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(problem(&bomb).starts_with("face.jpg: 40000×40000 pixels are too many. "));
    }

    /// CRC-32 as PNG's chunks have it (ISO 3309).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
            })
        })
    }

    #[test]
    fn a_cut_file_is_found_wherever_it_is_cut() {
        let image = DynamicImage::ImageLuma8(picture(96, 80));
        for format in [ImageFormat::WebP, ImageFormat::Bmp] {
            assert!(Photo::decode(&bytes(&image.clone(), format), "").is_ok(), "{format:?}");
        }
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = bytes(&image, format);
            assert!(Photo::decode(&whole, "").is_ok());
            // PNG's last chunk (12 bytes) carries nothing; a decoder may stop before it.
            for kept in (8..whole.len() - 12).step_by(7) {
                let message = problem(&whole[..kept]);
                assert!(message.starts_with("face.jpg: "), "{kept}: {message}");
            }
            let half = problem(&whole[..whole.len() / 2]);
            assert_eq!(half, format!("face.jpg: the image is cut short. {HINT}"));
        }
    }

    #[test]
    fn what_a_decoder_would_make_up_is_refused() {
        let short =
            include_bytes!("../../../tests/hostile/inputs/jpeg_of_1_kb_claims_16000x3000.jpg");
        assert!(problem(short).starts_with("face.jpg: the image is cut short or damaged. "));
        let mut png = bytes(&DynamicImage::ImageLuma8(picture(48, 48)), ImageFormat::Png);
        // The pixels' Adler-32 and, over it, the chunk's CRC-32, are before the end's 12 bytes.
        let sum = png.len() - 12 - 8;
        png[sum] ^= 1;
        let data = png.windows(4).position(|name| name == b"IDAT").unwrap();
        let crc = crc32(&png[data..sum + 4]);
        png[sum + 4..sum + 8].copy_from_slice(&crc.to_be_bytes());
        assert!(problem(&png).starts_with("face.jpg: the image is cut short or damaged. "));
    }

    #[test]
    fn a_photo_is_turned_upright() {
        // EXIF orientation 6 (turn clockwise) in an APP1 segment, little-endian, one entry.
        let exif: &[u8] =
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let jpeg = bytes(&DynamicImage::ImageLuma8(picture(96, 80)), ImageFormat::Jpeg);
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let turned = [&jpeg[..2], &[0xFF, 0xE1], &length, exif, &jpeg[2..]].concat();
        let gray = |bytes: &[u8]| Photo::decode(bytes, "").unwrap().gray;
        assert_eq!(gray(&turned), imageops::rotate90(&gray(&jpeg)));
    }

    #[test]
    fn files_that_are_no_image_are_named() {
        assert_eq!(problem(b""), format!("face.jpg: the file has 0 bytes. {HINT}"));
        assert_eq!(problem(b"hello"), format!("face.jpg: this is not an image. {HINT}"));
        assert!(problem(b"GIF89a......").starts_with("face.jpg: this is a GIF image. "));
        let png = bytes(&DynamicImage::ImageLuma8(picture(48, 48)), ImageFormat::Png);
        let mut broken = png.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 0xFF;
        assert!(problem(&broken).starts_with("face.jpg: the image can't be decoded ("));
        assert!(matches!(Photo::open("no/such.jpg"), Err(Error::Missing { .. })));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Photo::open(folder.path()), Err(Error::Io { .. })));
    }
}
