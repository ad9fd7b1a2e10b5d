//! [`FaceDetector::near`]: searches for a face of the previous frame only around its position, which takes a fifth
//! of the time.

use image::imageops::crop_imm;

use super::{Scale, at};
use crate::common::Result;
use crate::deploy::detector::FaceDetector;
use crate::deploy::face::FaceBox;
use crate::deploy::photo::Photo;

/// The side of the searched square, in sides of the face.
const AROUND: f32 = 2.0;
/// A face is searched at a scale at which it has at least this many pixels on a side, if the photo has them.
const ENOUGH: f32 = 48.0;
/// The minimum overlap of a face with its position in the previous frame, as intersection over union.
const SAME: f32 = 0.25;

impl FaceDetector {
    /// The face of the previous frame that was at `known`: among the faces in the square around it with a score of
    /// `threshold` or more, the one that overlaps it most. `None` if it has left the square or is not visible.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub(in crate::deploy) fn near(
        photo: &Photo,
        known: &FaceBox,
        threshold: f32,
    ) -> Result<Option<FaceBox>> {
        let (width, height) = photo.size();
        let side = known.width.max(known.height);
        let range = |middle: f32, most: u32| {
            let [start, end] = [middle - side * AROUND / 2.0, middle + side * AROUND / 2.0]
                .map(|at| at.clamp(0.0, most as f32) as u32);
            (start, end.saturating_sub(start))
        };
        let (left, columns) = range(known.left + known.width / 2.0, width);
        let (top, rows) = range(known.top + known.height / 2.0, height);
        let scale = match side < ENOUGH / 2.0 {
            true => Scale::Twice,
            false => Scale::Divided((side / ENOUGH).max(1.0) as u32),
        };
        if scale.of(columns) == 0 || scale.of(rows) == 0 {
            return Ok(None);
        }
        let square = crop_imm(photo.rgb(), left, top, columns, rows).to_image();
        let found = at(&square, scale, threshold)?.into_iter().map(|found| {
            let found = FaceBox::from(&found);
            found.moved(left as f32, top as f32)
        });
        let overlaps = found.map(|found| (found.overlap(known), found));
        let best = overlaps.max_by(|one, other| one.0.total_cmp(&other.0));
        Ok(best.filter(|(overlap, _)| *overlap >= SAME).map(|(_, found)| found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::data_file;

    #[test]
    fn a_face_is_found_where_it_was_and_not_elsewhere() {
        let photo = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        let [face] = FaceDetector::for_photos().detect(&photo).unwrap()[..] else { panic!() };
        let near = |known: &FaceBox| FaceDetector::near(&photo, known, 0.4).unwrap();
        // A frame later it may be a little aside, or larger.
        let part = face.width / 5.0;
        for known in [face, face.moved(part, -part), face.moved(-part, part)] {
            let found = near(&known).unwrap();
            assert!(found.overlap(&face) > 0.75, "{found:?}, {face:?}");
            assert!(found.score > 0.5 && (found.tilt() - face.tilt()).abs() < 4.0, "{found:?}");
        }
        let far = face.moved(2.5 * face.width, 2.5 * face.height);
        assert_eq!(near(&far), None);
        // Places that are not in the photo, and odd ones.
        assert_eq!(near(&face.moved(5000.0, 0.0)), None);
        for odd in [f32::NAN, f32::INFINITY, 0.0, -3.0, 1e9] {
            near(&FaceBox { width: odd, height: odd, ..face });
            near(&FaceBox { left: odd, ..face });
        }
    }
}
