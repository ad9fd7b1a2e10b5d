//! [`Sampling`]: how often an epoch contains images of each class.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::common::named;
use crate::emotion::Emotion;

/// How often an epoch contains images of each class. An epoch always has as many images as the training part.
/// Within a class, the numbers of occurrences of its images differ by at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Each image once.
    #[default]
    Natural,
    /// Each class equally often (Kang et al., "Decoupling Representation and Classifier for Long-Tailed
    /// Recognition", 2020: class-balanced sampling). Each image of FER2013's disgust occurs about nine times per
    /// epoch.
    Balanced,
    /// Each class in proportion to the root of its number of images (the same paper: square-root
    /// sampling).
    SquareRoot,
}

impl Sampling {
    /// Indices of one epoch's images, in order, from their labels' class indices, 0 to 6. The result depends only
    /// on `seed`.
    pub fn order(&self, labels: &[u8], seed: u64) -> Vec<i64> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order: Vec<i64> = match self {
            Sampling::Natural => (0..labels.len() as i64).collect(),
            _ => {
                let mut classes = vec![Vec::new(); Emotion::COUNT];
                for (index, label) in labels.iter().enumerate() {
                    if let Some(class) = classes.get_mut(usize::from(*label)) {
                        class.push(index as i64);
                    }
                }
                let counts: Vec<_> = classes.iter().map(Vec::len).collect();
                let draws = self.draws(&counts);
                let mut order = Vec::with_capacity(labels.len());
                for (class, draws) in classes.iter_mut().zip(draws) {
                    class.shuffle(&mut rng);
                    order.extend(class.iter().cycle().take(draws));
                }
                order
            }
        };
        order.shuffle(&mut rng);
        order
    }

    /// The number of images of each class in an epoch: shares of the sum of `counts`, the largest remainders
    /// rounded up.
    fn draws(&self, counts: &[usize]) -> Vec<usize> {
        let power = match self {
            Sampling::Natural => 1.0,
            Sampling::Balanced => 0.0,
            Sampling::SquareRoot => 0.5,
        };
        let share = |count: usize| if count == 0 { 0.0 } else { (count as f64).powf(power) };
        let total: usize = counts.iter().sum();
        let sum: f64 = counts.iter().map(|count| share(*count)).sum();
        let exact: Vec<f64> =
            counts.iter().map(|count| share(*count) / sum.max(1e-9) * total as f64).collect();
        let mut draws: Vec<usize> = exact.iter().map(|draws| draws.floor() as usize).collect();
        let mut classes: Vec<usize> =
            (0..counts.len()).filter(|class| counts[*class] > 0).collect();
        classes.sort_by(|one, other| exact[*other].fract().total_cmp(&exact[*one].fract()));
        let missing = total.saturating_sub(draws.iter().sum());
        for class in classes.into_iter().take(missing) {
            draws[class] += 1;
        }
        draws
    }
}

named! {
    Sampling: "sampling",
    Natural => "natural",
    Balanced => "balanced",
    SquareRoot => "square-root",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(counts: [usize; 7]) -> Vec<u8> {
        (0..7u8).flat_map(|class| vec![class; counts[usize::from(class)]]).collect()
    }

    #[test]
    fn classes_come_as_often_as_their_shares_say() {
        let labels = labels([100, 4, 100, 100, 100, 100, 196]);
        let count = |sampling: Sampling| {
            let mut counts = [0; 7];
            let order = sampling.order(&labels, 3);
            assert_eq!(order.len(), 700);
            for index in order {
                counts[usize::from(labels[index as usize])] += 1;
            }
            counts
        };
        assert_eq!(count(Sampling::Natural), [100, 4, 100, 100, 100, 100, 196]);
        assert_eq!(count(Sampling::Balanced), [100; 7]);
        // Roots 10, 2, 10, 10, 10, 10, 14 of 66, times 700: 106.06, 21.21 and 148.48; the one that
        // is missing goes to the largest remainder.
        assert_eq!(count(Sampling::SquareRoot), [106, 21, 106, 106, 106, 106, 149]);
    }

    #[test]
    fn within_a_class_no_image_is_left_out() {
        let labels = labels([50, 3, 50, 50, 50, 50, 50]);
        let order = Sampling::Balanced.order(&labels, 1);
        let times = |image: i64| order.iter().filter(|index| **index == image).count();
        let rare: Vec<_> = (50..53).map(times).collect();
        assert!(rare.iter().all(|times| (14..=15).contains(times)), "{rare:?}");
        assert_eq!(order, Sampling::Balanced.order(&labels, 1));
        assert_ne!(order, Sampling::Balanced.order(&labels, 2));
    }

    #[test]
    fn a_class_without_images_is_no_trouble() {
        let labels = labels([5, 0, 5, 0, 0, 0, 0]);
        assert_eq!(Sampling::Balanced.order(&labels, 1).len(), 10);
        assert!(Sampling::Balanced.order(&[], 1).is_empty());
        assert!("squareroot".parse::<Sampling>().is_err());
        for sampling in [Sampling::Natural, Sampling::Balanced, Sampling::SquareRoot] {
            assert_eq!(sampling.to_string().parse::<Sampling>().unwrap(), sampling);
        }
    }
}
