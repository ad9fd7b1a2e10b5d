//! The augmentation of the original project in plain Rust, as neither burn nor candle has one:
//! rotation ±10°, shifts ±10 %, zoom ±10 % for each axis, mirrored every second time; bilinear, and
//! beyond the edge the nearest pixel. Images are spread over the threads. It is some 2 % of a step.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::data::SIDE;

const ROTATION: f32 = 10.0;
const SHIFT: f32 = 0.1;
const ZOOM: f32 = 0.1;

/// A random view of each image: u8 [48 × 48] in, f32 [B, 48 × 48] on 0 to 1 out.
pub fn augment(images: &[&[u8]], seed: u64) -> Vec<f32> {
    let mut views = vec![0.0; images.len() * SIDE * SIDE];
    views.par_chunks_mut(SIDE * SIDE).zip(images).enumerate().for_each(|(index, (view, image))| {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(index as u64));
        sample(image, matrix(&mut rng), view);
    });
    views
}

/// The 2×3 matrix that takes a place in the view to its place in the image, both in pixels from
/// the centre.
fn matrix(rng: &mut StdRng) -> [f32; 6] {
    let mut uniform = |range: f32| (rng.random::<f32>() * 2.0 - 1.0) * range;
    let (sin, cos) = uniform(ROTATION).to_radians().sin_cos();
    let (x, y) = (uniform(SHIFT) * SIDE as f32, uniform(SHIFT) * SIDE as f32);
    let (zoom_x, zoom_y) = (1.0 + uniform(ZOOM), 1.0 + uniform(ZOOM));
    let zoom_x = if uniform(1.0) < 0.0 { -zoom_x } else { zoom_x };
    [cos * zoom_x, -sin * zoom_y, cos * x - sin * y, sin * zoom_x, cos * zoom_y, sin * x + cos * y]
}

fn sample(image: &[u8], m: [f32; 6], view: &mut [f32]) {
    const LAST: f32 = (SIDE - 1) as f32;
    let pixel = |row: usize, column: usize| f32::from(image[row * SIDE + column]);
    for (row, line) in view.chunks_mut(SIDE).enumerate() {
        let y = row as f32 - LAST / 2.0;
        for (column, out) in line.iter_mut().enumerate() {
            let x = column as f32 - LAST / 2.0;
            let from_x = (m[0] * x + m[1] * y + m[2] + LAST / 2.0).clamp(0.0, LAST);
            let from_y = (m[3] * x + m[4] * y + m[5] + LAST / 2.0).clamp(0.0, LAST);
            let (left, top) = (from_x as usize, from_y as usize);
            let (right, bottom) = ((left + 1).min(SIDE - 1), (top + 1).min(SIDE - 1));
            let (dx, dy) = (from_x - left as f32, from_y - top as f32);
            let upper = pixel(top, left) * (1.0 - dx) + pixel(top, right) * dx;
            let lower = pixel(bottom, left) * (1.0 - dx) + pixel(bottom, right) * dx;
            *out = (upper * (1.0 - dy) + lower * dy) / 255.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_matrix_changes_nothing_and_a_shift_repeats_the_edge() {
        let image: Vec<u8> = (0..SIDE * SIDE).map(|i| (i % 251) as u8).collect();
        let mut view = vec![0.0; SIDE * SIDE];
        sample(&image, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], &mut view);
        for (out, pixel) in view.iter().zip(&image) {
            assert!((out * 255.0 - f32::from(*pixel)).abs() < 1e-3);
        }
        sample(&image, [1.0, 0.0, -4.0, 0.0, 1.0, 0.0], &mut view);
        assert!((view[0] - view[4]).abs() < 1e-6 && (view[4] * 255.0 - 0.0).abs() < 1e-3);
        assert!((view[9] * 255.0 - 5.0).abs() < 1e-3);
    }

    #[test]
    fn seeds_decide_and_values_stay_in_range() {
        let image: Vec<u8> = (0..SIDE * SIDE).map(|i| (i * 7 % 256) as u8).collect();
        let views = augment(&[&image, &image], 3);
        assert_eq!(views, augment(&[&image, &image], 3));
        assert_ne!(views[..SIDE * SIDE], views[SIDE * SIDE..]);
        assert!(views.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
