//! [`Totals`]: loss and accuracy of many batches, counted where the batches are.

use tch::{Device, Kind, Tensor, no_grad};

use crate::error::Result;

/// Sums that stay on the device, so that counting waits for nothing; reading them does.
#[derive(Debug)]
pub struct Totals {
    /// Sum of the loss over images, f64 [].
    loss: Tensor,
    /// Images classified right, i64 [].
    correct: Tensor,
    images: usize,
}

impl Totals {
    /// Nothing counted yet.
    pub fn new(device: Device) -> Result<Self> {
        Ok(Self {
            loss: Tensor::f_zeros([], (Kind::Double, device))?,
            correct: Tensor::f_zeros([], (Kind::Int64, device))?,
            images: 0,
        })
    }

    /// Counts a batch: its mean loss [], logits [B, 7] and labels i64 [B].
    pub fn add(&mut self, loss: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<()> {
        no_grad(|| {
            let count = labels.size1()?;
            let sum = loss.f_to_kind(Kind::Double)?.f_mul_scalar(count as f64)?;
            let _ = self.loss.f_add_(&sum)?;
            let right = logits.f_argmax(1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?;
            let _ = self.correct.f_add_(&right)?;
            self.images += count as usize;
            Ok(())
        })
    }

    /// Images counted so far.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Mean loss and accuracy so far; waits for the device.
    pub fn read(&self) -> Result<(f64, f64)> {
        let images = self.images.max(1) as f64;
        let loss = self.loss.f_double_value(&[])? / images;
        Ok((loss, self.correct.f_int64_value(&[])? as f64 / images))
    }
}
