//! [`Totals`]: loss and accuracy of many batches, summed on the device.

use tch::{Device, Kind, Tensor, no_grad};

use crate::common::Result;

/// Loss and correct predictions so far. Adding a batch only stores its results, and launches nothing on a GPU;
/// reading computes the sums and waits.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// The results of each batch that is not yet summed: mean loss [], logits [B, 7], labels i64 [B].
    waiting: Vec<(Tensor, Tensor, Tensor)>,
    /// The sum of the loss over the summed images.
    loss: f64,
    /// The number of correct predictions among them.
    correct: i64,
    images: usize,
}

impl Totals {
    /// Adds a batch: its mean loss [], logits [B, 7] and labels i64 [B].
    pub(crate) fn add(&mut self, loss: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<()> {
        let labels = labels.f_detach()?;
        self.images += labels.size1()? as usize;
        self.waiting.push((loss.f_detach()?, logits.f_detach()?, labels));
        Ok(())
    }

    /// The number of added images.
    pub(crate) fn images(&self) -> usize {
        self.images
    }

    /// Mean loss and accuracy so far; waits for the device.
    pub(crate) fn read(&mut self) -> Result<(f64, f64)> {
        if !self.waiting.is_empty() {
            let losses: Vec<_> = self.waiting.iter().map(|(loss, _, _)| loss).collect();
            let logits: Vec<_> = self.waiting.iter().map(|(_, logits, _)| logits).collect();
            let labels: Vec<_> = self.waiting.iter().map(|(_, _, labels)| labels).collect();
            let (losses, right) = no_grad(|| -> Result<_> {
                let classes = Tensor::f_cat(&logits, 0)?.f_argmax(1, false)?;
                let right = classes.f_eq_tensor(&Tensor::f_cat(&labels, 0)?)?;
                let losses = Tensor::f_stack(&losses, 0)?.f_to_kind(Kind::Double)?;
                Ok((losses.f_to_device(Device::Cpu)?, right.f_sum(Kind::Int64)?))
            })?;
            let losses = Vec::<f64>::try_from(&losses)?;
            // In order, so that the sum does not depend on when it is read.
            for (loss, labels) in losses.iter().zip(labels) {
                self.loss += loss * labels.size1()? as f64;
            }
            self.correct += right.f_int64_value(&[])?;
            self.waiting.clear();
        }
        let images = self.images.max(1) as f64;
        Ok((self.loss / images, self.correct as f64 / images))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_same_whenever_they_are_read() {
        let batch = |number: usize| {
            let labels = Tensor::from_slice(&vec![(number % 7) as i64; number + 1]);
            let logits = Tensor::zeros([number as i64 + 1, 7], (Kind::Float, Device::Cpu));
            (Tensor::from(1.0f32 / (number as f32 + 3.0)), logits, labels)
        };
        let (mut once, mut often) = (Totals::default(), Totals::default());
        for number in 0..50 {
            let (loss, logits, labels) = batch(number);
            for totals in [&mut once, &mut often] {
                totals.add(&loss, &logits, &labels).unwrap();
            }
            if number % 3 == 0 {
                often.read().unwrap();
            }
        }
        assert_eq!(once.read().unwrap(), often.read().unwrap());
        assert_eq!(once.images(), (1..=50).sum::<usize>());
        // Logits that are all alike are class 0's, which is the label of every seventh batch.
        let right: usize = (0..50).step_by(7).map(|number| number + 1).sum();
        let (loss, accuracy) = once.read().unwrap();
        assert!((accuracy - right as f64 / 1275.0).abs() < 1e-12, "{accuracy}");
        let sum: f64 =
            (0..50).map(|n| f64::from(1.0f32 / (n as f32 + 3.0)) * f64::from(n + 1)).sum();
        assert!((loss - sum / 1275.0).abs() < 1e-12, "{loss}");
    }
}
