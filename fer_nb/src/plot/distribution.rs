//! How many images each class has, in each split.

use plotters::style::RGBColor;

use crate::common::Result;
use crate::emotion::Emotion;
use crate::plot::axis::{self, Scale, thousands};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Plot;
use crate::plot::palette::{MUTED, class_color, tint};
use crate::plot::picture::PictureBackend;

/// A group of bars for each class, one bar for each split, labelled with its count.
#[derive(Debug, Clone)]
pub struct DistributionPlot {
    /// Where the data came from: "FER2013", "made-up sample" or a folder's name.
    pub origin: String,
    /// The splits' names and their images by class index, e.g. train, validation, test.
    pub splits: Vec<(String, [usize; Emotion::COUNT])>,
}

impl DistributionPlot {
    /// The strength of a split's colour: the first split full, the others paler.
    fn shade(&self, color: RGBColor, split: usize) -> RGBColor {
        let step = 0.75 / self.splits.len().max(1) as f64;
        tint(color, 1.0 - step * split as f64)
    }
}

impl Plot for DistributionPlot {
    fn title(&self) -> String {
        format!("Images in each class, {}", self.origin)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let most = self.splits.iter().flat_map(|(_, counts)| counts).copied().max().unwrap_or(0);
        canvas.title(&self.title(), "")?;
        if most == 0 {
            return canvas.nothing("There are no images to count.");
        }
        let mut legend = Vec::new();
        for (place, (name, counts)) in self.splits.iter().enumerate() {
            let total = thousands(counts.iter().sum::<usize>() as u64);
            legend.push((self.shade(MUTED, place), Some(MUTED), format!("{name} {total}")));
        }
        axis::legend(canvas, (1850.0, 160.0), &legend)?;

        let (left, right) = (170.0, 1850.0);
        let scale = Scale { low: 0.0, high: most as f64 * 1.02, from: 950.0, to: 250.0 };
        axis::grid_lines(canvas, &scale, (left, right), axis::number)?;

        let group = (right - left) / Emotion::COUNT as f64;
        let bar = group * 0.86 / self.splits.len() as f64;
        for emotion in Emotion::ALL {
            let start = left + group * (emotion.index() as f64 + 0.07);
            let color = class_color(emotion);
            for (place, (_, counts)) in self.splits.iter().enumerate() {
                let count = counts.get(emotion.index()).copied().unwrap_or(0);
                let (x0, y) = (start + bar * place as f64, scale.at(count as f64));
                let (from, to) =
                    ((x0 + 2.0, y.min(scale.from - 3.0)), (x0 + bar - 2.0, scale.from));
                canvas.rect(from, to, self.shade(color, place))?;
                canvas.frame(from, to, 3.0, color)?;
                let number = thousands(count as u64);
                canvas.bar_label(&number, (x0 + bar / 2.0, from.1), bar, Type::new(26.0))?;
            }
            let middle = left + group * (emotion.index() as f64 + 0.5);
            canvas.text(emotion.name(), (middle, 1005.0), Type::new(36.0).bold().centered())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Figure;

    fn plot(counts: [usize; 7]) -> DistributionPlot {
        let splits = ["train", "validation", "test"].map(|name| (name.to_string(), counts));
        DistributionPlot { origin: "made-up sample".into(), splits: splits.into() }
    }

    #[test]
    fn bars_are_counted_and_coloured_by_class() {
        let figure = Figure::new(plot([3196, 349, 3278, 5772, 3972, 3864, 2537])).unwrap();
        for part in ["3,278", "made-up sample", "train 22,968", "surprise", "#e69f00"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
    }

    #[test]
    fn no_images_is_said() {
        assert!(Figure::new(plot([0; 7])).unwrap().svg().contains("no images"));
        let none = DistributionPlot { origin: "FER2013".into(), splits: Vec::new() };
        assert!(Figure::new(none).is_ok());
    }
}
