//! Measures how much of an image of FER2013 the face detector's square takes: the source of `MARGIN` in
//! fer_nb's deploy/face.rs.
//!
//!     cargo run --example face_margin -- [DATA] [IMAGES A CLASS]
//!
//! Each training image is enlarged four times and given a gray border of half its side, so that the
//! detector has room around the face.

use std::process::ExitCode;

use fer_nb::data::{FaceData, SIDE};
use fer_nb::deploy::FaceDetector;
use fer_nb::error::{Error, Result};
use image::imageops::{self, FilterType};
use image::{GrayImage, Luma};

const ENLARGED: u32 = 4 * SIDE as u32;
const BORDER: u32 = ENLARGED / 2;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let data = FaceData::open_or(arguments.first().map(std::path::Path::new))?;
    let per_class = match arguments.get(1).map(|count| count.parse()) {
        None => 100,
        Some(Ok(count)) => count,
        Some(Err(_)) => return Err(Error::setting("images a class", &arguments[1], "a number")),
    };
    let few = data.train.take_per_class(per_class)?;
    let detector = FaceDetector { longest: 1280, threshold: 3.0 };
    let (mut sides, mut right, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for (pixels, _) in few.iter() {
        let Some(face) = GrayImage::from_raw(SIDE as u32, SIDE as u32, pixels.to_vec()) else {
            continue;
        };
        let large = imageops::resize(&face, ENLARGED, ENLARGED, FilterType::CatmullRom);
        let side = ENLARGED + 2 * BORDER;
        let mut sheet = GrayImage::from_pixel(side, side, Luma([128]));
        imageops::replace(&mut sheet, &large, i64::from(BORDER), i64::from(BORDER));
        if let Some(found) = detector.detect(&sheet)?.first() {
            let middle = side as f32 / 2.0;
            sides.push(found.width / ENLARGED as f32);
            right.push((middle - found.left - found.width / 2.0) / found.width);
            down.push((middle - found.top - found.height / 2.0) / found.width);
        }
    }
    println!("{}: a face found in {} of {} images", data.origin(), sides.len(), few.len());
    let quartiles = |name: &str, values: &mut Vec<f32>| {
        values.sort_by(f32::total_cmp);
        let at = |share: f64| values.get((share * values.len() as f64) as usize).copied();
        println!("{name}: median {:?}, quartiles {:?} to {:?}", at(0.5), at(0.25), at(0.75));
    };
    quartiles("the square's side, in the image's", &mut sides);
    quartiles("the image's centre right of the square's, in the square's sides", &mut right);
    quartiles("the image's centre below the square's, in the square's sides", &mut down);
    Ok(())
}
