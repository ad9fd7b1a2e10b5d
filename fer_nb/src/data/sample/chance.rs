//! Random numbers that are the same on every machine: a specified generator, and only exactly rounded arithmetic on
//! its output (no logarithm, no cosine).

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::common::random::derive;

/// The random numbers of one image.
pub(super) struct Chance(Xoshiro256PlusPlus);

impl Chance {
    /// The generator of image `index` of part `part` (0 train, 1 test). It depends on nothing else, so images can
    /// be drawn in any order and with any number of threads.
    pub(super) fn of_image(seed: u64, part: u64, index: u64) -> Self {
        let stream = scramble(seed ^ scramble(part.wrapping_add(1)));
        Self(Xoshiro256PlusPlus::seed_from_u64(scramble(stream ^ scramble(index))))
    }

    /// Uniform on 0 to below 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Uniform between two numbers.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Close to a standard normal: a sum of four uniform numbers, never beyond ±3.5.
    pub(super) fn bell(&mut self) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732
    }

    /// True in a share `share` of all calls.
    pub(super) fn odds(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    /// A random sign.
    pub(super) fn sign(&mut self) -> f32 {
        if self.odds(0.5) { 1.0 } else { -1.0 }
    }

    /// Uniform on 0 to `count` - 1.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((f64::from(self.unit()) * count as f64) as usize).min(count.saturating_sub(1))
    }
}

/// Mixes neighbouring numbers into unrelated ones.
fn scramble(number: u64) -> u64 {
    derive(number, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_pinned() {
        // A changed stream changes every sample that anyone ever reported a result on.
        let mut chance = Chance::of_image(0, 0, 0);
        let drawn: Vec<u32> =
            (0..3).map(|_| (chance.unit() * (1u32 << 24) as f32) as u32).collect();
        assert_eq!(drawn, [4_238_995, 7_492_676, 5_108_976]);
        let firsts = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
            .map(|(seed, part, index)| Chance::of_image(seed, part, index).unit().to_bits());
        for (index, first) in firsts.iter().enumerate() {
            assert!(!firsts[index + 1..].contains(first));
        }
    }

    #[test]
    fn bell_has_mean_0_and_deviation_1() {
        let mut chance = Chance::of_image(3, 0, 0);
        let drawn: Vec<f32> = (0..20_000).map(|_| chance.bell()).collect();
        let mean = drawn.iter().sum::<f32>() / 20_000.0;
        let variance = drawn.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
