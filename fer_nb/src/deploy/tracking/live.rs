//! [`LiveFaces`]: tracks the faces of one camera in real time.
//!
//! The whole frame is searched twice a second. In between, each face is searched around its position in the
//! previous frame, and the whole frame only if a face was lost.

use serde::Serialize;

use super::means::Means;
use super::tracker::Tracker;
use crate::common::Result;
use crate::deploy::detector::{FaceDetector, NoFace};
use crate::deploy::face::FaceBox;
use crate::deploy::photo::Photo;
use crate::deploy::prediction::Prediction;
use crate::deploy::predictor::{Face, Predictor};

/// Seconds between two searches of the whole frame.
const WHOLE: f64 = 0.5;
/// Seconds between two searches at full size, if there is no face.
const CLOSER: f64 = 2.0;
/// The required score of a face of the previous frame, lower so that it does not flicker.
const KEPT: f32 = 0.35;
/// The maximum number of faces that are searched one by one; with more, the whole frame is searched each time.
const FEW: usize = 4;
/// Two boxes with a larger intersection over union are the same face.
const SAME: f32 = 0.3;

/// A face of a camera's frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::deploy) struct LiveFace {
    /// Its number, from 1, which stays the same from frame to frame.
    pub(in crate::deploy) number: usize,
    /// Its position, and the prediction of this frame.
    #[serde(flatten)]
    pub(in crate::deploy) face: Face,
    /// The prediction averaged over the previous frames.
    pub(in crate::deploy) smoothed: Prediction,
}

/// The state of a camera's faces.
#[derive(Debug)]
pub(in crate::deploy) struct LiveFaces {
    detector: FaceDetector,
    tracker: Tracker,
    means: Means,
    /// The faces of the last frame.
    known: Vec<FaceBox>,
    /// The time of the last search of the whole frame, in seconds.
    searched: Option<f64>,
    /// The time of the last search at full size, and its result.
    closer: Option<(f64, NoFace)>,
}

impl Default for LiveFaces {
    fn default() -> Self {
        Self {
            detector: FaceDetector::for_video(),
            tracker: Tracker::default(),
            means: Means::default(),
            known: Vec::new(),
            searched: None,
            closer: None,
        }
    }
}

impl LiveFaces {
    /// The faces of the next frame, taken at this time in seconds, the largest first; without faces, the reason.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`] and [`Predictor::predict_batch`].
    pub(in crate::deploy) fn look(
        &mut self,
        predictor: &Predictor,
        photo: &Photo,
        seconds: f64,
    ) -> Result<(Vec<LiveFace>, Option<NoFace>)> {
        let (areas, why) = self.find(photo, seconds)?;
        self.known.clone_from(&areas);
        let crops = areas.iter().map(|area| area.crop(photo.gray())).collect::<Result<Vec<_>>>()?;
        let predictions = predictor.predict_crops(&crops)?;
        let faces: Vec<(FaceBox, Vec<u8>)> = areas.into_iter().zip(crops).collect();
        let numbers = self.tracker.follow(seconds, &faces);
        let mut seen = Vec::with_capacity(faces.len());
        for (((area, _), prediction), number) in faces.into_iter().zip(predictions).zip(numbers) {
            let smoothed = self.means.add(number, seconds, &prediction)?;
            seen.push(LiveFace { number, face: Face { area, prediction }, smoothed });
        }
        Ok((seen, why))
    }

    /// The positions of the faces; without faces, the reason.
    fn find(&mut self, photo: &Photo, seconds: f64) -> Result<(Vec<FaceBox>, Option<NoFace>)> {
        let is_due = self.searched.is_none_or(|at| seconds - at >= WHOLE || seconds < at);
        let mut candidates = None;
        if is_due || self.known.is_empty() || self.known.len() > FEW {
            candidates = Some(self.search(photo, seconds)?);
        }
        let mut found: Vec<FaceBox> = Vec::new();
        let mut is_lost = false;
        for face in &self.known {
            let seen = candidates.iter().flatten().find(|seen| seen.overlap(face) > SAME).copied();
            let seen = match seen {
                Some(seen) if seen.score >= KEPT => Some(seen),
                _ => FaceDetector::near(photo, face, KEPT)?,
            };
            match seen {
                Some(seen) if !is_among(&seen, &found) => found.push(seen),
                _ => is_lost = true,
            }
        }
        if is_lost && candidates.is_none() {
            candidates = Some(self.search(photo, seconds)?);
        }
        for seen in candidates.iter().flatten() {
            if seen.score >= self.detector.threshold && !is_among(seen, &found) {
                found.push(*seen);
            }
        }
        let mut why = None;
        if found.is_empty() {
            (found, why) = self.look_closer(photo, seconds, &candidates.unwrap_or_default())?;
        }
        found.sort_by(|one, other| {
            (other.width * other.height).total_cmp(&(one.width * one.height))
        });
        Ok((found, why))
    }

    /// Searches the whole frame: all places that resemble a face.
    fn search(&mut self, photo: &Photo, seconds: f64) -> Result<Vec<FaceBox>> {
        self.searched = Some(seconds);
        self.detector.candidates(photo)
    }

    /// Searches a frame without faces at its full size from time to time, which improves the detection of small
    /// faces; otherwise returns the reason.
    fn look_closer(
        &mut self,
        photo: &Photo,
        seconds: f64,
        candidates: &[FaceBox],
    ) -> Result<(Vec<FaceBox>, Option<NoFace>)> {
        if let Some((at, why)) = self.closer
            && (0.0..CLOSER).contains(&(seconds - at))
        {
            return Ok((Vec::new(), Some(self.detector.near_miss(candidates).unwrap_or(why))));
        }
        let (width, height) = photo.size();
        let most = FaceDetector::for_photos().most_pixels;
        let most_pixels = (u64::from(width) * u64::from(height)).clamp(1 << 10, most);
        let closer = FaceDetector { most_pixels, ..self.detector };
        let mut found = closer.candidates(photo)?;
        let why = closer.near_miss(&found).unwrap_or_else(|| NoFace::of_light(photo));
        self.closer = Some((seconds, why));
        found.retain(|face| face.score >= closer.threshold);
        let why = found.is_empty().then_some(why);
        Ok((found, why))
    }
}

fn is_among(face: &FaceBox, found: &[FaceBox]) -> bool {
    found.iter().any(|other| other.overlap(face) > SAME)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage, imageops};
    use tch::Device;

    use super::*;
    use crate::project::data_file;

    /// A frame of 640 × 480 with the portrait's head at each place: left and top of its picture, and its side.
    fn frame(portrait: &RgbImage, places: &[(i64, i64, u32)]) -> Photo {
        let mut frame = RgbImage::from_pixel(640, 480, image::Rgb([110, 120, 130]));
        for (index, (left, top, side)) in places.iter().enumerate() {
            let mut head = imageops::thumbnail(portrait, *side, *side);
            if index % 2 == 1 {
                head = imageops::flip_horizontal(&head);
            }
            imageops::replace(&mut frame, &head, *left, *top);
        }
        Photo::from(DynamicImage::ImageRgb8(frame))
    }

    #[test]
    fn two_faces_keep_their_numbers_between_searches_of_the_whole_frame() {
        let predictor = Predictor::pretrained(Device::Cpu).unwrap();
        let photo = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        let portrait = imageops::crop_imm(photo.rgb(), 120, 20, 210, 210).to_image();
        let mut live = LiveFaces::default();
        let mut whole = 0;
        for step in 0..20i64 {
            let seconds = step as f64 / 15.0;
            // The first one goes right and comes nearer; the second one appears after a second.
            let mut places = vec![(20 + 6 * step, 40, 200 + 2 * step as u32)];
            if step >= 8 {
                places.push((400, 100 + 4 * step, 180));
            }
            let (faces, why) = live.look(&predictor, &frame(&portrait, &places), seconds).unwrap();
            whole += usize::from(live.searched == Some(seconds));
            assert_eq!(why, None);
            let mut seen: Vec<_> = faces.iter().map(|face| (face.number, face.face.area)).collect();
            seen.sort_by_key(|(number, _)| *number);
            // The newcomer is seen when the whole frame is searched the next time.
            let expected = if step >= 8 + 8 { 2 } else { seen.len().min(2) };
            assert_eq!(seen.len(), expected.max(1), "{step}");
            for ((number, area), (index, (left, top, side))) in
                seen.iter().zip(places.iter().enumerate())
            {
                assert_eq!(*number, index + 1, "{step}");
                let middle = [area.left + area.width / 2.0, area.top + area.height / 2.0];
                let expected = [*left, *top].map(|at| at as f32 + *side as f32 / 2.0);
                let apart = (middle[0] - expected[0]).hypot(middle[1] - expected[1]);
                assert!(apart < 0.2 * *side as f32, "{step}: {middle:?}, {expected:?}");
            }
            for face in &faces {
                let sum: f32 = face.smoothed.probs().iter().sum();
                assert!((sum - 1.0).abs() < 1e-4);
            }
        }
        assert!((2..=5).contains(&whole), "{whole} searches of the whole frame");
    }

    #[test]
    fn without_a_face_it_says_why_and_a_small_one_is_found() {
        let predictor = Predictor::pretrained(Device::Cpu).unwrap();
        let mut live = LiveFaces::default();
        let flat = |gray: u8| {
            let frame = RgbImage::from_pixel(640, 480, image::Rgb([gray; 3]));
            Photo::from(DynamicImage::ImageRgb8(frame))
        };
        let mut at = |photo: &Photo, seconds: f64| live.look(&predictor, photo, seconds).unwrap();
        assert_eq!(at(&flat(4), 0.0), (vec![], Some(NoFace::TooDark(4.0))));
        assert_eq!(at(&flat(4), 0.1).1, Some(NoFace::TooDark(4.0)));
        assert_eq!(at(&flat(120), 2.5).1, Some(NoFace::Nothing));
        let photo = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        let portrait = imageops::crop_imm(photo.rgb(), 120, 20, 210, 210).to_image();
        // Found at the frame's own size, and followed from then on.
        for step in 0..10 {
            let small = frame(&portrait, &[(300 + step, 200, 44)]);
            let (faces, why) = at(&small, 5.0 + step as f64 / 15.0);
            assert_eq!((faces.len(), why), (1, None), "{step}");
            assert_eq!(faces[0].number, 1);
        }
        assert_eq!(at(&flat(120), 6.0).0, []);
    }
}
