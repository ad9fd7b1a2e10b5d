//! Converts the network's maps to faces: one for each centre, and the more probable of two that overlap.

use tch::Tensor;

use super::center_face::{Maps, STRIDE};
use crate::common::{Error, Result};
use crate::deploy::face::{LANDMARKS, overlap};

/// Two boxes with a larger intersection over union belong to the same face, as in CenterFace's code.
pub(super) const OVERLAP: f32 = 0.3;

/// A face in pixels of the network's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
    /// The probability that it is a face, 0 to 1.
    pub(super) score: f32,
    /// The landmarks, right and down from the upper left corner of the input.
    pub(super) landmarks: [[f32; 2]; LANDMARKS],
}

impl Candidate {
    /// The same face in a picture that is scaled by a factor.
    pub(super) fn scaled(self, factor: f32) -> Self {
        Self {
            left: self.left * factor,
            top: self.top * factor,
            width: self.width * factor,
            height: self.height * factor,
            landmarks: self.landmarks.map(|point| point.map(|at| at * factor)),
            ..self
        }
    }

    /// The share of the union that both boxes cover: intersection over union, 0 to 1.
    pub(super) fn overlap(&self, other: &Self) -> f32 {
        let sides = |face: &Self| [face.left, face.top, face.width, face.height];
        overlap(sides(self), sides(other))
    }
}

/// Faces whose probability is `threshold` or more, the most probable first, without those that overlap a more
/// probable one.
///
/// # Errors
/// [`Error::Tensor`](crate::common::Error::Tensor) for maps of other shapes.
pub(super) fn faces(maps: &Maps, threshold: f32) -> Result<Vec<Candidate>> {
    let size = maps.score.size();
    let [height, width] = size[..] else {
        return Err(Error::input("face detector's map", format!("{size:?}"), "[h, w]"));
    };
    let area = (height * width) as usize;
    let score = values(&maps.score, area)?;
    let (sizes, offsets) = (values(&maps.size, 2 * area)?, values(&maps.offset, 2 * area)?);
    let landmarks = values(&maps.landmarks, 2 * LANDMARKS * area)?;
    let stride = STRIDE as f32;
    let candidate = |at: usize| -> Candidate {
        let (row, column) = ((at / width as usize) as f32, (at % width as usize) as f32);
        let of = |map: &[f32], channel: usize| map[channel * area + at];
        let (height, width) = (of(&sizes, 0).exp() * stride, of(&sizes, 1).exp() * stride);
        let left = (column + of(&offsets, 1) + 0.5) * stride - width / 2.0;
        let top = (row + of(&offsets, 0) + 0.5) * stride - height / 2.0;
        let landmarks = std::array::from_fn(|point| {
            let (down, right) = (of(&landmarks, 2 * point), of(&landmarks, 2 * point + 1));
            [left + right * width, top + down * height]
        });
        Candidate { left, top, width, height, score: score[at], landmarks }
    };
    let above = score.iter().enumerate().filter(|(_, score)| **score >= threshold);
    let found = above.map(|(at, _)| candidate(at)).filter(|face| {
        [face.left, face.top, face.width, face.height].iter().all(|value| value.is_finite())
    });
    Ok(without_overlaps(found.collect()))
}

/// Non-maximum suppression: goes through the faces from the most probable, and drops a face that overlaps a kept
/// one.
pub(super) fn without_overlaps(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for face in found {
        if kept.iter().all(|better| better.overlap(&face) <= OVERLAP) {
            kept.push(face);
        }
    }
    kept
}

fn values(map: &Tensor, count: usize) -> Result<Vec<f32>> {
    let mut values = vec![0f32; count];
    map.f_copy_data(&mut values, count)?;
    Ok(values)
}
