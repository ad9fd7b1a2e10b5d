//! [`Means`]: predictions averaged over a face's frames.

use std::collections::HashMap;

use crate::common::Result;
use crate::deploy::prediction::Prediction;
use crate::emotion::Emotion;

/// The time constant of smoothing, in seconds: the weight of a frame decreases by a factor of e in this time.
const SMOOTHING: f64 = 0.5;
/// The number of faces to store before those without weight are dropped.
const MANY: usize = 64;

/// For each face the weighted sum of its predictions, and its time.
#[derive(Debug, Default)]
pub(in crate::deploy) struct Means {
    faces: HashMap<usize, (f64, f64, [f64; Emotion::COUNT])>,
}

impl Means {
    /// Adds a frame's prediction of a face, and returns the mean.
    pub(in crate::deploy) fn add(
        &mut self,
        face: usize,
        seconds: f64,
        prediction: &Prediction,
    ) -> Result<Prediction> {
        if self.faces.len() >= MANY {
            self.faces.retain(|_, (last, ..)| seconds - *last < 20.0 * SMOOTHING);
        }
        let (last, weight, sums) =
            self.faces.entry(face).or_insert((seconds, 0.0, [0.0; Emotion::COUNT]));
        let fade = (-(seconds - *last).max(0.0) / SMOOTHING).exp();
        (*last, *weight) = (seconds, *weight * fade + 1.0);
        for (sum, prob) in sums.iter_mut().zip(prediction.probs()) {
            *sum = *sum * fade + f64::from(*prob);
        }
        Ok(Prediction::from_probs(sums.map(|sum| (sum / *weight) as f32))?
            .marked(prediction.is_uncertain()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_frames_fade() {
        let of = |class: usize| {
            let mut probs = [0.0; 7];
            probs[class] = 1.0;
            Prediction::from_probs(probs).unwrap()
        };
        let mut means = Means::default();
        assert_eq!(means.add(1, 3.0, &of(3)).unwrap(), of(3));
        let mean = means.add(1, 3.5, &of(4)).unwrap();
        // A frame of half a second ago counts 1 / e.
        let expected = 1.0 / (1.0 + std::f32::consts::E.recip());
        assert!((mean.probs()[4] - expected).abs() < 1e-6, "{mean:?}");
        // Another face has a mean of its own.
        assert_eq!(means.add(2, 3.5, &of(0)).unwrap(), of(0));
        // Of very many, only those of the last seconds are kept.
        for face in 3..1000 {
            means.add(face, face as f64, &of(0)).unwrap();
        }
        assert!(means.faces.len() <= MANY, "{}", means.faces.len());
    }
}
