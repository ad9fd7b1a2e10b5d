//! [`LightRule`]: faces far darker, brighter or flatter than FER2013's, brought to its light.

use std::fmt;

use serde::Serialize;

use crate::model::{Network, Operation};

/// How a face that was cut out of a photo gets the light of FER2013's images, in gray of 0 to 255: the numbers that
/// [`LightRule::apply`] goes by, for programs that do the same elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct LightRule {
    /// Of FER2013's training images: the mean of all, and the median of the spread within one (standard deviation).
    mean: f64,
    spread: f64,
    /// One image of a hundred there is darker, one is brighter, one is flatter: its mean, its mean, its spread.
    dark: f64,
    bright: f64,
    flat: f64,
}

impl LightRule {
    const FER2013: Self = Self { mean: 129.0, spread: 53.0, dark: 50.0, bright: 203.0, flat: 24.0 };

    /// The rule for a network; `None` for one that standardizes images itself. `benches/faces.py --only light`
    /// measures predictions with and without it.
    pub(super) fn of(network: &dyn Network) -> Option<Self> {
        let standardizes = network.plan().layers().iter().any(|layer| {
            layer.operations.iter().any(|step| matches!(step, Operation::Standardize))
        });
        (!standardizes).then_some(Self::FER2013)
    }

    /// A face, u8 [48 × 48]; one in a light that FER2013 hardly has gets the mean and the spread of its images.
    pub(super) fn apply(&self, face: &[u8]) -> Vec<u8> {
        let count = face.len().max(1) as f64;
        let mean = face.iter().map(|pixel| f64::from(*pixel)).sum::<f64>() / count;
        let from_mean = |pixel: &u8| f64::from(*pixel) - mean;
        let squares = face.iter().map(|pixel| from_mean(pixel) * from_mean(pixel));
        let spread = (squares.sum::<f64>() / count).sqrt();
        let is_usual = (self.dark..=self.bright).contains(&mean) && spread >= self.flat;
        // Of a picture in one gray, nothing can be brought out.
        if is_usual || spread < 1.0 {
            return face.to_vec();
        }
        let factor = self.spread / spread;
        // Out of range is cut off by the conversion.
        face.iter().map(|pixel| (from_mean(pixel) * factor + self.mean).round() as u8).collect()
    }
}

/// What a program has to do with a face before the network gets it, in a sentence.
impl fmt::Display for LightRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, spread, dark, bright, flat } = self;
        write!(
            f,
            "with m and s, the mean and the standard deviation of the face's 48×48 pixels on 0 to 255: if s ≥ 1 and \
             (m < {dark} or m > {bright} or s < {flat}), each pixel p becomes (p - m) × {spread} / s + {mean}, \
             rounded, at least 0 and at most 255"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;

    fn light(face: &[u8]) -> (f32, f32) {
        let mean = face.iter().map(|pixel| f32::from(*pixel)).sum::<f32>() / face.len() as f32;
        let squares = face.iter().map(|pixel| (f32::from(*pixel) - mean).powi(2)).sum::<f32>();
        (mean, (squares / face.len() as f32).sqrt())
    }

    #[test]
    fn only_faces_in_an_unusual_light_change() {
        let usual: Vec<u8> = (0..PIXELS).map(|at| (40 + at * 7919 % 180) as u8).collect();
        let rule = LightRule::FER2013;
        assert_eq!(rule.apply(&usual), usual);
        let changed =
            |how: fn(u8) -> u8| usual.iter().map(|pixel| how(*pixel)).collect::<Vec<u8>>();
        for face in [
            changed(|pixel| pixel / 4),
            changed(|pixel| 255 - pixel / 5),
            changed(|pixel| 120 + pixel / 10),
        ] {
            let brought = rule.apply(&face);
            let (mean, spread) = light(&brought);
            assert!((mean - 129.0).abs() < 1.0 && (spread - 53.0).abs() < 1.0, "{mean} {spread}");
            // Who is brighter stays brighter.
            let order = |face: &[u8]| {
                let mut order: Vec<usize> = (0..face.len()).collect();
                order.sort_by_key(|at| face[*at]);
                order
            };
            assert_eq!(order(&brought), order(&face));
        }
        for gray in [0, 255, 120] {
            assert_eq!(rule.apply(&[gray; PIXELS]), [gray; PIXELS]);
        }
        assert!(rule.apply(&[]).is_empty());
    }
}
