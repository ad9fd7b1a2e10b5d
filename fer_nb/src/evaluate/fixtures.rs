//! Evaluations for tests.

use super::Evaluation;

/// An evaluation of images with these labels and predictions, each with 0.88 confidence.
pub(crate) fn with_predictions(pairs: &[(u8, u8)]) -> Evaluation {
    let probs = pairs.iter().map(|(_, predicted)| {
        let mut row = [0.02; 7];
        row[usize::from(*predicted)] = 0.88;
        row
    });
    let labels = pairs.iter().map(|(label, _)| *label).collect();
    Evaluation::from_probs(labels, probs.collect(), "made-up sample").unwrap()
}
