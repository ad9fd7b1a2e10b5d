//! What is wrong with a data set, as bars.

use crate::common::Result;
use crate::plot::axis::{percent, thousands};
use crate::plot::canvas::{Canvas, MARGIN, Type, WIDTH};
use crate::plot::figure::Plot;
use crate::plot::palette::{ACCENT, MUTED, tint};
use crate::plot::picture::PictureBackend;

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// A few words, e.g. "test images also in train".
    pub name: String,
    /// Why it matters, in one line.
    pub meaning: String,
    pub count: u64,
    /// Of how many and what, e.g. (7178, "test images"); `None` where a share says nothing.
    pub of: Option<(u64, String)>,
}

/// A horizontal bar for each finding.
#[derive(Debug, Clone)]
pub struct AuditPlot {
    /// Where the data came from: "FER2013", "made-up sample" or a folder's name.
    pub origin: String,
    /// How many images were looked at.
    pub images: u64,
    pub findings: Vec<Finding>,
}

impl Plot for AuditPlot {
    fn title(&self) -> String {
        format!("Audit of the images, {}", self.origin)
    }

    fn draw<DB: PictureBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<()> {
        canvas.title(&self.title(), &format!("{} images", thousands(self.images)))?;
        if self.images == 0 || self.findings.is_empty() {
            return canvas.nothing("There are no images to look at.");
        }
        let most = self.findings.iter().map(|finding| finding.count).max().unwrap_or(0).max(1);
        let top = 200.0;
        let pitch = (840.0 / self.findings.len() as f64).min(220.0);
        let size = (pitch * 0.2).min(38.0);
        let (left, room) = (MARGIN, f64::from(WIDTH) - 2.0 * MARGIN);
        for (place, finding) in self.findings.iter().enumerate() {
            let y = top + pitch * place as f64;
            let name = Type::new(size).bold();
            canvas.text(&finding.name, (left, y + size), name)?;
            let after = canvas.width_of(&finding.name, name)? + size * 0.7;
            let (meaning, kind) =
                canvas.fit(&finding.meaning, room - after, Type::new(size * 0.8).color(MUTED))?;
            canvas.text(&meaning, (left + after, y + size), kind)?;

            let words = match &finding.of {
                Some((whole, what)) if *whole > 0 => {
                    let share = match finding.count as f64 / *whole as f64 {
                        share if share > 0.0 && share < 0.001 => "under 0.1 %".to_string(),
                        share => percent(share, 1),
                    };
                    format!("{}  ({share} of {what})", thousands(finding.count))
                }
                _ => thousands(finding.count),
            };
            let kind = Type::new(size);
            let longest = room - canvas.width_of(&words, kind)?.max(520.0) - 20.0;
            let length = (finding.count as f64 / most as f64 * longest).max(4.0);
            let (upper, lower) = (y + size * 1.5, y + size * 3.0);
            canvas.rect((left, upper), (left + longest, lower), tint(ACCENT, 0.07))?;
            canvas.rect((left, upper), (left + length, lower), ACCENT)?;
            canvas.label(&words, (left + longest + 20.0, (upper + lower) / 2.0), kind)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Figure;

    fn finding(count: u64) -> Finding {
        Finding {
            name: "copies".into(),
            meaning: "the same pixels as an earlier image".into(),
            count,
            of: Some((35_887, "all images".into())),
        }
    }

    #[test]
    fn findings_have_counts_and_shares() {
        let findings = vec![finding(1853), finding(0), Finding { of: None, ..finding(57) }];
        let plot = AuditPlot { origin: "FER2013".into(), images: 35_887, findings };
        let figure = Figure::new(plot).unwrap();
        for part in ["1,853  (5.2 % of all images)", "35,887 images", ">57<"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(figure.png(1).is_ok());
    }

    #[test]
    fn an_empty_audit_is_drawn() {
        let plot = AuditPlot { origin: "FER2013".into(), images: 0, findings: Vec::new() };
        assert!(Figure::new(plot).unwrap().svg().contains("no images"));
    }
}
