//! F1 of each class, ours against the original's.

use crate::common::Result;
use crate::emotion::Emotion;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{INK, MUTED, class_color, tint};
use crate::plot::picture::PictureBackend;

/// Two bars for each class and for the macro average: ours full, the original's pale.
#[derive(Debug, Clone)]
pub struct F1Plot {
    /// What ours was evaluated on, e.g. "FER2013 test images".
    pub subject: String,
    /// F1 by class index, 0 to 1.
    pub ours: [f64; Emotion::COUNT],
    pub original: [f64; Emotion::COUNT],
    /// What the other bars are, e.g. "original (Keras, FER2013)".
    pub original_name: String,
}

/// The mean of the finite values, as scikit-learn's "macro avg".
fn mean(values: &[f64]) -> f64 {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    finite.iter().sum::<f64>() / finite.len() as f64
}

impl Plot for F1Plot {
    fn title(&self) -> String {
        format!("F1 of each class, {}", self.subject)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        canvas.title(&self.title(), "")?;
        if !self.ours.iter().any(|value| value.is_finite()) {
            return canvas.nothing("No class has been evaluated.");
        }
        let legend = [
            (MUTED, Some(MUTED), "ours".to_string()),
            (tint(MUTED, 0.25), Some(MUTED), self.original_name.clone()),
        ];
        axis::legend(canvas, (1850.0, 160.0), &legend)?;
        let (left, right) = (150.0, 1850.0);
        let scale = Scale { low: 0.0, high: 1.0, from: 950.0, to: 250.0 };
        axis::grid_lines(canvas, &scale, (left, right), axis::number)?;

        let average = (INK, "macro avg", mean(&self.ours), mean(&self.original));
        let groups: Vec<_> = Emotion::ALL
            .into_iter()
            .zip(self.ours.into_iter().zip(self.original))
            .map(|(e, (ours, original))| (class_color(e), e.name(), ours, original))
            .chain([average])
            .collect();
        let group = (right - left) / groups.len() as f64;
        let bar = group * 0.42;
        for (place, (color, name, ours, original)) in groups.into_iter().enumerate() {
            let start = left + group * (place as f64 + 0.08);
            for (slot, (value, fill)) in
                [(ours, color), (original, tint(color, 0.25))].into_iter().enumerate()
            {
                let x = start + bar * slot as f64;
                let height = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
                let y = scale.at(height);
                let (from, to) = ((x + 2.0, y.min(scale.from - 3.0)), (x + bar - 2.0, scale.from));
                canvas.rect(from, to, fill)?;
                canvas.frame(from, to, 3.0, color)?;
                let words = if value.is_finite() { format!("{value:.2}") } else { "–".into() };
                let kind = Type::new(30.0);
                let kind = if slot == 0 { kind.bold() } else { kind.color(MUTED) };
                canvas.bar_label(&words, (x + bar / 2.0, from.1), bar, kind)?;
            }
            let middle = left + group * (place as f64 + 0.5);
            canvas.text(name, (middle, 1005.0), Type::new(35.0).bold().centered())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Figure;

    fn plot(ours: [f64; 7]) -> F1Plot {
        F1Plot {
            subject: "made-up sample".into(),
            ours,
            original: [0.52, 0.23, 0.31, 0.83, 0.56, 0.44, 0.74],
            original_name: "original (Keras, FER2013)".into(),
        }
    }

    #[test]
    fn both_results_and_their_averages_are_there() {
        let figure = Figure::new(plot([0.6; 7])).unwrap();
        for part in ["0.60", "0.83", "macro avg", "0.52", "original (Keras, FER2013)"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
    }

    #[test]
    fn classes_without_a_value_are_drawn() {
        let mut ours = [0.6; 7];
        ours[1] = f64::NAN;
        ours[2] = f64::INFINITY;
        assert!(!Figure::new(plot(ours)).unwrap().svg().contains("NaN"));
        assert!(Figure::new(plot([f64::NAN; 7])).unwrap().svg().contains("No class"));
    }
}
