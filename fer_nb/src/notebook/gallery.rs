//! Several figures in one cell.

use std::borrow::Borrow;

use crate::common::brief;
use crate::common::text::plural;
use crate::notebook::{Formats, Shown};
use crate::plot::Figure;

/// Figures side by side, two in a row if there is room.
#[derive(Clone)]
pub struct Gallery {
    figures: Vec<Figure>,
}

brief!(Gallery, |gallery| "{}", plural(gallery.figures.len(), "figure"));

/// Figures side by side, as a cell's last value. Write `gallery(&figures)` for a variable: a cell that ends in an
/// expression that consumes a variable of the same cell is displayed as plain text.
pub fn gallery(figures: impl IntoIterator<Item = impl Borrow<Figure>>) -> Gallery {
    Gallery { figures: figures.into_iter().map(|figure| figure.borrow().clone()).collect() }
}

impl Gallery {
    /// The figures on a grid.
    pub fn html(&self) -> String {
        let cells: String =
            self.figures.iter().map(|figure| format!("<div>{}</div>", figure.html())).collect();
        format!(
            "<div style=\"display:grid;gap:8px;line-height:0;max-width:1600px;\
             grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr))\">{cells}</div>"
        )
    }

    /// A line for each figure.
    fn text(&self) -> String {
        let lines: Vec<String> = self.figures.iter().map(Figure::text).collect();
        if lines.is_empty() { "no figures".into() } else { lines.join("\n") }
    }
}

impl Shown for Gallery {
    fn formats(&self) -> Formats {
        Formats::html(self.html(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::History;

    #[test]
    fn all_figures_are_in_one_output() {
        let figure = History::default().curves().unwrap();
        let figures = vec![figure.clone(), figure.clone()];
        assert_eq!(super::gallery(&figures).html(), super::gallery(figures).html());
        let gallery = gallery([figure.clone(), figure]);
        assert_eq!(gallery.html().matches("<svg").count(), 2);
        assert_eq!(gallery.text().lines().count(), 2);
        assert_eq!(super::gallery([] as [Figure; 0]).text(), "no figures");
    }
}
