//! [`Mixing`]: training images mixed from two images.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::common::random::beta;
use crate::common::{Result, check};
use crate::data::SIDE;
use crate::data::rectangle::{Rectangle, mask};

/// Mixes each image of a batch with another one of the batch. With both methods, a random half of the images is
/// mixed by one and the others by the other. The default mixes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mixing {
    /// Both parameters of the Beta distribution of the first image's share in a weighted mean of the two; 0 turns
    /// it off (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018).
    pub mixup: f64,
    /// The same for the first image's share of the pixels, if a rectangle comes from the second image (Yun et al.,
    /// "CutMix", 2019).
    pub cutmix: f64,
}

/// The composition of a mixed image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mix {
    /// Share of the first image, 0 to 1.
    share: f64,
    /// Share of the second image outside the rectangle.
    outside: f32,
    /// The rectangle of the second image; empty by default.
    rectangle: Rectangle,
}

/// Mixed images, and their composition.
#[derive(Debug)]
pub(crate) struct Mixed {
    /// f32 [N, 1, S, S] on 0 to 1.
    pub images: Tensor,
    /// The index of each image's second image, i64 [N].
    pub partners: Tensor,
    /// The share of each image's first image, f32 [N, 1] on 0 to 1; with CutMix, of 48×48 pixels.
    pub shares: Tensor,
}

impl Mixing {
    /// Whether mixing is off.
    pub fn is_none(&self) -> bool {
        self.mixup == 0.0 && self.cutmix == 0.0
    }

    /// Returns an error for the first value out of range.
    pub fn validate(&self) -> Result<()> {
        check::not_negative("mixing.mixup", self.mixup)?;
        check::not_negative("mixing.cutmix", self.cutmix)
    }

    /// Mixes images f32 [N, 1, S, S] in batches of `batch_size`; the first image of a batch is mixed with its last,
    /// the second with the last but one. The result depends only on `seed`.
    pub(crate) fn apply(&self, images: &Tensor, batch_size: usize, seed: u64) -> Result<Mixed> {
        let (count, _, side, _) = images.size4()?;
        let mut rng = StdRng::seed_from_u64(seed);
        let mixes: Vec<Mix> = (0..count).map(|_| self.draw(&mut rng)).collect();
        let device = images.device();
        let partners = Tensor::f_from_slice(&partners(count, batch_size))?.f_to_device(device)?;
        let shares: Vec<f32> = mixes.iter().map(|mix| mix.share as f32).collect();
        let shares = Tensor::f_from_slice(&shares)?.f_view([count, 1])?.f_to_device(device)?;
        let seconds = images.f_index_select(0, &partners)?;
        // The second image's share of each pixel: one number per image, or 0 and 1 within it.
        let outside: Vec<f32> = mixes.iter().map(|mix| mix.outside).collect();
        let outside = Tensor::f_from_slice(&outside)?.f_view([count, 1, 1, 1])?;
        let mut weight = outside.f_to_device(device)?;
        if self.cutmix != 0.0 {
            let cut: Vec<Rectangle> = mixes.iter().map(|mix| mix.rectangle).collect();
            weight = weight.f_maximum(&mask(&cut, side, device)?.f_to_kind(images.kind())?)?;
        }
        let images = images.f_lerp_tensor(&seconds, &weight)?;
        Ok(Mixed { images, partners, shares })
    }

    fn draw(&self, rng: &mut StdRng) -> Mix {
        let cuts = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (true, true) => rng.random::<bool>(),
            (_, cutmix) => cutmix,
        };
        if !cuts {
            let share = beta(rng, self.mixup.max(f64::MIN_POSITIVE));
            return Mix { share, outside: 1.0 - share as f32, rectangle: Rectangle::default() };
        }
        let side = SIDE as f64;
        let length = side * (1.0 - beta(rng, self.cutmix)).sqrt();
        let centre = (rng.random_range(0.0..side), rng.random_range(0.0..side));
        let rectangle = Rectangle::around(centre, length, length);
        Mix { share: 1.0 - rectangle.share(), outside: 0.0, rectangle }
    }
}

/// For each of `count` images in batches, the index of the image at the same distance from the batch's other end.
fn partners(count: i64, batch_size: usize) -> Vec<i64> {
    let size = (batch_size as i64).max(1);
    let partner = |index: i64| {
        let start = index / size * size;
        let end = (start + size).min(count);
        start + end - 1 - index
    };
    (0..count).map(partner).collect()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn images(count: i64) -> Tensor {
        // Image i is i all over.
        let values = Tensor::arange(count, (Kind::Float, Device::Cpu)).view([count, 1, 1, 1]);
        values.expand([count, 1, 48, 48], false).contiguous()
    }

    fn floats(tensor: Tensor) -> Vec<f32> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn partners_stay_within_the_batch() {
        assert_eq!(partners(8, 3), [2, 1, 0, 5, 4, 3, 7, 6]);
        assert_eq!(partners(2, 64), [1, 0]);
    }

    #[test]
    fn mixup_is_the_weighted_mean() {
        let mixed = Mixing { mixup: 1.0, cutmix: 0.0 }.apply(&images(10), 4, 1).unwrap();
        let partners: Vec<i64> = Vec::try_from(&mixed.partners).unwrap();
        let shares = floats(mixed.shares);
        let means = floats(mixed.images.mean_dim(&[1i64, 2, 3][..], false, Kind::Float));
        let spread = mixed.images.flatten(1, -1).std_dim(&[1i64][..], false, false);
        assert!(spread.max().double_value(&[]) < 1e-5);
        for (index, mean) in means.into_iter().enumerate() {
            let expected =
                shares[index] * index as f32 + (1.0 - shares[index]) * partners[index] as f32;
            assert!((mean - expected).abs() < 1e-4, "{index}: {mean} {expected}");
        }
    }

    #[test]
    fn cutmix_takes_pixels_from_one_or_the_other() {
        let mixed = Mixing { mixup: 0.0, cutmix: 1.0 }.apply(&images(64), 64, 2).unwrap();
        let shares = floats(mixed.shares);
        for index in 0..64 {
            let values = floats(mixed.images.get(index));
            let first = values.iter().filter(|value| **value == index as f32).count();
            let second = values.iter().filter(|value| **value == (63 - index) as f32).count();
            assert_eq!(first + second, 2304, "{index}");
            assert!((first as f32 / 2304.0 - shares[index as usize]).abs() < 1e-5);
        }
        let mean = shares.iter().sum::<f32>() / 64.0;
        // Beta(1, 1) has mean 0.5; what is cut off at the edges stays the first image's.
        assert!((0.5..0.85).contains(&mean), "{mean}");
    }

    #[test]
    fn both_take_turns_and_the_seed_decides() {
        let both = Mixing { mixup: 0.2, cutmix: 1.0 };
        let mixed = |seed| both.apply(&images(64), 64, seed).unwrap().images;
        assert_eq!(mixed(1), mixed(1));
        assert_ne!(mixed(1), mixed(2));
        let mut rng = StdRng::seed_from_u64(1);
        let cut = (0..1000).filter(|_| both.draw(&mut rng).rectangle.share() > 0.0).count();
        assert!((400..600).contains(&cut), "{cut}");
        assert!(Mixing { mixup: -1.0, cutmix: 0.0 }.validate().is_err());
    }
}
