//! Seven probabilities or logits of one image: checks, softmax, the most probable class.

use crate::emotion::Emotion;

/// One number for each class, by class index.
pub(crate) type Row = [f32; Emotion::COUNT];

/// The tolerance for the sum of seven probabilities; bfloat16's rounding stays below.
const SUM_TOLERANCE: f64 = 0.02;

/// Checks that seven probabilities are on 0 to 1 and add up to 1; otherwise returns the problem.
pub(crate) fn check_probs(row: &Row) -> Result<(), String> {
    if let Some(value) = row.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(format!("probability {value}"));
    }
    let sum: f64 = row.iter().copied().map(f64::from).sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(format!("probabilities that add up to {sum:.4}"));
    }
    Ok(())
}

/// The index of the largest value, the first of equals, as numpy's `argmax`; NaN is never the largest.
pub(crate) fn argmax(row: &Row) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in row.iter().enumerate() {
        if *value > best.1 {
            best = (index, *value);
        }
    }
    best.0
}

/// Probabilities from logits: e^x over its sum, computed in f64 relative to the largest logit so that nothing
/// overflows.
pub(crate) fn softmax(logits: &Row) -> Row {
    let log_sum = log_sum_exp(logits);
    logits.map(|logit| (f64::from(logit) - log_sum).exp() as f32)
}

/// ln Σ e^x, computed relative to the largest logit so that nothing overflows.
pub(crate) fn log_sum_exp(logits: &Row) -> f64 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let greatest = f64::from(greatest);
    greatest + logits.iter().map(|logit| (f64::from(*logit) - greatest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_the_greatest() {
        assert_eq!(argmax(&[0.0, 0.3, 0.3, 0.1, 0.3, 0.0, 0.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -1.0, 0.5, f32::NAN, 0.5, 0.0, 0.0]), 2);
    }
}
