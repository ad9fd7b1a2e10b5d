//! Photos, and the boxes of faces that a detector finds in them.

use std::io::Cursor;

use fer_nb::deploy::{FaceBox, FaceDetector, Photo};
use fer_nb::prelude::FaceData;
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use rand::RngExt;

use crate::fixture::Fixture;
use crate::target::{Target, Words};

pub(crate) fn targets(fixture: &Fixture) -> Vec<Target> {
    let detector = FaceDetector::for_video();
    let image = fixture.input("images/train/happy/one.png");
    let root = fixture.folder.join("inputs/images");
    vec![
        Target::of_bytes("photo", Some("hostile.jpg"), photos(), WORDS, move |bytes, random| {
            let photo = Photo::decode(bytes, "hostile.jpg")?;
            let (width, height) = photo.size();
            if width * height < 20_000 && random.random_bool(0.05) {
                detector.detect(&photo)?;
            }
            photo.middle_square().map(drop)
        }),
        Target::of_bytes("face boxes", None, vec![vec![0; 64]], NUMBERS, |bytes, random| {
            let mut numbers = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
            let mut next = || numbers.next().unwrap_or(f32::NAN);
            let [left, top, width, height, score] = std::array::from_fn(|_| next());
            let landmarks =
                random.random_bool(0.7).then(|| std::array::from_fn(|_| [next(), next()]));
            let face = FaceBox { left, top, width, height, score, landmarks };
            let photo = GrayImage::new(random.random_range(1..80), random.random_range(1..80));
            face.tilt();
            face.crop(&photo).map(drop)
        }),
        Target::of_file("images of a folder", image, photos(), WORDS, move |_| {
            FaceData::from_path(&root).map(drop)
        })
        .naming("images"),
    ]
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("an image that can be written");
    bytes.into_inner()
}

/// Photos of every kind that is read, one that says which way is up, and one that claims too much.
fn photos() -> Vec<Vec<u8>> {
    let color = RgbImage::from_fn(90, 70, |x, y| Rgb([x as u8 * 2, y as u8 * 3, (x * y) as u8]));
    let gray = GrayImage::from_fn(64, 64, |x, y| image::Luma([(x * 5 + y * 9 + x * y % 17) as u8]));
    let color = DynamicImage::ImageRgb8(color);
    let deep = DynamicImage::ImageRgba16(color.to_rgba16());
    let gray = DynamicImage::ImageLuma8(gray);
    let mut files = vec![
        encoded(&color, ImageFormat::Jpeg),
        encoded(&gray, ImageFormat::Jpeg),
        encoded(&color, ImageFormat::Png),
        encoded(&deep, ImageFormat::Png),
        encoded(&gray, ImageFormat::Png),
        encoded(&color, ImageFormat::Bmp),
        encoded(&color, ImageFormat::WebP),
    ];
    // An orientation in EXIF.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let jpeg = encoded(&gray, ImageFormat::Jpeg);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    files.push([&jpeg[..2], &[0xFF, 0xE1], &length, exif, &jpeg[2..]].concat());
    files.push(include_bytes!("../inputs/jpeg_of_1_kb_claims_16000x3000.jpg").to_vec());
    files
}

const WORDS: Words = &[
    b"\xFF\xD8",
    b"\xFF\xD9",
    b"\xFF\xC0\0\x11\x08",
    b"\xFF\xC2\0\x11\x08",
    b"\xFF\xDA",
    b"\xFF\xDD\0\x04\0\0",
    b"\xFF\xC4\0\x13",
    b"\xFF\xE1\xFF\xFF",
    b"IHDR",
    b"IDAT",
    b"IEND",
    b"PLTE",
    b"tRNS",
    b"acTL",
    b"iCCP",
    b"zTXt",
    b"RIFF",
    b"WEBPVP8X",
    b"VP8L",
    b"BM",
    b"\x7F\xFF\xFF\xFF",
    b"\xFF\xFF\xFF\xFF",
    b"\0\0\0\0",
];

/// Numbers that are none, very large, or tiny, in little-endian f32.
const NUMBERS: Words = &[
    b"\0\0\xC0\x7F",
    b"\0\0\x80\x7F",
    b"\0\0\x80\xFF",
    b"\xFF\xFF\x7F\x7F",
    b"\x01\0\0\0",
    b"\0\0\0\x42",
];
