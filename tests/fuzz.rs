//! Damaged photos, for a bounded time: whatever the bytes, there is an answer or an error.
//!
//! FER_FUZZ_SECONDS says how long (10 by default), FER_FUZZ_SEED with which seed. A failure names both
//! and leaves the bytes in build/fuzz/.

use std::io::Cursor;
use std::time::{Duration, Instant};

use fer_nb::data::SampleConfig;
use fer_nb::deploy::{FaceDetector, Photo, Predictor};
use fer_nb::model::{Network, SeedCnn, weights};
use fer_nb::prelude::FaceData;
use fer_nb::train::{RunConfig, RunFolder, TrainConfig};
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::Device;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Small files of each kind that is taken, and one of a kind that isn't.
fn seeds() -> Vec<Vec<u8>> {
    let colour = RgbImage::from_fn(90, 70, |x, y| Rgb([x as u8 * 2, y as u8 * 3, (x * y) as u8]));
    let gray = GrayImage::from_fn(64, 64, |x, y| image::Luma([(x * 5 + y * 9 + x * y % 17) as u8]));
    let colour = DynamicImage::ImageRgb8(colour);
    let deep = DynamicImage::ImageRgba16(colour.to_rgba16());
    let gray = DynamicImage::ImageLuma8(gray);
    let encoded = |image: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    vec![
        encoded(&colour, ImageFormat::Jpeg),
        encoded(&gray, ImageFormat::Jpeg),
        encoded(&colour, ImageFormat::Png),
        encoded(&deep, ImageFormat::Png),
        encoded(&gray, ImageFormat::Png),
        b"GIF89a\x10\x00\x10\x00\x00\x00\x00;".to_vec(),
    ]
}

/// One to eight changes: bits, bytes, numbers, pieces cut out, doubled, or of another file.
fn damaged(seeds: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(1..=8) {
        if bytes.is_empty() {
            break;
        }
        // Headers decide more than pixels do.
        let end = if random.random_bool(0.5) { bytes.len().min(64) } else { bytes.len() };
        let at = random.random_range(0..end);
        let length = random.random_range(1..=32.min(bytes.len() - at).max(1));
        match random.random_range(0..7) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xFF),
            3 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0),
            4 => drop(bytes.drain(at..(at + length).min(bytes.len()))),
            5 => {
                let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[random.random_range(0..seeds.len())];
                let from = random.random_range(0..other.len());
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn damaged_photos_get_an_answer_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let data = FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 }).unwrap();
    let network = SeedCnn::new(Device::Cpu, 1).unwrap();
    let run = RunFolder::at(folder.path());
    run.save_config(&RunConfig::new(&network, &TrainConfig::default(), &data)).unwrap();
    weights::save(&network as &dyn Network, run.weights()).unwrap();
    let predictor = Predictor::load(folder.path(), Device::Cpu).unwrap();

    let seed = setting("FER_FUZZ_SEED", 2026);
    let until = Instant::now() + Duration::from_secs(setting("FER_FUZZ_SECONDS", 10));
    let (seeds, mut random) = (seeds(), StdRng::seed_from_u64(seed));
    let (mut answered, mut refused) = (0, 0);
    while Instant::now() < until {
        let bytes = damaged(&seeds, &mut random);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let photo = Photo::decode(&bytes, "photo")?;
            predictor.predict_photo(&photo, &FaceDetector::for_video())?;
            predictor.predict_pixels(&photo.middle_square()?)
        }));
        match result {
            Ok(Ok(prediction)) => {
                assert!((prediction.probs().iter().sum::<f32>() - 1.0).abs() < 1e-4);
                answered += 1;
            }
            Ok(Err(error)) => {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
                refused += 1;
            }
            Err(_) => {
                let path = std::path::Path::new("../build/fuzz/photo");
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, &bytes).unwrap();
                panic!("file {} of seed {seed}, kept in build/fuzz/photo", answered + refused);
            }
        }
    }
    println!("seed {seed}: {answered} answered, {refused} refused");
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused");
}

/// Faces that the edges cut, in any size: boxes and landmarks reach beyond the photo, crops don't.
#[test]
fn faces_at_the_edges_are_found_or_not() {
    let portrait = Photo::open("../data/pictures/portrait.jpg").unwrap();
    let portrait = portrait.gray();
    let (width, height) = portrait.dimensions();
    let seed = setting("FER_FUZZ_SEED", 2026);
    let until = Instant::now() + Duration::from_secs(setting("FER_FUZZ_SECONDS", 10));
    let mut random = StdRng::seed_from_u64(seed);
    let (mut photos, mut faces) = (0, 0);
    // On a machine that is busy, too few in the time would show nothing.
    while photos < 30 || Instant::now() < until {
        // A window that begins or ends somewhere in the face, which is at (176, 67) to (272, 163).
        let (x, y) = (random.random_range(150..300), random.random_range(40..190));
        let (left, right) = if random.random() { (x, width) } else { (0, x) };
        let (top, bottom) = if random.random() { (y, height) } else { (0, y) };
        let window = imageops::crop_imm(portrait, left, top, right - left, bottom - top).to_image();
        let scale = random.random_range(0.5..2.5);
        let side = |side: u32| ((f64::from(side) * scale) as u32).max(1);
        let (width, height) = (side(right - left), side(bottom - top));
        let window = imageops::resize(&window, width, height, FilterType::Triangle);
        let window = Photo::from(DynamicImage::ImageLuma8(window));
        for face in FaceDetector::for_photos().detect(&window).unwrap() {
            assert!(face.width > 0.0 && face.left < width as f32 && face.top < height as f32);
            face.crop(window.gray()).unwrap();
            faces += 1;
        }
        photos += 1;
    }
    println!("seed {seed}: {faces} faces in {photos} photos");
    assert!(faces > 0 && photos > faces / 4);
}
