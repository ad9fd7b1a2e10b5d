//! [`ModelCard`]: a description of a trained network, its metrics, and its excluded uses.

use std::fmt::Write;
use std::path::Path;

use tch::Device;

use super::light::LightRule;
use crate::common::text::count;
use crate::common::{Error, Result, brief};
use crate::data::{FaceData, Origin};
use crate::evaluate::{
    Accuracy, ClassificationReport, Evaluation, Protocol, Temperature, original,
};
use crate::model::Network;
use crate::train::{RunConfig, RunFolder};

/// The facts of a trained network, written as Markdown next to its weights. The sections follow
/// Mitchell et al., "Model Cards for Model Reporting" (2019).
#[derive(Clone)]
pub struct ModelCard {
    /// The weights' name: "seed CNN, 35 epochs".
    pub(crate) name: String,
    /// The network in a sentence: layers, input, output.
    pub network: String,
    /// Trainable parameters.
    pub parameters: i64,
    /// The light that faces get first that were cut out of photos, if the network needs it.
    light: Option<LightRule>,
    /// The data it was trained on.
    trained_on: TrainedOn,
    /// Whether the metrics are for FER2013's images, as the original's are.
    on_fer2013: bool,
    /// All hyperparameters, as in the run's `config.toml`.
    pub(crate) config: String,
    /// The hardware and the time of training: processor or GPU, versions, minutes.
    pub hardware: String,
    /// The accuracy on the test images.
    pub(crate) accuracy: Accuracy,
    /// Mean cross-entropy on the test images, in nats.
    pub(crate) loss: f64,
    /// Scores of each class on the test images.
    pub(crate) report: ClassificationReport,
    /// The images for training, choosing and measuring.
    pub(crate) protocol: Protocol,
    /// The temperature of the probabilities; 1 if none was fitted.
    pub(crate) temperature: Temperature,
    /// Skipped or changed images of the data that the metrics are for, without file names.
    pub(crate) changes: Vec<String>,
    /// How many of the test images the weights were trained on, if the data is not the run's training data.
    pub(crate) overlap: Option<String>,
    /// Further facts for users of the weights; one paragraph each.
    pub notes: Vec<String>,
}

brief!(ModelCard, |card| "{}", card.name);

/// The training data, as far as the card describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TrainedOn {
    Fer2013,
    /// Drawn faces, with their seed if it is known.
    Sample(Option<u64>),
    /// Other images, by their title.
    Custom(String),
}

impl From<&Origin> for TrainedOn {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Folder(_) | Origin::Csv(_) => TrainedOn::Fer2013,
            Origin::Sample { seed } => TrainedOn::Sample(Some(*seed)),
            Origin::Custom { name, .. } => TrainedOn::Custom(name.clone()),
        }
    }
}

impl TrainedOn {
    /// The part of a card that depends only on the run, not on the present data.
    fn of(config: &RunConfig) -> Self {
        match config.data_title.as_str() {
            Origin::FER2013 => TrainedOn::Fer2013,
            Origin::SAMPLE => TrainedOn::Sample(None),
            title => TrainedOn::Custom(title.into()),
        }
    }
}

impl ModelCard {
    /// The card of a run: its network, hyperparameters and device, with the metrics of `test`, which are for
    /// `data`'s test images. The run may have been trained on other images; the card names them.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::File`] for a run that does not exist or can't be read, and as
    /// [`RunFolder::check_data`] for one that was trained on drawn faces if these are photos.
    pub fn of_run(run: &RunFolder, data: &FaceData, test: &Evaluation) -> Result<Self> {
        run.check_data(data)?;
        let config = run.config()?;
        let epochs = run.history()?.epochs;
        let network = run.network(Device::Cpu)?;
        let hyperparameters = toml::to_string_pretty(&config.train)
            .map_err(|error| Error::input("hyperparameters", error, "values that TOML can hold"))?;
        let name = run.path().file_name().unwrap_or_default().to_string_lossy();
        let minutes = epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() / 60.0;
        // The title of the same images may have changed.
        let (trained_on, title) = match run.is_trained_on(data)? {
            true => (data.origin().into(), data.origin().title()),
            false => (TrainedOn::of(&config), config.data_title.as_str()),
        };
        Ok(Self {
            name: format!("{name}: {}, {title}, epochs: {}", config.network, epochs.len()),
            network: config.architecture.clone().unwrap_or_default().about(),
            parameters: network.parameters().count(),
            light: LightRule::of(&*network),
            trained_on,
            on_fer2013: data.origin().is_fer2013(),
            config: hyperparameters,
            hardware: format!(
                "Trained by fer_nb {} on {} in {}, {minutes:.1} minutes. Weights of the epoch that \
                 was best on validation images.",
                config.fer_nb,
                config.hardware.as_ref().unwrap_or(&config.device),
                config.precision
            ),
            accuracy: test.accuracy(),
            loss: test.loss(),
            report: test.classification_report(),
            protocol: Protocol::of(Some(&config), data)?,
            temperature: Temperature::of_run(run)?,
            changes: data.layout.changes.iter().map(|change| change.what.clone()).collect(),
            overlap: None,
            notes: Vec::new(),
        })
    }

    /// The card as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n", self.name);
        for (title, body) in [
            ("The network", self.network()),
            ("Training data", self.training_data()),
            ("Training", self.training()),
            ("Results", self.results()),
            ("Intended use", INTENDED_USE.to_string()),
            ("Limits", self.limits()),
        ] {
            // Writing into a String can't fail.
            let _ = write!(text, "\n## {title}\n\n{}\n", body.trim_end());
        }
        text
    }

    /// Writes the card to a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_markdown()).map_err(|source| Error::io("write", path, source))
    }

    /// Whether the network was trained on drawn faces, not on photos.
    pub(crate) fn is_of_drawn_faces(&self) -> bool {
        matches!(self.trained_on, TrainedOn::Sample(_))
    }

    fn network(&self) -> String {
        let mut text = format!(
            "{}\n\n{} trainable parameters.\n\nInput: a face, 48×48 pixels, gray, 0 to 1. Output: \
             probabilities of angry, disgust, fear, happy, neutral, sad, surprise, in this order.",
            self.network,
            count(self.parameters as usize)
        );
        if let Some(rule) = self.light {
            let _ = write!(
                text,
                "\n\nBefore that, a face that was cut out of a photo gets the light of FER2013's images: {rule}. \
                 `fer predict`, `fer serve` and the exported web page do this; for the other exported files the \
                 caller has to."
            );
        }
        text
    }

    fn training_data(&self) -> String {
        match &self.trained_on {
            TrainedOn::Sample(seed) => {
                let seed = seed.map_or(String::new(), |seed| format!(", seed {seed}"));
                format!(
                    "The made-up sample: faces drawn by fer_nb itself{seed}. **Not FER2013 and not photos of \
                     people: the network knows drawn faces only.**"
                )
            }
            // The path describes the machine, not the data.
            TrainedOn::Fer2013 => {
                "FER2013 (Goodfellow et al., \"Challenges in Representation Learning: A report on \
                 three machine learning contests\", 2013): photos found by web search, cropped to \
                 faces by machine, 48×48 pixels, gray."
                    .to_string()
            }
            TrainedOn::Custom(name) => format!(
                "{name}: custom images, not FER2013. Say here who is in them, where they come \
                 from, who labelled them, and under which terms they may be used."
            ),
        }
    }

    fn training(&self) -> String {
        format!("{}\n\n```toml\n{}\n```", self.hardware, self.config.trim_end())
    }

    fn results(&self) -> String {
        let Protocol { trained_on, chosen_on, measured_on } = &self.protocol;
        let mut text = format!(
            "Tested on: {measured_on}. Accuracy {}, loss {:.4}.\n\nProtocol: trained on {trained_on}; \
             chosen on {chosen_on}; measured on {measured_on}.\n\n",
            self.accuracy, self.loss
        );
        if self.on_fer2013 {
            let _ = writeln!(
                text,
                "For comparison: the original Keras project reached {} on {} images.\n",
                original().accuracy,
                count(original().images as usize)
            );
        }
        if let Some(overlap) = &self.overlap {
            let _ = writeln!(text, "Of the images of these results, {overlap}.\n");
        }
        if !self.changes.is_empty() {
            let _ = writeln!(text, "How these images were read: {}.\n", self.changes.join("; "));
        }
        let absent = self.report.absent_note();
        if !absent.is_empty() {
            let _ = writeln!(text, "{absent}.\n");
        }
        text += "| class | precision | recall | F1 | support |\n| --- | --: | --: | --: | --: |\n";
        for (name, row) in self.report.rows() {
            let _ = writeln!(
                text,
                "| {name} | {:.3} | {:.3} | {:.3} | {} |",
                row.precision, row.recall, row.f1, row.support
            );
        }
        text
    }

    fn limits(&self) -> String {
        let mut text = String::new();
        if self.is_of_drawn_faces() {
            text += "The metrics above are of drawn faces and say nothing about photos.\n\n";
        }
        let _ = writeln!(text, "{EXPRESSION}\n");
        if !matches!(self.trained_on, TrainedOn::Custom(_)) {
            let _ = writeln!(text, "{OF_FER2013}\n");
        }
        let calibration = match self.temperature == Temperature::default() {
            true => NOT_CALIBRATED.to_string(),
            false => format!(
                "The logits are divided by a temperature of {:.3}, fitted on validation images, so \
                 that the probabilities match the accuracy on photos of this kind.",
                self.temperature.value()
            ),
        };
        let _ = write!(text, "{calibration} {OTHER_PICTURES}");
        for note in &self.notes {
            let _ = write!(text, "\n\n{note}");
        }
        text
    }
}

const INTENDED_USE: &str = "\
For learning, teaching and comparing methods on a known data set.

Not for decisions about persons: not for hiring, schooling, policing, health, credit or \
advertising, and not for watching people. In the European Union, inferring emotions at work and in \
schools is prohibited but for medical and safety reasons (Regulation 2024/1689, article 5).";

const EXPRESSION: &str = "\
A face shows an expression, and an expression is not a feeling: the network tells which of seven \
words people would put to a picture.";

const OF_FER2013: &str = "\
People agree with FER2013's labels 65 ± 5 % of the time (Goodfellow et al., 2013), so a good part \
of what counts as wrong is a matter of opinion, and a far higher accuracy would be a reason for \
suspicion.

FER2013 has copies of the same photo in its training and test images, which flatters every result, \
and wrong labels. The classes are unequal: few of its faces are labelled disgust, and fear and sad \
are often taken for each other. Who is in the pictures was not recorded, so nobody knows for whom \
it works worse; expect it to be uneven by age, skin and glasses.";

const NOT_CALIBRATED: &str = "\
The probabilities are not calibrated: 0.9 does not mean right nine times out of ten.";

const OTHER_PICTURES: &str = "\
Predictions for faces that are turned, covered or not cropped as the training images were mean \
little, and a picture without a face gets a prediction too.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeedCnn;

    fn card(origin: Origin) -> ModelCard {
        let happy = [0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0];
        let test = Evaluation::from_probs(vec![3, 3, 4], vec![happy; 3], origin.title()).unwrap();
        let measured_on = format!("3 images, {}", origin.title());
        ModelCard {
            name: "seed CNN, 2 epochs".into(),
            network: "A network.".into(),
            parameters: 1_468_135,
            light: LightRule::of(&SeedCnn::new(Device::Cpu, 1).unwrap()),
            trained_on: TrainedOn::from(&origin),
            on_fer2013: origin.is_fer2013(),
            config: "epochs = 2\n".into(),
            hardware: "Trained on a CPU.".into(),
            accuracy: test.accuracy(),
            loss: test.loss(),
            report: test.classification_report(),
            protocol: Protocol { trained_on: "t".into(), chosen_on: "c".into(), measured_on },
            temperature: Temperature::default(),
            changes: vec!["Left out 3 images of class contempt".into()],
            overlap: Some("2 of the 3 test images were trained on".into()),
            notes: vec!["One seed.".into()],
        }
    }

    #[test]
    fn a_card_has_figures_and_limits() {
        let text = card(Origin::Folder("/home/someone/fer2013".into())).to_markdown();
        for part in [
            "# seed CNN, 2 epochs\n",
            "1,468,135 trainable parameters",
            "a face that was cut out of a photo gets the light of FER2013's images: with m and s, ",
            "```toml\nepochs = 2\n```",
            "Tested on: 3 images, FER2013. Accuracy 0.6667 (95 % interval ",
            "reached 0.5953 on 7,178 images",
            "| happy | 0.667 | 1.000 | 0.800 | 2 |",
            "| macro avg | ",
            "Not for decisions about persons",
            "65 ± 5 %",
            "\n\nOne seed.\n",
            "\nHow these images were read: Left out 3 images of class contempt.\n",
            "\nOf the images of these results, 2 of the 3 test images were trained on.\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("someone"), "a path of the machine is in the card");
        assert!(!text.contains("\n\n\n"), "{text}");
    }

    #[test]
    fn made_up_faces_never_pass_for_fer2013() {
        let text = card(Origin::Sample { seed: 5 }).to_markdown();
        assert!(text.contains("The made-up sample: faces drawn by fer_nb itself, seed 5"));
        assert!(text.contains("Tested on: 3 images, made-up sample."));
        assert!(text.contains("say nothing about photos"));
        assert!(!text.contains("0.5953"), "no comparison with the original's");
    }

    #[test]
    fn other_peoples_photos_never_pass_for_fer2013() {
        let own = Origin::Custom { path: "/home/someone/ours".into(), name: "ours".into() };
        let text = card(own).to_markdown();
        assert!(text.contains("ours: custom images, not FER2013."), "{text}");
        assert!(text.contains("Tested on: 3 images, ours."), "{text}");
        for part in ["0.5953", "someone", "65 ± 5 %", "drawn"] {
            assert!(!text.contains(part), "{part:?} is in\n{text}");
        }
        assert!(!text.contains("\n\n\n"), "{text}");
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let refused = card(Origin::Sample { seed: 5 }).save("no/such/card.md");
        assert!(matches!(refused, Err(Error::Io { .. })));
    }
}
