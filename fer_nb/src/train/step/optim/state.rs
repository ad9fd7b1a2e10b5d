//! [`OptimizerState`]: the state of an optimizer, and its step.

use tch::{Tensor, no_grad};

use super::muon::orthogonal;
use super::slabs;
use crate::common::{Error, Result};
use crate::model::{Parameters, Span};
use crate::train::config::Optimizer;

/// An optimizer for one parameter buffer. Its state is a step count and up to two tensors of the buffer's shape.
#[derive(Debug)]
pub struct OptimizerState {
    optimizer: Optimizer,
    steps: u32,
    /// Adam and Muon: the means of gradients, or the momentum, and the means of squared gradients. SGD: the
    /// velocity. Each [P].
    moments: Vec<Tensor>,
}

impl OptimizerState {
    /// A new state for parameters of this shape, dtype and device.
    pub fn new(optimizer: Optimizer, parameters: &Tensor) -> Result<Self> {
        let moments = names(&optimizer)
            .iter()
            .map(|_| Ok(parameters.f_zeros_like()?))
            .collect::<Result<_>>()?;
        Ok(Self { optimizer, steps: 0, moments })
    }

    /// The number of steps.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The state's tensors by name, each \[P\]; they share its memory.
    pub fn tensors(&self) -> Vec<(&'static str, &Tensor)> {
        names(&self.optimizer).iter().copied().zip(&self.moments).collect()
    }

    /// Restores a saved state. Names and shapes must be those of [`OptimizerState::tensors`].
    pub fn restore(&mut self, steps: u32, saved: &[(String, Tensor)]) -> Result<()> {
        for (name, moment) in names(&self.optimizer).iter().zip(&mut self.moments) {
            let found = saved.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
            match found {
                Some(tensor) if tensor.size() == moment.size() => {
                    no_grad(|| moment.f_copy_(tensor))?;
                }
                other => {
                    let value = other.map_or("nothing".into(), |tensor| format!("{tensor:?}"));
                    let expected = format!("a tensor of shape {:?}", moment.size());
                    return Err(Error::setting(format!("optimizer.{name}"), value, expected));
                }
            }
        }
        self.steps = steps;
        Ok(())
    }

    /// Changes `parameters` \[P\] in place by one step against `gradient` \[P\]. Muon treats [R, C] as a matrix.
    pub fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
    ) -> Result<()> {
        let (length, rows) = match parameters.size()[..] {
            [rows, columns] => (rows * columns, Some(rows)),
            _ => (parameters.size1()?, None),
        };
        let all = Span { start: 0, length, rate: 1.0, rows };
        let mut flat = parameters.f_view([-1])?;
        self.step_in(&mut flat, &gradient.f_reshape([-1])?, learning_rate, &[all])
    }

    /// The parts of a network's parameters that [`OptimizerState::step_in`] changes.
    pub(crate) fn spans(&self, parameters: &Parameters) -> Vec<Span> {
        match self.optimizer {
            Optimizer::Muon { .. } => parameters.matrices_and_spans(),
            _ => parameters.spans(),
        }
    }

    /// [`OptimizerState::step`] of these parts only, each at its multiple of the learning rate; the other parts and
    /// their moments do not change.
    pub(crate) fn step_in(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        spans: &[Span],
    ) -> Result<()> {
        self.steps += 1;
        no_grad(|| {
            for span in spans {
                if let (Optimizer::Muon { .. }, Some(rows)) = (self.optimizer, span.rows) {
                    self.step_matrix(parameters, gradient, span, rows, learning_rate)?;
                    continue;
                }
                let end = span.start + span.length;
                for (start, length) in slabs(parameters.device(), span.start, end) {
                    let xs = parameters.f_narrow(0, start, length)?;
                    let gradient = gradient.f_narrow(0, start, length)?;
                    self.step_slab(xs, gradient, start, learning_rate * span.rate)?;
                }
            }
            Ok(())
        })
    }

    /// Muon's step of a matrix.
    fn step_matrix(
        &self,
        parameters: &Tensor,
        gradient: &Tensor,
        span: &Span,
        rows: i64,
        learning_rate: f64,
    ) -> Result<()> {
        let (Optimizer::Muon { momentum, weight_decay, .. }, [mean, _]) =
            (self.optimizer, &self.moments[..])
        else {
            return Err(Error::setting("optimizer.moments", self.moments.len(), "2 for Muon"));
        };
        let matrix = |flat: &Tensor| -> Result<Tensor> {
            Ok(flat.f_view([-1])?.f_narrow(0, span.start, span.length)?.f_view([rows, -1])?)
        };
        let (mut xs, gradient, mut mean) = (matrix(parameters)?, matrix(gradient)?, matrix(mean)?);
        let _ = mean.f_lerp_(&gradient, 1.0 - momentum)?;
        let mut update = orthogonal(&gradient.f_lerp(&mean, momentum)?)?;
        let rate = learning_rate * span.rate;
        // Scaled so that a step changes the output of a tall matrix as much as that of a square one.
        let scale = (rows as f64 / xs.size2()?.1 as f64).max(1.0).sqrt();
        let _ = xs.f_mul_scalar_(1.0 - rate * weight_decay)?;
        let _ = xs.f_sub_(&update.f_mul_scalar_(rate * scale)?)?;
        Ok(())
    }

    /// One step of the parameters `xs` that start at `start`.
    fn step_slab(
        &self,
        mut xs: Tensor,
        gradient: Tensor,
        start: i64,
        learning_rate: f64,
    ) -> Result<()> {
        let length = xs.size1()?;
        let (optimizer, learning_rate) = match self.optimizer {
            Optimizer::Muon { adamw_rate, weight_decay, .. } => {
                let (beta1, beta2, epsilon) = (0.9, 0.95, 1e-8);
                let rest = Optimizer::AdamW { beta1, beta2, epsilon, weight_decay };
                (rest, learning_rate * adamw_rate)
            }
            other => (other, learning_rate),
        };
        let mut moments = self
            .moments
            .iter()
            .map(|moment| Ok(moment.f_view([-1])?.f_narrow(0, start, length)?))
            .collect::<Result<Vec<_>>>()?;
        let weight_decay = optimizer.weight_decay();
        let gradient = match optimizer {
            _ if weight_decay == 0.0 => gradient,
            Optimizer::AdamW { .. } => {
                let _ = xs.f_mul_scalar_(1.0 - learning_rate * weight_decay)?;
                gradient
            }
            // The gradient of the loss with weight_decay / 2 · |xs|² added.
            _ => gradient.f_add(&xs.f_mul_scalar(weight_decay)?)?,
        };
        let update = match (optimizer, &mut moments[..]) {
            (
                Optimizer::Adam { beta1, beta2, epsilon, .. }
                | Optimizer::AdamW { beta1, beta2, epsilon, .. },
                [mean, square],
            ) => {
                let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
                let [bias1, bias2] = [beta1, beta2].map(|beta| 1.0 - beta.powi(steps));
                let _ = mean.f_lerp_(&gradient, 1.0 - beta1)?;
                let _ = square.f_lerp_(&gradient.f_square()?, 1.0 - beta2)?;
                // learning_rate · m̂ / (√v̂ + ε); both bias corrections are included in the step size and in ε,
                // which saves two passes.
                let mut denominator = square.f_sqrt()?;
                let _ = denominator.f_add_scalar_(epsilon * bias2.sqrt())?;
                let mut update = mean.f_div(&denominator)?;
                update.f_mul_scalar_(learning_rate * bias2.sqrt() / bias1)?
            }
            (Optimizer::Sgd { momentum, nesterov, .. }, velocity) => {
                let direction = match velocity {
                    [velocity] => {
                        let _ = velocity.f_mul_scalar_(momentum)?;
                        let _ = velocity.f_add_(&gradient)?;
                        if nesterov {
                            gradient.f_add(&velocity.f_mul_scalar(momentum)?)?
                        } else {
                            velocity.shallow_clone()
                        }
                    }
                    _ => gradient,
                };
                direction.f_mul_scalar(learning_rate)?
            }
            _ => {
                let found = self.moments.len();
                return Err(Error::setting("optimizer.moments", found, "2 for Adam"));
            }
        };
        let _ = xs.f_sub_(&update)?;
        Ok(())
    }
}

/// The names of the optimizer's tensors in a checkpoint.
fn names(optimizer: &Optimizer) -> &'static [&'static str] {
    match optimizer {
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } | Optimizer::Muon { .. } => {
            &["mean", "square"]
        }
        Optimizer::Sgd { momentum: 0.0, .. } => &[],
        Optimizer::Sgd { .. } => &["velocity"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten steps of Adam against the textbook's formula in plain f64 arithmetic. PyTorch's own
    /// optimizers are the judges in tests/test_against_pytorch.py.
    #[test]
    fn adam_follows_algorithm_1() {
        let start = [1.0f64, -2.0, 0.5];
        let mut tensor = Tensor::from_slice(&start);
        let mut adam = OptimizerState::new(Optimizer::adam(), &tensor).unwrap();
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
    }

    #[test]
    fn slabs_change_nothing() {
        tch::manual_seed(5);
        let options = (tch::Kind::Float, tch::Device::Cpu);
        let (start, gradient) =
            (Tensor::randn([200_000], options), Tensor::randn([200_000], options));
        let run = |from: i64, length: i64| {
            let mut xs = start.narrow(0, from, length).copy();
            let mut state = OptimizerState::new(Optimizer::adamw(0.1), &xs).unwrap();
            for _ in 0..3 {
                state.step(&mut xs, &gradient.narrow(0, from, length), 1e-3).unwrap();
            }
            xs
        };
        // Slabs of the halves lie elsewhere than those of the whole.
        assert_eq!(run(0, 200_000), Tensor::cat(&[run(0, 100_000), run(100_000, 100_000)], 0));
    }

    #[test]
    fn parts_have_rates_of_their_own_and_the_rest_stays() {
        let options = (tch::Kind::Double, tch::Device::Cpu);
        let spans = [(0, 2, 0.1), (3, 1, 1.0)].map(|(start, length, rate)| Span {
            start,
            length,
            rate,
            rows: None,
        });
        let mut xs = Tensor::ones([4], options);
        let mut state = OptimizerState::new(Optimizer::sgd(0.9), &xs).unwrap();
        state.step_in(&mut xs, &Tensor::ones([4], options), 1.0, &spans).unwrap();
        // Nesterov's first step is 1.9 times the gradient.
        let expected = Tensor::from_slice(&[1.0 - 0.19, 1.0 - 0.19, 1.0, -0.9]);
        assert!(xs.allclose(&expected, 0.0, 1e-12, false), "{xs:?}");
        assert_eq!(state.moments[0].double_value(&[2]), 0.0);
    }

    #[test]
    fn a_state_that_does_not_fit_is_named() {
        let xs = Tensor::from_slice(&[1.0f32, 2.0]);
        let mut state = OptimizerState::new(Optimizer::sgd(0.9), &xs).unwrap();
        let message = state.restore(3, &[]).unwrap_err().to_string();
        assert_eq!(message, "optimizer.velocity = nothing: expected a tensor of shape [2]");
    }
}
