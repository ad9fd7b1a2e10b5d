//! [`Augmentation`]: random views of the training images, a whole batch in one operation.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::SIDE;
use super::rectangle::{Rectangle, mask};
use crate::common::{During, Error, Result};

/// Ranges of random changes, with the meanings of Keras' `ImageDataGenerator`; pixels from outside the image have
/// the value of the nearest edge. Geometry changes first, then light, then erasing. The default is the original
/// project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Rotation, uniform on ± this many degrees; 0 to 180.
    pub rotation: f64,
    /// Horizontal shift, uniform on ± this share of the width; 0 to 1.
    pub width_shift: f64,
    /// Vertical shift, uniform on ± this share of the height; 0 to 1.
    pub height_shift: f64,
    /// Zoom, uniform on 1 ± this, separate for each axis; at least 0 and below 1.
    pub zoom: f64,
    /// Whether half of the images, at random, are mirrored left to right.
    pub horizontal_flip: bool,
    /// With `horizontal_flip`, whether training mirrors each image in every other epoch instead of at random, so
    /// that two epochs contain both sides of all images (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
    /// 2024). It has no effect outside of training, which has no epochs.
    #[serde(default)]
    pub alternate_flip: bool,
    /// Brightness: pixels are multiplied by a factor uniform on 1 ± this; at least 0 and below 1.
    #[serde(default)]
    pub brightness: f64,
    /// Contrast: distances from the image's mean are multiplied by a factor uniform on 1 ± this; at
    /// least 0 and below 1.
    #[serde(default)]
    pub contrast: f64,
    /// Probability that a rectangle of 2 to 33 % of the image is filled with one random grey (Zhong
    /// et al., "Random Erasing Data Augmentation", 2020; ranges of area and aspect ratio as in
    /// torchvision); 0 to 1.
    #[serde(default)]
    pub erasing: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            rotation: 10.0,
            width_shift: 0.1,
            height_shift: 0.1,
            zoom: 0.1,
            horizontal_flip: true,
            ..Self::none()
        }
    }
}

impl Augmentation {
    /// No change at all.
    pub fn none() -> Self {
        Self {
            rotation: 0.0,
            width_shift: 0.0,
            height_shift: 0.0,
            zoom: 0.0,
            horizontal_flip: false,
            alternate_flip: false,
            brightness: 0.0,
            contrast: 0.0,
            erasing: 0.0,
        }
    }

    /// Mirrors half of the images, at random, and changes nothing else.
    pub fn flip_only() -> Self {
        Self { horizontal_flip: true, ..Self::none() }
    }

    /// The mirroring of these settings, without the other changes.
    pub(crate) fn only_its_flip(&self) -> Self {
        let Self { horizontal_flip, alternate_flip, .. } = *self;
        Self { horizontal_flip, alternate_flip, ..Self::none() }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first value outside its range.
    pub fn validate(&self) -> Result<()> {
        let within = |field: &str, value: f64, top: f64, closed: bool| {
            let fits = (0.0..top).contains(&value) || (closed && value == top);
            let range = if closed { format!("0 to {top}") } else { format!("0 to below {top}") };
            if fits {
                Ok(())
            } else {
                Err(Error::setting(format!("augmentation.{field}"), value, range))
            }
        };
        within("rotation", self.rotation, 180.0, true)?;
        within("width_shift", self.width_shift, 1.0, true)?;
        within("height_shift", self.height_shift, 1.0, true)?;
        within("zoom", self.zoom, 1.0, false)?;
        within("brightness", self.brightness, 1.0, false)?;
        within("contrast", self.contrast, 1.0, false)?;
        within("erasing", self.erasing, 1.0, true)
    }

    /// A random view of each image: f32 [N, 1, 48, 48] on 0 to 1, and the same for the result. The changes of an
    /// image depend only on `seed` and its index.
    ///
    /// # Errors
    /// [`Error::Tensor`] if libtorch reports an error.
    pub fn apply(&self, images: &Tensor, seed: u64) -> Result<Tensor> {
        self.views(images, seed, SIDE as i64, None)
    }

    /// As [`Augmentation::apply`], with views of `side`×`side` pixels, f32 [N, 1, side, side]. `mirrored` selects
    /// the mirrored images instead of `seed`; without `horizontal_flip` none is mirrored.
    pub(crate) fn views(
        &self,
        images: &Tensor,
        seed: u64,
        side: i64,
        mirrored: Option<&[bool]>,
    ) -> Result<Tensor> {
        // Each change has its own generator, so that switching one on does not alter the random numbers of the
        // others.
        let changed = || -> Result<Tensor> {
            let mut images = self.geometry(images, seed, side, mirrored)?;
            if self.brightness != 0.0 || self.contrast != 0.0 {
                images = self.light(&images, &mut StdRng::seed_from_u64(seed ^ LIGHT))?;
            }
            if self.erasing != 0.0 {
                images = self.erase(&images, &mut StdRng::seed_from_u64(seed ^ ERASING))?;
            }
            Ok(images)
        };
        changed().during("augmenting images")
    }

    /// Rotates, shifts, zooms, mirrors and resizes with a single sampling of each image.
    fn geometry(
        &self,
        images: &Tensor,
        seed: u64,
        side: i64,
        mirrored: Option<&[bool]>,
    ) -> Result<Tensor> {
        let Self { rotation, width_shift, height_shift, zoom, horizontal_flip, .. } = *self;
        let (count, channels, height, width) = images.size4()?;
        let moved = [rotation, width_shift, height_shift, zoom] != [0.0; 4] || horizontal_flip;
        if !moved && [height, width] == [side; 2] {
            return Ok(images.shallow_clone());
        }
        let theta = Tensor::f_from_slice(&self.matrices(count, seed, mirrored))?
            .f_view([count, 2, 3])?
            .f_to_device(images.device())?;
        let grid = Tensor::f_affine_grid_generator(&theta, [count, channels, side, side], false)?;
        const BILINEAR: i64 = 0;
        const BORDER: i64 = 1;
        Ok(images.f_grid_sampler(&grid, BILINEAR, BORDER, false)?)
    }

    /// Changes brightness and contrast; clipped to 0 and 1.
    fn light(&self, images: &Tensor, rng: &mut StdRng) -> Result<Tensor> {
        let count = images.size4()?.0;
        let mut factors = |range: f64| -> Result<Tensor> {
            let values: Vec<f32> = (0..count)
                .map(|_| (1.0 + (rng.random::<f64>() * 2.0 - 1.0) * range) as f32)
                .collect();
            let factors = Tensor::f_from_slice(&values)?.f_view([count, 1, 1, 1])?;
            Ok(factors.f_to_device(images.device())?)
        };
        let (contrast, brightness) = (factors(self.contrast)?, factors(self.brightness)?);
        let mean = images.f_mean_dim(&[1i64, 2, 3][..], true, Kind::Float)?;
        let spread = images.f_sub(&mean)?.f_mul_(&contrast)?;
        Ok(mean.f_add(&spread)?.f_mul_(&brightness)?.f_clamp_(0.0, 1.0)?)
    }

    /// Erases a rectangle in a share of the images.
    fn erase(&self, images: &Tensor, rng: &mut StdRng) -> Result<Tensor> {
        let (count, _, side, _) = images.size4()?;
        let (mut rectangles, mut greys) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let erased = rng.random::<f64>() < self.erasing;
            rectangles.push(if erased { random_rectangle(rng) } else { Rectangle::default() });
            greys.push(rng.random::<f32>());
        }
        let greys = Tensor::f_from_slice(&greys)?.f_view([count, 1, 1, 1])?;
        let greys = greys.f_to_device(images.device())?;
        Ok(greys.f_where_self(&mask(&rectangles, side, images.device())?, images)?)
    }

    /// For each image the 2×3 matrix from a position in the view to its position in the image, both on -1 to 1. As
    /// in Keras: rotation after shift after zoom, and the view is mirrored last.
    fn matrices(&self, count: i64, seed: u64, mirrored: Option<&[bool]>) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut uniform = |range: f64| (rng.random::<f64>() * 2.0 - 1.0) * range;
        let mut matrices = Vec::with_capacity(count as usize * 6);
        for index in 0..count as usize {
            let (sin, cos) = uniform(self.rotation).to_radians().sin_cos();
            // The axis from -1 to 1 has length 2, so a shift by the whole width is 2.
            let (x, y) = (2.0 * uniform(self.width_shift), 2.0 * uniform(self.height_shift));
            let (zoom_x, zoom_y) = (1.0 + uniform(self.zoom), 1.0 + uniform(self.zoom));
            // Always drawn, so that the other random numbers stay the same.
            let drawn = uniform(1.0) < 0.0;
            let mirrored = mirrored.map_or(drawn, |all| all.get(index).is_some_and(|one| *one));
            let zoom_x = if mirrored && self.horizontal_flip { -zoom_x } else { zoom_x };
            let rows = [
                [cos * zoom_x, -sin * zoom_y, cos * x - sin * y],
                [sin * zoom_x, cos * zoom_y, sin * x + cos * y],
            ];
            matrices.extend(rows.as_flattened().iter().map(|value| *value as f32));
        }
        matrices
    }
}

/// Separates the generators of light and erasing from that of the geometry.
const LIGHT: u64 = 0x6c69_6768_7400_0001;
const ERASING: u64 = 0x6572_6173_6500_0002;

/// A rectangle of 2 to 33 % of an image with an aspect ratio of 0.3 to 3.3, completely within the image.
fn random_rectangle(rng: &mut StdRng) -> Rectangle {
    let side = SIDE as f64;
    loop {
        let area = rng.random_range(0.02..0.33) * side * side;
        let aspect = rng.random_range(0.3f64.ln()..3.3f64.ln()).exp();
        let (width, height) = ((area * aspect).sqrt(), (area / aspect).sqrt());
        if width < side && height < side {
            let x = rng.random_range(width / 2.0..side - width / 2.0);
            let y = rng.random_range(height / 2.0..side - height / 2.0);
            return Rectangle::around((x, y), width, height);
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn images(count: i64) -> Tensor {
        tch::manual_seed(3);
        Tensor::rand([count, 1, 48, 48], (Kind::Float, Device::Cpu))
    }

    use Augmentation as A;

    fn flip_only() -> Augmentation {
        A::flip_only()
    }

    #[test]
    fn light_keeps_to_the_scale_and_to_its_range() {
        let images = images(200);
        let brighter = A { brightness: 0.3, ..A::none() }.apply(&images, 5).unwrap();
        let low = images.clamp(0.01, 0.6); // what no factor cuts off
        let factors = A { brightness: 0.3, ..A::none() }.apply(&low, 5).unwrap() / &low;
        let factors = factors.flatten(1, -1);
        assert!((factors.max().double_value(&[]) - 1.3).abs() < 0.02);
        assert!((factors.min().double_value(&[]) - 0.7).abs() < 0.02);
        assert!(factors.std_dim(&[1i64][..], false, false).max().double_value(&[]) < 1e-4);
        assert!(brighter.max().double_value(&[]) <= 1.0);
        // Contrast leaves the mean where nothing is cut off.
        let grey = images * 0.2 + 0.4;
        let contrast = A { contrast: 0.5, ..A::none() }.apply(&grey, 5).unwrap();
        let mean = |xs: &Tensor| xs.mean_dim(&[1i64, 2, 3][..], false, Kind::Float);
        assert!(mean(&contrast).allclose(&mean(&grey), 0.0, 1e-5, false));
        let spread = |xs: &Tensor| xs.flatten(1, -1).std_dim(&[1i64][..], false, false);
        let ratio = spread(&contrast) / spread(&grey);
        assert!((ratio.max().double_value(&[]) - 1.5).abs() < 0.02, "{ratio:?}");
        assert!((ratio.min().double_value(&[]) - 0.5).abs() < 0.02);
    }

    #[test]
    fn what_is_erased_is_a_rectangle_of_one_grey() {
        let images = images(400);
        let erased = A { erasing: 0.5, ..A::none() }.apply(&images, 5).unwrap();
        let changed = erased.ne_tensor(&images).flatten(1, -1).sum_dim_intlist(
            &[1i64][..],
            false,
            Kind::Float,
        );
        let share = changed.gt(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!((share - 0.5).abs() < 0.08, "{share}");
        assert!(changed.max().double_value(&[]) <= 0.36 * 2304.0);
        for index in 0..20 {
            let (one, other) = (erased.get(index), images.get(index));
            let grey = one.masked_select(&one.ne_tensor(&other));
            if grey.numel() > 0 {
                assert_eq!(grey.max(), grey.min());
            }
        }
    }

    #[test]
    fn one_change_does_not_move_the_others() {
        let images = images(8);
        let both = A { brightness: 0.2, ..A::default() }.apply(&images, 7).unwrap();
        let geometry = A::default().apply(&images, 7).unwrap();
        let light = A { brightness: 0.2, ..A::none() }.apply(&geometry, 7).unwrap();
        assert_eq!(both, light);
    }

    #[test]
    fn nothing_asked_is_nothing_done() {
        let images = images(2);
        assert_eq!(Augmentation::none().apply(&images, 1).unwrap(), images);
        // The same through the sampler: a rotation range of almost nothing.
        let still = Augmentation { rotation: 1e-9, ..Augmentation::none() };
        assert!(still.apply(&images, 1).unwrap().allclose(&images, 0.0, 1e-5, false));
    }

    #[test]
    fn a_flip_mirrors_and_a_flip_of_a_flip_is_the_image() {
        let images = images(64);
        let once = flip_only().apply(&images, 5).unwrap();
        let mirrored = images.flip([3]);
        let same = |a: &Tensor, b: &Tensor, i: i64| a.get(i).allclose(&b.get(i), 0.0, 1e-5, false);
        let flipped = (0..64).filter(|i| same(&once, &mirrored, *i)).count();
        let kept = (0..64).filter(|i| same(&once, &images, *i)).count();
        assert_eq!(flipped + kept, 64);
        assert!((16..=48).contains(&flipped), "{flipped} of 64");
        let twice = flip_only().apply(&once, 5).unwrap();
        assert!(twice.allclose(&images, 0.0, 1e-5, false));
    }

    #[test]
    fn a_shift_moves_a_point_and_repeats_the_edge() {
        let image = Tensor::zeros([1, 1, 48, 48], (Kind::Float, Device::Cpu));
        let _ = image.narrow(3, 0, 1).fill_(1.0);
        let shift = Augmentation { width_shift: 0.5, ..Augmentation::none() };
        for seed in 0..20 {
            let view = shift.apply(&image, seed).unwrap();
            let row: Vec<f32> = Vec::try_from(view.get(0).get(0).get(20)).unwrap();
            // Whatever comes from beyond the left edge repeats it; nothing else is lit.
            let lit = row.iter().take_while(|value| **value > 0.999).count();
            assert!(row[(lit + 2).min(48)..].iter().all(|value| *value < 1e-5), "{row:?}");
        }
    }

    #[test]
    fn values_stay_in_range_and_seeds_decide() {
        let images = images(32);
        let all = Augmentation::default();
        let view = all.apply(&images, 9).unwrap();
        assert_eq!(view.size(), images.size());
        assert!(view.min().double_value(&[]) >= 0.0 && view.max().double_value(&[]) <= 1.0);
        assert_eq!(view, all.apply(&images, 9).unwrap());
        assert_ne!(view, all.apply(&images, 10).unwrap());
    }

    #[test]
    fn a_rotation_by_a_known_angle_keeps_the_centre() {
        let turn = Augmentation { rotation: 10.0, ..Augmentation::none() };
        for row in turn.matrices(100, 1, None).chunks(6) {
            let angle = f64::from(row[3]).atan2(f64::from(row[0])).to_degrees();
            assert!(angle.abs() <= 10.0 && row[2].abs() < 1e-6 && row[5].abs() < 1e-6);
        }
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let wrong = Augmentation { zoom: 1.0, ..Augmentation::default() };
        let refused = wrong.validate();
        assert!(matches!(refused, Err(Error::Setting { name, .. }) if name == "augmentation.zoom"));
        assert!(Augmentation { rotation: f64::NAN, ..Augmentation::default() }.validate().is_err());
    }
}
