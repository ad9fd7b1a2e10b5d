//! `fer export`: a run's weights for other programs.

use std::path::{Path, PathBuf};

use fer_nb::deploy::{Format, PublishedFile, check_formats, check_target, publish};
use fer_nb::error::{Error, Result};
use fer_nb::project::{device, option, shown};
use fer_nb::train::RunFolder;
use serde::Serialize;

use crate::arguments::{DataPath, JsonFile};
use crate::outputs::Outputs;

/// Exports a run's best weights in float16 with config, history, temperature and model card to a folder
/// that can be used as a run; with --format also as ONNX, TorchScript and a page for the browser.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run: a folder below runs/, a path, or pretrained weights such as seed_cnn.
    #[arg(long, default_value = "baseline")]
    run: String,

    /// The folder to write.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,

    /// Additional formats, separated by commas: onnx (model.onnx, model_f16.onnx), torchscript
    /// (model.pt) and web (web/, a static page with camera and photos).
    #[arg(long, value_delimiter = ',', default_value = "safetensors")]
    format: Vec<Format>,

    /// The command that trained the weights, for the model card.
    #[arg(long, default_value = "")]
    command: String,

    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    json: JsonFile,
}

/// The content of the file of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a str,
    /// The data that the metrics are for.
    test: &'a str,
    files: &'a [PublishedFile],
    /// How the data was read: skipped or converted images, in sentences.
    notes: &'a [String],
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let run = RunFolder::named(&args.run);
    let mut outputs = args.json.of(Outputs::default()).folder("to", Some(&args.to));
    let web = args.to.join("web");
    if args.format.contains(&Format::Web) {
        outputs = outputs.folder("to", Some(&web));
    }
    args.data.of(outputs.reads_run(run.path())).check()?;
    check_json(args)?;
    check_target(&run, &args.to)?;
    check_formats(&args.format, &args.to)?;
    run.config()?; // before the data is read
    let data = args.data.open()?;
    let published = publish(&run, &data, &args.to, &args.command, &args.format, device()?)?;
    crate::say(&format!("{published}\nwritten to {}\n", shown(&args.to)))?;
    if args.format.contains(&Format::Web) {
        let folder = option("--directory", &web);
        crate::say(&format!("to look at the page: python3 -m http.server {folder}\n"))?;
    }
    let (test, files) = (published.test.title(), &published.files[..]);
    args.json.write(&Report { run: &args.run, test, files, notes: &published.notes })
}

/// Fails if the report would replace an exported file.
fn check_json(args: &Args) -> Result<()> {
    let Some(json) = &args.json.json else { return Ok(()) };
    let parent = match json.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (Ok(folder), Ok(to)) = (parent.canonicalize(), args.to.canonicalize()) else {
        return Ok(());
    };
    match folder.starts_with(to) {
        true => {
            let expected = "a file outside of the folder of --to";
            Err(Error::setting("json", shown(json), expected))
        }
        false => Ok(()),
    }
}
