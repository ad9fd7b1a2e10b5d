//! [`FaceBox`]: a face in a photo, and its crop in the style of FER2013.

use image::{GrayImage, Luma};
use serde::Serialize;

use crate::common::Result;
use crate::data::SIDE;
use crate::data::pixels::{scaled, square};

/// Landmarks of a face: the eyes, the nose, the corners of the mouth.
pub(super) const LANDMARKS: usize = 5;
/// The distance from the middle of the eyes to the middle of the mouth, in sides of an image of FER2013: the median
/// of its training images. `cargo run --example face_margin` measures this and [`BELOW`].
const EYES_TO_MOUTH: f32 = 0.369;
/// The distance of the middle between eyes and mouth below an image's centre, in sides of the image.
const BELOW: f32 = 0.078;
/// The maximum number of samples per side of a rotated crop: more than enough for 48 pixels.
const MOST_SAMPLES: f32 = 384.0;

/// A face in a photo, in the photo's pixels; it may reach beyond the photo's edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaceBox {
    /// The left edge.
    pub left: f32,
    /// The upper edge.
    pub top: f32,
    /// The width.
    pub width: f32,
    /// The height.
    pub height: f32,
    /// The detector's confidence that this is a face, 0 to 1.
    pub score: f32,
    /// Eyes, nose and corners of the mouth, each \[right, down\] in the photo; those on the left of the picture
    /// before those on the right. `None` for a box without a detector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<[[f32; 2]; LANDMARKS]>,
}

/// The area that is cropped from a photo: a square that may be rotated, in the photo's pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    /// The centre, right and down.
    center: [f32; 2],
    side: f32,
    /// The direction of the square's upper edge, right and down, of length 1.
    along: [f32; 2],
}

/// The constants of [`FaceBox::crop`], for implementations in other languages.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CutRule {
    side: usize,
    eyes_to_mouth: f32,
    below: f32,
    most_samples: f32,
}

impl Default for CutRule {
    fn default() -> Self {
        let (eyes_to_mouth, below, most_samples) = (EYES_TO_MOUTH, BELOW, MOST_SAMPLES);
        Self { side: SIDE, eyes_to_mouth, below, most_samples }
    }
}

impl FaceBox {
    /// The largest centred square of a picture that shows only a face.
    pub fn middle_square(width: u32, height: u32) -> Self {
        let side = width.min(height);
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        let [left, top, side] = [left, top, side].map(|at| at as f32);
        Self { left, top, width: side, height: side, score: 0.0, landmarks: None }
    }

    /// The same face in a picture that is scaled by a factor.
    pub(crate) fn scaled(self, factor: f32) -> Self {
        Self {
            left: self.left * factor,
            top: self.top * factor,
            width: self.width * factor,
            height: self.height * factor,
            score: self.score,
            landmarks: self.landmarks.map(|points| points.map(|point| point.map(|at| at * factor))),
        }
    }

    /// The same face, moved to the right and down.
    #[cfg(feature = "serve")]
    pub(super) fn moved(self, right: f32, down: f32) -> Self {
        let landmarks = self.landmarks.map(|all| all.map(|[x, y]| [x + right, y + down]));
        Self { left: self.left + right, top: self.top + down, landmarks, ..self }
    }

    /// The share of the union that both boxes cover: intersection over union, 0 to 1.
    #[cfg(feature = "serve")]
    pub(super) fn overlap(&self, other: &Self) -> f32 {
        let sides = |face: &Self| [face.left, face.top, face.width, face.height];
        overlap(sides(self), sides(other))
    }

    /// The rotation of the face in the picture's plane, in degrees clockwise; 0 without landmarks.
    pub fn tilt(&self) -> f32 {
        let [right, down] = self.cut().along;
        down.atan2(right).to_degrees()
    }

    /// The face cropped as in FER2013: eyes above mouth, in the median size and position of FER2013's faces, scaled
    /// to u8 [48 × 48], row-major. Without landmarks it is the box's square. Beyond the photo's edges, its last
    /// pixels are repeated.
    ///
    /// # Errors
    /// [`Error::Input`](crate::common::Error::Input) for a photo without pixels.
    pub fn crop(&self, photo: &GrayImage) -> Result<Vec<u8>> {
        // A square of twice the photo's size, far outside, contains only repeated edges, and so does any larger
        // one; NaN becomes 0.
        let largest = 2.0 * photo.width().max(photo.height()) as f32;
        let bounded = |value: f32| {
            if value.is_nan() { 0.0 } else { value.clamp(-largest, largest) }
        };
        let mut cut = self.cut();
        cut.center = cut.center.map(bounded);
        cut.side = bounded(cut.side).max(1.0);
        if cut.along == UPRIGHT || photo.width() == 0 || photo.height() == 0 {
            let side = cut.side.round() as i64;
            let [left, top] = cut.center.map(|at| at.round() as i64 - side / 2);
            return square(photo, left, top, side as u32);
        }
        scaled(cut.out_of(photo))
    }

    /// The square that [`FaceBox::crop`] cuts.
    fn cut(&self) -> Cut {
        let of_box = Cut {
            center: [self.left + self.width / 2.0, self.top + self.height / 2.0],
            side: self.width.max(self.height),
            along: UPRIGHT,
        };
        let Some([left_eye, right_eye, _, left_mouth, right_mouth]) = self.landmarks else {
            return of_box;
        };
        let middle =
            |one: [f32; 2], other: [f32; 2]| [(one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0];
        let (eyes, mouth) = (middle(left_eye, right_eye), middle(left_mouth, right_mouth));
        // The direction down the face; and the direction across it, rotated by a quarter, which is more reliable if
        // eyes and corners of the mouth are further apart than in a face in profile.
        let down = [mouth[0] - eyes[0], mouth[1] - eyes[1]];
        let across = [
            right_eye[0] - left_eye[0] + right_mouth[0] - left_mouth[0],
            right_eye[1] - left_eye[1] + right_mouth[1] - left_mouth[1],
        ];
        let along = [down[1] + across[0], across[1] - down[0]];
        let (length, height) = (along[0].hypot(along[1]), down[0].hypot(down[1]));
        if !(length > 0.0 && height > 0.0 && length.is_finite()) {
            return of_box;
        }
        let along = along.map(|part| part / length);
        let side = height / EYES_TO_MOUTH;
        let [right, below] = middle(eyes, mouth);
        // Up the face from that point.
        let center = [right + along[1] * BELOW * side, below - along[0] * BELOW * side];
        Cut { center, side, along }
    }
}

/// The share of the union that two boxes cover, each left, top, width and height: 0 to 1.
pub(super) fn overlap(one: [f32; 4], other: [f32; 4]) -> f32 {
    let shared = |axis: usize| {
        let end = (one[axis] + one[axis + 2]).min(other[axis] + other[axis + 2]);
        (end - one[axis].max(other[axis])).max(0.0)
    };
    let shared = shared(0) * shared(1);
    let union = one[2] * one[3] + other[2] * other[3] - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

const UPRIGHT: [f32; 2] = [1.0, 0.0];

impl Cut {
    /// The pixels of the square, each interpolated from four pixels of the photo (bilinear).
    fn out_of(&self, photo: &GrayImage) -> GrayImage {
        let samples = self.side.round().clamp(SIDE as f32, MOST_SAMPLES);
        let step = self.side / samples;
        let [along, down] = self.along;
        let (width, height) = (i64::from(photo.width()), i64::from(photo.height()));
        let value = |x: i64, y: i64| {
            let (x, y) = (x.clamp(0, width - 1) as u32, y.clamp(0, height - 1) as u32);
            f32::from(photo.get_pixel(x, y).0[0])
        };
        GrayImage::from_fn(samples as u32, samples as u32, |column, row| {
            let (u, v) = (column as f32 + 0.5 - samples / 2.0, row as f32 + 0.5 - samples / 2.0);
            let x = self.center[0] + step * (u * along - v * down) - 0.5;
            let y = self.center[1] + step * (u * down + v * along) - 0.5;
            let (left, top) = (x.floor(), y.floor());
            let (right_share, lower_share) = (x - left, y - top);
            let (left, top) = (left as i64, top as i64);
            let mix = |one: f32, other: f32, share: f32| one + (other - one) * share;
            let upper = mix(value(left, top), value(left + 1, top), right_share);
            let lower = mix(value(left, top + 1), value(left + 1, top + 1), right_share);
            Luma([mix(upper, lower, lower_share).round() as u8])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;
    use crate::data::PIXELS;

    fn face(left: f32, top: f32, side: f32) -> FaceBox {
        FaceBox { left, top, width: side, height: side, score: 1.0, landmarks: None }
    }

    /// A face whose crop is the square of this side around the middle, turned clockwise by `tilt` degrees.
    fn turned(middle: [f32; 2], side: f32, tilt: f32) -> FaceBox {
        let (sin, cos) = tilt.to_radians().sin_cos();
        // Right and down of the square's middle, in its sides.
        let at = |right: f32, down: f32| {
            let [right, down] = [right, down + BELOW].map(|part| part * side);
            [middle[0] + right * cos - down * sin, middle[1] + right * sin + down * cos]
        };
        let half = EYES_TO_MOUTH / 2.0;
        let landmarks =
            [at(-0.19, -half), at(0.19, -half), at(0.0, 0.02), at(-0.15, half), at(0.15, half)];
        FaceBox { landmarks: Some(landmarks), ..face(0.0, 0.0, 1.0) }
    }

    #[test]
    fn a_crop_is_the_square_around_the_face() {
        // Columns tell where the crop is from.
        let photo = GrayImage::from_fn(200, 100, |x, _| Luma([x as u8]));
        let row: Vec<u8> = (76..124).collect();
        for face in [face(76.0, 26.0, 48.0), turned([100.0, 50.0], 48.0, 0.0)] {
            let cut_out = face.crop(&photo).unwrap();
            assert_eq!(cut_out[..48], row);
            assert_eq!(cut_out[47 * 48..], row);
            assert!(face.tilt().abs() < 1e-3, "{}", face.tilt());
        }
    }

    #[test]
    fn a_turned_face_comes_out_level() {
        // What lies right of a face's middle in its own direction is bright.
        for tilt in [-170.0f32, -45.0, -10.0, 20.0, 90.0] {
            let (sin, cos) = tilt.to_radians().sin_cos();
            let photo = GrayImage::from_fn(300, 300, |x, y| {
                let along = (x as f32 - 149.5) * cos + (y as f32 - 149.5) * sin;
                Luma([(128.0 + along).clamp(0.0, 255.0) as u8])
            });
            let face = turned([150.0, 150.0], 96.0, tilt);
            assert!((face.tilt() - tilt).abs() < 1e-2, "{tilt}: {}", face.tilt());
            let crop = face.crop(&photo).unwrap();
            for (at, pixel) in crop.iter().enumerate() {
                let expected = 128.0 + 2.0 * (at % 48) as f32 - 47.0;
                assert!((f32::from(*pixel) - expected).abs() <= 1.5, "{tilt}, {at}: {pixel}");
            }
        }
    }

    #[test]
    fn landmarks_in_one_place_give_the_boxs_square() {
        let photo = GrayImage::from_fn(200, 100, |x, _| Luma([x as u8]));
        let plain = face(76.0, 26.0, 48.0);
        for at in [[3.0, 3.0], [f32::NAN; 2], [f32::INFINITY; 2]] {
            let odd = FaceBox { landmarks: Some([at; LANDMARKS]), ..plain };
            assert_eq!(odd.crop(&photo).unwrap(), plain.crop(&photo).unwrap());
        }
    }

    #[test]
    fn edges_are_repeated_and_nothing_is_too_large() {
        let photo = GrayImage::from_fn(60, 60, |x, _| Luma([if x < 30 { 10 } else { 200 }]));
        let beyond = face(-40.0, 0.0, 60.0).crop(&photo).unwrap();
        assert_eq!(beyond[0], 10);
        assert!(beyond.contains(&200) || beyond.iter().all(|pixel| *pixel == 10));
        for wild in [f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, 0.0, -5.0] {
            assert_eq!(face(wild, wild, wild).crop(&photo).unwrap().len(), PIXELS);
            let odd = turned([wild, 3.0], wild, 10.0).crop(&photo).unwrap();
            assert_eq!(odd.len(), PIXELS);
        }
        let empty = face(0.0, 0.0, 10.0).crop(&GrayImage::new(0, 0));
        assert!(matches!(empty, Err(Error::Input { .. })));
    }
}
