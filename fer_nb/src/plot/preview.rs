//! The effect of augmentation on faces.

use tch::{Device, Kind};

use crate::common::{During, Result};
use crate::data::{Augmentation, Dataset, PIXELS};
use crate::plot::figure::Figure;
use crate::plot::grid::{self, GridRow};

/// The number of random views of a face in the preview.
const VIEWS: usize = 9;

/// The first face of each class and nine random views of it, drawn from `seed`: the pixels of training, rounded to
/// 256 grays.
///
/// # Errors
/// [`Error::Setting`](crate::error::Error::Setting) if the augmentation is out of its ranges.
pub fn augmentation_preview(
    data: &Dataset,
    augmentation: &Augmentation,
    seed: u64,
) -> Result<Figure> {
    augmentation.validate()?;
    let data = data.take_per_class(1)?;
    let rows = views(&data, augmentation, seed).during("augmenting a preview")?;
    let figure = Figure::draw(format!("Augmentation, {}", data.origin().title()), |canvas| {
        canvas.headline(&describe(augmentation))?;
        grid::draw(canvas, &rows, &[(0, "original"), (1, "random views of it")])
    })?;
    Ok(figure.of_data(data.table()?))
}

/// A row for each face: the face and its views.
fn views(data: &Dataset, augmentation: &Augmentation, seed: u64) -> Result<Vec<GridRow>> {
    let mut rows: Vec<GridRow> =
        data.iter().map(|(face, class)| GridRow { class, faces: vec![face.to_vec()] }).collect();
    if !data.is_empty() {
        let images =
            data.images_tensor(Device::Cpu)?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
        for view in 0..VIEWS {
            let views = augmentation.apply(&images, seed.wrapping_add(view as u64))?;
            let grays = views.f_mul_scalar(255.0)?.f_round()?.f_to_kind(Kind::Uint8)?;
            let mut pixels = vec![0u8; rows.len() * PIXELS];
            let count = pixels.len();
            grays.f_contiguous()?.f_copy_data_u8(&mut pixels, count)?;
            for (row, face) in rows.iter_mut().zip(pixels.chunks_exact(PIXELS)) {
                row.faces.push(face.to_vec());
            }
        }
    }
    rows.sort_by_key(|row| row.class);
    Ok(rows)
}

/// An augmentation in one line, without changes that are off.
fn describe(augmentation: &Augmentation) -> String {
    let percent = |share: f64| (share * 1000.0).round() / 10.0;
    let within =
        |name: &str, share: f64| (share != 0.0).then(|| format!("{name} ±{} %", percent(share)));
    let parts: Vec<String> = [
        (augmentation.rotation != 0.0).then(|| format!("rotation ±{}°", augmentation.rotation)),
        within("horizontal shift", augmentation.width_shift),
        within("vertical shift", augmentation.height_shift),
        within("zoom", augmentation.zoom),
        augmentation.horizontal_flip.then(|| "horizontal flip".into()),
        within("brightness", augmentation.brightness),
        within("contrast", augmentation.contrast),
        (augmentation.erasing != 0.0)
            .then(|| format!("a rectangle erased in {} %", percent(augmentation.erasing))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "no changes".into() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;
    use crate::data::{FaceData, SampleConfig};

    #[test]
    fn a_preview_without_augmentation_repeats_the_face() {
        let config = SampleConfig { seed: 1, train: 70, test: 35 };
        let data = FaceData::sample(config).unwrap().take(6).unwrap().train;
        let figure = augmentation_preview(&data, &Augmentation::none(), 1).unwrap();
        assert!(figure.svg().contains("no changes") && figure.svg().contains("made-up sample"));
        let pictures: Vec<&str> =
            figure.svg().lines().filter(|line| line.starts_with("<image")).collect();
        assert_eq!(pictures.len(), 7 * (VIEWS + 1));
        for row in pictures.chunks(VIEWS + 1) {
            let data: Vec<_> = row.iter().filter_map(|line| line.split("base64,").nth(1)).collect();
            assert!(data.windows(2).all(|pair| pair[0] == pair[1]));
        }
        let figure = augmentation_preview(&data, &Augmentation::default(), 1).unwrap();
        let words = "rotation ±10°, horizontal shift ±10 %, vertical shift ±10 %, zoom ±10 %";
        assert!(figure.svg().contains(words));
        let none = data.select(&[]).unwrap();
        assert!(augmentation_preview(&none, &Augmentation::default(), 1).is_ok());
        let wrong = Augmentation { zoom: 2.0, ..Augmentation::default() };
        let refused = augmentation_preview(&data, &wrong, 1);
        assert!(matches!(refused, Err(Error::Setting { .. })));
    }
}
