//! The findings of an audit, as bars.

use polars::prelude::df;

use crate::common::Result;
use crate::common::text::{count, percent, plural};
use crate::data::{Audit, column};
use crate::plot::canvas::{Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{ACCENT, MUTED, tint};
use crate::plot::style::WIDTH;

impl Audit {
    /// Bars: copies, leaks, contradictions and flat images.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::error::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let data = df!(
            "finding" => column(&findings(self), |(name, ..)| *name),
            "number" => column(&findings(self), |(_, _, number, _)| *number as u32),
        )?;
        let figure =
            Figure::draw(format!("Audit of the images, {}", self.origin.title()), |canvas| {
                draw(canvas, self)
            })?;
        Ok(figure.of_data(data))
    }
}

/// Name, meaning and number of each finding, and whether it is a share of all images.
fn findings(audit: &Audit) -> [(&'static str, &'static str, usize, bool); 5] {
    [
        ("exact copies", "the same 48 × 48 pixels as another image", audit.copies, true),
        (
            "test images also in train or validation",
            "the network may have memorised their labels",
            audit.test_in_train,
            false,
        ),
        (
            "validation images also in train",
            "make val_loss look better than it is",
            audit.validation_in_train,
            false,
        ),
        (
            "groups of copies that disagree",
            "the same face under more than one label",
            audit.disagreeing_groups,
            false,
        ),
        ("flat images", "a single gray, no face", audit.flat, true),
    ]
}

fn draw(canvas: &mut Canvas, audit: &Audit) -> Result<()> {
    canvas.headline(&plural(audit.images, "image"))?;
    if audit.images == 0 {
        return canvas.nothing("There are no images to look at.");
    }
    let findings = findings(audit);
    let most = findings.iter().map(|(_, _, number, _)| *number).max().unwrap_or(0).max(1);
    let top = 200.0;
    let pitch = 840.0 / findings.len() as f64;
    let size = (pitch * 0.2).min(38.0);
    let (left, room) = (MARGIN, f64::from(WIDTH) - 2.0 * MARGIN);
    for (place, (name, meaning, number, of_all)) in findings.into_iter().enumerate() {
        let y = top + pitch * place as f64;
        let kind = Type::new(size).bold();
        canvas.text(name, (left, y + size), kind);
        let after = canvas.width_of(name, kind)? + size * 0.7;
        let (meaning, kind) =
            canvas.fit(meaning, room - after, Type::new(size * 0.8).color(MUTED))?;
        canvas.text(&meaning, (left + after, y + size), kind);

        let mut words = count(number);
        if of_all {
            let share = match number as f64 / audit.images as f64 {
                share if share > 0.0 && share < 0.001 => "under 0.1 %".to_string(),
                share => percent(share, 1),
            };
            words += &format!("  ({share} of all images)");
        }
        let kind = Type::new(size);
        let longest = room - canvas.width_of(&words, kind)?.max(520.0) - 20.0;
        let length = (number as f64 / most as f64 * longest).max(4.0);
        let (upper, lower) = (y + size * 1.5, y + size * 3.0);
        canvas.rect((left, upper), (left + longest, lower), tint(ACCENT, 0.07));
        canvas.rect((left, upper), (left + length, lower), ACCENT);
        canvas.label(&words, (left + longest + 20.0, (upper + lower) / 2.0), kind);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::data::{FaceData, SampleConfig};

    #[test]
    fn findings_have_counts_and_shares() {
        let config = SampleConfig { seed: 1, train: 70, test: 35 };
        let mut audit = FaceData::sample(config).unwrap().audit().unwrap();
        (audit.images, audit.copies, audit.disagreeing_groups) = (35_887, 1853, 57);
        let figure = audit.figure().unwrap();
        for part in ["1,853  (5.2 % of all images)", "35,887 images", ">57<", "made-up sample"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
        audit.images = 0;
        assert!(audit.figure().unwrap().svg().contains("no images"));
    }
}
