//! The images with the highest loss.

use crate::common::Result;
use crate::common::text::{percent, plural};
use crate::data::Dataset;
use crate::emotion::Emotion;
use crate::evaluate::Evaluation;
use crate::plot::faces::{self, CaptionedFace};
use crate::plot::figure::Figure;
use crate::plot::predictions::check_data;

impl Evaluation {
    /// The twelve images with the highest loss, or fewer, with prediction and label. `data` is the
    /// evaluated data set.
    ///
    /// # Errors
    /// [`Error::Input`](crate::error::Error::Input) if `data` has another number of images.
    pub fn top_losses_figure(&self, data: &Dataset) -> Result<Figure> {
        check_data(self, data)?;
        let faces: Vec<_> = self
            .top_losses(faces::MOST)
            .into_iter()
            .filter_map(|index| captioned(self, data, index))
            .collect();
        let figure = Figure::draw(format!("Highest losses, {}", self.title()), |canvas| {
            let subtitle = format!("out of {}", plural(self.len(), "image"));
            faces::draw(canvas, &subtitle, &faces)
        })?;
        Ok(figure.of_data(self.table_of(&self.top_losses(faces::MOST))?))
    }
}

fn captioned(evaluation: &Evaluation, data: &Dataset, index: usize) -> Option<CaptionedFace> {
    let (pixels, probs) = (data.image(index)?, evaluation.probs().get(index)?);
    let truth = data.label(index)?;
    let predicted = usize::from(*evaluation.predictions().get(index)?);
    let confidence = f64::from(*probs.get(predicted)?);
    let loss = -f64::from(*probs.get(truth.index())?).max(1e-7).ln();
    let predicted = Emotion::from_index(predicted)?;
    Some(CaptionedFace {
        pictures: vec![pixels.to_vec()],
        lines: [
            format!("{predicted}, {}", percent(confidence, 0)),
            format!("label {truth}, loss {loss:.1}"),
        ],
    })
}
