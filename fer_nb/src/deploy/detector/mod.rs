//! [`FaceDetector`]: finds faces in photos and frames, including tilted, small and dark ones.

mod center_face;
mod decode;
mod no_face;
#[cfg(feature = "serve")]
mod region;

use std::cell::RefCell;

use image::RgbImage;
use serde::Serialize;
use tch::{Kind, Tensor};

use self::center_face::{CenterFace, MULTIPLE, STRIDE};
use self::decode::{Candidate, OVERLAP, faces, without_overlaps};
pub use self::no_face::NoFace;
use self::no_face::NoFaceRule;
use super::face::FaceBox;
use super::photo::Photo;
use crate::common::{Error, Result};
use crate::data::pixels::shrunk;
use crate::project::asset;

/// The weights, below `fer_nb/assets`.
const WEIGHTS: &str = "face_detector/center_face.safetensors";

/// Finds faces: [`FaceDetector::for_photos`] or [`FaceDetector::for_video`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaceDetector {
    /// The maximum number of pixels to search, 1,024 to 16,777,216. Larger photos are shrunk by a whole number,
    /// which limits time and memory; photos of at most a quarter of it are enlarged twice, which improves the
    /// detection of small faces.
    pub most_pixels: u64,
    /// The minimum score of a face, above 0 and below 1.
    pub threshold: f32,
}

impl FaceDetector {
    /// A detector for photos: small faces matter more than a second.
    pub fn for_photos() -> Self {
        Self { most_pixels: 1920 * 1088, threshold: 0.5 }
    }

    /// A detector for a camera's frames: time matters more than small faces.
    pub fn for_video() -> Self {
        Self { most_pixels: 384 * 288, threshold: 0.5 }
    }

    /// Finds the faces in a photo, the largest first.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `most_pixels` or `threshold` out of range; [`Error::Missing`] or [`Error::File`] if
    /// the detector's weights are missing or damaged.
    pub fn detect(&self, photo: &Photo) -> Result<Vec<FaceBox>> {
        self.detect_from(photo, self.threshold)
    }

    /// The same with another threshold.
    fn detect_from(&self, photo: &Photo, threshold: f32) -> Result<Vec<FaceBox>> {
        if !(1 << 10..=1 << 24).contains(&self.most_pixels) {
            let name = "face detector's most_pixels";
            return Err(Error::setting(name, self.most_pixels, "1024 to 16777216"));
        }
        if !(self.threshold > 0.0 && self.threshold < 1.0) {
            let expected = "above 0 and below 1";
            return Err(Error::setting("face detector's threshold", self.threshold, expected));
        }
        let (width, height) = photo.size();
        let pixels = u64::from(width) * u64::from(height);
        let scale = match 4 * pixels <= self.most_pixels {
            true => Scale::Twice,
            // The smallest whole number that leaves at most this many pixels.
            false => {
                Scale::Divided((pixels.div_ceil(self.most_pixels) as f64).sqrt().ceil() as u32)
            }
        };
        let mut found = at(photo.rgb(), scale, threshold)?;
        // The network was not trained on faces that fill a large picture: a search at a coarser scale finds them.
        let coarse = scale.coarser();
        if scale.of(width.max(height)) > COARSE && coarse.of(width.min(height)) >= MULTIPLE as u32 {
            found.extend(at(photo.rgb(), coarse, threshold)?);
            found = without_overlaps(found);
        }
        let mut found: Vec<FaceBox> = found.iter().map(FaceBox::from).collect();
        found.sort_by(|one, other| {
            (other.width * other.height).total_cmp(&(one.width * one.height))
        });
        Ok(found)
    }

    /// The network as the bytes of an ONNX file: it maps an image f32 [1, 3, height, width] on 0 to 255 to the
    /// outputs.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub(super) fn onnx() -> Result<Vec<u8>> {
        CenterFace::to_onnx(&asset(WEIGHTS))
    }
}

/// The faces of a photo at a scale with a score of `threshold` or more, in the photo's pixels.
fn at(photo: &RgbImage, scale: Scale, threshold: f32) -> Result<Vec<Candidate>> {
    let image = input(photo, scale)?;
    let maps = NETWORK.with_borrow_mut(|kept| {
        let network = match kept.take() {
            Some(network) => network,
            None => CenterFace::load(&asset(WEIGHTS))?,
        };
        let maps = network.forward(&image);
        *kept = Some(network);
        maps
    })?;
    let back = scale.back();
    Ok(faces(&maps, threshold)?.into_iter().map(|face| face.scaled(back)).collect())
}

/// The scale at which a photo is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// Enlarged, with twice as many pixels on each side.
    Twice,
    /// Shrunk by a whole number, 1 or more.
    Divided(u32),
}

impl Scale {
    /// A quarter of this scale.
    fn coarser(self) -> Self {
        match self {
            Scale::Twice => Scale::Divided(2),
            Scale::Divided(factor) => Scale::Divided(4 * factor),
        }
    }

    /// The length of a side of the photo at this scale.
    fn of(self, side: u32) -> u32 {
        match self {
            Scale::Twice => 2 * side,
            Scale::Divided(factor) => side / factor,
        }
    }

    /// The factor from lengths at this scale to the photo's.
    fn back(self) -> f32 {
        match self {
            Scale::Twice => 0.5,
            Scale::Divided(factor) => factor as f32,
        }
    }
}

/// The longest side of a photo for a second search at a quarter of the scale.
const COARSE: u32 = 800;

/// The constants of a search, for implementations in other languages.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct SearchRule {
    photos: FaceDetector,
    video: FaceDetector,
    stride: usize,
    multiple: usize,
    overlap: f32,
    coarse: u32,
    no_face: NoFaceRule,
}

impl Default for SearchRule {
    fn default() -> Self {
        Self {
            photos: FaceDetector::for_photos(),
            video: FaceDetector::for_video(),
            stride: STRIDE,
            multiple: MULTIPLE,
            overlap: OVERLAP,
            coarse: COARSE,
            no_face: NoFaceRule::default(),
        }
    }
}

thread_local! {
    /// Threads do not share tensors, so each has a network.
    static NETWORK: RefCell<Option<CenterFace>> = const { RefCell::new(None) };
}

/// The network's input: float32 [1, 3, height, width] on 0 to 255; the photo at a scale, padded with black at its
/// right and lower edge to the next multiple of 32.
fn input(photo: &RgbImage, scale: Scale) -> Result<Tensor> {
    let small;
    let (pixels, [width, height]) = match scale {
        Scale::Twice | Scale::Divided(1) => (photo.as_raw(), [photo.width(), photo.height()]),
        Scale::Divided(factor) => {
            small = shrunk::<3>(photo.as_raw(), photo.width(), factor);
            (&small, [photo.width(), photo.height()].map(|side| scale.of(side)))
        }
    };
    let shape = [1, i64::from(height), i64::from(width), 3];
    let mut image = Tensor::f_from_slice(pixels)?
        .f_reshape(shape)?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?;
    let [width, height] = [photo.width(), photo.height()].map(|side| i64::from(scale.of(side)));
    if scale == Scale::Twice {
        image = image.f_upsample_bilinear2d([height, width], false, None, None)?;
    }
    let to_multiple = |side: i64| (MULTIPLE as i64 - side % MULTIPLE as i64) % MULTIPLE as i64;
    Ok(image.f_constant_pad_nd([0, to_multiple(width), 0, to_multiple(height)])?.f_contiguous()?)
}

impl From<&Candidate> for FaceBox {
    fn from(found: &Candidate) -> Self {
        let Candidate { left, top, width, height, score, landmarks } = *found;
        Self { left, top, width, height, score, landmarks: Some(landmarks) }
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, Luma};

    use super::*;
    use crate::project::data_file;

    /// What onnxruntime 1.32 answered for a face with the file that the weights are from, at every other
    /// point: `assets/face_detector/from_onnx.py` wrote it.
    #[test]
    fn the_network_answers_as_onnxruntime_does() {
        let photo = Photo::open(asset("face_detector/portrait.png")).unwrap();
        let network = CenterFace::load(&asset(WEIGHTS)).unwrap();
        let maps = network.forward(&input(photo.rgb(), Scale::Divided(1)).unwrap()).unwrap();
        let expected =
            Tensor::read_safetensors(asset("face_detector/portrait.safetensors")).unwrap();
        let score = maps.score.unsqueeze(0);
        for (name, map) in [
            ("score", &score),
            ("size", &maps.size),
            ("offset", &maps.offset),
            ("landmarks", &maps.landmarks),
        ] {
            let (_, expected) = expected.iter().find(|(is, _)| is == name).unwrap();
            let every_other = map.slice(1, 0, None, 2).slice(2, 0, None, 2);
            assert_eq!(every_other.size(), expected.size());
            let apart = (&every_other - expected).abs().max().double_value(&[]);
            let largest = expected.abs().max().double_value(&[]);
            assert!(apart < 1e-4 * largest.max(1.0), "{name}: {apart:e}, up to {largest}");
        }
    }

    #[test]
    fn photos_without_a_face_have_none() {
        for (width, height) in [(1, 1), (39, 500), (640, 480), (8, 3000)] {
            let flat = DynamicImage::ImageLuma8(GrayImage::from_pixel(width, height, Luma([130])));
            let photo = Photo::from(flat);
            for detector in [FaceDetector::for_photos(), FaceDetector::for_video()] {
                assert_eq!(detector.detect(&photo).unwrap(), []);
            }
        }
        let photo = Photo::from(DynamicImage::ImageLuma8(GrayImage::new(100, 100)));
        for (most_pixels, threshold) in
            [(12, 0.5), (u64::MAX, 0.5), (4096, f32::NAN), (4096, 0.0), (4096, 1.0)]
        {
            let error = FaceDetector { most_pixels, threshold }.detect(&photo).unwrap_err();
            assert!(matches!(error, Error::Setting { .. }), "{error}");
        }
    }

    #[test]
    fn the_portraits_face_is_found_where_it_is() {
        let photo = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        for detector in [FaceDetector::for_photos(), FaceDetector::for_video()] {
            let found = detector.detect(&photo).unwrap();
            let [face] = found[..] else { panic!("{found:?}") };
            let [[left, _], [right, _], [nose, at], [_, mouth], _] = face.landmarks.unwrap();
            assert!(left < nose && nose < right && at < mouth, "{face:?}");
            assert!(face.score > 0.6 && face.tilt().abs() < 10.0, "{face:?}");
        }
    }
}
