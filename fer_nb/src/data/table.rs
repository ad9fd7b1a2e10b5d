//! The table that describes a data set, with a row for each image.

use polars::prelude::*;
use rayon::prelude::*;

use super::pixels::PIXELS;
use crate::common::Result;
use crate::emotion::Emotion;

/// A column with the value of `of` for each item.
pub(crate) fn column<R, T>(rows: &[R], of: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Builds the table of [`super::Dataset::table`] from `sources` (path below the root, or "row 17"), `usages`
/// (train, test, …), pixels (u8 [N × 2304]) and class indices.
pub(super) fn build(
    sources: Vec<String>,
    usages: Vec<&'static str>,
    images: &[u8],
    labels: &[u8],
) -> Result<DataFrame> {
    let table = df!(
        "source" => sources,
        "label" => column(labels, |label| u32::from(*label)),
        "emotion" => column(labels, |label| Emotion::name_of(*label)),
        "usage" => usages,
    )?;
    described(table, images)
}

/// A table with the columns that describe pixels, u8 [N × 2304]: mean, std and hash. Existing columns with these
/// names are replaced.
pub(super) fn described(mut table: DataFrame, images: &[u8]) -> Result<DataFrame> {
    let statistics: Vec<(f32, f32, u64)> =
        images.par_chunks_exact(PIXELS).with_min_len(256).map(describe).collect();
    table.with_column(Column::new("mean".into(), column(&statistics, |row| row.0)))?;
    table.with_column(Column::new("std".into(), column(&statistics, |row| row.1)))?;
    table.with_column(Column::new("hash".into(), column(&statistics, |row| row.2)))?;
    Ok(table)
}

/// Mean and population standard deviation of the pixels on 0 to 1, and the content hash.
fn describe(image: &[u8]) -> (f32, f32, u64) {
    let (mut sum, mut squares) = (0u64, 0u64);
    for pixel in image {
        let value = u64::from(*pixel);
        sum += value;
        squares += value * value;
    }
    let count = image.len() as f64;
    let mean = sum as f64 / count;
    let variance = (squares as f64 / count - mean * mean).max(0.0);
    let hash = xxhash_rust::xxh3::xxh3_64(image);
    ((mean / 255.0) as f32, (variance.sqrt() / 255.0) as f32, hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_numpy_would() {
        let mut image = vec![0u8; PIXELS];
        image[..PIXELS / 2].fill(255);
        let flat = vec![51u8; PIXELS];
        let images = [image, flat].concat();
        let sources = vec!["a".to_string(), "b".to_string()];
        let table = build(sources, vec!["train"; 2], &images, &[3, 1]).unwrap();
        let column = |name: &str| table.column(name).unwrap().f32().unwrap().to_vec();
        assert_eq!(column("mean"), [Some(0.5), Some(0.2)]);
        assert_eq!(column("std"), [Some(0.5), Some(0.0)]);
        assert_eq!(table.column("emotion").unwrap().str().unwrap().get(0), Some("happy"));
    }
}
