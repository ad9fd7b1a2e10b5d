//! `fer bench export`: the same images, labels and initial weights for every framework.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tch::{Device, Tensor};

use fer_nb::error::{Error, Result};
use fer_nb::model::weights;
use fer_nb::project::replace_file;
use fer_nb::train::Recipe;

use crate::arguments::{DataPath, NetworkChoice};
use crate::outputs::Outputs;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    network: NetworkChoice,

    /// The recipe whose hyperparameters are written to recipe.json: a name, or a TOML file.
    #[arg(long, default_value = "original", value_name = "NAME|FILE")]
    recipe: String,

    /// The folder for data.safetensors (train.images u8 [N, 1, 48, 48], train.labels i64 [N], and
    /// the same for validation and test) and weights.safetensors (float32, PyTorch's shapes).
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Facts about the data for the other frameworks.
#[derive(Serialize)]
struct Exported<'a> {
    /// "FER2013", "made-up sample" or the name of a folder.
    title: &'a str,
    /// Images for training, validation and test.
    images: [usize; 3],
    /// The folder or csv file that they were read from, if any.
    folder: Option<PathBuf>,
    csv: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    args.data.of(Outputs::default().folder("to", Some(&args.to))).check()?;
    let recipe = Recipe::open(&args.recipe)?;
    let data = args.data.open()?;
    crate::say(&format!("{data}\n"))?;
    let parts = [("train", &data.train), ("validation", &data.validation), ("test", &data.test)];
    let mut tensors = Vec::new();
    for (name, part) in parts {
        tensors.push((format!("{name}.images"), part.images_tensor(Device::Cpu)?));
        tensors.push((format!("{name}.labels"), part.labels_tensor(Device::Cpu)?));
    }
    let path = args.to.join("data.safetensors");
    replace_file(&path, |temporary| write(&tensors, temporary))?;
    let network = args.network.build(Device::Cpu, super::SEED)?;
    weights::save(&*network, args.to.join("weights.safetensors"))?;
    replace_file(args.to.join("recipe.json"), |temporary| write_json(&recipe, temporary))?;
    let path = data.origin().path().map(Path::to_path_buf);
    let (csv, folder) = match path.as_deref().is_some_and(Path::is_file) {
        true => (path, None),
        false => (None, path),
    };
    let images = [data.train.len(), data.validation.len(), data.test.len()];
    super::show(&Exported { title: data.origin().title(), images, folder, csv })
}

fn write_json(recipe: &Recipe, path: &Path) -> Result<()> {
    let text = serde_json::to_string(recipe).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(path, text))
        .map_err(|error| Error::io("write", path, error))
}

fn write(tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
    Tensor::write_safetensors(tensors, path)
        .map_err(|error| Error::io("write", path, std::io::Error::other(error)))
}
