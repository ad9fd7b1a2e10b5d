//! [`Corruption`]: a change of images by a camera, its light or a file, of fixed strength.

use std::fmt;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use tch::Tensor;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::common::check::ensure;
use crate::common::random::normal;
use crate::common::{Error, Result};
use crate::data::pixels::square;
use crate::data::{Dataset, SIDE};

/// A change of images that does not change their class. Its strength is fixed, so that networks can be compared; it
/// is not the augmentation of training, whose strength is random.
///
/// Images are u8 on 0 to 255 before and after, as from a camera or a file: results are rounded and clipped.
/// Positions outside the image have the value of the nearest edge.
///
/// ```
/// use fer_nb::evaluate::Corruption;
/// use fer_nb::prelude::*;
///
/// let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 })?;
/// let dark = Corruption::Brightness(0.25).apply(&data.test, 0)?;
/// assert_eq!(dark.len(), 35);
/// assert!(dark.image(0).unwrap().iter().all(|pixel| *pixel <= 64));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "corruption", content = "strength", rename_all = "snake_case")]
pub enum Corruption {
    /// Multiplies every pixel by this factor, 0 or more; below 1 is darker.
    Brightness(f64),
    /// Multiplies every pixel's distance from the image's mean by this factor, 0 or more.
    Contrast(f64),
    /// Rotates about the centre by this many degrees, 0 to 180, with bilinear interpolation; a random half of the
    /// images clockwise.
    Tilt(f64),
    /// Shifts by this many pixels, 0 to 47, along both axes; the direction along each is random.
    Shift(u32),
    /// Gaussian blur; the standard deviation in pixels, above 0 and at most 12. The filter extends to four standard
    /// deviations.
    Blur(f64),
    /// Gaussian noise, independent for each pixel; the standard deviation in grey levels, 0 to 255.
    Noise(f64),
    /// Encodes as JPEG with this quality, 1 to 100, and decodes.
    Jpeg(u8),
    /// Shrinks to this many pixels a side, 1 to 48, and enlarges to 48, both with a triangle filter.
    Shrink(u32),
}

impl Corruption {
    /// The corruptions of [`robustness`](super::robustness()) and `fer evaluate --corruptions`.
    pub const STANDARD: [Corruption; 12] = [
        Corruption::Brightness(0.5),
        Corruption::Brightness(0.25),
        Corruption::Brightness(1.5),
        Corruption::Contrast(0.25),
        Corruption::Tilt(15.0),
        Corruption::Tilt(20.0),
        Corruption::Tilt(30.0),
        Corruption::Shift(5),
        Corruption::Blur(1.0),
        Corruption::Noise(20.0),
        Corruption::Jpeg(20),
        Corruption::Shrink(24),
    ];

    /// The data set with every image changed. Random values (directions, noise) are derived from `seed` and from
    /// the image's pixels, so an image's change does not depend on the other images or on its position among them.
    /// The same seed gives the same pixels.
    ///
    /// # Errors
    /// [`Error::Setting`] for a strength out of range.
    pub fn apply(&self, data: &Dataset, seed: u64) -> Result<Dataset> {
        self.validate()?;
        data.with_images(|image| {
            let mut rng = StdRng::seed_from_u64(xxh3_64_with_seed(image, seed));
            self.changed(image, &mut rng)
        })
    }

    /// Checks the strength.
    fn validate(&self) -> Result<()> {
        let (fits, name, expected) = match *self {
            Self::Brightness(factor) => {
                (factor.is_finite() && factor >= 0.0, "brightness", "a number, 0 or more")
            }
            Self::Contrast(factor) => {
                (factor.is_finite() && factor >= 0.0, "contrast", "a number, 0 or more")
            }
            Self::Tilt(degrees) => ((0.0..=180.0).contains(&degrees), "tilt", "0 to 180 degrees"),
            Self::Shift(pixels) => ((pixels as usize) < SIDE, "shift", "0 to 47 pixels"),
            Self::Blur(deviation) => {
                (deviation > 0.0 && deviation <= 12.0, "blur", "above 0 and at most 12 pixels")
            }
            Self::Noise(deviation) => {
                ((0.0..=255.0).contains(&deviation), "noise", "0 to 255 grey levels")
            }
            Self::Jpeg(quality) => ((1..=100).contains(&quality), "jpeg", "a quality of 1 to 100"),
            Self::Shrink(side) => {
                ((1..=SIDE as u32).contains(&side), "shrink", "1 to 48 pixels a side")
            }
        };
        ensure(fits, &format!("corruption.{name}"), self, expected)
    }

    /// One image, u8 [48 × 48], after the change.
    fn changed(&self, image: &[u8], rng: &mut StdRng) -> Result<Vec<u8>> {
        let each = |change: &mut dyn FnMut(f64) -> f64| {
            image.iter().map(|pixel| to_pixel(change(f64::from(*pixel)))).collect()
        };
        Ok(match *self {
            Self::Brightness(factor) => each(&mut |pixel| pixel * factor),
            Self::Contrast(factor) => {
                let sum: f64 = image.iter().map(|pixel| f64::from(*pixel)).sum();
                let mean = sum / image.len().max(1) as f64;
                each(&mut |pixel| mean + (pixel - mean) * factor)
            }
            Self::Tilt(degrees) => tilted(image, degrees * sign(rng))?,
            Self::Shift(pixels) => {
                let [left, top] =
                    [sign(rng), sign(rng)].map(|sign| sign as i64 * i64::from(pixels));
                square(&gray(image)?, left, top, SIDE as u32)?
            }
            Self::Blur(deviation) => blurred(image, deviation)?,
            Self::Noise(deviation) => each(&mut |pixel| pixel + deviation * normal(rng)),
            Self::Jpeg(quality) => through_jpeg(&gray(image)?, quality)?,
            Self::Shrink(side) => {
                let small = imageops::resize(&gray(image)?, side, side, FilterType::Triangle);
                imageops::resize(&small, SIDE as u32, SIDE as u32, FilterType::Triangle).into_raw()
            }
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brightness(factor) if *factor < 1.0 => write!(f, "darkened × {factor}"),
            Self::Brightness(factor) => write!(f, "brightened × {factor}"),
            Self::Contrast(factor) => write!(f, "contrast × {factor}"),
            Self::Tilt(degrees) => write!(f, "tilted by ±{degrees}°"),
            Self::Shift(pixels) => write!(f, "shifted by {pixels} px"),
            Self::Blur(deviation) => write!(f, "blurred, σ = {deviation} px"),
            Self::Noise(deviation) => write!(f, "noise, σ = {deviation} of 255"),
            Self::Jpeg(quality) => write!(f, "JPEG quality {quality}"),
            Self::Shrink(side) => write!(f, "shrunk to {side}×{side}, enlarged"),
        }
    }
}

/// -1 or 1, with equal probability.
fn sign(rng: &mut StdRng) -> f64 {
    if rng.random::<bool>() { 1.0 } else { -1.0 }
}

/// The nearest grey level.
fn to_pixel(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn gray(image: &[u8]) -> Result<GrayImage> {
    let side = SIDE as u32;
    GrayImage::from_raw(side, side, image.to_vec())
        .ok_or_else(|| Error::input("image", image.len(), "48 × 48 pixels"))
}

/// f64 [1, 1, 48, 48]: in single precision, the order of a sum could change a grey level.
fn tensor(image: &[u8]) -> Result<Tensor> {
    let values: Vec<f64> = image.iter().map(|pixel| f64::from(*pixel)).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view([1, 1, SIDE as i64, SIDE as i64])?)
}

fn to_pixels(image: &Tensor) -> Result<Vec<u8>> {
    let values = Vec::<f64>::try_from(image.f_flatten(0, -1)?)?;
    Ok(values.into_iter().map(to_pixel).collect())
}

/// Rotates about the centre.
fn tilted(image: &[u8], degrees: f64) -> Result<Vec<u8>> {
    const BILINEAR: i64 = 0;
    const BORDER: i64 = 1;
    let image = tensor(image)?;
    let (sin, cos) = degrees.to_radians().sin_cos();
    let theta = Tensor::f_from_slice(&[cos, -sin, 0.0, sin, cos, 0.0])?.f_view([1, 2, 3])?;
    let grid = Tensor::f_affine_grid_generator(&theta, image.size(), false)?;
    to_pixels(&image.f_grid_sampler(&grid, BILINEAR, BORDER, false)?)
}

/// Blurs along one axis, then along the other.
fn blurred(image: &[u8], deviation: f64) -> Result<Vec<u8>> {
    let reach = (4.0 * deviation + 0.5) as i64;
    let weights: Vec<f64> =
        (-reach..=reach).map(|x| (-0.5 * (x as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let kernel = Tensor::f_from_slice(&weights)?.f_div_scalar(sum)?;
    let convolved = |image: &Tensor, shape: [i64; 4]| {
        image.f_conv2d(&kernel.f_view(shape)?, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)
    };
    let length = 2 * reach + 1;
    let padded = tensor(image)?.f_replication_pad2d([reach; 4])?;
    let rows = convolved(&padded, [1, 1, 1, length])?;
    to_pixels(&convolved(&rows, [1, 1, length, 1])?)
}

/// Encodes as JPEG, and decodes.
fn through_jpeg(image: &GrayImage, quality: u8) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let refused = |error| Error::input("JPEG file in memory", error, "one that can be read again");
    JpegEncoder::new_with_quality(&mut file, quality).encode_image(image).map_err(refused)?;
    let read = image::load_from_memory_with_format(file.get_ref(), ImageFormat::Jpeg);
    Ok(read.map_err(refused)?.into_luma8().into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, PIXELS, SampleConfig};

    fn faces() -> Dataset {
        FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 }).unwrap().test
    }

    fn pixels(data: &Dataset) -> Vec<Vec<u8>> {
        data.iter().map(|(image, _)| image.to_vec()).collect()
    }

    #[test]
    fn an_image_is_changed_alike_in_any_company() {
        let data = faces();
        let backwards: Vec<usize> = (0..data.len()).rev().collect();
        for corruption in Corruption::STANDARD {
            let all = corruption.apply(&data, 3).unwrap();
            assert_eq!(all.fingerprint(), corruption.apply(&data, 3).unwrap().fingerprint());
            let reversed = corruption.apply(&data.select(&backwards).unwrap(), 3).unwrap();
            let again = reversed.select(&backwards).unwrap();
            assert_eq!(all.fingerprint(), again.fingerprint(), "{corruption}");
            let alone = corruption.apply(&data.select(&[7]).unwrap(), 3).unwrap();
            assert_eq!(alone.image(0), all.image(7), "{corruption}");
            assert_ne!(pixels(&all), pixels(&data), "{corruption}");
            let random = matches!(
                corruption,
                Corruption::Tilt(_) | Corruption::Shift(_) | Corruption::Noise(_)
            );
            let other = corruption.apply(&data, 4).unwrap();
            assert_eq!(pixels(&other) != pixels(&all), random, "{corruption}");
        }
    }

    #[test]
    fn a_set_that_is_changed_keeps_its_rows() {
        let data = faces().select(&[5, 3, 30]).unwrap();
        let dark = Corruption::Brightness(0.0).apply(&data, 0).unwrap();
        let (before, after) = (data.table().unwrap(), dark.table().unwrap());
        assert_eq!(before.get_column_names(), after.get_column_names());
        for name in ["source", "label", "emotion", "usage"] {
            assert_eq!(before.column(name).unwrap(), after.column(name).unwrap());
        }
        let mean = |table: &polars::prelude::DataFrame| {
            table.column("mean").unwrap().f32().unwrap().to_vec()
        };
        assert_eq!(mean(&after), [Some(0.0); 3]);
        assert_ne!(mean(&before), mean(&after));
        assert_eq!(dark.origin(), data.origin());
        assert_eq!(dark.class_counts(), data.class_counts());
    }

    #[test]
    fn strengths_of_no_effect_leave_the_image() {
        let data = faces();
        for corruption in [
            Corruption::Brightness(1.0),
            Corruption::Contrast(1.0),
            Corruption::Tilt(0.0),
            Corruption::Shift(0),
            Corruption::Blur(0.1),
            Corruption::Noise(0.0),
            Corruption::Shrink(48),
        ] {
            let same = corruption.apply(&data, 1).unwrap();
            assert_eq!(pixels(&same), pixels(&data), "{corruption}");
        }
    }

    #[test]
    fn directions_are_as_likely_and_both_axes_move() {
        // A point off the centre shows where it went.
        let mut rng = StdRng::seed_from_u64(1);
        let mut image = vec![0; PIXELS];
        image[24 * SIDE + 24] = 255;
        let mut places = std::collections::BTreeMap::new();
        for _ in 0..400 {
            let moved = Corruption::Shift(5).changed(&image, &mut rng).unwrap();
            let place = moved.iter().position(|pixel| *pixel == 255).unwrap();
            *places.entry((place / SIDE, place % SIDE)).or_insert(0) += 1;
        }
        let expected = [(19, 19), (19, 29), (29, 19), (29, 29)];
        assert_eq!(places.keys().copied().collect::<Vec<_>>(), expected);
        assert!(places.values().all(|times| (60..140).contains(times)), "{places:?}");
    }

    #[test]
    fn a_strength_out_of_range_is_named() {
        let data = faces();
        for (corruption, name) in [
            (Corruption::Brightness(f64::NAN), "corruption.brightness"),
            (Corruption::Contrast(-1.0), "corruption.contrast"),
            (Corruption::Tilt(181.0), "corruption.tilt"),
            (Corruption::Shift(48), "corruption.shift"),
            (Corruption::Blur(0.0), "corruption.blur"),
            (Corruption::Noise(-1.0), "corruption.noise"),
            (Corruption::Jpeg(0), "corruption.jpeg"),
            (Corruption::Shrink(0), "corruption.shrink"),
        ] {
            let refused = corruption.apply(&data, 0);
            assert!(matches!(refused, Err(Error::Setting { name: found, .. }) if found == name));
        }
    }

    #[test]
    fn json_says_which_and_how_strong() {
        let json = serde_json::to_value(Corruption::Tilt(15.0)).unwrap();
        assert_eq!(json, serde_json::json!({ "corruption": "tilt", "strength": 15.0 }));
    }
}
