//! The teachers' predictions for the training images, for distillation.

use tch::{Device, Kind, Tensor, no_grad};

use crate::common::{During, Result};
use crate::data::Dataset;
use crate::model::{Network, logits, mirrored_logits};
use crate::train::config::Distillation;
use crate::train::run::RunFolder;

impl Distillation {
    /// The teachers' probabilities for each image at the distillation's temperature, f32 [N, 7]; `None`
    /// without teachers. `mirrored` as in [`Distillation::teach`].
    ///
    /// # Errors
    /// As [`Distillation::teach`].
    pub(crate) fn targets(
        &self,
        data: &Dataset,
        mirrored: bool,
        device: Device,
    ) -> Result<Option<Tensor>> {
        let logits = self.teach(data, mirrored, device)?;
        logits.map(|logits| self.soften(&logits)).transpose().during("the teachers' predictions")
    }

    /// The teachers' mean logits for each image, f32 [N, 7]; `None` without teachers. Teachers predict the images
    /// without augmentation, once for the whole training. With `mirrored`, for students that are trained on
    /// mirrored images, they also predict the mirrored images, so that an image and its mirror image have the same
    /// target.
    ///
    /// # Errors
    /// If a run has no weights; [`Error::Stopped`](crate::error::Error::Stopped) on Stop.
    fn teach(&self, data: &Dataset, mirrored: bool, device: Device) -> Result<Option<Tensor>> {
        let mut sum: Option<Tensor> = None;
        for teacher in &self.teachers {
            let network: Box<dyn Network> = RunFolder::named(teacher).network(device)?;
            let logits = match mirrored {
                true => mirrored_logits(&*network, data)?,
                false => logits(&*network, data)?,
            };
            sum = Some(match sum {
                None => logits,
                Some(sum) => sum.f_add(&logits)?,
            });
        }
        let count = self.teachers.len() as f64;
        Ok(sum.map(|sum| sum.f_mul_scalar(1.0 / count)).transpose()?)
    }

    /// Probabilities f32 [N, 7] of logits [N, 7] at this temperature.
    pub(crate) fn soften(&self, logits: &Tensor) -> Result<Tensor> {
        no_grad(|| Ok(logits.f_mul_scalar(1.0 / self.temperature)?.f_softmax(1, Kind::Float)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;
    use crate::data::{FaceData, SampleConfig};

    #[test]
    fn teachers_of_mirrored_images_answer_for_both() {
        let train = FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 }).unwrap().train;
        let ours = crate::project::pretrained("seed_cnn").display().to_string();
        let teacher = RunFolder::named(&ours).network(Device::Cpu).unwrap();
        let distillation = Distillation { teachers: vec![ours], ..Default::default() };
        let teach = |mirrored| distillation.teach(&train, mirrored, Device::Cpu).unwrap().unwrap();
        let images = crate::model::to_float(&train.images_tensor(Device::Cpu).unwrap()).unwrap();
        let [plain, mirror] =
            [&images, &images.flip([3])].map(|images| teacher.forward_t(images, false).unwrap());
        let apart = |left: &Tensor, right: &Tensor| (left - right).abs().max().double_value(&[]);
        assert!(apart(&teach(false), &plain) < 1e-4);
        assert!(apart(&teach(true), &((&plain + &mirror) / 2.0)) < 1e-4);
        assert!(apart(&plain, &mirror) > 0.1, "the two differ");
    }

    #[test]
    fn a_teacher_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let teacher = folder.path().join("teacher").display().to_string();
        let distillation = Distillation { teachers: vec![teacher], ..Default::default() };
        let data = FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 });
        let error = distillation.teach(&data.unwrap().train, false, Device::Cpu).unwrap_err();
        let Error::Missing { path, .. } = &error else { panic!("{error}") };
        assert!(path.starts_with(folder.path()), "{error}");
        assert!(Distillation { weight: 1.5, ..Default::default() }.validate().is_err());
    }
}
