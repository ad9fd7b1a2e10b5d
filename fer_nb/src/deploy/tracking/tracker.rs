//! [`Tracker`]: assigns the faces of a frame to those of earlier frames.

use crate::deploy::face::FaceBox;

/// A face that is absent for longer, in seconds, gets a new number when it returns.
const GONE: f64 = 2.0;
/// The maximum distance of a face from its expected position, in widths of the face, and its growth per second.
const REACH: [f64; 2] = [0.6, 1.5];
/// The maximum change of size: the natural logarithm of the ratio of sides.
const GROWTH: f64 = 0.7;
/// The minimum similarity of two pictures of one face, as correlation, -1 to 1. Cropped upright and to one size,
/// two frames of a face have 0.8 and more.
const LIKENESS: f64 = 0.3;
/// The weight of dissimilarity relative to distance.
const LOOKS: f64 = 1.5;

/// A tracked face.
#[derive(Debug, Clone)]
struct Track {
    number: usize,
    /// The position, right and down, in the video's pixels.
    center: [f64; 2],
    side: f64,
    /// The speed in pixels per second, right and down.
    velocity: [f64; 2],
    /// The time of its last frame, in seconds.
    seen: f64,
    /// Its picture with mean 0 and length 1, averaged over frames.
    looks: Vec<f32>,
}

/// Gives each face a number that stays the same from frame to frame. The best match by extrapolated position and by
/// picture gets the number, greedily from the best pair.
#[derive(Debug, Default)]
pub(in crate::deploy) struct Tracker {
    tracks: Vec<Track>,
    numbers: usize,
    /// The time of the last frame, in seconds; `None` before the first.
    last: Option<f64>,
    /// The time between the last two frames, in seconds; `None` before the second.
    apart: Option<f64>,
}

impl Tracker {
    /// Numbers, from 1, for the faces of a frame, each with its picture u8 [48 × 48]. Frames must be in order.
    pub(in crate::deploy) fn follow(
        &mut self,
        seconds: f64,
        faces: &[(FaceBox, Vec<u8>)],
    ) -> Vec<usize> {
        let apart = self.last.map(|last| (seconds - last).max(0.0));
        // If frames are always far apart, a face that is missing in one of them has not left.
        let usual = self.apart.into_iter().chain(apart).fold(f64::INFINITY, f64::min);
        let gone = if usual.is_finite() { GONE.max(2.5 * usual) } else { GONE };
        (self.last, self.apart) = (Some(seconds), apart);
        self.tracks.retain(|track| seconds - track.seen <= gone);
        let looks: Vec<_> = faces.iter().map(|(_, pixels)| normalized(pixels)).collect();
        let mut pairs = Vec::new();
        for (at, (face, _)) in faces.iter().enumerate() {
            for (track, known) in self.tracks.iter().enumerate() {
                let looks = looks.get(at).map(Vec::as_slice).unwrap_or_default();
                if let Some(cost) = known.cost(seconds, face, looks) {
                    pairs.push((cost, at, track));
                }
            }
        }
        pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut of_face = vec![None; faces.len()];
        let mut is_taken = vec![false; self.tracks.len()];
        for (_, at, track) in pairs {
            let (Some(of_face), Some(is_taken)) = (of_face.get_mut(at), is_taken.get_mut(track))
            else {
                continue;
            };
            if of_face.is_none() && !*is_taken {
                (*of_face, *is_taken) = (Some(track), true);
            }
        }
        let mut numbers = Vec::with_capacity(faces.len());
        for (((face, _), looks), track) in faces.iter().zip(looks).zip(of_face) {
            match track.and_then(|track| self.tracks.get_mut(track)) {
                Some(track) => {
                    track.see(seconds, face, &looks);
                    numbers.push(track.number);
                }
                None => {
                    self.numbers += 1;
                    let (number, velocity) = (self.numbers, [0.0; 2]);
                    let (center, side) = (center(face), side(face));
                    self.tracks.push(Track {
                        number,
                        center,
                        side,
                        velocity,
                        seen: seconds,
                        looks,
                    });
                    numbers.push(number);
                }
            }
        }
        numbers
    }
}

impl Track {
    /// The cost of a match, 0 or more; `None` if it is impossible.
    fn cost(&self, seconds: f64, face: &FaceBox, looks: &[f32]) -> Option<f64> {
        let since = (seconds - self.seen).max(0.0);
        // A speed is valid only for a short time.
        let ahead = since.min(0.5);
        let [right, down] = center(face);
        let expected = [0, 1].map(|axis| self.center[axis] + ahead * self.velocity[axis]);
        let side = side(face);
        let mean = ((side + self.side) / 2.0).max(1.0);
        let distance = (right - expected[0]).hypot(down - expected[1]) / mean;
        let growth = (side.max(1.0) / self.side.max(1.0)).ln().abs();
        let likeness: f64 =
            looks.iter().zip(&self.looks).map(|(one, other)| f64::from(one * other)).sum();
        let fits = distance <= REACH[0] + REACH[1] * since
            && growth <= GROWTH * (1.0 + since)
            && likeness >= LIKENESS;
        fits.then_some(distance + 0.5 * growth + LOOKS * (1.0 - likeness))
    }

    fn see(&mut self, seconds: f64, face: &FaceBox, looks: &[f32]) {
        let since = (seconds - self.seen).max(1e-3);
        let now = center(face);
        for axis in [0, 1] {
            let speed = (now[axis] - self.center[axis]) / since;
            self.velocity[axis] = (self.velocity[axis] + speed) / 2.0;
        }
        (self.center, self.side, self.seen) = (now, side(face), seconds);
        for (mean, new) in self.looks.iter_mut().zip(looks) {
            *mean = 0.7 * *mean + 0.3 * new;
        }
        scale_to_length_1(&mut self.looks);
    }
}

fn center(face: &FaceBox) -> [f64; 2] {
    [f64::from(face.left + face.width / 2.0), f64::from(face.top + face.height / 2.0)]
}

fn side(face: &FaceBox) -> f64 {
    f64::from(face.width.max(face.height))
}

/// A picture minus its mean, divided by its length, so that the product of two is their correlation.
fn normalized(pixels: &[u8]) -> Vec<f32> {
    let sum: f32 = pixels.iter().map(|value| f32::from(*value)).sum();
    let mean = sum / pixels.len().max(1) as f32;
    let mut values: Vec<f32> = pixels.iter().map(|value| f32::from(*value) - mean).collect();
    scale_to_length_1(&mut values);
    values
}

/// A flat picture stays 0 and matches nothing.
fn scale_to_length_1(values: &mut [f32]) {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;

    fn face(left: f32, side: f32) -> FaceBox {
        FaceBox { left, top: 100.0, width: side, height: side, score: 0.9, landmarks: None }
    }

    /// Two pictures that are not alike.
    fn looks(person: u64) -> Vec<u8> {
        let noise =
            |at: u64| (at * 2_654_435_761 + person * 97_531).wrapping_mul(at + 13 * person) >> 7;
        (0..PIXELS as u64).map(|at| noise(at) as u8).collect()
    }

    #[test]
    fn two_that_cross_keep_their_numbers() {
        let mut tracker = Tracker::default();
        for step in 0..41 {
            let (seconds, moved) = (f64::from(step) * 0.1, 10.0 * step as f32);
            let (one, other) =
                ((face(moved, 80.0), looks(1)), (face(400.0 - moved, 80.0), looks(2)));
            // Where they overlap, the detector finds one of them.
            let faces = match (moved - 200.0).abs() < 30.0 {
                true => vec![one],
                false => vec![other, one],
            };
            let numbers = tracker.follow(seconds, &faces);
            assert_eq!(numbers, if faces.len() == 1 { vec![2] } else { vec![1, 2] }, "{step}");
        }
    }

    #[test]
    fn a_face_that_comes_back_soon_is_the_same() {
        let mut tracker = Tracker::default();
        let mut at = |seconds: f64, faces: &[(FaceBox, Vec<u8>)]| tracker.follow(seconds, faces);
        assert_eq!(at(0.0, &[(face(100.0, 90.0), looks(1))]), [1]);
        assert_eq!(at(0.1, &[]), [0; 0]);
        assert_eq!(at(1.1, &[(face(120.0, 85.0), looks(1))]), [1]);
        // Somebody else in the same place, and the first one after a long time.
        assert_eq!(at(1.2, &[(face(120.0, 85.0), looks(2))]), [2]);
        assert_eq!(at(1.3, &[]), [0; 0]);
        assert_eq!(at(9.0, &[(face(120.0, 85.0), looks(1))]), [3]);
        // Flat pictures and odd boxes are numbered too.
        let odd = FaceBox { left: f32::NAN, ..face(0.0, 1.0) };
        assert_eq!(at(9.1, &[(odd, vec![7; PIXELS]), (face(500.0, 0.0), vec![])]), [4, 5]);
    }
}
