//! [`Robustness`]: the accuracy on corrupted images, compared with the unchanged images.

use serde::Serialize;

use super::{Accuracy, Corruption, Evaluation, Interval, TestTimeAugmentation, evaluate_with};
use crate::common::text::plural;
use crate::common::{Result, brief, text};
use crate::data::Dataset;
use crate::model::Network;
use crate::project::Task;

/// The accuracy on the images of a data set, and on the same images after each corruption.
#[derive(Clone, PartialEq, Serialize)]
pub struct Robustness {
    /// On the unchanged images.
    pub clean: Accuracy,
    /// One entry for each corruption, in the order of [`Corruption::STANDARD`].
    pub corrupted: Vec<CorruptedAccuracy>,
    /// The seed of directions and noise.
    pub seed: u64,
    /// "FER2013", "made-up sample" or a folder's name.
    pub title: String,
    /// An unchanged example, u8 [48 × 48].
    #[serde(skip)]
    pub(crate) face: Vec<u8>,
}

brief!(
    Robustness,
    |robust| "accuracy {}, {}, {}",
    robust.clean,
    plural(robust.corrupted.len(), "corruption"),
    robust.title
);

/// The accuracy after one corruption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorruptedAccuracy {
    /// The corruption of the images.
    #[serde(flatten)]
    pub corruption: Corruption,
    /// On the corrupted images.
    pub accuracy: Accuracy,
    /// The accuracy on the unchanged images minus this one; see [`Evaluation::accuracy_lost`].
    pub lost: Interval,
    /// The example after the corruption, u8 [48 × 48].
    #[serde(skip)]
    pub(crate) face: Vec<u8>,
}

/// Evaluates a network on the unchanged images of a data set, and after each corruption of
/// [`Corruption::STANDARD`]. The same seed gives the same images.
///
/// # Errors
/// As [`evaluate`](super::evaluate()).
pub fn robustness(
    network: &dyn Network,
    data: &Dataset,
    tta: TestTimeAugmentation,
    seed: u64,
) -> Result<Robustness> {
    let passes = Corruption::STANDARD.len() + 1;
    let task = Task::begin("evaluating corrupted images", Some(passes * data.len()))?;
    let example = typical(data)?;
    let face = |data: &Dataset| data.image(example).unwrap_or_default().to_vec();
    let clean = evaluate_with(network, data, tta)?;
    task.step(data.len())?;
    let mut corrupted = Vec::new();
    for corruption in Corruption::STANDARD {
        let images = corruption.apply(data, seed)?;
        let evaluation = evaluate_with(network, &images, tta)?;
        corrupted.push(CorruptedAccuracy::new(corruption, &clean, &evaluation, face(&images))?);
        task.step(data.len())?;
    }
    let title = clean.title().to_string();
    Ok(Robustness { clean: clean.accuracy(), corrupted, seed, title, face: face(data) })
}

/// The index of the image whose mean and standard deviation are nearest to the average image's, as an example of
/// the corruptions.
fn typical(data: &Dataset) -> Result<usize> {
    let table = data.table()?;
    let mut distances = vec![0.0; data.len()];
    for name in ["mean", "std"] {
        let column = table.column(name)?.f32()?;
        let sum: f32 = column.into_no_null_iter().sum();
        let average = sum / data.len().max(1) as f32;
        for (distance, value) in distances.iter_mut().zip(column.into_no_null_iter()) {
            *distance += (value - average).abs();
        }
    }
    let nearest = distances.iter().enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
    Ok(nearest.map_or(0, |(place, _)| place))
}

impl CorruptedAccuracy {
    pub(super) fn new(
        corruption: Corruption,
        clean: &Evaluation,
        corrupted: &Evaluation,
        face: Vec<u8>,
    ) -> Result<Self> {
        let lost = clean.accuracy_lost(corrupted)?;
        Ok(Self { corruption, accuracy: corrupted.accuracy(), lost, face })
    }
}

impl Robustness {
    /// The headings of [`Robustness::lines`].
    pub(crate) const HEADS: [&str; 5] =
        ["images", "accuracy", "95 % interval", "points lost", "95 % interval"];

    /// The texts of each row in figure and table, the unchanged images first: name, accuracy and points lost, each
    /// with its interval.
    pub(crate) fn lines(&self) -> Vec<[String; 5]> {
        let line =
            |name: String, Accuracy { value, low, high, .. }: Accuracy, lost: [String; 2]| {
                let [lost, lost_interval] = lost;
                [name, format!("{value:.4}"), format!("{low:.3}–{high:.3}"), lost, lost_interval]
            };
        let clean = line("as they are".into(), self.clean, ["–".into(), String::new()]);
        let corrupted = self.corrupted.iter().map(|row| {
            let Interval { value, low, high } = row.lost;
            let interval = format!("{} to {}", points(low), points(high));
            line(row.corruption.to_string(), row.accuracy, [points(value), interval])
        });
        std::iter::once(clean).chain(corrupted).collect()
    }

    /// The number of images and the seed.
    pub(crate) fn conditions(&self) -> String {
        format!("n = {} for each, seed {}", text::count(self.clean.total as usize), self.seed)
    }
}

/// A share in percentage points, with one decimal.
fn points(share: f64) -> String {
    let tenths = (share * 1000.0).round();
    let sign = if tenths < 0.0 { "−" } else { "" };
    format!("{sign}{:.1}", tenths.abs() / 10.0)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::evaluate::fixtures::two_rows;
    use crate::model::SeedCnn;

    #[test]
    fn rows_are_the_evaluations_of_the_corrupted_images() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 35, test: 35 }).unwrap();
        let few = data.test.take_per_class(2).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let flip = TestTimeAugmentation::Flip;
        let found = robustness(&network, &few, flip, 5).unwrap();
        let clean = evaluate_with(&network, &few, flip).unwrap();
        assert_eq!((found.clean, found.title.as_str()), (clean.accuracy(), "made-up sample"));
        let corruptions: Vec<_> = found.corrupted.iter().map(|row| row.corruption).collect();
        assert_eq!(corruptions, Corruption::STANDARD);
        for row in &found.corrupted {
            let images = row.corruption.apply(&few, 5).unwrap();
            let evaluation = evaluate_with(&network, &images, flip).unwrap();
            assert_eq!(row.accuracy, evaluation.accuracy(), "{}", row.corruption);
            assert_eq!(row.lost, clean.accuracy_lost(&evaluation).unwrap());
            assert_eq!(Some(row.face.as_slice()), images.image(typical(&few).unwrap()));
            assert!((row.lost.value - (found.clean.value - row.accuracy.value)).abs() < 1e-12);
        }
    }

    #[test]
    fn json_has_a_row_for_each_and_no_pixels() {
        let json = serde_json::to_value(two_rows()).unwrap();
        assert_eq!(json["corrupted"][0]["corruption"], "brightness");
        assert_eq!(json["corrupted"][0]["strength"], 0.25);
        assert_eq!(json["corrupted"][0]["accuracy"]["correct"], 20);
        assert_eq!(json["clean"]["correct"], 80);
        let row = json["corrupted"][1].as_object().unwrap();
        assert_eq!(row.keys().collect::<Vec<_>>(), ["accuracy", "corruption", "lost", "strength"]);
        assert!(json.get("face").is_none());
    }

    #[test]
    fn lines_have_a_sign_where_accuracy_is_won() {
        assert_eq!([0.0549, -0.003, -0.0004, 0.0].map(points), ["5.5", "−0.3", "0.0", "0.0"]);
        let lines = two_rows().lines();
        assert_eq!(lines[0], ["as they are", "0.8000", "0.711–0.867", "–", ""]);
        assert_eq!(
            [&lines[1][0], &lines[1][1], &lines[1][3]],
            ["darkened × 0.25", "0.2000", "60.0"]
        );
        assert_eq!(lines[2][3], "0.0");
        assert!(lines[2][4].starts_with('−'), "{}", lines[2][4]);
    }
}
