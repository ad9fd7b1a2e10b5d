//! The made-up sample: faces drawn by the crate, so that every stage runs without FER2013.
//!
//! Brows, eyes and mouth show the seven expressions, on people who differ in everything else: features, hair, skin,
//! glasses, pose, light, background, blur and noise. Weak expressions, and traces of the class with which each is
//! confused, make networks err; no label is wrong.

mod chance;
mod expression;
mod face;
mod person;
mod raster;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::chance::Chance;
use self::expression::Expression;
use super::dataset::{Dataset, Origin, TRAINING_COUNTS};
use super::pixels::{PIXELS, SIDE};
use crate::common::{Error, Result};
use crate::emotion::Emotion;

/// The minimum number of images of a class, so that a fifth of its training images is at least one.
const FEWEST: usize = 5;

/// The made-up sample's size and seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleConfig {
    /// The seed: it determines every pixel, on every machine and with any number of threads.
    pub seed: u64,
    /// The number of training images, including those split off for validation.
    pub train: usize,
    /// The number of test images, which don't depend on `train`.
    pub test: usize,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { seed: 0, train: 2400, test: 600 }
    }
}

impl SampleConfig {
    /// Checks that each class gets a few images and that all images fit into memory.
    pub fn validate(&self) -> Result<()> {
        let fewest = FEWEST * Emotion::COUNT;
        for (field, count) in [("train", self.train), ("test", self.test)] {
            if !(fewest..=1_000_000).contains(&count) {
                return Err(Error::setting(
                    format!("sample.{field}"),
                    count,
                    format!("{fewest} to 1000000 images, so that each class has {FEWEST} or more"),
                ));
            }
        }
        Ok(())
    }
}

/// Draws the sample: the training part (which includes validation) and the test part. Images are named "made-up
/// 17", numbered through both parts. Fails for a size out of range.
pub(super) fn generate(config: &SampleConfig) -> Result<(Dataset, Dataset)> {
    config.validate()?;
    let train = part(config.seed, Part { number: 0, usage: "train", first: 0 }, config.train)?;
    let test =
        part(config.seed, Part { number: 1, usage: "test", first: config.train }, config.test)?;
    Ok((train, test))
}

/// One of the two parts: its number for the generator, its name, and the number of its first image.
#[derive(Clone, Copy)]
struct Part {
    number: u64,
    usage: &'static str,
    first: usize,
}

fn part(seed: u64, part: Part, count: usize) -> Result<Dataset> {
    let emotions = shuffled(seed, part.number, &class_counts(count));
    let mut images = vec![0; emotions.len() * PIXELS];
    images.par_chunks_exact_mut(PIXELS).zip(&emotions).enumerate().for_each(
        |(index, (pixels, emotion))| {
            let mut chance = Chance::of_image(seed, part.number, index as u64);
            let expression = Expression::of(*emotion, &mut chance);
            let tones = face::draw(&expression, &mut chance);
            photograph(tones, pixels, &mut chance);
        },
    );
    let labels: Vec<u8> = emotions.iter().map(|emotion| emotion.index() as u8).collect();
    let sources = (0..labels.len()).map(|index| format!("made-up {}", part.first + index));
    let usages = vec![part.usage; labels.len()];
    Dataset::new(images, labels, sources.collect(), usages, Origin::Sample { seed })
}

/// The number of images of each class for a total of `count`: FER2013's shares, rounded by largest remainder, and
/// at least [`FEWEST`], which reduces the largest class (happy).
fn class_counts(count: usize) -> [usize; Emotion::COUNT] {
    let total: usize = TRAINING_COUNTS.iter().sum();
    let mut counts = TRAINING_COUNTS.map(|share| count * share / total);
    let mut order: Vec<(usize, usize)> =
        TRAINING_COUNTS.iter().map(|share| count * share % total).zip(0..).collect();
    order.sort_by_key(|(remainder, class)| (usize::MAX - remainder, *class));
    let missing = count.saturating_sub(counts.iter().sum());
    for (_, class) in order.into_iter().take(missing) {
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
    }
    let mut counts = counts.map(|count| count.max(FEWEST));
    let mut surplus = counts.iter().sum::<usize>().saturating_sub(count);
    while surplus > 0 {
        let Some(largest) = counts.iter_mut().max() else { break };
        *largest -= 1;
        surplus -= 1;
    }
    counts
}

/// The classes of a part's images, in a shuffled order (Fisher and Yates), so that the first images of the sample
/// contain all classes.
fn shuffled(seed: u64, part: u64, counts: &[usize; Emotion::COUNT]) -> Vec<Emotion> {
    let mut emotions: Vec<Emotion> = Emotion::ALL
        .into_iter()
        .zip(counts)
        .flat_map(|(emotion, count)| std::iter::repeat_n(emotion, *count))
        .collect();
    let mut chance = Chance::of_image(seed, part, u64::MAX);
    for last in (1..emotions.len()).rev() {
        emotions.swap(last, chance.below(last + 1));
    }
    emotions
}

/// Turns the scene into a photo: exposure, blur, noise, 8 bits.
fn photograph(mut tones: Vec<f32>, pixels: &mut [u8], chance: &mut Chance) {
    for _ in 0..2 {
        let spread = chance.unit();
        blur(&mut tones, 0.24 * spread * spread * spread);
    }
    // A camera's automatic exposure: about the same mean and contrast for every scene.
    let count = tones.len() as f32;
    let mean = tones.iter().sum::<f32>() / count;
    let variance = tones.iter().map(|tone| (tone - mean) * (tone - mean)).sum::<f32>() / count;
    let middle = 0.51 + 0.04 * chance.bell();
    let gain = chance.between(0.2, 0.27) / variance.sqrt().max(0.05);
    let grain = chance.unit();
    let noise = 0.004 + 0.03 * grain * grain;
    for (pixel, tone) in pixels.iter_mut().zip(&tones) {
        let exposed = middle + (tone - mean) * gain + noise * chance.bell();
        *pixel = (exposed.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    }
}

/// One pass of the kernel [side, 1 - 2 side, side] along both axes; the border stays unchanged.
fn blur(tones: &mut [f32], side: f32) {
    for row in tones.chunks_exact_mut(SIDE) {
        blur_along(row, 1, side);
    }
    blur_along(tones, SIDE, side);
}

fn blur_along(tones: &mut [f32], stride: usize, side: f32) {
    let old = tones.to_vec();
    let around = old.iter().zip(old.iter().skip(stride)).zip(old.iter().skip(2 * stride));
    for (tone, ((before, middle), after)) in tones.iter_mut().skip(stride).zip(around) {
        *tone = middle + side * (before + after - 2.0 * middle);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn small(seed: u64) -> (Dataset, Dataset) {
        generate(&SampleConfig { seed, train: 140, test: 35 }).unwrap()
    }

    #[test]
    fn threads_do_not_change_a_byte() {
        let (train, test) = small(7);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (again, again_test) = pool.install(|| small(7));
            assert_eq!(again.fingerprint(), train.fingerprint());
            assert_eq!(again_test.fingerprint(), test.fingerprint());
        }
        let (other, _) = small(8);
        assert_ne!(other.fingerprint(), train.fingerprint());
    }

    #[test]
    fn the_test_part_does_not_depend_on_the_train_part() {
        let (_, test) = small(7);
        let (_, again) = generate(&SampleConfig { seed: 7, train: 70, test: 35 }).unwrap();
        assert_eq!(again.fingerprint(), test.fingerprint());
    }

    #[test]
    fn classes_are_as_unbalanced_as_fer2013() {
        assert_eq!(class_counts(28_709), TRAINING_COUNTS);
        assert_eq!(class_counts(2400), [334, 36, 343, 603, 415, 404, 265]);
        for count in [35, 36, 70, 600, 2400] {
            let counts = class_counts(count);
            assert_eq!(counts.iter().sum::<usize>(), count);
            assert!(counts.iter().all(|count| *count >= FEWEST));
        }
        let (train, test) = small(0);
        assert_eq!(train.class_counts(), class_counts(140));
        assert_eq!(test.class_counts(), class_counts(35));
    }

    #[test]
    fn no_image_is_flat_or_twice() {
        let (train, test) = small(1);
        let hashes: HashSet<u64> = train.hashes().into_iter().chain(test.hashes()).collect();
        assert_eq!(hashes.len(), train.len() + test.len());
        for (image, _) in train.iter() {
            let (low, high) = (image.iter().min().unwrap(), image.iter().max().unwrap());
            assert!(high - low > 40, "{low} {high}");
        }
    }

    #[test]
    fn the_table_says_where_an_image_comes_from() {
        let (train, test) = small(1);
        let (table, test_table) = (train.table().unwrap(), test.table().unwrap());
        let text = |table: &polars::prelude::DataFrame, column: &str| {
            table.column(column).unwrap().str().unwrap().get(17).unwrap().to_string()
        };
        assert_eq!(text(&table, "source"), "made-up 17");
        assert_eq!(text(&test_table, "source"), "made-up 157");
        assert_eq!(text(&table, "usage"), "train");
        assert_eq!(text(&test_table, "usage"), "test");
        assert_eq!(train.origin(), &Origin::Sample { seed: 1 });
    }

    #[test]
    fn sizes_out_of_range_are_named() {
        for (train, test, field) in [(34, 70, "train"), (70, 0, "test"), (2_000_000, 70, "train")] {
            let config = SampleConfig { train, test, ..SampleConfig::default() };
            let message = generate(&config).unwrap_err().to_string();
            assert!(message.starts_with(&format!("sample.{field} = ")), "{message}");
        }
        assert!(SampleConfig::default().validate().is_ok());
    }
}
