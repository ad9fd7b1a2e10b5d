//! [`Objective`]: the loss of a batch, from its [`Targets`]: labels, mixed labels and teachers.

use tch::{Kind, Reduction, Tensor};

use super::loss::LossFunction;
use crate::common::Result;
use crate::train::config::Distillation;

/// The targets for the logits of a batch.
#[derive(Debug)]
pub(crate) struct Targets {
    /// The class of each image, or of the first of two mixed images: i64 [B].
    pub labels: Tensor,
    /// The share of each class, if two images are mixed: f32 [B, 7].
    pub classes: Option<Tensor>,
    /// The teachers' probabilities at the distillation's temperature: f32 [B, 7].
    pub teachers: Option<Tensor>,
}

/// The loss of a batch.
#[derive(Debug)]
pub(crate) struct Objective {
    /// The labels' part.
    pub labels: LossFunction,
    /// The teachers' part.
    pub distillation: Distillation,
}

impl Objective {
    /// The mean loss over images, in nats, f32 [], of logits f32 [B, 7].
    pub(crate) fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
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
    use crate::train::config::LossConfig;

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
}
