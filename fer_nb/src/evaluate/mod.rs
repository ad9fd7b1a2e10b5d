//! Stage 5, validation: the metrics of a network's predictions.
//!
//! An [`Evaluation`] holds the predictions on one data set; all metrics are computed from it: the [`Accuracy`] with
//! its interval, the [`ConfusionMatrix`], the [`ClassificationReport`] in scikit-learn's layout, and that report
//! next to the published results of the [original](original()) Keras project.
//!
//! ```
//! use fer_nb::evaluate::Evaluation;
//!
//! let sure_of_happy = [0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0];
//! let evaluation = Evaluation::from_probs(vec![3, 4], vec![sure_of_happy; 2], "two faces")?;
//! assert_eq!(evaluation.accuracy().correct, 1);
//! println!("{}", evaluation.classification_report());
//! # Ok::<(), fer_nb::error::Error>(())
//! ```

mod absent;
mod accuracy;
mod across;
mod bootstrap;
mod calibration;
mod comparison;
mod comparison_table;
mod confusion;
mod corruption;
mod difference;
mod evaluation;
mod fitted;
#[cfg(test)]
pub(crate) mod fixtures;
mod grad_cam;
mod mcnemar;
mod mistakes;
mod network;
mod original;
pub(crate) mod probs;
mod protocol;
mod ranking;
mod report;
mod robustness;
mod seeds;
mod summary;
mod table_file;
mod threshold;
mod trust;
mod tta;
pub mod tune;
mod verdict;

pub use absent::AbsentClass;
pub use accuracy::Accuracy;
pub use across::{Across, AcrossRow, across, across_with};
pub use bootstrap::{Interval, Intervals};
pub use calibration::{Bin, Calibration, Temperature};
pub use comparison::{ComparedRun, Comparison, TestScores, compare, compare_on, compare_with};
pub use confusion::{Confusion, ConfusionMatrix};
pub use corruption::Corruption;
pub use evaluation::Evaluation;
pub use fitted::Saved;
pub use grad_cam::{Attention, grad_cam};
pub use mcnemar::McNemar;
pub use network::evaluate;
pub(crate) use network::rows;
pub use original::{Original, original};
pub use protocol::Protocol;
pub use ranking::Roc;
pub use report::{ClassificationReport, Scores};
pub use robustness::{CorruptedAccuracy, Robustness, robustness};
pub use seeds::{SeedSpread, Spread};
pub use summary::EvaluationSummary;
pub use threshold::Threshold;
pub use trust::Trust;
pub(crate) use trust::overlap_note;
pub use tta::{TestTimeAugmentation, evaluate_with};
pub use verdict::Verdict;
