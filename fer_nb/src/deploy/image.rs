//! Photos: read from bytes that nobody vouches for, and cut to what the network was trained on, 48×48
//! gray pixels.

use std::io::Cursor;
use std::path::Path;

use ::image::codecs::png::PngDecoder;
use ::image::imageops::{self, FilterType};
use ::image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult,
    Limits, RgbImage,
};

use crate::common::machine::guarded;
use crate::common::{Error, Result};
use crate::data::{PIXELS, SIDE};

const HINT: &str = "A complete JPEG or PNG file is expected.";

/// The longest side of a photo, in pixels.
pub const MAX_SIDE: u32 = 16_000;
/// The most pixels of a photo: 50 megapixels, as telephones have them. Checked on what the file says
/// of itself, before anything is decoded: a small file can hold a picture that fills the memory.
pub const MAX_PIXELS: u64 = 50_000_000;
/// The shortest side of a photo that can show a face, in pixels.
pub const MIN_SIDE: u32 = 8;
/// What a decoder may allocate, in bytes: such a photo in 16 bits a channel, and some more.
const MAX_BYTES: u64 = 512 << 20;

/// A photo, upright as its EXIF data says.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Red, green and blue, u8 [height × width × 3].
    pub rgb: RgbImage,
    /// The same in gray, as PIL makes it: u8 [height × width].
    pub gray: GrayImage,
}

impl Photo {
    /// Reads a JPEG or PNG file.
    ///
    /// # Errors
    /// Those of [`Photo::decode`], with the file's name; a file that is missing or can't be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::decode(&read(path)?, path)
    }

    /// Reads a JPEG or PNG file's bytes; `name` stands for the file in errors.
    ///
    /// # Errors
    /// [`Error::File`] where they are none, or cut short, or an animation, or less than
    /// [`MIN_SIDE`] or more than [`MAX_SIDE`] or [`MAX_PIXELS`] pixels.
    pub fn decode(bytes: &[u8], name: impl AsRef<Path>) -> Result<Self> {
        let image = decode(bytes, name.as_ref())?;
        let gray = gray(&image);
        Ok(Self { rgb: image.into_rgb8(), gray })
    }

    /// Left and right exchanged, as in a mirror.
    pub fn mirrored(&self) -> Self {
        let (rgb, gray) =
            (imageops::flip_horizontal(&self.rgb), imageops::flip_horizontal(&self.gray));
        Self { rgb, gray }
    }

    /// This photo with another at its right, on black where their heights differ.
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

/// Reads a photo for the network: any JPEG or PNG, of any size and colour, as u8 [48 × 48] on 0 to
/// 255, row by row. See [`to_pixels`] for what is done to it.
///
/// Errors name the file: missing, of 0 bytes, not a JPEG or PNG image, cut short.
pub fn load(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    to_pixels(&load_gray(path)?)
}

/// Reads a photo in its full size, turned upright as its EXIF data says and converted to gray.
pub fn load_gray(path: impl AsRef<Path>) -> Result<GrayImage> {
    let path = path.as_ref();
    decode_gray(&read(path)?, path)
}

/// As [`load_gray`], of a file's bytes; `name` stands for the file in errors.
pub fn decode_gray(bytes: &[u8], name: impl AsRef<Path>) -> Result<GrayImage> {
    Ok(gray(&decode(bytes, name.as_ref())?))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if !path.exists() {
        return Err(Error::missing("the image", path, "Give the path of a JPEG or PNG file."));
    }
    std::fs::read(path).map_err(|source| Error::io("read", path, source))
}

fn decode(bytes: &[u8], name: &Path) -> Result<DynamicImage> {
    let problem = |problem: String| Err(Error::file(name, problem, HINT));
    if bytes.is_empty() {
        return problem("the file has 0 bytes".into());
    }
    let format = match ::image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        Ok(other) => {
            let problem = format!("this is a {other:?} file");
            return Err(Error::file(name, problem, "Convert it to JPEG or PNG."));
        }
        Err(_) => return problem("this is not an image".into()),
    };
    // The JPEG decoder fills what is missing of a cut file with gray and reports nothing.
    if format == ImageFormat::Jpeg && !has_end_of_image(bytes) {
        return problem("the image is cut short".into());
    }
    let decoded = guarded(|| upright(bytes, format));
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(panic) => return problem(format!("the image can't be decoded ({})", one_line(&panic))),
    };
    match decoded {
        Ok(Ok(image)) => Ok(image),
        Ok(Err(refusal)) => Err(Error::file(name, refusal.problem, refusal.hint)),
        Err(ImageError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            problem("the image is cut short".into())
        }
        Err(ImageError::Limits(_)) => problem("the image is too large to decode".into()),
        Err(other) => {
            problem(format!("the image can't be decoded ({})", one_line(&other.to_string())))
        }
    }
}

/// Why an image that could be decoded isn't.
struct Refusal {
    problem: String,
    hint: &'static str,
}

/// What there is against a picture of this size, before it is decoded.
fn refusal(width: u32, height: u32) -> Option<Refusal> {
    let pixels = u64::from(width) * u64::from(height);
    let size = format!("{width}×{height} pixels");
    if width.min(height) < MIN_SIDE {
        let hint = "A face takes 8 pixels on each side or more.";
        Some(Refusal { problem: format!("{size} are too few"), hint })
    } else if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        let hint = "Expected are at most 50 megapixels, and 16,000 pixels on the longer side.";
        Some(Refusal { problem: format!("{size} are too many"), hint })
    } else {
        None
    }
}

fn upright(bytes: &[u8], format: ImageFormat) -> ImageResult<Result<DynamicImage, Refusal>> {
    if format == ImageFormat::Png && PngDecoder::new(Cursor::new(bytes))?.is_apng()? {
        let hint = "Save one of its frames as JPEG or PNG.";
        return Ok(Err(Refusal { problem: "this is an animation".into(), hint }));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if let Some(refusal) = refusal(width, height) {
        return Ok(Err(refusal));
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(Ok(image))
}

/// The network's view of a gray image: the largest centred square, resized to 48×48 (bilinear over
/// the area that each pixel covers, as PIL's). An image of 48×48 stays as it is. u8 [48 × 48] on 0
/// to 255, row by row.
pub fn to_pixels(image: &GrayImage) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    let side = width.min(height);
    if side == 0 {
        return Err(Error::setting("image", format!("{width}×{height}"), "one pixel or more"));
    }
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let square = imageops::crop_imm(image, left, top, side, side).to_image();
    let pixels = if side as usize == SIDE {
        square.into_raw()
    } else {
        imageops::resize(&square, SIDE as u32, SIDE as u32, FilterType::Triangle).into_raw()
    };
    match pixels.len() {
        PIXELS => Ok(pixels),
        other => Err(Error::setting("image", format!("{other} pixels"), format!("{PIXELS}"))),
    }
}

/// Gray as PIL, OpenCV and TensorFlow make it: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), with
/// PIL's rounding. Transparency is ignored. (The image crate's own weights are BT.709's.)
fn gray(image: &DynamicImage) -> GrayImage {
    if !image.color().has_color() {
        return image.to_luma8();
    }
    let rgb = image.to_rgb8();
    let mut gray = GrayImage::new(rgb.width(), rgb.height());
    for (to, from) in gray.pixels_mut().zip(rgb.pixels()) {
        let [r, g, b] = from.0.map(u32::from);
        to.0 = [((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8];
    }
    gray
}

/// Whether a JPEG file goes on to its end-of-image marker. Walks the segments (ITU-T T.81, annex
/// B), because an embedded thumbnail has an end marker of its own.
fn has_end_of_image(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xD9;
    let mut at = 2;
    loop {
        // Entropy-coded data: a 0xFF in it is followed by 0, or by a restart marker (D0 to D7).
        // Between segments this finds the next marker at once.
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{Luma, Rgb, RgbImage, Rgba, RgbaImage};

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
        let message = decode_gray(bytes, "face.jpg").unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    }

    #[test]
    fn an_image_of_the_right_size_is_untouched() {
        let image = picture(48, 48);
        let png = bytes(&DynamicImage::ImageLuma8(image.clone()), ImageFormat::Png);
        let pixels = to_pixels(&decode_gray(&png, "face.png").unwrap()).unwrap();
        assert_eq!(pixels, image.into_raw());
    }

    #[test]
    fn the_middle_square_is_taken() {
        // Left and right of the square are black, so is what a crop at the wrong place would see.
        let wide = GrayImage::from_fn(200, 96, |x, _| {
            Luma([if (52..148).contains(&x) { 200 } else { 0 }])
        });
        assert_eq!(to_pixels(&wide).unwrap(), vec![200; PIXELS]);
        let tall = imageops::rotate90(&wide);
        assert_eq!(to_pixels(&tall).unwrap(), vec![200; PIXELS]);
        for (width, height) in [(1, 1), (1, 500), (47, 49), (2000, 3)] {
            assert_eq!(to_pixels(&picture(width, height)).unwrap().len(), PIXELS);
        }
        assert!(to_pixels(&GrayImage::new(0, 5)).is_err());
    }

    #[test]
    fn colours_become_pils_gray() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 90], [255, 255, 255]];
        let image = RgbImage::from_fn(5, 1, |x, _| Rgb(colours[x as usize]));
        // PIL 13: Image.convert("L")
        let expected = [76, 150, 29, 131, 255];
        assert_eq!(gray(&DynamicImage::ImageRgb8(image.clone())).into_raw(), expected);
        let rgba = RgbaImage::from_fn(5, 1, |x, _| {
            let [r, g, b] = colours[x as usize];
            Rgba([r, g, b, 77])
        });
        assert_eq!(gray(&DynamicImage::ImageRgba8(rgba)).into_raw(), expected);
        let deep = DynamicImage::ImageLuma16(::image::ImageBuffer::from_pixel(9, 8, Luma([51400])));
        let png = bytes(&deep, ImageFormat::Png);
        let photo = Photo::decode(&png, "").unwrap();
        assert_eq!(photo.gray.into_raw(), [200; 72]);
        assert_eq!(photo.rgb.into_raw(), [200; 216]);
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
            assert!(refusal(width, height).unwrap().problem.contains(part));
        }
        assert!(refusal(8, 8).is_none() && refusal(8_660, 5_773).is_none());
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
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = bytes(&image, format);
            assert!(decode_gray(&whole, "").is_ok());
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
    fn a_thumbnails_end_is_not_the_images_end() {
        let image = DynamicImage::ImageLuma8(picture(96, 80));
        let thumbnail = bytes(&image.thumbnail(16, 16), ImageFormat::Jpeg);
        let jpeg = bytes(&image, ImageFormat::Jpeg);
        // A comment segment (FFFE) that holds the thumbnail, after the start-of-image marker.
        let length = (thumbnail.len() as u16 + 2).to_be_bytes();
        let with_thumbnail = [&jpeg[..2], &[0xFF, 0xFE], &length, &thumbnail, &jpeg[2..]].concat();
        assert!(has_end_of_image(&with_thumbnail));
        assert!(decode_gray(&with_thumbnail, "").is_ok());
        assert!(!has_end_of_image(&with_thumbnail[..with_thumbnail.len() - 40]));
        let followed = [&jpeg[..], b"what some cameras append"].concat();
        assert!(has_end_of_image(&followed));
    }

    #[test]
    fn a_photo_is_turned_upright() {
        // EXIF orientation 6 (turn clockwise) in an APP1 segment, little-endian, one entry.
        let exif: &[u8] =
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let jpeg = bytes(&DynamicImage::ImageLuma8(picture(96, 80)), ImageFormat::Jpeg);
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let turned = [&jpeg[..2], &[0xFF, 0xE1], &length, exif, &jpeg[2..]].concat();
        let upright = decode_gray(&jpeg, "").unwrap();
        assert_eq!(decode_gray(&turned, "").unwrap(), imageops::rotate90(&upright));
    }

    #[test]
    fn files_that_are_no_image_are_named() {
        assert_eq!(problem(b""), format!("face.jpg: the file has 0 bytes. {HINT}"));
        assert_eq!(problem(b"hello"), format!("face.jpg: this is not an image. {HINT}"));
        assert!(problem(b"GIF89a......").starts_with("face.jpg: this is a Gif file. "));
        let png = bytes(&DynamicImage::ImageLuma8(picture(48, 48)), ImageFormat::Png);
        let mut broken = png.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 0xFF;
        assert!(problem(&broken).starts_with("face.jpg: the image can't be decoded ("));
        let error = load("no/such.jpg").unwrap_err().to_string();
        assert!(error.starts_with("the image is missing at no/such.jpg. "), "{error}");
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().starts_with("cannot read "));
    }
}
