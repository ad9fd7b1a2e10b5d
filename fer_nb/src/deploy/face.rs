//! Where the faces of a photo are: SeetaFace's frontal detector, and the cut that FER2013 would have made.

use std::sync::OnceLock;

use ::image::GrayImage;
use ::image::imageops::{self, FilterType};
use rustface::{ImageData, Model};
use serde::Serialize;

use crate::data::{PIXELS, SIDE};
use crate::error::{Error, Result};

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
    /// Larger photos are shrunk so that their longer side has this many pixels, which bounds the time.
    /// The smallest face that is found has 40 pixels in what is left.
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
    /// [`Error::Config`] where the detector is set to something impossible.
    pub fn detect(&self, photo: &GrayImage) -> Result<Vec<FaceBox>> {
        if self.longest < WINDOW || !(self.threshold > 0.0) {
            let value = format!("{} pixels, threshold {}", self.longest, self.threshold);
            return Err(Error::config("face detector", value, "40 pixels or more, and above 0"));
        }
        let (width, height) = photo.dimensions();
        let scale = (self.longest as f32 / width.max(height) as f32).min(1.0);
        let shrunk = |side: u32| ((side as f32 * scale).round() as u32).max(1);
        let (small_width, small_height) = (shrunk(width), shrunk(height));
        if small_width.min(small_height) < WINDOW {
            return Ok(Vec::new()); // the detector's window does not fit into it
        }
        let small = match scale < 1.0 {
            true => &imageops::resize(photo, small_width, small_height, FilterType::Triangle),
            false => photo,
        };
        let mut detector = rustface::create_detector_with_model(model()?.clone());
        detector.set_score_thresh(f64::from(self.threshold));
        let found = detector.detect(&ImageData::new(small.as_raw(), small_width, small_height));
        let mut faces: Vec<FaceBox> = found
            .into_iter()
            .map(|face| {
                let bounds = face.bbox();
                FaceBox {
                    left: bounds.x() as f32 / scale,
                    top: bounds.y() as f32 / scale,
                    width: bounds.width() as f32 / scale,
                    height: bounds.height() as f32 / scale,
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

/// The detector's model, read once a process.
fn model() -> Result<&'static Model> {
    static READ: OnceLock<std::result::Result<Model, String>> = OnceLock::new();
    READ.get_or_init(|| rustface::read_model(MODEL).map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| Error::config("face detector's model", error, "SeetaFace's, as it comes"))
}

/// A face as FER2013 would have cut it: the square around the detector's, larger by [`MARGIN`], resized
/// to 48×48. What lies beyond the photo's edge continues its last pixels. u8 [48 × 48], row by row.
///
/// # Errors
/// [`Error::Config`] for a photo without a pixel.
pub fn cut(photo: &GrayImage, face: &FaceBox) -> Result<Vec<u8>> {
    let (width, height) = photo.dimensions();
    let side = (face.width.max(face.height) * MARGIN).round().clamp(1.0, 65_536.0) as i64;
    let center_x = face.left + face.width / 2.0;
    let center_y = face.top + face.height / 2.0;
    let (left, top) = (center_x.round() as i64 - side / 2, center_y.round() as i64 - side / 2);
    if width == 0 || height == 0 {
        return Err(Error::config("photo", format!("{width}×{height}"), "one pixel or more"));
    }
    // At most twice the photo's size: a square beyond that is nothing but continued edges.
    let side = side.min(2 * i64::from(width.max(height))) as u32;
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
        other => Err(Error::config("face", format!("{other} pixels"), format!("{PIXELS}"))),
    }
}
