//! Grad-CAM: the regions of a face on which a prediction is based.

use tch::{Device, Kind, Tensor, no_grad};

use crate::common::{During, Error, Result, brief};
use crate::data::{Dataset, PIXELS, SIDE};
use crate::emotion::Emotion;
use crate::model::{Network, to_float};

/// A network's prediction for one image, with the map of its Grad-CAM.
#[derive(Clone, PartialEq)]
pub struct Attention {
    /// The image, u8 [48 × 48].
    pub pixels: Vec<u8>,
    /// How much each pixel's surroundings support the predicted class, f32 [48 × 48] on 0 to 1; all 0 if none do.
    pub map: Vec<f32>,
    /// The predicted class, for which the map was computed.
    pub predicted: Emotion,
    /// Its probability, 0 to 1.
    pub confidence: f32,
    /// The label, if it is known.
    pub truth: Option<Emotion>,
}

brief!(Attention, |map| "{} at {:.2}, a map of {SIDE}×{SIDE}", map.predicted, map.confidence);

/// Grad-CAM of each image for its predicted class (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep
/// Networks via Gradient-based Localization", 2017): the sum of the feature maps of [`Network::features`], each
/// weighted by the mean of its gradient; negative values become 0, and the largest value is 1.
///
/// # Errors
/// As [`Network::features`] for a custom network without it; [`Error::Tensor`] if libtorch reports an error.
pub fn grad_cam(network: &dyn Network, data: &Dataset) -> Result<Vec<Attention>> {
    attention(network, data).during("Grad-CAM")
}

fn attention(network: &dyn Network, data: &Dataset) -> Result<Vec<Attention>> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let images = to_float(&data.images_tensor(network.parameters().device())?)?;
    let features = no_grad(|| network.features(&images))?.f_detach()?.f_set_requires_grad(true)?;
    let logits = network.head(&features)?;
    let probs = logits.f_softmax(1, Kind::Float)?.f_detach()?;
    let (confidences, predicted) = probs.f_max_dim(1, false)?;
    let chosen = logits.f_gather(1, &predicted.f_unsqueeze(1)?, false)?.f_sum(Kind::Float)?;
    let gradients = Tensor::f_run_backward(&[&chosen], &[&features], false, false)?;
    let Some(gradient) = gradients.first() else {
        return Err(Error::input("network", network.name(), "a head that uses the features"));
    };
    let maps = no_grad(|| class_maps(&features, gradient))?;
    let maps = Vec::<f32>::try_from(&maps.f_to_device(Device::Cpu)?.f_reshape([-1])?)?;
    let confidences = Vec::<f32>::try_from(&confidences.f_to_device(Device::Cpu)?)?;
    let predicted = Vec::<i64>::try_from(&predicted.f_to_device(Device::Cpu)?)?;
    let seen = predicted.into_iter().zip(confidences).zip(maps.chunks(PIXELS));
    data.iter()
        .zip(seen)
        .map(|((pixels, truth), ((class, confidence), map))| {
            let predicted = Emotion::from_index(class as usize)
                .ok_or_else(|| Error::input("logits", class, "7 a row"))?;
            let (pixels, map) = (pixels.to_vec(), map.to_vec());
            Ok(Attention { pixels, map, predicted, confidence, truth: Some(truth) })
        })
        .collect()
}

/// Maps f32 [B, 1, 48, 48] on 0 to 1, from features [B, C, h, w] and the gradient of the class with respect to
/// them.
fn class_maps(features: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let side = SIDE as i64;
    let weights = gradient.f_mean_dim(&[2i64, 3][..], true, Kind::Float)?;
    let sum = features.f_mul(&weights)?.f_sum_dim_intlist(&[1i64][..], true, Kind::Float)?;
    let large = sum.f_relu()?.f_upsample_bilinear2d([side, side], false, None, None)?;
    let highest = large.f_amax([1, 2, 3], true)?;
    Ok(large.f_div(&highest.f_clamp_min(1e-12)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::model::{Architecture, SeedCnn};

    #[test]
    fn maps_are_weighted_by_mean_gradients() {
        let kind = (Kind::Float, Device::Cpu);
        let features = Tensor::zeros([1, 2, 2, 2], kind);
        let _ = features.get(0).get(0).get(0).get(0).fill_(4.0);
        let _ = features.get(0).get(1).get(1).get(1).fill_(1.0);
        // Mean gradients: 0.5 and -1.
        let gradient = Tensor::from_slice(&[2.0f32, 0., 0., 0., -1., -1., -1., -1.]);
        let maps = class_maps(&features, &gradient.view([1, 2, 2, 2])).unwrap();
        assert_eq!(maps.size(), [1, 1, 48, 48]);
        assert_eq!(maps.double_value(&[0, 0, 0, 0]), 1.0);
        assert_eq!(maps.double_value(&[0, 0, 47, 47]), 0.0);
        let nothing = class_maps(&features, &gradient.view([1, 2, 2, 2]).zeros_like()).unwrap();
        assert_eq!(nothing.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn every_network_says_where_it_looked() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 }).unwrap();
        let faces = data.test.take_per_class(1).unwrap();
        for text in [
            "name = \"seed_cnn\"",
            "name = \"vgg\"\nchannels = [4, 8]\nconvolutions = [1, 1]\nhidden = 8",
            "name = \"resnet\"\nchannels = [4, 8]\nblocks = [1, 1]\nreduction = 0",
            "name = \"vit\"\nwidth = 16\ndepth = 1\nheads = 2",
        ] {
            let architecture: Architecture = toml::from_str(text).unwrap();
            let network = architecture.build(Device::Cpu, 1).unwrap();
            let looked = grad_cam(&*network, &faces).unwrap();
            let evaluation = super::super::evaluate(&*network, &faces).unwrap();
            assert_eq!(looked.len(), 7);
            for (attention, predicted) in looked.iter().zip(evaluation.predictions()) {
                assert_eq!(attention.predicted.index(), usize::from(*predicted));
                assert!(attention.map.iter().all(|value| (0.0..=1.0).contains(value)));
            }
            assert!(looked.iter().any(|attention| attention.map.contains(&1.0)), "{text}");
        }
        let nothing = data.test.select(&[]).unwrap();
        assert!(grad_cam(&SeedCnn::new(Device::Cpu, 1).unwrap(), &nothing).unwrap().is_empty());
    }
}
