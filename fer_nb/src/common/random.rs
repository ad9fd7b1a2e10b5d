//! Random numbers: seeds, each derived from the run's seed and a position, so that no generator state has to be
//! passed on or saved; and distributions for all stages.

use std::f64::consts::TAU;

use rand::RngExt;
use rand::rngs::StdRng;

/// A seed for item `index`, unrelated to its neighbours' seeds: output `index`, from 0, of SplitMix64 started at
/// `seed` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) fn derive(seed: u64, index: usize) -> u64 {
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = seed.wrapping_add((index as u64 + 1).wrapping_mul(GOLDEN_GAMMA));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from the standard normal distribution (Box and Muller, "A Note on the Generation of Random
/// Normal Deviates", 1958).
pub(crate) fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

/// A number on 0 to 1 from the Beta distribution with both parameters `alpha`, which is above 0.
pub(crate) fn beta(rng: &mut StdRng, alpha: f64) -> f64 {
    let (one, other) = (gamma(rng, alpha), gamma(rng, alpha));
    // Both can be rounded to 0 if alpha is tiny; the distribution is then 0 or 1.
    if one + other > 0.0 { one / (one + other) } else { f64::from(rng.random::<bool>()) }
}

/// A number from the Gamma distribution of scale 1 (Marsaglia and Tsang, "A Simple Method for
/// Generating Gamma Variables", 2000).
fn gamma(rng: &mut StdRng, shape: f64) -> f64 {
    if shape < 1.0 {
        let power = (1.0 - rng.random::<f64>()).powf(1.0 / shape);
        return gamma(rng, shape + 1.0) * power;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - rng.random::<f64>();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..40_000).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / 40_000.0;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0)
    }

    #[test]
    fn seeds_are_splitmix64s() {
        // The first outputs from 1234567, as its authors' C code gives them.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([0, 1].map(|index| derive(1_234_567, index)), expected);
    }

    #[test]
    fn moments_are_those_of_the_textbook() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mean, variance) = moments(|| normal(&mut rng));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        for alpha in [0.2, 1.0, 4.0] {
            let (mean, variance) = moments(|| beta(&mut rng, alpha));
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance}");
        }
        let (mean, _) = moments(|| beta(&mut rng, 1e-6));
        assert!((mean - 0.5).abs() < 0.02);
    }
}
