//! [`in_usual_light`]: adjusts faces that are far darker, brighter or flatter than FER2013's.

/// The gray levels of FER2013's training images, 0 to 255: the mean of all, and the median of the standard
/// deviation within an image.
const MEAN: f32 = 129.0;
const SPREAD: f32 = 53.0;
/// The 1 % limits of these images: 1 % are darker, 1 % are brighter, 1 % are flatter (mean, mean, standard
/// deviation).
const DARK: f32 = 50.0;
const BRIGHT: f32 = 203.0;
const FLAT: f32 = 24.0;

/// A face cropped from a photo, u8 [48 × 48]; if its light is rare in FER2013, it is adjusted to the mean and the
/// standard deviation of FER2013's images. For networks that don't standardize images. `benches/faces.py --only
/// light` measures the effect.
pub(super) fn in_usual_light(face: &[u8]) -> Vec<u8> {
    let count = face.len().max(1) as f32;
    let mean = face.iter().map(|pixel| f32::from(*pixel)).sum::<f32>() / count;
    let squares = face.iter().map(|pixel| (f32::from(*pixel) - mean).powi(2));
    let spread = (squares.sum::<f32>() / count).sqrt();
    // A picture in a single gray can't be adjusted.
    let is_usual = (DARK..=BRIGHT).contains(&mean) && spread >= FLAT;
    if is_usual || spread < 1.0 {
        return face.to_vec();
    }
    let factor = SPREAD / spread;
    // The conversion clips values out of range.
    face.iter().map(|pixel| ((f32::from(*pixel) - mean) * factor + MEAN).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;

    fn light(face: &[u8]) -> (f32, f32) {
        let mean = face.iter().map(|pixel| f32::from(*pixel)).sum::<f32>() / face.len() as f32;
        let squares = face.iter().map(|pixel| (f32::from(*pixel) - mean).powi(2)).sum::<f32>();
        (mean, (squares / face.len() as f32).sqrt())
    }

    #[test]
    fn only_faces_in_an_unusual_light_change() {
        let usual: Vec<u8> = (0..PIXELS).map(|at| (40 + at * 7919 % 180) as u8).collect();
        assert_eq!(in_usual_light(&usual), usual);
        let changed =
            |how: fn(u8) -> u8| usual.iter().map(|pixel| how(*pixel)).collect::<Vec<u8>>();
        for face in [
            changed(|pixel| pixel / 4),
            changed(|pixel| 255 - pixel / 5),
            changed(|pixel| 120 + pixel / 10),
        ] {
            let brought = in_usual_light(&face);
            let (mean, spread) = light(&brought);
            assert!((mean - MEAN).abs() < 1.0 && (spread - SPREAD).abs() < 1.0, "{mean} {spread}");
            // Who is brighter stays brighter.
            let order = |face: &[u8]| {
                let mut order: Vec<usize> = (0..face.len()).collect();
                order.sort_by_key(|at| face[*at]);
                order
            };
            assert_eq!(order(&brought), order(&face));
        }
        for gray in [0, 255, 120] {
            assert_eq!(in_usual_light(&[gray; PIXELS]), [gray; PIXELS]);
        }
        assert!(in_usual_light(&[]).is_empty());
    }
}
