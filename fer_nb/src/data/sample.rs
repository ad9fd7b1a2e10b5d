//! A stand-in until the drawn faces are merged: noise.

use super::{Dataset, Origin, PIXELS, table};
use crate::error::Result;

/// How many made-up images, from which seed.
#[derive(Debug, Clone)]
pub struct SampleConfig {
    pub seed: u64,
    pub train: usize,
    pub test: usize,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { seed: 42, train: 700, test: 140 }
    }
}

/// Train and test images, classes in turn.
pub fn generate(config: &SampleConfig) -> Result<(Dataset, Dataset)> {
    Ok((noise(config.seed, config.train, "train")?, noise(config.seed + 1, config.test, "test")?))
}

fn noise(seed: u64, count: usize, usage: &'static str) -> Result<Dataset> {
    let images: Vec<u8> = (0..(count * PIXELS) as u64)
        .map(|n| xxhash_rust::xxh3::xxh3_64_with_seed(&n.to_le_bytes(), seed) as u8)
        .collect();
    let labels: Vec<u8> = (0..count).map(|n| (n % 7) as u8).collect();
    let sources = (0..count).map(|n| format!("face {n}")).collect();
    let table = table::build(sources, vec![usage; count], &images, &labels)?;
    Dataset::new(images, labels, table, Origin::Sample { seed })
}
