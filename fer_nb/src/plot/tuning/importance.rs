//! How much each hyperparameter explains.

use super::StudyData;
use crate::common::Result;
use crate::plot::axis::percent;
use crate::plot::canvas::{Align, Canvas, MARGIN, Type, WIDTH};
use crate::plot::figure::Plot;
use crate::plot::palette::{ACCENT, MUTED, tint};
use crate::plot::picture::PictureBackend;

/// How many hyperparameters a figure holds.
const MOST: usize = 10;

/// A bar a hyperparameter.
#[derive(Debug, Clone)]
pub struct ImportancePlot {
    pub study: StudyData,
    /// Name and share, 0 to 1, the largest first.
    pub shares: Vec<(String, f64)>,
}

impl Plot for ImportancePlot {
    fn title(&self) -> String {
        self.study.title("What made the difference")
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        let subtitle = format!(
            "{}; share of the variance of {} that each explains by itself (adjusted R²)",
            self.study.subtitle(),
            self.study.objective
        );
        canvas.title(&self.title(), &subtitle)?;
        if self.shares.is_empty() {
            return canvas.nothing("It takes five finished trials to say.");
        }
        let shares = self.shares.get(..MOST).unwrap_or(&self.shares);
        let kind = Type::new(36.0).bold();
        let mut names: f64 = 0.0;
        for (name, _) in shares {
            names = names.max(canvas.width_of(name, kind)?);
        }
        let names = names.min(560.0);
        let (left, right) = (MARGIN + names + 30.0, f64::from(WIDTH) - MARGIN - 130.0);
        let pitch = (820.0 / shares.len() as f64).min(120.0);
        for (index, (name, share)) in shares.iter().enumerate() {
            let middle = 240.0 + pitch * (index as f64 + 0.5);
            let (name, kind) = canvas.fit(name, names, kind)?;
            canvas.label(&name, (left - 30.0, middle), kind.align(Align::Right))?;
            let (upper, lower) = (middle - pitch * 0.3, middle + pitch * 0.3);
            let end = left + (right - left) * share.clamp(0.0, 1.0);
            canvas.rect((left, upper), (right, lower), tint(ACCENT, 0.08))?;
            canvas.rect((left, upper), (end.max(left + 3.0), lower), ACCENT)?;
            let words = percent(*share, 0);
            canvas.label(&words, (right + 24.0, middle), Type::new(34.0).color(MUTED))?;
        }
        Ok(())
    }
}
