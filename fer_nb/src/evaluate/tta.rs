//! [`TestTimeAugmentation`]: the mean prediction of several views of each image.

use tch::{Kind, Tensor, no_grad};

use super::Evaluation;
use super::network::rows;
use crate::common::{During, Result, named};
use crate::data::{Dataset, SIDE};
use crate::model::{Network, inference_batch_size, to_float};
use crate::project::Task;

/// The side of a crop of 48×48; ten-crop takes it from the corners and the centre.
const CROP: i64 = 44;

/// The views of a test image whose probabilities are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestTimeAugmentation {
    /// The image only.
    #[default]
    None,
    /// The image and its mirror image: 2 views.
    Flip,
    /// The image and its mirror image, each unchanged and shifted by 2 pixels to the left, right, up and down, with
    /// the edge repeated: 10 views.
    Shifts,
    /// Crops of 44×44 from the four corners and the centre, enlarged to 48×48, and their mirror
    /// images: 10 views (Krizhevsky, Sutskever and Hinton, 2012).
    TenCrop,
}

named! {
    TestTimeAugmentation: "tta",
    None => "none",
    Flip => "flip",
    Shifts => "shifts",
    TenCrop => "ten-crop",
}

impl TestTimeAugmentation {
    /// The views of images f32 [B, 1, 48, 48], each with that shape.
    fn views(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        const SHIFT: i64 = 2;
        let side = SIDE as i64;
        let windows = |padded: &Tensor, size: i64, corners: [(i64, i64); 5]| {
            corners
                .into_iter()
                .map(|(top, left)| Ok(padded.f_narrow(2, top, size)?.f_narrow(3, left, size)?))
                .collect::<Result<Vec<Tensor>>>()
        };
        let mut views = match self {
            Self::None => return Ok(vec![images.shallow_clone()]),
            Self::Flip => vec![images.shallow_clone()],
            Self::Shifts => {
                let padded = images.f_replication_pad2d([SHIFT; 4])?;
                let far = 2 * SHIFT;
                let corners = [(SHIFT, SHIFT), (SHIFT, 0), (SHIFT, far), (0, SHIFT), (far, SHIFT)];
                windows(&padded, side, corners)?
            }
            Self::TenCrop => {
                let (far, middle) = (side - CROP, (side - CROP) / 2);
                let corners = [(middle, middle), (0, 0), (0, far), (far, 0), (far, far)];
                windows(images, CROP, corners)?
                    .iter()
                    .map(|crop| Ok(crop.f_upsample_bilinear2d([side, side], false, None, None)?))
                    .collect::<Result<_>>()?
            }
        };
        let mirrored =
            views.iter().map(|view| Ok(view.f_flip([3])?)).collect::<Result<Vec<Tensor>>>()?;
        views.extend(mirrored);
        Ok(views)
    }
}

/// [`evaluate`](super::evaluate()) on the mean probabilities of several views of each image. Choose the
/// views on validation images.
///
/// # Errors
/// As [`evaluate`](super::evaluate()).
pub fn evaluate_with(
    network: &dyn Network,
    data: &Dataset,
    tta: TestTimeAugmentation,
) -> Result<Evaluation> {
    if tta == TestTimeAugmentation::None {
        return super::evaluate(network, data);
    }
    let task = Task::begin("evaluating images", Some(data.len()))?;
    let images = data.images_tensor(network.parameters().device())?;
    let probs = no_grad(|| -> Result<Tensor> {
        let mut all = Vec::new();
        for batch in images.f_split(inference_batch_size(images.device()), 0)? {
            let views = tta.views(&to_float(&batch)?)?;
            let mut sum: Option<Tensor> = None;
            for view in &views {
                let probs = network.forward_t(view, false)?.f_softmax(1, Kind::Float)?;
                sum = Some(match sum {
                    None => probs,
                    Some(sum) => sum.f_add(&probs)?,
                });
            }
            if let Some(sum) = sum {
                all.push(sum.f_mul_scalar(1.0 / views.len() as f64)?);
            }
            task.step(batch.size().first().map_or(0, |count| *count as usize))?;
        }
        Ok(Tensor::f_cat(&all, 0)?)
    })
    .during("evaluating views of the images")?;
    let labels = data.iter().map(|(_, emotion)| emotion.index() as u8).collect();
    Evaluation::from_probs(labels, rows(&probs)?, data.origin().title())
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::model::SeedCnn;

    #[test]
    fn views_are_what_they_are_called() {
        let images = Tensor::arange(2304, (Kind::Float, Device::Cpu)).view([1, 1, 48, 48]);
        let views = |tta: TestTimeAugmentation| tta.views(&images).unwrap();
        let at = |view: &Tensor, row: i64, column: i64| view.double_value(&[0, 0, row, column]);
        assert_eq!(views(TestTimeAugmentation::None), [images.shallow_clone()]);
        let flip = views(TestTimeAugmentation::Flip);
        assert_eq!(flip.len(), 2);
        assert_eq!(at(&flip[1], 3, 0), at(&images, 3, 47));
        let shifts = views(TestTimeAugmentation::Shifts);
        assert_eq!(shifts.len(), 10);
        assert_eq!(shifts[0], images);
        // Shifted to the right, the left edge is repeated.
        assert_eq!([at(&shifts[1], 5, 0), at(&shifts[1], 5, 2)], [at(&images, 5, 0); 2]);
        assert_eq!(at(&shifts[1], 5, 10), at(&images, 5, 8));
        assert_eq!(at(&shifts[4], 5, 10), at(&images, 7, 10));
        let crops = views(TestTimeAugmentation::TenCrop);
        assert_eq!(crops.len(), 10);
        assert!(crops.iter().all(|crop| crop.size() == [1, 1, 48, 48]));
        assert_eq!(at(&crops[1], 0, 0), at(&images, 0, 0));
        assert_eq!(at(&crops[4], 47, 47), at(&images, 47, 47));
        assert_eq!(at(&crops[0], 0, 0), at(&images, 2, 2));
        assert_eq!(at(&crops[9], 0, 0), at(&crops[4], 0, 47));
    }

    #[test]
    fn mirrored_images_have_the_same_mean_prediction() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 }).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let flip = evaluate_with(&network, &data.test, TestTimeAugmentation::Flip).unwrap();
        let plain = evaluate_with(&network, &data.test, TestTimeAugmentation::None).unwrap();
        assert_eq!(plain, super::super::evaluate(&network, &data.test).unwrap());
        assert_ne!(flip.probs(), plain.probs());
        let images = to_float(&data.test.images_tensor(Device::Cpu).unwrap()).unwrap();
        let answer =
            |images: &Tensor| network.forward_t(images, false).unwrap().softmax(1, Kind::Float);
        let by_hand = (answer(&images) + answer(&images.flip([3]))) / 2.0;
        let first = rows(&by_hand).unwrap()[0];
        for (found, expected) in flip.probs()[0].iter().zip(first) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
