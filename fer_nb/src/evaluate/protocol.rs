//! [`Protocol`]: the images on which a result was trained, chosen and measured.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::common::{Result, text};
use crate::data::{Dataset, FaceData};
use crate::train::RunConfig;

/// The facts that belong to every metric. FER2013's published results differ as much in these as in their networks:
/// many are those of the epoch that was best on the reported test images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Protocol {
    /// The training images of the weights.
    pub(crate) trained_on: String,
    /// The images for choosing epoch, hyperparameters and temperature.
    pub(crate) chosen_on: String,
    /// The images of the metrics.
    pub(crate) measured_on: String,
}

impl Protocol {
    /// The protocol of a run of this crate and the evaluated data; without a run, of weights of unknown origin.
    ///
    /// # Errors
    /// [`Error::Table`](crate::common::Error::Table) if the data's table can't be read.
    pub fn of(run: Option<&RunConfig>, data: &FaceData) -> Result<Self> {
        let measured_on = measured_on(&data.test)?;
        let Some(run) = run else {
            let unknown = "unknown images";
            let (trained_on, chosen_on) = (unknown.into(), unknown.into());
            return Ok(Self { trained_on, chosen_on, measured_on });
        };
        let [train, validation] = run.trained_on.unwrap_or([run.images[0], run.images[1]]);
        let mut trained_on = format!("{}, Training less validation", run.data_title);
        let left_out = run.train.images;
        if left_out.without_leaks {
            trained_on += ", without copies of test images";
        }
        if left_out.without_flat {
            trained_on += ", without flat images";
        }
        let fewer = left_out.without_leaks || left_out.without_flat;
        let left = if fewer && run.trained_on.is_none() { "at most " } else { "" };
        trained_on += &format!(" ({left}{})", text::plural(train, "image"));
        let chosen_on = format!("validation ({left}{})", text::plural(validation, "image"));
        Ok(Self { trained_on, chosen_on, measured_on })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trained_on, chosen_on, measured_on } = self;
        write!(
            f,
            "protocol: trained on {trained_on}; chosen on {chosen_on}; measured on {measured_on}"
        )
    }
}

/// The test images in words: by Kaggle's column Usage, or by the file names in FER2013's folders,
/// "PublicTest_123.jpg".
fn measured_on(test: &Dataset) -> Result<String> {
    let images = text::plural(test.len(), "image");
    let title = test.origin().title();
    if !test.origin().is_fer2013() {
        return Ok(format!("{title}'s test part ({images})"));
    }
    let table = test.table()?;
    let (usages, sources) = (table.column("usage")?.str()?, table.column("source")?.str()?);
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for (usage, source) in usages.iter().zip(sources.iter()) {
        let (usage, source) = (usage.unwrap_or_default(), source.unwrap_or_default());
        let file = source.rsplit('/').next().unwrap_or_default();
        let part = ["PrivateTest", "PublicTest"]
            .into_iter()
            .find(|part| usage == *part || file.starts_with(part));
        *parts.entry(part.unwrap_or_default()).or_default() += 1;
    }
    let names: Vec<_> = parts.keys().rev().copied().collect();
    Ok(match &names[..] {
        [] | [""] => format!("{images} that don't say which part of {title} they are"),
        [part] => format!("{title}, {part} ({images})"),
        [first, second] if !second.is_empty() => {
            format!("{title}, {first} and {second} ({images})")
        }
        _ => format!("{images}, not all of which say which part of {title} they are"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures;
    use crate::data::{Origin, PIXELS, SampleConfig};
    use crate::model::SeedCnn;
    use crate::train::TrainConfig;

    #[test]
    fn the_sample_is_never_called_fer2013() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = SeedCnn::new(tch::Device::Cpu, 1).unwrap();
        let mut config = TrainConfig::default();
        config.images.without_leaks = true;
        let run = RunConfig::new(&network, &config, &data);
        let text = Protocol::of(Some(&run), &data).unwrap().to_string();
        assert!(text.contains("measured on made-up sample's test part (35 images)"), "{text}");
        assert!(text.contains("without copies of test images (at most 5"), "{text}");
        let run = RunConfig { trained_on: Some([50, 7]), ..run };
        let text = Protocol::of(Some(&run), &data).unwrap().to_string();
        assert!(
            text.contains("test images (50 images); chosen on validation (7 images)"),
            "{text}"
        );
        let unknown = Protocol::of(None, &data).unwrap().to_string();
        assert!(unknown.contains("trained on unknown images"), "{unknown}");
        assert!(!(text + &unknown).contains("FER2013"));
    }

    /// FER2013's test images, which the table says to be of these parts and files.
    fn fer2013(usages: Vec<&'static str>, sources: Vec<String>) -> Dataset {
        let count = usages.len();
        let labels = (0..count).map(|row| (row % 7) as u8).collect();
        let origin = Origin::Csv("fer2013.csv".into());
        Dataset::new(vec![9; count * PIXELS], labels, sources, usages, origin).unwrap()
    }

    #[test]
    fn kaggles_column_says_which_part_it_is() {
        let measured = |usages: Vec<&'static str>| {
            let sources = (0..usages.len()).map(|row| format!("row {row}")).collect();
            measured_on(&fer2013(usages, sources)).unwrap()
        };
        assert_eq!(measured(vec!["PublicTest"; 7]), "FER2013, PublicTest (7 images)");
        let both = [["PublicTest"; 7], ["PrivateTest"; 7]].concat();
        assert_eq!(measured(both), "FER2013, PublicTest and PrivateTest (14 images)");
    }

    #[test]
    fn files_say_it_in_their_names() {
        let measured = |name: &str| {
            let sources = (0..7).map(|row| format!("test/sad/{name}_{row}.jpg")).collect();
            measured_on(&fer2013(vec!["test"; 7], sources)).unwrap()
        };
        assert_eq!(measured("im"), "7 images that don't say which part of FER2013 they are");
        assert_eq!(measured("PublicTest"), "FER2013, PublicTest (7 images)");
        let folder = fixtures::Tree::new(10, 3);
        let data = FaceData::from_folder(folder.path()).unwrap();
        let own = folder.path().file_name().unwrap().display().to_string();
        assert_eq!(measured_on(&data.test).unwrap(), format!("{own}'s test part (21 images)"));
    }
}
