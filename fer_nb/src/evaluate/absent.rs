//! The classes with images in an evaluation, and the classes without.

use serde::{Deserialize, Serialize};

use super::{ClassificationReport, ConfusionMatrix};
use crate::common::text;
use crate::emotion::Emotion;

/// A class without evaluated images. It has no scores and is not part of averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentClass {
    /// The class.
    pub class: Emotion,
    /// The number of images that were predicted as this class, all of them wrongly.
    pub predicted: u64,
}

impl std::fmt::Display for AbsentClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { class, predicted } = self;
        match predicted {
            0 => write!(f, "{class}"),
            n => write!(f, "{class} (predicted for {})", text::plural(*n as usize, "image")),
        }
    }
}

impl ConfusionMatrix {
    /// The classes that have images, in class order: the rows of tables and figures, and the classes of averages.
    pub fn classes(&self) -> Vec<Emotion> {
        let has_images = |class: &Emotion| self.support(*class) > 0;
        Emotion::ALL.into_iter().filter(has_images).collect()
    }

    /// The classes that have images or were predicted, in class order: the columns of tables and figures.
    pub(crate) fn columns(&self) -> Vec<Emotion> {
        let predicted = Emotion::ALL.into_iter().zip(self.predicted());
        predicted
            .filter(|(class, predicted)| *predicted > 0 || self.support(*class) > 0)
            .map(|(class, _)| class)
            .collect()
    }

    /// The classes without images, in class order.
    pub fn absent(&self) -> Vec<AbsentClass> {
        let predicted = Emotion::ALL.into_iter().zip(self.predicted());
        predicted
            .filter(|(class, _)| self.support(*class) == 0)
            .map(|(class, predicted)| AbsentClass { class, predicted })
            .collect()
    }

    /// Lists the classes without images, in a sentence; empty if all have some.
    pub fn absent_note(&self) -> String {
        note(&self.absent())
    }
}

impl ClassificationReport {
    /// Lists the classes without images, in a sentence; empty if all have some.
    pub(crate) fn absent_note(&self) -> String {
        note(&self.absent_names())
    }

    /// [`ClassificationReport::absent_note`] for a figure, which has less room.
    pub(crate) fn absent_subtitle(&self) -> String {
        match &self.absent_names()[..] {
            [] => String::new(),
            names => format!("No images of {}", names.join(", ")),
        }
    }

    fn absent_names(&self) -> Vec<&'static str> {
        let absent = Emotion::ALL.into_iter().filter(|class| self.class(*class).support == 0);
        absent.map(Emotion::name).collect()
    }
}

fn note<T: std::fmt::Display>(absent: &[T]) -> String {
    let names: Vec<String> = absent.iter().map(T::to_string).collect();
    let left = Emotion::COUNT.saturating_sub(names.len());
    match names.len() {
        0 => String::new(),
        _ => {
            format!("No images of {}: averages are over {left} of the 7 classes", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::fixtures::with_predictions;

    /// Six classes without neutral; two images of sad are taken for it.
    fn six() -> ConfusionMatrix {
        let right = [0, 1, 2, 3, 5, 6].map(|class| (class, class));
        let pairs = [&right[..], &[(5, 4), (5, 4), (0, 1)]].concat();
        with_predictions(&pairs).confusion_matrix()
    }

    #[test]
    fn absent_classes_are_named_and_left_out_of_averages() {
        let (matrix, report) = (six(), six().report());
        assert_eq!(matrix.classes().len(), 6);
        assert_eq!(matrix.columns().len(), 7, "neutral was predicted");
        let neutral = AbsentClass { class: Emotion::Neutral, predicted: 2 };
        assert_eq!(matrix.absent(), [neutral]);
        assert!(
            matrix.absent_note().starts_with("No images of neutral (predicted for 2 images): ")
        );
        assert!(report.absent_note().starts_with("No images of neutral: averages are over 6 of"));
        // The mean of six classes' recall: angry 1/2, sad 1/3, and four of 1.
        let recall = (0.5 + 1.0 / 3.0 + 4.0) / 6.0;
        assert!((report.macro_avg().recall - recall).abs() < 1e-12, "{report}");
        assert!((report.accuracy() - 6.0 / 9.0).abs() < 1e-12, "those predicted as it are wrong");
        let text = report.to_string() + &matrix.to_string();
        assert_eq!(text.matches("neutral").count(), 1, "a column and no row: {text}");
    }

    #[test]
    fn nothing_is_said_of_seven_classes() {
        let pairs: Vec<(u8, u8)> = (0..7).map(|class| (class, 3)).collect();
        let matrix = with_predictions(&pairs).confusion_matrix();
        let report = matrix.report();
        assert_eq!(matrix.absent_note() + &report.absent_note() + &report.absent_subtitle(), "");
        assert_eq!((matrix.classes().len(), matrix.columns().len()), (7, 7));
    }
}
