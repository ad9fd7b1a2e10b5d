//! [`NoFace`]: the probable reason why no face was found in a photo.

use serde::Serialize;

use super::FaceDetector;
use crate::common::Result;
use crate::deploy::face::FaceBox;
use crate::deploy::photo::Photo;

/// A photo with a lower mean gray is called dark, 0 to 255.
const DARK: f64 = 25.0;
/// A photo with a higher mean gray is called overexposed.
const BRIGHT: f64 = 235.0;
/// The approximate minimum side of a face in pixels, at the scale of the search.
const SMALLEST: f32 = 12.0;
/// With a lower score, a place does not resemble a face.
const WEAK: f32 = 0.2;

/// The constants of the reasons, for implementations in other languages.
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

/// The reason why no face was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoFace {
    /// A place resembles a face, but not enough.
    BelowThreshold {
        /// The detector's score of the place, 0 to 1.
        score: f32,
        /// The required score.
        threshold: f32,
        /// The middle of the place: right and down, in the photo's pixels.
        at: [f32; 2],
    },
    /// The photo contains a face that is too small for this detector.
    TooSmall {
        /// Its longer side in the photo's pixels.
        side: f32,
    },
    /// The photo is too dark; mean gray, 0 to 255.
    TooDark(f64),
    /// The photo is too bright; mean gray, 0 to 255.
    TooBright(f64),
    /// Nothing resembles a face.
    Nothing,
}

impl FaceDetector {
    /// Returns the reason why [`FaceDetector::detect`] found no face: it searches again, with a lower threshold.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub fn why_no_face(&self, photo: &Photo) -> Result<NoFace> {
        let candidates = self.candidates(photo)?;
        if let Some(why) = self.near_miss(&candidates) {
            return Ok(why);
        }
        // A frame is searched in a small copy: a search at full size may find more.
        let photos = Self { threshold: self.threshold, ..Self::for_photos() };
        if self.most_pixels < photos.most_pixels
            && let Some(face) = photos.detect(photo)?.first()
        {
            return Ok(NoFace::TooSmall { side: face.width.max(face.height) });
        }
        Ok(NoFace::of_light(photo))
    }

    /// The faces of [`FaceDetector::detect`], and the reason if there are none, without a second search.
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

    /// All places that resemble a face, the largest first; those with a score of `threshold` or more are the faces
    /// of [`FaceDetector::detect`].
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub(in crate::deploy) fn candidates(&self, photo: &Photo) -> Result<Vec<FaceBox>> {
        self.detect_from(photo, WEAK.min(self.threshold / 2.0))
    }

    /// Why the most probable of the places that are not faces is rejected; `None` without such a place.
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
                "the most probable place, around {right:.0}, {down:.0}, has a score of {score:.2}; {threshold:.2} is required"
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
