//! Faces in rows and columns: samples of each class, or what augmentation makes of them.

use crate::common::Result;
use crate::emotion::Emotion;
use crate::plot::canvas::{Canvas, MARGIN, Type, WIDTH};
use crate::plot::figure::Plot;
use crate::plot::palette::{MUTED, class_color};
use crate::plot::picture::PictureBackend;

/// One row of faces.
#[derive(Debug, Clone)]
pub struct GridRow {
    pub class: Emotion,
    /// Gray pictures, u8 [48 × 48] each.
    pub faces: Vec<Vec<u8>>,
}

/// Rows of faces with the class before each, and optionally heads above the columns.
#[derive(Debug, Clone)]
pub struct GridPlot {
    pub title: String,
    pub subtitle: String,
    pub rows: Vec<GridRow>,
    /// Heads with the column that each starts at; one that isn't the first is set off by a gap.
    pub heads: Vec<(usize, String)>,
}

impl GridPlot {
    /// Room before column `column` for the gaps of the heads up to it.
    fn gaps(&self, column: usize) -> f64 {
        let before = self.heads.iter().filter(|(start, _)| (1..=column).contains(start)).count();
        40.0 * before as f64
    }
}

impl Plot for GridPlot {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        canvas.title(&self.title, &self.subtitle)?;
        let columns = self.rows.iter().map(|row| row.faces.len()).max().unwrap_or(0);
        if columns == 0 {
            return canvas.nothing("There are no images to show.");
        }
        let top = if self.heads.is_empty() { 176.0 } else { 214.0 };
        let left = MARGIN + 210.0;
        let room = f64::from(WIDTH) - MARGIN - left - self.gaps(columns);
        let pitch = ((1068.0 - top) / self.rows.len() as f64).min(room / columns as f64).min(400.0);
        // A multiple of half an image's width, where that costs little: then every pixel of the
        // image covers whole pixels of the picture at twice the size.
        let halves = pitch * 0.95 / 24.0;
        let side = 24.0 * if halves.fract() < 0.3 { halves.floor() } else { halves };
        // Few columns are spread, though not so far that a row falls apart.
        let across = (room / columns as f64).min(side * 1.3);
        let at = |column: usize| left + across * column as f64 + self.gaps(column);

        for (start, head) in &self.heads {
            canvas.text(head, (at(*start), top - 14.0), Type::new(28.0).color(MUTED))?;
        }
        for (place, row) in self.rows.iter().enumerate() {
            let y = top + pitch * place as f64;
            let size = (pitch * 0.35).min(34.0);
            canvas.label(row.class.name(), (MARGIN, y + side / 2.0), Type::new(size).bold())?;
            let color = class_color(row.class);
            canvas.rect((left - 20.0, y), (left - 12.0, y + side), color)?;
            if row.faces.is_empty() {
                let kind = Type::new(size).color(MUTED);
                canvas.label("no image", (left + 10.0, y + side / 2.0), kind)?;
            }
            for (column, face) in row.faces.iter().enumerate() {
                canvas.face((at(column), y), side, face)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;
    use crate::plot::Figure;

    fn plot(rows: usize, columns: usize) -> GridPlot {
        let face: Vec<u8> = (0..PIXELS).map(|i| (i % 251) as u8).collect();
        let rows = Emotion::ALL.into_iter().take(rows);
        GridPlot {
            title: "Samples, made-up sample".into(),
            subtitle: "pixels".into(),
            rows: rows.map(|class| GridRow { class, faces: vec![face.clone(); columns] }).collect(),
            heads: vec![(0, "original".into()), (1, "augmented".into())],
        }
    }

    #[test]
    fn any_number_of_faces_fits() {
        for (rows, columns) in [(7, 10), (7, 1), (1, 1), (7, 40), (0, 0), (7, 0)] {
            let figure = Figure::new(plot(rows, columns)).unwrap();
            assert_eq!(figure.svg().matches("<image").count(), rows * columns);
            assert!(figure.svg().len() < 20_000 + 3_500 * rows * columns);
        }
    }

    #[test]
    fn pixels_are_sharp_in_a_png() {
        let mut grid = plot(7, 10);
        grid.rows.iter_mut().flat_map(|row| &mut row.faces).for_each(|face| face.fill(200));
        let png = Figure::new(grid).unwrap().png(1).unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        assert!(image.pixels().filter(|p| p.0 == [200; 3]).count() > 70 * 100 * 100);
    }

    #[test]
    fn a_picture_of_another_size_is_an_error() {
        let mut grid = plot(1, 1);
        grid.rows[0].faces[0].pop();
        assert!(Figure::new(grid).unwrap_err().to_string().contains("2303 pixels"));
    }
}
