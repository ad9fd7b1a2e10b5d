//! [`Objective`]: the loss of a batch, from labels, mixed labels and teachers.

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor, no_grad};

use super::loss::LossFunction;
use super::run::RunFolder;
use crate::common::{Error, Result};
use crate::data::Dataset;
use crate::model::{Network, logits, mirrored_logits};

/// Learning from the answers of networks that are trained already, beside the labels (Hinton, Vinyals
/// and Dean, "Distilling the Knowledge in a Neural Network", 2015). The default has no teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distillation {
    /// Runs whose networks teach, by name or folder, or weights that come with the project. Their logits
    /// are averaged, also over each image and its mirror image where the augmentation mirrors.
    pub teachers: Vec<String>,
    /// What logits are divided by before softmax, the teachers' and the student's; above 0. More
    /// shows more of what teachers think of the classes that they don't choose.
    pub temperature: f64,
    /// The teachers' share of the loss; 0 to 1. Theirs is multiplied by the temperature's square, so
    /// that its gradients keep their size.
    pub weight: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { teachers: Vec::new(), temperature: 3.0, weight: 0.7 }
    }
}

impl Distillation {
    /// Names the first value outside its range.
    pub fn validate(&self) -> Result<()> {
        let temperature = self.temperature;
        if !(temperature.is_finite() && temperature > 0.0) {
            let expected = "a number above 0";
            return Err(Error::setting("distillation.temperature", temperature, expected));
        }
        if !(0.0..=1.0).contains(&self.weight) {
            return Err(Error::setting("distillation.weight", self.weight, "0 to 1"));
        }
        Ok(())
    }

    /// The teachers' averaged logits for each image, f32 [N, 7]; none without teachers. Teachers see
    /// the images as they are, once for the whole training; `mirrored`, which is for students that see
    /// mirror images, their mirror images too, so that an image and its mirror image have one answer.
    ///
    /// # Errors
    /// Where a run has no weights, or what [`logits`] gives.
    pub fn teach(
        &self,
        data: &Dataset,
        mirrored: bool,
        device: tch::Device,
    ) -> Result<Option<Tensor>> {
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
    pub fn soften(&self, logits: &Tensor) -> Result<Tensor> {
        no_grad(|| Ok(logits.f_mul_scalar(1.0 / self.temperature)?.f_softmax(1, Kind::Float)?))
    }
}

/// What a batch's logits are held against.
#[derive(Debug)]
pub struct Targets {
    /// The class of each image, of the first where two are mixed: i64 [B].
    pub labels: Tensor,
    /// The share of each class, where two images are mixed: f32 [B, 7].
    pub classes: Option<Tensor>,
    /// What teachers say, softened: f32 [B, 7].
    pub teachers: Option<Tensor>,
}

/// The loss of a batch.
#[derive(Debug)]
pub struct Objective {
    /// The labels' part.
    pub labels: LossFunction,
    /// The teachers' part.
    pub distillation: Distillation,
}

impl Objective {
    /// The mean loss over images, in nats, f32 [], of logits f32 [B, 7].
    pub fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let labels = match &targets.classes {
            None => self.labels.of_labels(logits, &targets.labels)?,
            Some(classes) => self.labels.of_targets(logits, classes)?,
        };
        let Some(teachers) = &targets.teachers else { return Ok(labels) };
        let Distillation { temperature, weight, .. } = self.distillation;
        let student = logits.f_mul_scalar(1.0 / temperature)?.f_log_softmax(1, Kind::Float)?;
        let images = logits.size2()?.0.max(1) as f64;
        let distance = student.f_kl_div(teachers, Reduction::Sum, false)?;
        let distance = distance.f_mul_scalar(weight * temperature * temperature / images)?;
        Ok(labels.f_mul_scalar(1.0 - weight)?.f_add(&distance)?)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::train::loss::LossConfig;

    #[test]
    fn teachers_and_labels_share_the_loss() {
        let distillation = Distillation { temperature: 2.0, weight: 0.25, ..Default::default() };
        let labels = LossFunction::new(LossConfig::default(), [1; 7], Device::Cpu).unwrap();
        let objective = Objective { labels, distillation };
        let student = [1.0f64, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0];
        let teacher = [0.0f64, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let softmax = |logits: [f64; 7], t: f64| {
            let sum: f64 = logits.iter().map(|logit| (logit / t).exp()).sum();
            logits.map(|logit| (logit / t).exp() / sum)
        };
        let (p, q) = (softmax(student, 2.0), softmax(teacher, 2.0));
        let kl: f64 = q.iter().zip(p).map(|(q, p)| q * (q / p).ln()).sum();
        let expected = 0.75 * -softmax(student, 1.0)[0].ln() + 0.25 * 4.0 * kl;
        let row = |values: [f64; 7]| Tensor::from_slice(&values).to_kind(Kind::Float).view([1, 7]);
        let teachers = objective.distillation.soften(&row(teacher)).unwrap();
        let label = Tensor::from_slice(&[0i64]);
        let targets = Targets { labels: label, classes: None, teachers: Some(teachers) };
        let loss = objective.loss(&row(student), &targets).unwrap().double_value(&[]);
        assert!((loss - expected).abs() < 1e-5, "{loss} {expected}");
    }

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
        let message = distillation.teach(&data.unwrap().train, false, Device::Cpu).unwrap_err();
        assert!(message.to_string().contains("teacher"), "{message}");
        assert!(Distillation { weight: 1.5, ..Default::default() }.validate().is_err());
    }
}
