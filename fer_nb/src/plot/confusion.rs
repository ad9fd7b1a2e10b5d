//! The confusion matrix: true classes and predicted classes.

use crate::common::Result;
use crate::common::text::{count, percent};
use crate::emotion::Emotion;
use crate::evaluate::{Accuracy, ConfusionMatrix};
use crate::plot::canvas::{Align, Canvas, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{MUTED, class_color, sequential, text_on};

/// The number of kinds of mistake in the list.
const LISTED: usize = 6;

const LEFT: f64 = 330.0;
const TOP: f64 = 158.0;
/// Width and height of the matrix, for every number of rows and columns.
const SIZE: (f64, f64) = (952.0, 791.0);
/// The maximum size of a cell: a matrix of two classes would otherwise have huge cells.
const LARGEST_CELL: (f64, f64) = (238.0, 197.75);

impl ConfusionMatrix {
    /// The matrix with counts and shares of the true class, which also determine the colours. Next to it, the
    /// accuracy with its interval and the first of [`ConfusionMatrix::most_confused`]. Classes without images have
    /// no row; if they were predicted, they have a column.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let title = format!("Confusion matrix, {}", self.title());
        Ok(Figure::draw(title, |canvas| draw(canvas, self))?.of_data(self.to_table()?))
    }
}

fn draw(canvas: &mut Canvas, matrix: &ConfusionMatrix) -> Result<()> {
    canvas.headline(&matrix.absent_note())?;
    if matrix.total() == 0 {
        return canvas.nothing("There are no predictions to compare.");
    }
    let (rows, columns) = (matrix.classes(), matrix.columns());
    let cell = (
        (SIZE.0 / columns.len() as f64).min(LARGEST_CELL.0),
        (SIZE.1 / rows.len() as f64).min(LARGEST_CELL.1),
    );
    for (row, truth) in rows.iter().enumerate() {
        for (column, predicted) in columns.iter().enumerate() {
            let (x, y) = (LEFT + cell.0 * column as f64, TOP + cell.1 * row as f64);
            let share = matrix.share(*truth, *predicted);
            let background = sequential(share);
            canvas.rect((x + 1.5, y + 1.5), (x + cell.0 - 1.5, y + cell.1 - 1.5), background);
            let kind = Type::new(34.0).color(text_on(background)).centered();
            let kind = if truth == predicted { kind.bold() } else { kind };
            let middle = (x + cell.0 / 2.0, y + cell.1 / 2.0);
            let number = count(matrix.count(*truth, *predicted) as usize);
            let (number, kind) = canvas.fit(&number, cell.0 - 10.0, kind)?;
            canvas.text(&number, (middle.0, middle.1 - 2.5), kind);
            let kind = Type { size: 26.0, bold: false, ..kind };
            canvas.text(&percent(share, 0), (middle.0, middle.1 + 34.5), kind);
        }
    }
    let end = (LEFT + cell.0 * columns.len() as f64, TOP + cell.1 * rows.len() as f64);
    let kind = Type::new(32.0).bold();
    for class in Emotion::ALL {
        let (color, name) = (class_color(class), class.name());
        let place = |classes: &[Emotion]| classes.iter().position(|one| *one == class);
        if let Some(row) = place(&rows) {
            let (y, half) = (TOP + cell.1 * (row as f64 + 0.5), cell.1 / 2.0 - 1.5);
            canvas.rect((LEFT - 14.0, y - half), (LEFT - 6.0, y + half), color);
            canvas.label(name, (LEFT - 28.0, y), kind.align(Align::Right));
        }
        if let Some(column) = place(&columns) {
            let (x, half) = (LEFT + cell.0 * (column as f64 + 0.5), cell.0 / 2.0 - 2.0);
            canvas.rect((x - half, end.1 + 6.0), (x + half, end.1 + 14.0), color);
            canvas.text(name, (x, end.1 + 52.0), Type { size: 29.0, ..kind.centered() });
        }
    }
    let kind = Type::new(30.0).color(MUTED).centered();
    canvas.upward("true class", (100.0, (TOP + end.1) / 2.0), kind);
    canvas.text("predicted class", ((LEFT + end.0) / 2.0, end.1 + 104.0), kind);
    summary(canvas, matrix)
}

/// Accuracy and the most frequent mistakes, to the right of the matrix.
fn summary(canvas: &mut Canvas, matrix: &ConfusionMatrix) -> Result<()> {
    let (left, right) = (LEFT + SIZE.0 + 70.0, 1850.0);
    let muted = Type::new(30.0).color(MUTED);
    let Accuracy { value, low, high, .. } = Accuracy::new(matrix.correct(), matrix.total());
    canvas.text("Accuracy", (left, TOP + 34.0), Type { size: 32.0, ..muted });
    canvas.text(&percent(value, 1), (left, TOP + 114.0), Type::new(76.0).bold());
    let [correct, total] = [matrix.correct(), matrix.total()].map(|number| count(number as usize));
    canvas.text(&format!("{correct} of {total} right"), (left, TOP + 160.0), muted);
    let words = format!("95 % interval {:.1}–{:.1} %", low * 100.0, high * 100.0);
    canvas.text(&words, (left, TOP + 204.0), muted);

    let mut y = TOP + 290.0;
    let mistakes = matrix.most_confused(LISTED);
    if !mistakes.is_empty() {
        let head = format!("Most confused, {}", ConfusionMatrix::RANKED_BY);
        let (head, kind) = canvas.fit(&head, right - left, Type { size: 32.0, ..muted })?;
        canvas.text(&head, (left, y), kind);
    }
    for mistake in mistakes {
        y += 60.0;
        canvas.rect((left, y - 28.0), (left + 10.0, y + 8.0), class_color(mistake.truth));
        let words = format!("{} as {}", mistake.truth, mistake.predicted);
        let (number, share) = (count(mistake.count as usize), percent(mistake.share, 0));
        let (edge, kind) = (right - 100.0, Type::new(34.0).bold().align(Align::Right));
        canvas.text(&number, (edge, y), kind);
        canvas.text(&share, (right, y), Type { size: 28.0, ..muted.align(Align::Right) });
        let room = edge - canvas.width_of(&number, kind)? - 12.0 - (left + 26.0);
        let (words, kind) = canvas.fit(&words, room, Type::new(34.0))?;
        canvas.text(&words, (left + 26.0, y), kind);
    }
    let words = "Percent: share of the true class";
    canvas.text(words, (left, TOP + SIZE.1 - 6.0), Type { size: 26.0, ..muted });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> ConfusionMatrix {
        let count = |pair: (u8, u8)| match pair {
            (1, 0) => 300,
            (truth, predicted) if truth == predicted => 140,
            _ => 10,
        };
        let cells = (0..7).flat_map(|truth| (0..7).map(move |predicted| (truth, predicted)));
        let pairs = cells.flat_map(|pair| std::iter::repeat_n(pair, count(pair)));
        ConfusionMatrix::from_pairs(pairs, "made-up sample")
    }

    #[test]
    fn counts_shares_and_the_worst_pair_are_there() {
        let figure = matrix().figure().unwrap();
        for part in ["true class", "predicted class", "disgust as angry", "61 %", "140", "made-up"]
        {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
    }

    #[test]
    fn empty_rows_and_an_empty_matrix_are_drawn() {
        let but_happy = (0..7).filter(|class| *class != 3).map(|class| (class, class));
        let one = ConfusionMatrix::from_pairs(but_happy, "made-up sample");
        let svg = one.figure().unwrap().svg().to_string();
        assert!(!svg.contains("NaN") && svg.contains("No images of happy: "), "{svg}");
        for pairs in [&[(3, 3)][..], &[(3, 4)], &[(0, 0), (3, 0), (0, 5)]] {
            let few = ConfusionMatrix::from_pairs(pairs.iter().copied(), "made-up sample");
            let figure = few.figure().unwrap();
            assert!(figure.svg().contains("No images of ") && figure.png(1).is_ok());
        }
        let none = ConfusionMatrix::from_pairs([], "made-up sample");
        assert!(none.figure().unwrap().svg().contains("no predictions"));
    }
}
