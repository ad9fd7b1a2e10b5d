//! Where the faces of a photo are: SeetaFace's frontal detector, and the cut that FER2013 would have made.

use std::cell::RefCell;

use ::image::GrayImage;
use ::image::imageops::{self, FilterType};
use rustface::{Detector, ImageData, Model};
use serde::Serialize;

use crate::common::machine::guarded;
use crate::common::{Error, Result};
use crate::data::{PIXELS, SIDE};

/// Funnel-structured cascade of Wu, Kan, He, Shan and Chen (2017), "SeetaFace"; BSD-2, licence beside it.
const MODEL: &[u8] = include_bytes!("../../assets/face_detector/seeta_fd_frontal_v1.0.bin");

/// The detector's window in pixels: no smaller face is found.
const WINDOW: u32 = 40;

/// How much larger than the detector's square a face's cut is. The squares that the detector finds in
/// FER2013's own training images have 0.92 of an image's side in the median (576 found of 700 images;
/// quartiles 0.84 and 0.99), and the same centre within 0.003 sides:
/// `cargo run --example face_margin` measures it.
pub const MARGIN: f32 = 1.085;

/// A face in a photo, in the photo's pixels; it may reach beyond the photo's edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaceBox {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
    /// How sure the detector is, from its threshold upwards; no probability.
    pub score: f32,
}

impl FaceBox {
    /// The largest centred square of a picture, for one that is a face and nothing else.
    pub fn middle_square(width: u32, height: u32) -> Self {
        let side = width.min(height);
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        let [left, top, side] = [left, top, side].map(|at| at as f32);
        Self { left, top, width: side, height: side, score: 0.0 }
    }
}

/// Finds faces that look into the camera, more or less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceDetector {
    /// Larger photos are shrunk, by a whole number, until their longer side has no more pixels than
    /// this, which bounds the time. The smallest face that is found has 40 pixels in what is left.
    pub longest: u32,
    /// What is less sure is no face.
    pub threshold: f32,
}

impl FaceDetector {
    /// For photos, where a second counts less than the faces in the last row.
    pub fn for_photos() -> Self {
        Self { longest: 1280, threshold: 3.0 }
    }

    /// For a camera's frames: faces of an eighth of the frame's width or more, within some milliseconds.
    pub fn for_video() -> Self {
        Self { longest: 320, threshold: 3.0 }
    }

    /// The faces in a photo, the largest first.
    ///
    /// # Errors
    /// [`Error::Setting`] where the detector is set to something impossible.
    pub fn detect(&self, photo: &GrayImage) -> Result<Vec<FaceBox>> {
        if self.longest < WINDOW || self.threshold.is_nan() || self.threshold <= 0.0 {
            let value = format!("{} pixels, threshold {}", self.longest, self.threshold);
            return Err(Error::setting("face detector", value, "40 pixels or more, and above 0"));
        }
        let (width, height) = photo.dimensions();
        // By a whole number: the mean of squares is much quicker than a resampling filter.
        let factor = width.max(height).div_ceil(self.longest).max(1);
        let small = if factor == 1 { photo } else { &shrunk(photo, factor) };
        let (small_width, small_height) = small.dimensions();
        if small_width.min(small_height) < WINDOW {
            return Ok(Vec::new()); // the detector's window does not fit into it
        }
        let scale = factor as f32;
        let found = DETECTOR.with_borrow_mut(|kept| {
            let mut detector = match kept.take() {
                Some(detector) => detector,
                None => rustface::create_detector_with_model(model()?),
            };
            let found = guarded(|| {
                detector.set_score_thresh(f64::from(self.threshold));
                detector.detect(&ImageData::new(small.as_raw(), small_width, small_height))
            })
            .map_err(|panic| {
                Error::setting("photo", panic, "one that the face detector can take")
            })?;
            *kept = Some(detector); // after a panic it is made anew
            Ok::<_, Error>(found)
        })?;
        let mut faces: Vec<FaceBox> = found
            .into_iter()
            .map(|face| {
                let bounds = face.bbox();
                FaceBox {
                    left: bounds.x() as f32 * scale,
                    top: bounds.y() as f32 * scale,
                    width: bounds.width() as f32 * scale,
                    height: bounds.height() as f32 * scale,
                    score: face.score() as f32,
                }
            })
            .collect();
        faces.sort_by(|one, other| {
            (other.width * other.height).total_cmp(&(one.width * one.height))
        });
        Ok(faces)
    }
}

/// Width and height divided by `factor`, 2 or more; each pixel is the mean of the square it stands for.
fn shrunk(photo: &GrayImage, factor: u32) -> GrayImage {
    let (width, height) = (photo.width() / factor, photo.height() / factor);
    let (side, row) = (factor as usize, photo.width() as usize);
    let area = factor * factor;
    let mut pixels = Vec::with_capacity(width as usize * height as usize);
    let mut sums = vec![0u32; width as usize];
    for band in photo.as_raw().chunks_exact(row * side) {
        sums.fill(0);
        for line in band.chunks_exact(row) {
            for (sum, square) in sums.iter_mut().zip(line.chunks_exact(side)) {
                *sum += square.iter().map(|pixel| u32::from(*pixel)).sum::<u32>();
            }
        }
        pixels.extend(sums.iter().map(|sum| ((sum + area / 2) / area) as u8));
    }
    GrayImage::from_raw(width, height, pixels).unwrap_or_default()
}

thread_local! {
    /// A detector reads its model when it is made, and has buffers of its own: one a thread.
    static DETECTOR: RefCell<Option<Box<dyn Detector>>> = const { RefCell::new(None) };
}

fn model() -> Result<Model> {
    rustface::read_model(MODEL)
        .map_err(|error| Error::setting("face detector's model", error, "SeetaFace's, as it comes"))
}

/// A face as FER2013 would have cut it: the square around the detector's, larger by [`MARGIN`], resized
/// to 48×48. What lies beyond the photo's edge continues its last pixels. u8 [48 × 48], row by row.
///
/// # Errors
/// [`Error::Setting`] for a photo without a pixel.
pub fn cut(photo: &GrayImage, face: &FaceBox) -> Result<Vec<u8>> {
    let (width, height) = photo.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::setting("photo", format!("{width}×{height}"), "one pixel or more"));
    }
    // A square of twice the photo's size, far outside, is nothing but continued edges, and so is any
    // larger one; numbers that are none become 0.
    let largest = 2 * i64::from(width.max(height));
    let whole = |value: f32| (value.round() as i64).clamp(-largest, largest);
    let side = whole(face.width.max(face.height) * MARGIN).max(1);
    let left = whole(face.left + face.width / 2.0) - side / 2;
    let top = whole(face.top + face.height / 2.0) - side / 2;
    let side = side as u32;
    let nearest = |at: i64, count: u32| at.clamp(0, i64::from(count) - 1) as u32;
    let square = GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (nearest(left + i64::from(x), width), nearest(top + i64::from(y), height));
        *photo.get_pixel(x, y)
    });
    let pixels = match side as usize == SIDE {
        true => square.into_raw(),
        false => {
            imageops::resize(&square, SIDE as u32, SIDE as u32, FilterType::Triangle).into_raw()
        }
    };
    match pixels.len() {
        PIXELS => Ok(pixels),
        other => Err(Error::setting("face", format!("{other} pixels"), format!("{PIXELS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::Luma;

    fn face(left: f32, top: f32, side: f32) -> FaceBox {
        FaceBox { left, top, width: side, height: side, score: 1.0 }
    }

    #[test]
    fn photos_without_a_face_have_none() {
        for (width, height) in [(1, 1), (39, 500), (640, 480), (8, 3000)] {
            let flat = GrayImage::from_pixel(width, height, Luma([130]));
            for detector in [FaceDetector::for_photos(), FaceDetector::for_video()] {
                assert_eq!(detector.detect(&flat).unwrap(), []);
            }
        }
        let wrong = FaceDetector { longest: 12, threshold: 3.0 };
        assert!(wrong.detect(&GrayImage::new(100, 100)).is_err());
        let wrong = FaceDetector { longest: 320, threshold: f32::NAN };
        assert!(wrong.detect(&GrayImage::new(100, 100)).is_err());
    }

    #[test]
    fn shrinking_takes_means() {
        let photo = GrayImage::from_raw(
            5,
            4,
            vec![
                10, 20, 0, 0, 99, //
                30, 40, 0, 1, 99, //
                255, 255, 7, 7, 99, //
                255, 255, 7, 7, 99,
            ],
        );
        let half = shrunk(&photo.unwrap(), 2);
        assert_eq!((half.dimensions(), half.into_raw()), ((2, 2), vec![25, 0, 255, 7]));
        assert_eq!(shrunk(&GrayImage::new(3, 9), 4).dimensions(), (0, 2));
    }

    #[test]
    fn a_cut_is_the_square_around_the_face() {
        // Columns tell where the cut is from.
        let photo = GrayImage::from_fn(200, 100, |x, _| Luma([x as u8]));
        let side = 48.0 / MARGIN;
        let cut_out = cut(&photo, &face(100.0 - side / 2.0, 50.0 - side / 2.0, side)).unwrap();
        let row: Vec<u8> = (76..124).collect();
        assert_eq!(cut_out[..48], row);
        assert_eq!(cut_out[47 * 48..], row);
    }

    #[test]
    fn edges_go_on_and_nothing_is_too_large() {
        let photo = GrayImage::from_fn(60, 60, |x, _| Luma([if x < 30 { 10 } else { 200 }]));
        let beyond = cut(&photo, &face(-40.0, 0.0, 60.0)).unwrap();
        assert_eq!(beyond[0], 10);
        assert!(beyond.contains(&200) || beyond.iter().all(|pixel| *pixel == 10));
        for wild in [f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, 0.0, -5.0] {
            assert_eq!(cut(&photo, &face(wild, wild, wild)).unwrap().len(), PIXELS);
        }
        assert!(cut(&GrayImage::new(0, 0), &face(0.0, 0.0, 10.0)).is_err());
    }
}
