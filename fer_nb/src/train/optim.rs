//! [`Adam`] on one flat parameter buffer.

use tch::{Tensor, no_grad};

use super::config::TrainConfig;
use crate::error::Result;

/// Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1). Its state
/// is two tensors of the parameters' shape and a step count, whatever the number of layers.
#[derive(Debug)]
pub struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    /// Mean of gradients, [P].
    mean: Tensor,
    /// Mean of squared gradients, [P].
    square: Tensor,
    steps: i32,
}

impl Adam {
    /// For parameters of this shape, kind and device.
    pub fn new(parameters: &Tensor, config: &TrainConfig) -> Result<Self> {
        Ok(Self {
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
            mean: parameters.f_zeros_like()?,
            square: parameters.f_zeros_like()?,
            steps: 0,
        })
    }

    /// Changes `parameters` [P] in place by one step against `gradient` [P].
    pub fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let bias1 = 1.0 - self.beta1.powi(self.steps);
        let bias2 = 1.0 - self.beta2.powi(self.steps);
        no_grad(|| {
            let _ = self.mean.f_lerp_(gradient, 1.0 - self.beta1)?;
            let _ = self.square.f_lerp_(&gradient.f_square()?, 1.0 - self.beta2)?;
            // m̂ / (√v̂ + ε) with both bias corrections moved into the step size and into ε, which
            // saves two passes over the buffer.
            let mut denominator = self.square.f_sqrt()?;
            let _ = denominator.f_add_scalar_(self.epsilon * bias2.sqrt())?;
            let mut update = self.mean.f_div(&denominator)?;
            let _ = update.f_mul_scalar_(learning_rate * bias2.sqrt() / bias1)?;
            let _ = parameters.f_sub_(&update)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    /// Ten steps against the textbook's formula in plain f64 arithmetic.
    #[test]
    fn steps_follow_algorithm_1() {
        let start = [1.0f64, -2.0, 0.5];
        let mut tensor = Tensor::from_slice(&start);
        let config = TrainConfig::default();
        let mut adam = Adam::new(&tensor, &config).unwrap();
        let (mut m, mut v, mut x) = ([0.0f64; 3], [0.0f64; 3], start);
        for t in 1..=10 {
            let gradient = [f64::from(t), -0.1 * f64::from(t), 1e-3];
            adam.step(&mut tensor, &Tensor::from_slice(&gradient), 0.01).unwrap();
            for i in 0..3 {
                m[i] = 0.9 * m[i] + 0.1 * gradient[i];
                v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
                let mean = m[i] / (1.0 - 0.9f64.powi(t));
                let square = v[i] / (1.0 - 0.999f64.powi(t));
                x[i] -= 0.01 * mean / (square.sqrt() + 1e-7);
            }
        }
        let expected = Tensor::from_slice(&x);
        assert!(tensor.allclose(&expected, 0.0, 1e-12, false), "{tensor:?} {x:?}");
        assert_eq!(tensor.kind(), Kind::Double, "the check above is one of double precision");
    }
}
