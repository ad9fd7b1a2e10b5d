//! [`WeightAverage`]: an exponential moving average of the weights.

use tch::{Tensor, no_grad};

use super::slabs;
use crate::common::{Error, Result};

/// A moving average of the weights (Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging",
/// 1992). It varies less than the weights and often classifies better.
///
/// The first steps decay faster, `min(decay, (1 + step) / (10 + step))`, as in TensorFlow's
/// `ExponentialMovingAverage`, so that the influence of the initial weights disappears soon.
#[derive(Debug)]
pub struct WeightAverage {
    decay: f64,
    steps: u32,
    /// [P]
    average: Tensor,
}

impl WeightAverage {
    /// Starts at `parameters` \[P\]. `decay` is at least 0 and below 1.
    pub fn new(decay: f64, parameters: &Tensor) -> Result<Self> {
        Ok(Self { decay, steps: 0, average: parameters.f_detach_copy()? })
    }

    /// Adds the weights \[P\] after a step.
    pub fn update(&mut self, parameters: &Tensor) -> Result<()> {
        self.steps += 1;
        let step = f64::from(self.steps);
        let decay = self.decay.min((1.0 + step) / (10.0 + step));
        no_grad(|| {
            for (start, length) in slabs(parameters.device(), 0, parameters.size1()?) {
                let mut part = self.average.f_narrow(0, start, length)?;
                let _ = part.f_lerp_(&parameters.f_narrow(0, start, length)?, 1.0 - decay)?;
            }
            Ok(())
        })
    }

    /// Swaps the average with `parameters` [P]: for a validation, and back.
    pub(crate) fn exchange(&mut self, parameters: &mut Tensor) -> Result<()> {
        no_grad(|| {
            let weights = parameters.f_detach_copy()?;
            parameters.f_copy_(&self.average)?;
            self.average.f_copy_(&weights)?;
            Ok(())
        })
    }

    /// The number of steps.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The average, or the weights while the two are swapped: \[P\].
    pub fn tensor(&self) -> &Tensor {
        &self.average
    }

    /// Restores a saved state.
    pub fn restore(&mut self, steps: u32, average: &Tensor) -> Result<()> {
        if average.size() != self.average.size() {
            let expected = format!("shape {:?}", self.average.size());
            return Err(Error::setting("ema", format!("shape {:?}", average.size()), expected));
        }
        no_grad(|| self.average.f_copy_(average))?;
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_its_formula_and_can_be_exchanged() {
        let mut weights = Tensor::from_slice(&[0.0f64]);
        let mut average = WeightAverage::new(0.5, &weights).unwrap();
        let mut expected = 0.0;
        for step in 1..=20 {
            let _ = weights.fill_(f64::from(step));
            average.update(&weights).unwrap();
            let decay = f64::min(0.5, (1.0 + f64::from(step)) / (10.0 + f64::from(step)));
            expected = decay * expected + (1.0 - decay) * f64::from(step);
        }
        average.exchange(&mut weights).unwrap();
        assert!((weights.double_value(&[0]) - expected).abs() < 1e-12);
        assert_eq!(average.tensor().double_value(&[0]), 20.0);
        average.exchange(&mut weights).unwrap();
        assert_eq!(weights.double_value(&[0]), 20.0);
    }
}
