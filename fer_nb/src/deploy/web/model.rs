//! [`Model`]: what the page has to know of the network, in `model.json`.

use std::path::Path;

use serde::Serialize;

use super::{DETECTOR, NETWORK, Runtime};
use crate::common::files::file_fingerprint;
use crate::common::{Error, Result};
use crate::deploy::ModelCard;
use crate::deploy::detector::SearchRule;
use crate::deploy::export::Exported;
use crate::deploy::face::CutRule;
use crate::deploy::light::LightRule;
use crate::deploy::photo::PhotoRule;
use crate::emotion::Emotion;
use crate::evaluate::{Temperature, Threshold};

/// The content of the file.
#[derive(Serialize)]
pub(super) struct Model {
    fer_nb: &'static str,
    onnxruntime_web: String,
    /// Changes with the content of any file, this one included.
    version: String,
    network: &'static str,
    /// The title of the network's training data.
    trained_on: String,
    classes: Vec<&'static str>,
    /// The confidence below which a prediction is uncertain, 0 to 1.
    uncertain_below: f32,
    card: Card,
    search: SearchRule,
    cut: CutRule,
    /// What is done with a face that was cut out of a photo; `None` for a network that needs nothing.
    light: Option<LightRule>,
    photo: PhotoRule,
    /// Names of the networks' files.
    detector_file: &'static str,
    network_file: &'static str,
    /// Files whose address carries their version: they are large.
    versioned: Vec<&'static str>,
    /// All files of the folder but this one.
    files: Vec<File>,
}

/// What the page says of the network.
#[derive(Serialize)]
struct Card {
    name: String,
    about: String,
    parameters: i64,
    trained_on: String,
    /// Whether a temperature was fitted.
    is_calibrated: bool,
    /// Whether the network knows drawn faces only.
    is_of_drawn_faces: bool,
    accuracy: String,
    measured_on: String,
    markdown: String,
}

/// A file of the page's folder.
#[derive(Serialize)]
pub(super) struct File {
    name: &'static str,
    bytes: u64,
    /// Changes with the content.
    version: String,
}

impl File {
    /// A file that is there.
    pub(super) fn of(page: &Path, name: &'static str) -> Result<Self> {
        let path = page.join(name);
        let bytes =
            std::fs::metadata(&path).map_err(|error| Error::io("read", &path, error))?.len();
        Ok(Self { name, bytes, version: file_fingerprint(&path)? })
    }
}

impl Model {
    pub(super) fn new(
        exported: &Exported<'_>,
        threshold: Threshold,
        card: &ModelCard,
        trained_on: &str,
        runtime: &Runtime,
        files: Vec<File>,
    ) -> Result<Self> {
        let mut model = Self {
            fer_nb: env!("CARGO_PKG_VERSION"),
            onnxruntime_web: runtime.version.clone(),
            version: String::new(),
            network: exported.network.name(),
            trained_on: trained_on.into(),
            classes: Emotion::names().to_vec(),
            uncertain_below: threshold.uncertain_below(),
            card: Card {
                name: card.name.clone(),
                about: card.network.clone(),
                parameters: card.parameters,
                trained_on: card.protocol.trained_on.clone(),
                is_calibrated: exported.temperature != Temperature::default(),
                is_of_drawn_faces: card.is_of_drawn_faces(),
                accuracy: card.accuracy.to_string(),
                measured_on: card.protocol.measured_on.clone(),
                markdown: card.to_markdown(),
            },
            search: SearchRule::default(),
            cut: CutRule::default(),
            light: LightRule::of(exported.network),
            photo: PhotoRule::default(),
            detector_file: DETECTOR,
            network_file: NETWORK,
            versioned: vec![Runtime::WASM, DETECTOR, NETWORK],
            files,
        };
        let json = model.to_json()?;
        model.version = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(json.as_bytes()));
        Ok(model)
    }

    /// The file's content.
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|error| Error::input("the page's model", error, "values that JSON can hold"))
    }

    /// The size of all files but this one.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
