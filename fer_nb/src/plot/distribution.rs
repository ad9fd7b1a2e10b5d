//! The number of images of each class, in each part of the data.

use plotters::style::RGBColor;

use crate::common::Result;
use crate::common::text::count;
use crate::data::ClassDistribution;
use crate::emotion::Emotion;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, class_color, tint};

impl ClassDistribution {
    /// Bars: images in each class, in train, validation and test.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let title = format!("Images in each class, {}", self.origin.title());
        Ok(Figure::draw(title, |canvas| draw(canvas, self))?.of_data(self.table()?))
    }
}

/// The colour of a part's bars: the first part's full, the others paler.
fn shade(color: RGBColor, part: usize) -> RGBColor {
    tint(color, 1.0 - 0.25 * part as f64)
}

fn draw(canvas: &mut Canvas, ClassDistribution { splits, .. }: &ClassDistribution) -> Result<()> {
    let most = splits.iter().flat_map(|(_, counts)| counts).copied().max().unwrap_or(0);
    canvas.headline("")?;
    if most == 0 {
        return canvas.nothing("There are no images to count.");
    }
    let mut legend = Vec::new();
    for (place, (name, counts)) in splits.iter().enumerate() {
        let total = count(counts.iter().sum());
        legend.push((shade(MUTED, place), Some(MUTED), format!("{name} {total}")));
    }
    axis::legend(canvas, (1850.0, 160.0), &legend)?;

    let (left, right) = (170.0, 1850.0);
    let scale = Scale { low: 0.0, high: most as f64 * 1.02, from: 950.0, to: 250.0 };
    axis::grid_lines(canvas, &scale, (left, right), axis::number);

    let group = (right - left) / Emotion::COUNT as f64;
    let bar = group * 0.86 / splits.len() as f64;
    for emotion in Emotion::ALL {
        let start = left + group * (emotion.index() as f64 + 0.07);
        let color = class_color(emotion);
        for (place, (_, counts)) in splits.iter().enumerate() {
            let images = counts.get(emotion.index()).copied().unwrap_or(0);
            let (x0, y) = (start + bar * place as f64, scale.at(images as f64));
            let (from, to) = ((x0 + 2.0, y.min(scale.from - 3.0)), (x0 + bar - 2.0, scale.from));
            canvas.rect(from, to, shade(color, place));
            canvas.frame(from, to, 3.0, color);
            canvas.bar_label(&count(images), (x0 + bar / 2.0, from.1), bar, Type::new(26.0))?;
        }
        let middle = left + group * (emotion.index() as f64 + 0.5);
        canvas.text(emotion.name(), (middle, 1005.0), Type::new(36.0).bold().centered());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::data::{FaceData, SampleConfig};

    #[test]
    fn bars_are_counted_and_coloured_by_class() {
        let config = SampleConfig { seed: 1, train: 70, test: 35 };
        let data = FaceData::sample(config).unwrap();
        let mut classes = data.class_distribution();
        classes.splits[0].1 = [3196, 349, 3278, 5772, 3972, 3864, 2537];
        let figure = classes.figure().unwrap();
        for part in ["3,278", "made-up sample", "train 22,968", "surprise", "#e69f00"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
        for (_, counts) in &mut classes.splits {
            *counts = [0; 7];
        }
        assert!(classes.figure().unwrap().svg().contains("no images"));
    }
}
