//! Which of the tuned values mattered.

use super::range::Range;
use super::study::Study;
use super::trial::Trial;

/// Trials from which on importances are computed.
pub(crate) const FEWEST: usize = 5;

impl Study {
    /// For each hyperparameter the share, 0 to 1, of the finished trials' variance that it explains by
    /// itself, the largest first: the adjusted R² of a parabola over the (logarithm of the) value, or of the
    /// choices' means. Together they may be more or less than 1. Of a hyperparameter with a condition it is the share
    /// in the trials that tuned it. Those with fewer than five finished trials are left out; with few more, read
    /// them as a hint. Of two objectives it is the first one's.
    pub fn importances(&self) -> Vec<(String, f64)> {
        let mut shares: Vec<(String, f64)> = self
            .config()
            .space
            .ranges()
            .filter_map(|(path, range)| {
                let place = |trial: &Trial| range.place(trial.values.get(path)?);
                let tuned =
                    self.complete().filter_map(|(trial, value)| Some((place(trial)?, value)));
                let (places, reached): (Vec<f64>, Vec<f64>) = tuned.unzip();
                let share = match range {
                    _ if places.len() < FEWEST => return None,
                    Range::Choice { values } => {
                        explained_by_groups(&places, &reached, values.len())
                    }
                    _ => explained_by_parabola(&places, &reached),
                };
                Some((path.to_string(), share))
            })
            .collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// 1 - (1 - R²)(n - 1)/(n - p - 1), at least 0; `left` and `total` are sums of squares.
fn adjusted(left: f64, total: f64, count: usize, terms: usize) -> f64 {
    if total <= 0.0 || count <= terms + 1 {
        return 0.0;
    }
    let factor = (count - 1) as f64 / (count - terms - 1) as f64;
    (1.0 - left / total * factor).clamp(0.0, 1.0)
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

fn explained_by_groups(places: &[f64], reached: &[f64], groups: usize) -> f64 {
    let (mut left, mut used) = (0.0, 0);
    for group in 0..groups {
        let own: Vec<f64> = places
            .iter()
            .zip(reached)
            .filter(|(place, _)| **place as usize == group)
            .map(|(_, value)| *value)
            .collect();
        left += squares(&own);
        used += usize::from(!own.is_empty());
    }
    adjusted(left, squares(reached), reached.len(), used.saturating_sub(1))
}

/// A least-squares parabola through polynomials that are orthogonal on these very places (Gram-Schmidt).
fn explained_by_parabola(places: &[f64], reached: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let centre = mean(places);
    let linear: Vec<f64> = places.iter().map(|place| place - centre).collect();
    let raw: Vec<f64> = linear.iter().map(|x| x * x).collect();
    let (offset, norm) = (mean(&raw), dot(&linear, &linear));
    let slope = if norm > 0.0 { dot(&raw, &linear) / norm } else { 0.0 };
    let square: Vec<f64> =
        raw.iter().zip(&linear).map(|(x, line)| x - offset - slope * line).collect();
    let own = mean(reached);
    let centred: Vec<f64> = reached.iter().map(|value| value - own).collect();
    let total = squares(reached);
    let explained = |basis: &[f64]| {
        let norm = dot(basis, basis);
        if norm > 1e-12 { dot(&centred, basis).powi(2) / norm } else { 0.0 }
    };
    adjusted(total - explained(&linear) - explained(&square), total, reached.len(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_adjusted_r_squared() {
        let places: Vec<f64> = (0..12).map(f64::from).collect();
        let parabola: Vec<f64> = places.iter().map(|x| 3.0 - (x - 4.0).powi(2)).collect();
        assert!((explained_by_parabola(&places, &parabola) - 1.0).abs() < 1e-9);
        // numpy: y = [1, 3, 2, 5, 4, 6], x = 0…5: polyfit's R² is 0.784490, adjusted 0.640816.
        let (x, y) = ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0, 6.0]);
        let found = explained_by_parabola(&x, &y);
        assert!((found - 0.640_816).abs() < 1e-6, "{found}");
        let same = [2.0; 12];
        assert_eq!(explained_by_parabola(&places, &same), 0.0);
        assert_eq!(explained_by_parabola(&same, &parabola), 0.0);
        let groups = [0.5, 0.5, 1.5, 1.5, 1.5, 0.5];
        let values = [1.0, 1.0, 5.0, 5.0, 5.0, 1.0];
        assert!((explained_by_groups(&groups, &values, 3) - 1.0).abs() < 1e-9);
        let noise = [1.0, 2.0, 1.0, 2.0, 1.5, 1.5];
        assert!(explained_by_groups(&groups, &noise, 2) < 0.2);
    }
}
