//! [`FaceDetector`]: SeetaFace's frontal detector, and the crop that FER2013 would have of a face.

use std::cell::RefCell;

use image::GrayImage;
use rustface::{Detector, ImageData, Model};
use serde::Serialize;

use crate::common::machine::guarded;
use crate::common::{Error, Result};
use crate::data::pixels::{shrunk, square};

/// Funnel-structured cascade of Wu, Kan, He, Shan and Chen (2017), "SeetaFace"; BSD-2, licence beside it.
const MODEL: &[u8] = include_bytes!("../../assets/face_detector/seeta_fd_frontal_v1.0.bin");

/// The detector's window in pixels: no smaller face is found.
const WINDOW: u32 = 40;

/// How much larger than the detector's square a face's crop is. The squares that the detector finds in
/// FER2013's own training images have 0.92 of an image's side in the median (576 found of 700 images;
/// quartiles 0.84 and 0.99), and the same centre within 0.003 sides:
/// `cargo run --example face_margin` measures it.
const MARGIN: f32 = 1.085;

/// A face in a photo, in the photo's pixels; it may reach beyond the photo's edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaceBox {
    /// The left edge.
    pub left: f32,
    /// The upper edge.
    pub top: f32,
    /// From the left edge to the right.
    pub width: f32,
    /// From the upper edge to the lower.
    pub height: f32,
    /// The detector's score, from its threshold upwards; not a probability.
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

    /// The face as FER2013 would have cropped it: the square around the detector's, 8.5 % larger,
    /// scaled to u8 [48 × 48], row-major. Beyond the photo's edges, its last pixels are repeated.
    ///
    /// # Errors
    /// [`Error::Input`] for a photo without a pixel.
    pub fn crop(&self, photo: &GrayImage) -> Result<Vec<u8>> {
        // A square of twice the photo's size, far outside, is nothing but repeated edges, and so is any
        // larger one; NaN becomes 0.
        let largest = 2 * i64::from(photo.width().max(photo.height()));
        let whole = |value: f32| (value.round() as i64).clamp(-largest, largest);
        let side = whole(self.width.max(self.height) * MARGIN).max(1);
        let left = whole(self.left + self.width / 2.0) - side / 2;
        let top = whole(self.top + self.height / 2.0) - side / 2;
        square(photo, left, top, side as u32)
    }
}

/// Finds faces that look more or less into the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceDetector {
    /// The longest side, in pixels, 40 or more. Larger photos are shrunk by a whole number, which bounds
    /// the time. The smallest face that is found has 40 pixels in the shrunk photo.
    pub longest: u32,
    /// The least score of a face, above 0.
    pub threshold: f32,
}

impl FaceDetector {
    /// For photos: small faces count more than a second.
    pub fn for_photos() -> Self {
        Self { longest: 1280, threshold: 3.0 }
    }

    /// For a camera's frames: faces of an eighth of the frame's width or more, in a few milliseconds.
    pub fn for_video() -> Self {
        Self { longest: 320, threshold: 3.0 }
    }

    /// Finds the faces in a photo, the largest first.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `longest` or `threshold` out of range; [`Error::Input`] for a photo that
    /// the detector can't take.
    pub fn detect(&self, photo: &GrayImage) -> Result<Vec<FaceBox>> {
        if self.longest < WINDOW || self.threshold.is_nan() || self.threshold <= 0.0 {
            let value = format!("{} pixels, threshold {}", self.longest, self.threshold);
            return Err(Error::setting("face detector", value, "40 pixels or more, and above 0"));
        }
        let (width, height) = photo.dimensions();
        // By a whole number: the mean of squares is much quicker than a resampling filter.
        let factor = width.max(height).div_ceil(self.longest).max(1);
        let (small_width, small_height) = (width / factor, height / factor);
        if small_width.min(small_height) < WINDOW {
            return Ok(Vec::new()); // the detector's window does not fit into it
        }
        let small = match factor {
            1 => photo.as_raw(),
            factor => &shrunk::<1>(photo.as_raw(), width, factor),
        };
        let scale = factor as f32;
        let found = DETECTOR.with_borrow_mut(|kept| {
            let mut detector = match kept.take() {
                Some(detector) => detector,
                None => rustface::create_detector_with_model(model()?),
            };
            let found = guarded(|| {
                detector.set_score_thresh(f64::from(self.threshold));
                detector.detect(&ImageData::new(small, small_width, small_height))
            })
            .map_err(|panic| Error::input("photo", panic, "one that the face detector can take"))?;
            *kept = Some(detector); // after a panic, the next call makes another
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

thread_local! {
    /// A detector reads its model when it is made, and has buffers of its own: one a thread.
    static DETECTOR: RefCell<Option<Box<dyn Detector>>> = const { RefCell::new(None) };
}

fn model() -> Result<Model> {
    rustface::read_model(MODEL)
        .map_err(|error| Error::input("face detector's model", error, "SeetaFace's own"))
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;
    use crate::data::PIXELS;

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
    fn a_crop_is_the_square_around_the_face() {
        // Columns tell where the crop is from.
        let photo = GrayImage::from_fn(200, 100, |x, _| Luma([x as u8]));
        let side = 48.0 / MARGIN;
        let cut_out = face(100.0 - side / 2.0, 50.0 - side / 2.0, side).crop(&photo).unwrap();
        let row: Vec<u8> = (76..124).collect();
        assert_eq!(cut_out[..48], row);
        assert_eq!(cut_out[47 * 48..], row);
    }

    #[test]
    fn edges_are_repeated_and_nothing_is_too_large() {
        let photo = GrayImage::from_fn(60, 60, |x, _| Luma([if x < 30 { 10 } else { 200 }]));
        let beyond = face(-40.0, 0.0, 60.0).crop(&photo).unwrap();
        assert_eq!(beyond[0], 10);
        assert!(beyond.contains(&200) || beyond.iter().all(|pixel| *pixel == 10));
        for wild in [f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, 0.0, -5.0] {
            assert_eq!(face(wild, wild, wild).crop(&photo).unwrap().len(), PIXELS);
        }
        let empty = face(0.0, 0.0, 10.0).crop(&GrayImage::new(0, 0));
        assert!(matches!(empty, Err(Error::Input { .. })));
    }
}
