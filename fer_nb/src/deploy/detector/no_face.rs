//! [`NoFace`]: why no face was found in a photo, as far as that can be told.

use serde::Serialize;

use super::FaceDetector;
use crate::common::Result;
use crate::deploy::face::FaceBox;
use crate::deploy::photo::Photo;

/// Mean gray below which a photo is called dark, 0 to 255.
const DARK: f64 = 25.0;
/// Mean gray above which it is called overexposed.
const BRIGHT: f64 = 235.0;
/// A face has about this many pixels on a side at least, at the size at which it is searched.
const SMALLEST: f32 = 12.0;
/// Below this score a place is no more like a face than any other.
const WEAK: f32 = 0.2;

/// The numbers that reasons go by, for programs that do the same elsewhere.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct NoFaceRule {
    dark: f64,
    bright: f64,
    smallest: f32,
    weak: f32,
}

impl Default for NoFaceRule {
    fn default() -> Self {
        Self { dark: DARK, bright: BRIGHT, smallest: SMALLEST, weak: WEAK }
    }
}

/// Why no face was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoFace {
    /// A place is like a face, but not enough.
    BelowThreshold {
        /// The detector's score there, 0 to 1.
        score: f32,
        /// The score that is asked for.
        threshold: f32,
        /// The middle of the place: right and down, in the photo's pixels.
        at: [f32; 2],
    },
    /// There is a face, of fewer pixels than this detector finds.
    TooSmall {
        /// Its longer side in the photo's pixels.
        side: f32,
    },
    /// Mean gray of the photo, 0 to 255, is that of a photo without light.
    TooDark(f64),
    /// Mean gray of the photo, 0 to 255, is that of a photo of nothing but light.
    TooBright(f64),
    /// Nothing is like a face.
    Nothing,
}

impl FaceDetector {
    /// Says why [`FaceDetector::detect`] found no face: it searches again, with a lower threshold.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub fn why_no_face(&self, photo: &Photo) -> Result<NoFace> {
        let candidates = self.candidates(photo)?;
        if let Some(why) = self.near_miss(&candidates) {
            return Ok(why);
        }
        // What is searched in a frame is a small copy: a closer look may find more.
        let photos = Self { threshold: self.threshold, ..Self::for_photos() };
        if self.most_pixels < photos.most_pixels
            && let Some(face) = photos.detect(photo)?.first()
        {
            return Ok(NoFace::TooSmall { side: face.width.max(face.height) });
        }
        Ok(NoFace::of_light(photo))
    }

    /// The faces of [`FaceDetector::detect`], and if there are none why, without a second look.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    #[cfg(feature = "serve")]
    pub(in crate::deploy) fn detect_or_why(
        &self,
        photo: &Photo,
    ) -> Result<(Vec<FaceBox>, Option<NoFace>)> {
        let mut found = self.candidates(photo)?;
        let why = self.near_miss(&found).unwrap_or_else(|| NoFace::of_light(photo));
        found.retain(|face| face.score >= self.threshold);
        let why = found.is_empty().then_some(why);
        Ok((found, why))
    }

    /// All places that are like a face, the largest first; those with a score of `threshold` or more are the
    /// faces of [`FaceDetector::detect`].
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub(in crate::deploy) fn candidates(&self, photo: &Photo) -> Result<Vec<FaceBox>> {
        self.detect_from(photo, WEAK.min(self.threshold / 2.0))
    }

    /// Why the likeliest of places that are no faces is none; `None` without such a place.
    pub(in crate::deploy) fn near_miss(&self, candidates: &[FaceBox]) -> Option<NoFace> {
        let likeliest = candidates.iter().max_by(|one, other| one.score.total_cmp(&other.score))?;
        let side = likeliest.width.max(likeliest.height);
        Some(match side < SMALLEST {
            true => NoFace::TooSmall { side },
            false => NoFace::BelowThreshold {
                score: likeliest.score,
                threshold: self.threshold,
                at: [
                    likeliest.left + likeliest.width / 2.0,
                    likeliest.top + likeliest.height / 2.0,
                ],
            },
        })
    }
}

impl NoFace {
    /// Whether the photo is too dark or too bright, or neither.
    pub(in crate::deploy) fn of_light(photo: &Photo) -> Self {
        let gray = photo.gray().as_raw();
        let sum: u64 = gray.iter().map(|value| u64::from(*value)).sum();
        let mean = sum as f64 / gray.len().max(1) as f64;
        match mean {
            ..DARK => NoFace::TooDark(mean),
            BRIGHT.. => NoFace::TooBright(mean),
            _ => NoFace::Nothing,
        }
    }
}

impl std::fmt::Display for NoFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoFace::BelowThreshold { score, threshold, at: [right, down] } => write!(
                f,
                "the likeliest place, around {right:.0}, {down:.0}, has a score of {score:.2}; {threshold:.2} is asked for"
            ),
            NoFace::TooSmall { side } => write!(f, "a face of {side:.0} pixels is too small here"),
            NoFace::TooDark(mean) => {
                write!(f, "the photo is too dark (mean gray {mean:.0} of 255)")
            }
            NoFace::TooBright(mean) => {
                write!(f, "the photo is too bright (mean gray {mean:.0} of 255)")
            }
            NoFace::Nothing => f.write_str("nothing in it is like a face"),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, Luma, imageops};

    use super::*;
    use crate::project::data_file;

    fn flat(gray: u8) -> Photo {
        DynamicImage::ImageLuma8(GrayImage::from_pixel(300, 200, Luma([gray]))).into()
    }

    #[test]
    fn reasons_are_told_apart() {
        let detector = FaceDetector::for_photos();
        let why = |photo: &Photo| detector.why_no_face(photo).unwrap();
        assert_eq!(why(&flat(3)), NoFace::TooDark(3.0));
        assert_eq!(why(&flat(250)), NoFace::TooBright(250.0));
        assert_eq!(why(&flat(120)), NoFace::Nothing);
        // The portrait's own face with a threshold that nothing reaches.
        let portrait = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        let strict = FaceDetector { threshold: 0.99, ..detector };
        assert_eq!(strict.detect(&portrait).unwrap(), []);
        let NoFace::BelowThreshold { score, at: [right, down], .. } =
            strict.why_no_face(&portrait).unwrap()
        else {
            panic!("the face is there")
        };
        assert!((0.5..0.99).contains(&score) && (150.0..350.0).contains(&right) && down < 350.0);
        // As a small part of a large frame.
        let mut frame = image::RgbImage::from_pixel(1600, 1200, image::Rgb([120; 3]));
        let small = imageops::thumbnail(portrait.rgb(), 90, 90);
        imageops::replace(&mut frame, &small, 700, 500);
        let frame = Photo::from(DynamicImage::ImageRgb8(frame));
        let video = FaceDetector::for_video();
        assert_eq!(video.detect(&frame).unwrap(), []);
        let why = video.why_no_face(&frame).unwrap();
        assert!(!why.to_string().is_empty() && why != NoFace::Nothing, "{why:?}");
    }
}
