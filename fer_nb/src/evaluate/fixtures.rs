//! Evaluations for tests.

use super::{CorruptedAccuracy, Corruption, Evaluation, Robustness};

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

/// A robustness of two rows: one of 60 points lost, one of none.
pub(crate) fn two_rows() -> Robustness {
    let evaluation = |hits: u8| {
        with_predictions(&(0..100).map(|i| (3, if i < hits { 3 } else { 4 })).collect::<Vec<_>>())
    };
    let clean = evaluation(80);
    let row = |corruption, hits| {
        CorruptedAccuracy::new(corruption, &clean, &evaluation(hits), vec![100; 2304]).unwrap()
    };
    Robustness {
        clean: clean.accuracy(),
        corrupted: vec![row(Corruption::Brightness(0.25), 20), row(Corruption::Jpeg(20), 80)],
        seed: 7,
        title: clean.title().into(),
        face: vec![200; 2304],
    }
}
