//! [`Across`]: one run on several data sets.

use std::fmt;
use std::path::Path;

use polars::prelude::{DataFrame, df};
use serde::Serialize;
use tch::Device;

use super::{Accuracy, Evaluation, EvaluationSummary, TestTimeAugmentation, evaluate_with};
use crate::common::text::{count, path_ends};
use crate::common::{Error, Result};
use crate::data::{FaceData, column};
use crate::model::Network;
use crate::train::{Overlap, RunFolder};

/// One network's metrics on the test images of one data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AcrossRow {
    /// The data set's title, with a part of its path if another one has the same.
    #[serde(skip)] // the summary's title
    pub data: String,
    /// Its place, in words.
    pub origin: String,
    /// Fingerprint of pixels, labels and order of all three parts, hexadecimal: it identifies the data in any
    /// place.
    pub fingerprint: String,
    /// Whether the run had the same training and validation images; `None` for weights of unknown origin.
    pub own: Option<bool>,
    /// How many of the test images the run was trained on; `None` if it is unknown.
    pub overlap: Option<Overlap>,
    /// The number of test images.
    pub images: usize,
    /// The plain mean of F1 over the classes that have images, 0 to 1.
    pub macro_f1: f64,
    /// The metrics of all classes.
    #[serde(flatten)]
    pub summary: EvaluationSummary,
    /// Notes on skipped and converted images, in sentences.
    pub notes: Vec<String>,
    /// The classes without images, in words.
    #[serde(skip)]
    absent: String,
}

/// The metrics of one network on several data sets, which show its accuracy on images outside its training data.
///
/// ```no_run
/// use fer_nb::evaluate::across;
/// use fer_nb::prelude::*;
///
/// let sets = [FaceData::from_path("fer2013")?, FaceData::from_path("ck48")?];
/// let table = across(&RunFolder::named("seed_cnn"), &sets, device()?)?;
/// println!("{table}");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Across {
    /// The run's name, or a weights file's.
    pub run: String,
    /// One entry for each data set.
    pub data_sets: Vec<AcrossRow>,
}

/// Evaluates a run's best weights on the test images of each data set. It fits nothing, and writes nothing to the
/// run.
///
/// # Errors
/// As [`across_with`]; [`Error::Missing`] for a run that does not exist or has no weights.
pub fn across(run: &RunFolder, sets: &[FaceData], device: Device) -> Result<Across> {
    let network = run.network(device)?;
    let name = run.path().file_name().unwrap_or_default().to_string_lossy();
    across_with(&*network, name, Some(run), sets, TestTimeAugmentation::None)
}

/// [`across`] for a network called `name`, the network of `run` if there is one, with several views of each image.
///
/// # Errors
/// [`Error::Input`] for an empty list, and for a data set without test images, before the first is evaluated; as
/// [`evaluate`](super::evaluate()).
pub fn across_with(
    network: &dyn Network,
    name: impl Into<String>,
    run: Option<&RunFolder>,
    sets: &[FaceData],
    tta: TestTimeAugmentation,
) -> Result<Across> {
    if sets.is_empty() {
        return Err(Error::input("data sets", 0, "one or more"));
    }
    sets.iter().try_for_each(FaceData::require_test)?;
    let mut data_sets = Vec::new();
    for (data, title) in sets.iter().zip(titles(sets)) {
        let test = evaluate_with(network, &data.test, tta)?.titled(&title);
        let own = run.map(|run| run.is_trained_on(data)).transpose()?;
        let overlap = run.map(|run| run.overlap(&data.test)).transpose()?.flatten();
        data_sets.push(AcrossRow::new(data, title, (own, overlap), &test));
    }
    Ok(Across { run: name.into(), data_sets })
}

/// The data sets' titles; equal ones with as much of their paths as needed to distinguish them.
fn titles<'a>(sets: &'a [FaceData]) -> Vec<String> {
    let title = |data: &FaceData| data.origin().title().to_string();
    let path = |data: &'a FaceData| data.origin().path().unwrap_or(Path::new("drawn"));
    let ends = path_ends(&sets.iter().map(path).collect::<Vec<_>>());
    let one = |(data, end): (&FaceData, String)| {
        let title = title(data);
        let is_one_of_several = sets.iter().filter(|set| set.origin().title() == title).count() > 1;
        if is_one_of_several { format!("{title} ({end})") } else { title }
    };
    sets.iter().zip(ends).map(one).collect()
}

impl AcrossRow {
    fn new(
        data: &FaceData,
        title: String,
        (own, overlap): (Option<bool>, Option<Overlap>),
        test: &Evaluation,
    ) -> Self {
        let absent: Vec<String> =
            test.confusion_matrix().absent().iter().map(ToString::to_string).collect();
        Self {
            data: title,
            origin: data.origin().to_string(),
            fingerprint: format!("{:016x}", data.fingerprint()),
            own,
            overlap,
            notes: data.notes.clone(),
            images: test.len(),
            macro_f1: test.classification_report().macro_avg().f1,
            summary: test.summary(),
            absent: absent.join(", "),
        }
    }

    /// The share of correct predictions, with its interval.
    pub fn accuracy(&self) -> Accuracy {
        self.summary.accuracy()
    }

    /// "yes" for the run's training data; else "412 of 500" or "no", and "not known" for a run of an older version
    /// and for weights of unknown origin.
    fn trained_on(&self) -> String {
        match (self.own, self.overlap) {
            (Some(true), _) => "yes".into(),
            (_, Some(overlap)) if overlap.seen() == 0 => "no".into(),
            (_, Some(overlap)) => format!("{} of {}", count(overlap.seen()), count(overlap.images)),
            (_, None) => "not known".into(),
        }
    }
}

impl Across {
    /// The line below the table.
    const NOTE: &str = "Macro F1 is over the classes that have images. Trained on: yes if the run had the same \
                        training and validation images; a number if so many of the test images are exact copies of them.";

    /// The lines below the table: the meaning of its columns, and notes on each data set.
    pub(crate) fn notes(&self) -> String {
        let notes = self.data_sets.iter().flat_map(|row| {
            row.notes.iter().map(move |note| format!("\nNote on {}: {note}.", row.data))
        });
        Self::NOTE.to_string() + &notes.collect::<String>()
    }

    /// A table with a row for each data set. Columns: `data set` (str), `images` (u64), `accuracy`, `low`, `high`,
    /// `macro F1`, `loss` (f64, in nats), `no images of` (str: classes) and `trained on` (str: yes, no, 412 of 500,
    /// not known).
    ///
    /// # Errors
    /// [`Error::Table`] if polars reports an error.
    pub fn to_table(&self) -> Result<DataFrame> {
        let rows = &self.data_sets;
        Ok(df!(
            "data set" => column(rows, |row| row.data.clone()),
            "images" => column(rows, |row| row.images as u64),
            "accuracy" => column(rows, |row| row.accuracy().value),
            "low" => column(rows, |row| row.accuracy().low),
            "high" => column(rows, |row| row.accuracy().high),
            "macro F1" => column(rows, |row| row.macro_f1),
            "loss" => column(rows, |row| row.summary.loss()),
            "no images of" => column(rows, |row| row.absent.clone()),
            "trained on" => column(rows, AcrossRow::trained_on),
        )?)
    }
}

impl fmt::Display for Across {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.data_sets.iter().map(|row| row.data.chars().count());
        let width = widths.max().unwrap_or(0).max("data set".len());
        let trained = self.data_sets.iter().map(|row| row.trained_on().len());
        let trained = trained.max().unwrap_or(0).max("trained on".len());
        writeln!(f, "{} on the test images of {} data sets", self.run, self.data_sets.len())?;
        writeln!(
            f,
            "{:width$}   images  accuracy  95 % interval  macro F1    loss  {:trained$}  no images of",
            "data set", "trained on"
        )?;
        for row in &self.data_sets {
            let Accuracy { value, low, high, .. } = row.accuracy();
            let (images, loss) = (count(row.images), row.summary.loss());
            let absent = if row.absent.is_empty() { "–" } else { &row.absent };
            writeln!(
                f,
                "{:width$}  {images:>7}  {value:>8.4}  {low:.4}–{high:.4}  {:>8.4}  {loss:>6.4}  {:<trained$}  {absent}",
                row.data,
                row.macro_f1,
                row.trained_on(),
            )?;
        }
        f.write_str(&self.notes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::data::fixtures::{self, Tree};
    use crate::model::{SeedCnn, weights};
    use crate::train::{RunConfig, TrainConfig};

    #[test]
    fn data_sets_stand_side_by_side() {
        let own = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path().join("run"));
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        run.save_config(&RunConfig::new(&network, &TrainConfig::default(), &own)).unwrap();
        weights::save(&network, run.weights()).unwrap();
        // Two data sets of one name; the second has five classes.
        let trees = [Tree::empty(), Tree::empty()];
        for (tree, classes) in trees.iter().zip([7, 5]) {
            for class in &crate::emotion::Emotion::names()[..classes] {
                tree.write(&format!("faces/{class}/a.png"), &fixtures::png(classes as u32));
            }
        }
        let [one, other] =
            trees.each_ref().map(|tree| FaceData::from_path(tree.path().join("faces")).unwrap());
        let across = across(&run, &[own, one, other], Device::Cpu).unwrap();
        let rows = &across.data_sets;
        assert_eq!(
            rows.iter().map(|row| row.own).collect::<Vec<_>>(),
            [true, false, false].map(Some)
        );
        assert_eq!(rows.iter().map(|row| row.images).collect::<Vec<_>>(), [35, 7, 5]);
        let path = |tree: &Tree| tree.path().file_name().unwrap().display().to_string();
        assert_eq!(rows[1].data, format!("faces ({}/faces)", path(&trees[0])));
        assert_eq!(across.to_table().unwrap().shape(), (3, 9));
        let text = across.to_string();
        assert!(
            text.contains("sad") && text.contains("surprise"),
            "the classes that are absent: {text}"
        );
        let json = serde_json::to_value(&across).unwrap();
        assert_eq!(json["data_sets"][2]["accuracy"]["total"], 5);
        assert_eq!(json["data_sets"][2]["absent"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_data_set_without_test_images_is_said_before_the_first_is_evaluated() {
        let tree = Tree::empty();
        for index in 0..5 {
            tree.write(&format!("train/happy/{index}.png"), &fixtures::png(index));
        }
        let sets = [FaceData::from_path(tree.path()).unwrap()];
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let evaluated =
            |sets: &[FaceData]| across_with(&network, "x", None, sets, TestTimeAugmentation::None);
        assert!(
            matches!(evaluated(&sets), Err(Error::Input { what, .. }) if what == "test images")
        );
        assert!(evaluated(&[]).is_err());
    }
}
