//! Measures where FER2013's images have the eyes and the mouth that the face detector sees: the source of
//! `EYES_TO_MOUTH` and `BELOW` in fer_nb's deploy/face.rs.
//!
//!     cargo run --example face_margin -- [DATA] [IMAGES A CLASS]
//!
//! Each training image is enlarged four times and given a border of its last pixels, a sixth of its side, so
//! that the detector has room around the face.

use std::process::ExitCode;

use fer_nb::data::{FaceData, SIDE};
use fer_nb::deploy::{FaceDetector, Photo};
use fer_nb::error::{Error, Result};
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage};

const ENLARGED: u32 = 4 * SIDE as u32;
const BORDER: u32 = ENLARGED / 6;

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
    let detector = FaceDetector::for_photos();
    let (mut heights, mut right, mut below) = (Vec::new(), Vec::new(), Vec::new());
    for (pixels, _) in few.iter() {
        let Some(face) = GrayImage::from_raw(SIDE as u32, SIDE as u32, pixels.to_vec()) else {
            continue;
        };
        let large = imageops::resize(&face, ENLARGED, ENLARGED, FilterType::CatmullRom);
        let side = ENLARGED + 2 * BORDER;
        let sheet = GrayImage::from_fn(side, side, |x, y| {
            let [x, y] = [x, y].map(|at| at.saturating_sub(BORDER).min(ENLARGED - 1));
            *large.get_pixel(x, y)
        });
        let found = detector.detect(&Photo::from(DynamicImage::ImageLuma8(sheet)))?;
        let Some([left_eye, right_eye, _, left_mouth, right_mouth]) =
            found.first().and_then(|face| face.landmarks)
        else {
            continue;
        };
        let middle = |axis: usize| {
            let eyes = (left_eye[axis] + right_eye[axis]) / 2.0;
            let mouth = (left_mouth[axis] + right_mouth[axis]) / 2.0;
            (eyes, mouth)
        };
        let ((eyes_right, mouth_right), (eyes_down, mouth_down)) = (middle(0), middle(1));
        let whole = ENLARGED as f32;
        heights.push((mouth_right - eyes_right).hypot(mouth_down - eyes_down) / whole);
        right.push(((eyes_right + mouth_right) / 2.0 - side as f32 / 2.0) / whole);
        below.push(((eyes_down + mouth_down) / 2.0 - side as f32 / 2.0) / whole);
    }
    println!("{}: a face found in {} of {} images", data.origin(), heights.len(), few.len());
    let quartiles = |name: &str, values: &mut Vec<f32>| {
        values.sort_by(f32::total_cmp);
        let at = |share: f64| values.get((share * values.len() as f64) as usize).copied();
        println!("{name}: median {:?}, quartiles {:?} to {:?}", at(0.5), at(0.25), at(0.75));
    };
    println!("in sides of an image:");
    quartiles("from the middle of the eyes to the mouth's", &mut heights);
    quartiles("the middle of these two, right of the image's centre", &mut right);
    quartiles("the same, below it", &mut below);
    Ok(())
}
