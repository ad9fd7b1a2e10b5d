//! [`Predictor::predict_video`]: the faces of a video, frame by frame.

use std::collections::HashMap;

use super::frames::Frame;
use super::source::Video;
use super::timeline::{Sighting, Timeline};
use crate::common::Result;
use crate::common::machine::Interrupt;
use crate::common::text::shown;
use crate::deploy::detector::FaceDetector;
use crate::deploy::face::FaceBox;
use crate::deploy::predictor::Predictor;
use crate::deploy::tracking::{Means, Tracker};

/// The options for predicting a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoOptions {
    /// Only the first frame at or after each multiple of this number of seconds; `None` for all frames.
    pub every: Option<f64>,
    /// The face detector.
    pub detector: FaceDetector,
}

impl Default for VideoOptions {
    /// All frames; faces are searched in 640 × 360 pixels of a 16 : 9 frame, in which a detectable face has about
    /// 12 pixels or more.
    fn default() -> Self {
        let detector = FaceDetector { most_pixels: 640 * 384, ..FaceDetector::for_video() };
        Self { every: None, detector }
    }
}

/// A predicted frame, with its faces.
#[derive(Debug)]
pub struct VideoStep<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// Its faces, the largest first.
    pub sightings: &'a [Sighting],
}

impl Predictor {
    /// Finds the faces in each frame of a video, numbers them from frame to frame, and predicts their emotions.
    /// `each` is called after each frame. If the user stops it, the result up to then is returned.
    ///
    /// # Errors
    /// Those of [`Video::frames`], [`FaceDetector::detect`] and `each`. A truncated file is not an error:
    /// [`Timeline::end`] says where it ends.
    pub fn predict_video(
        &self,
        video: &Video,
        options: &VideoOptions,
        mut each: impl FnMut(VideoStep<'_>) -> Result<()>,
    ) -> Result<Timeline> {
        let interrupt = Interrupt::listen()?;
        let mut timeline = Timeline {
            title: shown(video.path().file_name().unwrap_or_default()),
            sightings: Vec::new(),
            frames: 0,
            seconds: 0.0,
            end: None,
            pictures: Vec::new(),
        };
        let (mut tracker, mut means) = (Tracker::default(), Means::default());
        let mut best: HashMap<usize, f32> = HashMap::new();
        let mut frames = video.frames(options.every)?;
        for frame in frames.by_ref() {
            let frame = frame?;
            let areas = options.detector.detect(&frame.photo)?;
            let crops = areas
                .iter()
                .map(|area| area.crop(frame.photo.gray()))
                .collect::<Result<Vec<_>>>()?;
            let predictions = self.predict_crops(&crops)?;
            let areas = areas.into_iter().map(|area| area.scaled(frame.scale));
            let faces: Vec<(FaceBox, Vec<u8>)> = areas.zip(crops).collect();
            let numbers = tracker.follow(frame.seconds, &faces);
            let before = timeline.sightings.len();
            for (((area, picture), prediction), face) in
                faces.into_iter().zip(predictions).zip(numbers)
            {
                let smoothed = means.add(face, frame.seconds, &prediction)?;
                let (seconds, number) = (frame.seconds, frame.number);
                let most = best.entry(face).or_insert(f32::NEG_INFINITY);
                if area.score > *most {
                    *most = area.score;
                    timeline.pictures.retain(|(of, _)| *of != face);
                    timeline.pictures.push((face, picture));
                }
                let sighting =
                    Sighting { seconds, frame: number, face, area, prediction, smoothed };
                timeline.sightings.push(sighting);
            }
            timeline.frames += 1;
            timeline.seconds = frame.seconds;
            let sightings = timeline.sightings.get(before..).unwrap_or_default();
            each(VideoStep { frame: &frame, sightings })?;
            if interrupt.requested() {
                return Ok(timeline);
            }
        }
        timeline.end = frames.end().cloned();
        Ok(timeline)
    }
}
