//! Accuracy on corrupted images.

use polars::prelude::df;

use crate::common::Result;
use crate::data::column;
use crate::evaluate::{Interval, Robustness};
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, GRID, INK, MUTED, tint};

impl Robustness {
    /// A row for each corruption: a corrupted image, the accuracy as a dot, and the points lost compared with the
    /// unchanged images.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let title = format!("Accuracy on corrupted images, {}", self.title);
        let none = Interval { value: 0.0, low: 0.0, high: 0.0 };
        let clean = ("as they are".to_string(), self.clean, none);
        let rows: Vec<_> = std::iter::once(clean)
            .chain(
                self.corrupted
                    .iter()
                    .map(|row| (row.corruption.to_string(), row.accuracy, row.lost)),
            )
            .collect();
        let data = df!(
            "images" => column(&rows, |(name, ..)| name.clone()),
            "accuracy" => column(&rows, |(_, accuracy, _)| accuracy.value),
            "low" => column(&rows, |(_, accuracy, _)| accuracy.low),
            "high" => column(&rows, |(_, accuracy, _)| accuracy.high),
            "lost" => column(&rows, |(.., lost)| lost.value),
            "lost_low" => column(&rows, |(.., lost)| lost.low),
            "lost_high" => column(&rows, |(.., lost)| lost.high),
        )?;
        Ok(Figure::draw(title, |canvas| draw(canvas, self))?.of_data(data))
    }
}

/// The left and right end of the plot.
const LEFT: f64 = 560.0;
const RIGHT: f64 = 1130.0;
const TOP: f64 = 236.0;
const BOTTOM: f64 = 990.0;
/// The positions of the texts of [`Robustness::lines`] after the name, and the direction in which they extend.
const COLUMNS: [(f64, Align); 4] =
    [(1262.0, Align::Right), (1284.0, Align::Left), (1652.0, Align::Right), (1676.0, Align::Left)];

fn draw(canvas: &mut Canvas, robustness: &Robustness) -> Result<()> {
    let conditions = robustness.conditions();
    canvas.headline(&format!(
        "{conditions}; lines span the 95 % interval of the difference from the images as they are"
    ))?;
    let clean = robustness.clean.value;
    let corrupted: Vec<Interval> = robustness
        .corrupted
        .iter()
        .map(|row| row.lost)
        .map(|lost| Interval {
            value: clean - lost.value,
            low: clean - lost.high,
            high: clean - lost.low,
        })
        .collect();
    let ends = corrupted.iter().flat_map(|accuracy| [accuracy.low, accuracy.high]);
    let (low, high) = axis::round_range(ends.chain([clean]));
    let x = Scale { low: low.max(0.0), high: high.min(1.0), from: LEFT, to: RIGHT };
    let lines = robustness.lines();
    let pitch = (BOTTOM - TOP) / lines.len() as f64;
    heads(canvas);
    grid(canvas, &x);
    canvas.dashes((x.at(clean), TOP), (x.at(clean), BOTTOM), 4.0, INK);

    let faces = std::iter::once(&robustness.face);
    let faces = faces.chain(robustness.corrupted.iter().map(|row| &row.face));
    let marks = std::iter::once(None).chain(corrupted.into_iter().map(Some));
    for (place, ((line, face), mark)) in lines.iter().zip(faces).zip(marks).enumerate() {
        let middle = TOP + pitch * (place as f64 + 0.5);
        let side = (pitch - 6.0).min(96.0);
        canvas.face((MARGIN, middle - side / 2.0), side, face)?;
        let at = MARGIN + side + 22.0;
        let kind = Type::new(29.0);
        let (name, texts) = (line.first(), line.iter().skip(1));
        let weight = if mark.is_none() { kind.bold() } else { kind };
        let (name, kind) = canvas.fit(name.map_or("", String::as_str), LEFT - 20.0 - at, weight)?;
        canvas.label(&name, (at, middle), kind);
        for ((text, (x, align)), column) in texts.zip(COLUMNS).zip(0..) {
            let kind = Type::new(29.0).align(align);
            let kind = if column % 2 == 0 { kind.bold() } else { kind.color(MUTED) };
            canvas.label(text, (x, middle), kind);
        }
        match mark {
            None => canvas.dot((x.at(clean), middle), 11.0, INK),
            Some(Interval { value, low, high }) => {
                let ends = [(x.at(low), middle), (x.at(high), middle)];
                canvas.line(
                    &[(x.at(value), middle), (x.at(clean), middle)],
                    3.0,
                    tint(ACCENT, 0.4),
                );
                canvas.line(&ends, 8.0, tint(ACCENT, 0.55));
                canvas.dot((x.at(value), middle), 11.0, ACCENT);
            }
        }
    }
    Ok(())
}

/// The headings of the columns.
fn heads(canvas: &mut Canvas) {
    let kind = Type::new(26.0).bold();
    let [images, columns @ ..] = Robustness::HEADS;
    let baseline = TOP - 20.0;
    canvas.text(images, (MARGIN, baseline), kind);
    for (head, (x, align)) in columns.into_iter().zip(COLUMNS) {
        canvas.text(head, (x, baseline), kind.align(align));
    }
}

/// Vertical grid lines with their values below.
fn grid(canvas: &mut Canvas, x: &Scale) {
    let values = axis::ticks(x.low, x.high, 6);
    let step = axis::step_between(&values);
    for value in &values {
        canvas.line(&[(x.at(*value), TOP), (x.at(*value), BOTTOM)], 2.0, GRID);
    }
    let texts = values.into_iter().map(|value| (value, axis::number(value, step)));
    axis::below(canvas, x, [BOTTOM + 34.0, BOTTOM + 72.0], texts, "accuracy");
}

#[cfg(test)]
mod tests {
    use crate::evaluate::fixtures::two_rows;

    #[test]
    fn each_row_has_a_face_a_name_and_a_dot() {
        let mut robustness = two_rows();
        let figure = robustness.figure().unwrap();
        assert_eq!(figure.title(), "Accuracy on corrupted images, made-up sample");
        assert_eq!(figure.svg().matches("<image").count(), 3);
        for part in ["darkened × 0.25", "JPEG quality 20", "n = 100 for each, seed 7"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
        robustness.corrupted.clear();
        assert!(robustness.figure().unwrap().png(1).is_ok());
    }
}
