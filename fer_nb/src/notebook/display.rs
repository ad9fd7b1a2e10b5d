//! How data, its audit, configurations and model cards show themselves as a cell's last value.

use crate::common::Result;
use crate::data::{Audit, ClassDistribution, FaceData};
use crate::deploy::{ModelCard, Published};
use crate::emotion::Emotion;
use crate::evaluate::{ClassificationReport, Evaluation, original};
use crate::notebook::Table;
use crate::plot::Annotated;
use crate::plot::axis::{percent, thousands};
use crate::plot::picture::base64;
use crate::train::{RunConfig, TrainConfig};

impl FaceData {
    /// Keras' lines, the place, and what is to be noted.
    pub fn overview(&self) -> Table {
        let parts = ["train", "validation", "test"];
        let table = self
            .found_lines()
            .into_iter()
            .zip(parts)
            .fold(Table::new(["", ""]), |table, (line, part)| table.row([line, part.to_string()]));
        let notes: String = self.notes.iter().map(|note| format!(" {note}.")).collect();
        table.caption(format!("Data: {}", self.origin())).note(notes.trim_start())
    }

    /// Shows what was found in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl ClassDistribution {
    /// Images of each class in each part, and their shares of the part.
    pub fn overview(&self) -> Table {
        let parts = self.splits.map(|(part, counts)| (part, counts, counts.iter().sum::<usize>()));
        let mut heads = vec!["class"];
        heads.extend(parts.iter().flat_map(|(part, _, _)| [*part, "share"]));
        let mut table = Table::new(heads).right(1..7).caption(format!("Images, {}", self.origin));
        for class in Emotion::ALL {
            let mut row = vec![class.name().to_string()];
            for (_, counts, total) in &parts {
                let count = counts.get(class.index()).copied().unwrap_or_default();
                row.push(thousands(count as u64));
                row.push(percent(count as f64 / (*total).max(1) as f64, 1));
            }
            table = table.row(row);
        }
        let totals = parts.iter().flat_map(|(_, _, all)| [thousands(*all as u64), String::new()]);
        table.row(std::iter::once("in all".to_string()).chain(totals))
    }

    /// Shows the counts in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl Audit {
    /// What was found and how often.
    pub fn overview(&self) -> Table {
        let table = Table::new(["what", "how many"]).right([1]);
        self.findings()
            .into_iter()
            .fold(table, |table, (what, count)| {
                table.row([what.to_string(), thousands(count as u64)])
            })
            .caption(format!("Audit, {}", self.origin))
    }

    /// Shows the counts in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl TrainConfig {
    /// Name and value of each hyperparameter.
    pub fn overview(&self) -> Table {
        let off = |value: f64| if value == 0.0 { "off".to_string() } else { value.to_string() };
        let a = &self.augmentation;
        let rows = [
            ("epochs", self.epochs.to_string()),
            ("batch_size", self.batch_size.to_string()),
            ("learning_rate", self.learning_rate.to_string()),
            ("optimizer", self.optimizer.to_string()),
            ("schedule", self.schedule.to_string()),
            ("clip_norm", off(self.clip_norm)),
            ("ema", off(self.ema)),
            ("precision", self.precision.to_string()),
            ("seed", self.seed.to_string()),
            ("rotation", format!("±{}°", a.rotation)),
            ("width_shift, height_shift", format!("±{}, ±{}", a.width_shift, a.height_shift)),
            ("zoom", format!("±{}", a.zoom)),
            ("horizontal_flip", a.horizontal_flip.to_string()),
        ];
        let table = Table::new(["hyperparameter", "value"]).caption("Training configuration");
        rows.into_iter().fold(table, |table, (name, value)| table.row([name.to_string(), value]))
    }

    /// Shows the hyperparameters in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl RunConfig {
    /// What made the run, and its hyperparameters.
    pub fn overview(&self) -> Table {
        let [train, validation, test] = self.images;
        let TrainConfig { epochs, batch_size, learning_rate, optimizer, seed, .. } = &self.train;
        let rows = [
            ("network", self.network.clone()),
            ("data", self.data.clone()),
            ("images", format!("{train} train, {validation} validation, {test} test")),
            ("epochs", format!("{epochs} at most")),
            ("batch_size", batch_size.to_string()),
            ("learning_rate", learning_rate.to_string()),
            ("optimizer", optimizer.to_string()),
            ("seed", seed.to_string()),
            ("precision", self.precision.clone()),
            ("device", self.device.clone()),
            ("fer_nb", self.fer_nb.clone()),
        ];
        let table = Table::new(["", ""]).caption(format!("Run, {}", self.data_title));
        rows.into_iter().fold(table, |table, (name, value)| table.row([name.to_string(), value]))
    }

    /// Shows the run in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl ClassificationReport {
    /// [`ClassificationReport::beside_original`] for people to read: ours, the original's and the
    /// difference, of precision, recall and F1.
    pub fn comparison(&self) -> Result<Table> {
        let heads = ["class"].into_iter().chain(
            ["precision", "recall", "F1"].into_iter().flat_map(|score| [score, "original", "±"]),
        );
        Ok(Table::with_digits(&self.beside_original()?, 2)?
            .heads(heads)
            .caption(format!("Ours: {}. The original: FER2013", self.title()))
            .note("±: ours less the original's"))
    }
}

impl Evaluation {
    /// The classes from the easiest to the hardest, by F1, with the original's F1 on FER2013 and what each
    /// is taken for most.
    pub fn difficulty(&self) -> Table {
        let (report, published) = (self.classification_report(), original().f1());
        let confused = self.most_confused(Emotion::COUNT * Emotion::COUNT);
        let mut classes = Emotion::ALL;
        let f1 = |emotion: &Emotion| report.class(*emotion).f1;
        classes.sort_by(|one, other| f1(other).total_cmp(&f1(one)));
        let heads = ["class", "F1", "original's", "recall", "test images", "taken for most"];
        let table = Table::new(heads).right([1, 2, 3, 4]).caption(self.title());
        classes.into_iter().fold(table, |table, emotion| {
            let scores = report.class(emotion);
            let taken = confused.iter().find(|pair| pair.truth == emotion).map_or_else(
                || "–".to_string(),
                |pair| format!("{} ({:.0} %)", pair.predicted, 100.0 * pair.share),
            );
            table.row([
                emotion.to_string(),
                format!("{:.2}", scores.f1),
                format!("{:.2}", published.get(emotion.index()).copied().unwrap_or_default()),
                format!("{:.2}", scores.recall),
                scores.support.to_string(),
                taken,
            ])
        })
    }
}

impl Annotated {
    /// Shows the photo in a notebook.
    pub fn evcxr_display(&self) {
        match self.png() {
            Ok(png) => evcxr_runtime::mime_type("image/png").text(base64(&png)),
            Err(error) => println!("{error}"),
        }
    }
}

impl Published {
    /// The files in a table.
    pub fn overview(&self) -> Table {
        let table = Table::new(["file", "weights", "MB", "accuracy"])
            .right([2, 3])
            .caption(format!("On the test images of {}", self.test.title()));
        self.files.iter().fold(table, |table, file| {
            let megabytes = format!("{:.1}", file.bytes as f64 / 1e6);
            let accuracy = format!("{:.4}", file.accuracy.value);
            table.row([file.name.to_string(), file.weights.to_string(), megabytes, accuracy])
        })
    }

    /// Shows the files in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl ModelCard {
    /// Shows the card in a notebook, as formatted text.
    pub fn evcxr_display(&self) {
        let text = self.to_markdown();
        evcxr_runtime::mime_type("text/markdown").text(&text);
        evcxr_runtime::mime_type("text/plain").text(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;

    #[test]
    fn a_comparison_says_whose_is_what() {
        let pairs = (0..7).map(|class| (class, class));
        let report = crate::evaluate::ConfusionMatrix::from_pairs(pairs, "made-up sample").report();
        let pairs = [(3, 3), (3, 3), (5, 5), (5, 4), (0, 0)];
        let easy = crate::evaluate::fixtures::with_predictions(&pairs).difficulty().to_string();
        let place = |name| easy.find(name).unwrap();
        assert!(place("happy") < place("sad") && place("sad") < place("fear"), "{easy}");
        assert!(easy.contains("neutral (50 %)"), "{easy}");
        let text = report.comparison().unwrap().to_string();
        assert!(text.contains("Ours: made-up sample. The original: FER2013"), "{text}");
        assert!(text.contains("0.83") && text.contains("original"), "{text}");
    }

    #[test]
    fn data_says_what_it_is() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let text = data.overview().to_string();
        assert!(
            text.contains("Found 35 images belonging to 7 classes.") && text.contains("made-up")
        );
        let text = data.class_distribution().overview().to_string();
        assert!(text.contains("surprise") && text.contains("in all") && text.contains("made-up"));
        assert!(data.audit().unwrap().overview().to_string().contains("of one flat colour"));
        assert!(TrainConfig::default().overview().to_string().contains("1e-7"));
    }
}
