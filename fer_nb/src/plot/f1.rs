//! F1 of each class, next to the original's.

use crate::common::Result;
use crate::emotion::Emotion;
use crate::evaluate::{ClassificationReport, original as published};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{INK, MUTED, class_color, tint};

impl ClassificationReport {
    /// F1 of each class that has images, and their mean. Next to each bar: the original's, always for FER2013's
    /// test images; its mean is over the same classes.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn f1_figure(&self) -> Result<Figure> {
        let title = format!("F1 of each class, {}", self.title());
        let data = self.beside_original()?;
        Ok(Figure::draw(title, |canvas| draw(canvas, self))?.of_data(data))
    }
}

fn draw(canvas: &mut Canvas, report: &ClassificationReport) -> Result<()> {
    canvas.headline(&report.absent_subtitle())?;
    if report.macro_avg().support == 0 {
        return canvas.nothing("No class has been evaluated.");
    }
    let original = published().f1();
    let legend = [
        (MUTED, Some(MUTED), "ours".to_string()),
        (tint(MUTED, 0.25), Some(MUTED), "original (Keras, on FER2013)".to_string()),
    ];
    axis::legend(canvas, (1850.0, 160.0), &legend)?;
    let (left, right) = (150.0, 1850.0);
    let scale = Scale { low: 0.0, high: 1.0, from: 950.0, to: 250.0 };
    axis::grid_lines(canvas, &scale, (left, right), axis::number);

    let of = |class: Emotion| original.get(class.index()).copied().unwrap_or_default();
    let theirs: Vec<f64> = report.present().map(|(class, _)| of(class)).collect();
    let mean = theirs.iter().sum::<f64>() / theirs.len() as f64;
    let average = (INK, "macro avg", report.macro_avg().f1, mean);
    let groups: Vec<_> = report
        .present()
        .map(|(class, scores)| (class_color(class), class.name(), scores.f1, of(class)))
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
            let y = scale.at(value);
            let (from, to) = ((x + 2.0, y.min(scale.from - 3.0)), (x + bar - 2.0, scale.from));
            canvas.rect(from, to, fill);
            canvas.frame(from, to, 3.0, color);
            let words = format!("{value:.2}");
            let kind = Type::new(30.0);
            let kind = if slot == 0 { kind.bold() } else { kind.color(MUTED) };
            canvas.bar_label(&words, (x + bar / 2.0, from.1), bar, kind)?;
        }
        let middle = left + group * (place as f64 + 0.5);
        canvas.text(name, (middle, 1005.0), Type::new(35.0).bold().centered());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::evaluate::ConfusionMatrix;

    #[test]
    fn both_results_and_their_averages_are_there() {
        let pairs = [(0, 0), (1, 2), (3, 3), (4, 3)];
        let figure = ConfusionMatrix::from_pairs(pairs, "made-up sample").report().f1_figure();
        let figure = figure.unwrap();
        for part in ["0.67", "0.83", "macro avg", "0.52", "original (Keras, on FER2013)"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
        let nothing = ConfusionMatrix::from_pairs([], "made-up sample").report().f1_figure();
        assert!(nothing.unwrap().svg().contains("No class"));
    }
}
