//! Rectangles within images, one per image, for random erasing and CutMix.

use tch::{Device, Tensor};

use super::SIDE;
use crate::common::Result;

/// Columns `left` to below `right` and rows `top` to below `bottom`, in pixels of an image of 48×48; empty if they
/// are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rectangle {
    pub(crate) left: i64,
    pub(crate) right: i64,
    pub(crate) top: i64,
    pub(crate) bottom: i64,
}

impl Rectangle {
    /// The part of a rectangle with this width, height and centre, in pixels, that lies within the image.
    pub(crate) fn around(centre: (f64, f64), width: f64, height: f64) -> Self {
        let side = SIDE as f64;
        let range = |centre: f64, length: f64| {
            let low = (centre - length / 2.0).round().clamp(0.0, side) as i64;
            let high = (centre + length / 2.0).round().clamp(0.0, side) as i64;
            (low, high)
        };
        let (left, right) = range(centre.0, width);
        let (top, bottom) = range(centre.1, height);
        Self { left, right, top, bottom }
    }

    /// Its share of the image's pixels, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        ((self.right - self.left) * (self.bottom - self.top)) as f64 / (SIDE * SIDE) as f64
    }
}

/// The pixels within the rectangles of images of `side`×`side` pixels: bool [N, 1, side, side]. A pixel is within
/// if its centre is.
pub(crate) fn mask(rectangles: &[Rectangle], side: i64, device: Device) -> Result<Tensor> {
    let count = rectangles.len() as i64;
    let of_48 = |place: i64| (2 * place + 1) * SIDE as i64 / (2 * side);
    let places: Vec<i64> = (0..side).map(of_48).collect();
    let places = Tensor::f_from_slice(&places)?.f_to_device(device)?;
    let bound = |of: fn(&Rectangle) -> i64| -> Result<Tensor> {
        let bounds: Vec<i64> = rectangles.iter().map(of).collect();
        Ok(Tensor::f_from_slice(&bounds)?.f_to_device(device)?.f_view([count, 1])?)
    };
    type Bound = fn(&Rectangle) -> i64;
    let inside = |low: Bound, high: Bound, shape: [i64; 4]| -> Result<Tensor> {
        let from = places.f_ge_tensor(&bound(low)?)?;
        let below = places.f_lt_tensor(&bound(high)?)?;
        Ok(from.f_logical_and(&below)?.f_view(shape)?)
    };
    let columns = inside(|r| r.left, |r| r.right, [count, 1, 1, side])?;
    let rows = inside(|r| r.top, |r| r.bottom, [count, 1, side, 1])?;
    Ok(columns.f_logical_and(&rows)?)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn a_mask_is_its_rectangle() {
        let cut = Rectangle::around((1.0, 47.0), 6.0, 4.0);
        assert_eq!(cut, Rectangle { left: 0, right: 4, top: 45, bottom: 48 });
        assert_eq!(cut.share(), 12.0 / 2304.0);
        let both = [cut, Rectangle::default()];
        let small = mask(&both, 24, Device::Cpu).unwrap();
        assert_eq!(small.size(), [2, 1, 24, 24]);
        // Columns 1 and 3 of 48, rows 45 and 47.
        assert_eq!(small.sum(Kind::Int64).int64_value(&[]), 4);
        let mask = mask(&both, 48, Device::Cpu).unwrap();
        assert_eq!(mask.size(), [2, 1, 48, 48]);
        assert_eq!(mask.get(0).sum(Kind::Int64).int64_value(&[]), 12);
        assert_eq!(mask.int64_value(&[0, 0, 45, 3]), 1);
        assert_eq!(mask.int64_value(&[0, 0, 44, 3]) + mask.int64_value(&[0, 0, 45, 4]), 0);
        assert_eq!(mask.get(1).sum(Kind::Int64).int64_value(&[]), 0);
    }
}
