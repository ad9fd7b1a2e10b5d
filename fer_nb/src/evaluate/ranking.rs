//! Metrics of all seven probabilities: top-k accuracy and ROC curves.

use serde::{Deserialize, Serialize};

use super::{Accuracy, Evaluation};
use crate::common::text::plural;
use crate::common::{Error, Result, brief};
use crate::emotion::Emotion;

/// The ROC curve of one class against the rest, and the area below it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Roc {
    /// The class.
    pub emotion: Emotion,
    /// False positive rate and true positive rate, both 0 to 1, for falling thresholds; from (0, 0) to (1, 1).
    /// Equal probabilities are one step, as in scikit-learn.
    pub points: Vec<(f64, f64)>,
    /// The area below the curve: the probability that the network scores an image of the class higher than one of
    /// another class (Fawcett, "An introduction to ROC analysis", 2006). 0.5 is chance.
    pub auc: f64,
}

brief!(Roc, |roc| "{}, auc {:.4}, {}", roc.emotion, roc.auc, plural(roc.points.len(), "point"));

impl Evaluation {
    /// The share of images whose label is among the `k` most probable classes, 1 to 7, with its interval. Among
    /// equals, the lower class index ranks higher.
    ///
    /// # Errors
    /// [`Error::Setting`] for another `k`.
    pub fn top_k(&self, k: usize) -> Result<Accuracy> {
        if !(1..=Emotion::COUNT).contains(&k) {
            return Err(Error::setting("k", k, "1 to 7"));
        }
        let within = |(label, row): (&u8, &[f32; Emotion::COUNT])| {
            let label = usize::from(*label);
            let own = row.get(label).copied().unwrap_or_default();
            let above = row
                .iter()
                .enumerate()
                .filter(|(class, p)| **p > own || (**p == own && *class < label));
            above.count() < k
        };
        // The prediction may come from logits that round to equal probabilities.
        let right = match k {
            1 => self.accuracy().correct as usize,
            _ => self.labels().iter().zip(self.probs()).filter(|pair| within(*pair)).count(),
        };
        Ok(Accuracy::new(right as u64, self.len() as u64))
    }

    /// The ROC curve of each class that has images, if other classes also have some.
    pub fn roc(&self) -> Vec<Roc> {
        Emotion::ALL.into_iter().filter_map(|emotion| self.roc_of(emotion)).collect()
    }

    fn roc_of(&self, emotion: Emotion) -> Option<Roc> {
        let class = emotion.index();
        let mut rows: Vec<(f32, bool)> = self
            .labels()
            .iter()
            .zip(self.probs())
            .map(|(label, row)| {
                (row.get(class).copied().unwrap_or_default(), usize::from(*label) == class)
            })
            .collect();
        rows.sort_by(|one, other| other.0.total_cmp(&one.0));
        let positives = rows.iter().filter(|(_, positive)| *positive).count();
        let negatives = rows.len() - positives;
        if positives == 0 || negatives == 0 {
            return None;
        }
        let (mut hits, mut alarms, mut auc) = (0, 0, 0.0);
        let mut points = vec![(0.0, 0.0)];
        for equal in rows.chunk_by(|one, other| one.0 == other.0) {
            let right = equal.iter().filter(|(_, positive)| *positive).count();
            hits += right;
            alarms += equal.len() - right;
            let point = (alarms as f64 / negatives as f64, hits as f64 / positives as f64);
            if let Some((x, y)) = points.last() {
                auc += (point.0 - x) * (point.1 + y) / 2.0;
            }
            points.push(point);
        }
        Some(Roc { emotion, points, auc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(labels: &[u8], happy: &[f32]) -> Evaluation {
        let probs = happy.iter().map(|p| [1.0 - p, 0.0, 0.0, *p, 0.0, 0.0, 0.0]).collect();
        Evaluation::from_probs(labels.to_vec(), probs, "").unwrap()
    }

    #[test]
    fn areas_are_scikit_learns() {
        // roc_auc_score([0, 1, 1, 0, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.9, 0.4]) = 0.6111…
        let roc = evaluation(&[0, 3, 3, 0, 3, 0], &[0.1, 0.4, 0.35, 0.8, 0.9, 0.4]).roc();
        assert_eq!(roc.len(), 2, "classes without images have no curve");
        assert_eq!(roc[1].emotion, Emotion::Happy);
        assert!((roc[1].auc - 0.611_111_111).abs() < 1e-9, "{}", roc[1].auc);
        // The two of 0.4 are one step.
        let third = 1.0 / 3.0;
        let expected = [
            (0.0, 0.0),
            (0.0, third),
            (third, third),
            (2.0 * third, 2.0 * third),
            (2.0 * third, 1.0),
            (1.0, 1.0),
        ];
        for (found, expected) in roc[1].points.iter().zip(expected) {
            assert!((found.0 - expected.0).abs() < 1e-12 && (found.1 - expected.1).abs() < 1e-12);
        }
    }

    #[test]
    fn the_label_is_among_the_likeliest() {
        let probs = vec![
            [0.5, 0.3, 0.2, 0.0, 0.0, 0.0, 0.0],
            [0.5, 0.3, 0.2, 0.0, 0.0, 0.0, 0.0],
            [0.4, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0],
        ];
        let evaluation = Evaluation::from_probs(vec![0, 1, 3], probs, "").unwrap();
        let value = |k| evaluation.top_k(k).unwrap().correct;
        assert_eq!([value(1), value(2), value(3), value(4), value(7)], [1, 2, 2, 3, 3]);
        assert!(evaluation.top_k(0).is_err() && evaluation.top_k(8).is_err());
    }
}
