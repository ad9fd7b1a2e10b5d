//! The share of the variance that each hyperparameter explains.

use polars::prelude::df;

use super::trials::{StudyData, short};
use crate::common::Result;
use crate::common::text::percent;
use crate::data::column;
use crate::evaluate::tune::Study;
use crate::plot::canvas::{Align, Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, MUTED, tint};
use crate::plot::style::WIDTH;

/// The maximum number of hyperparameters in a figure.
const MOST: usize = 10;

impl Study {
    /// A bar for each hyperparameter: the share of the variance between trials that it explains; see
    /// [`Study::importances`].
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn importances_figure(&self) -> Result<Figure> {
        let study = StudyData::of(self);
        let importances = self.importances();
        let shares: Vec<_> =
            importances.iter().map(|(path, share)| (short(path), *share)).collect();
        let data = df!(
            "hyperparameter" => column(&importances, |(path, _)| path.to_string()),
            "share" => column(&importances, |(_, share)| *share),
        )?;
        let figure = Figure::draw(study.title("What made the difference"), |canvas| {
            draw(canvas, &study, &shares)
        })?;
        Ok(figure.of_data(data))
    }
}

/// `shares` are names and shares, 0 to 1, the largest first.
fn draw(canvas: &mut Canvas, study: &StudyData, shares: &[(String, f64)]) -> Result<()> {
    let subtitle = format!(
        "{}; share of the variance of {} that each explains alone (adjusted R²)",
        study.subtitle(),
        study.objective
    );
    canvas.headline(&subtitle)?;
    if shares.is_empty() {
        return canvas.nothing("Importances take five finished trials.");
    }
    let shares = shares.get(..MOST).unwrap_or(shares);
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
        canvas.label(&name, (left - 30.0, middle), kind.align(Align::Right));
        let (upper, lower) = (middle - pitch * 0.3, middle + pitch * 0.3);
        let end = left + (right - left) * share.clamp(0.0, 1.0);
        canvas.rect((left, upper), (right, lower), tint(ACCENT, 0.08));
        canvas.rect((left, upper), (end.max(left + 3.0), lower), ACCENT);
        let words = percent(*share, 0);
        canvas.label(&words, (right + 24.0, middle), Type::new(34.0).color(MUTED));
    }
    Ok(())
}
