//! `fer predict`: the emotions in photos.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fer_nb::deploy::{Face, FaceBox, FaceDetector, Photo, Predictor};
use fer_nb::error::{Error, Result};
use fer_nb::plot::annotate;
use fer_nb::project::device;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::arguments::{AskedRun, JsonFile};

/// Pictures up to this many pixels on the longer side are taken as faces, cut out as FER2013's are.
const CUT_OUT: u32 = 96;

/// Finds the faces in photos and classifies each, with the best weights of a run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// JPEG or PNG files, or folders with such files.
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,

    #[command(flatten)]
    run: AskedRun,

    /// Each picture is one face: take its middle square and look for no faces. Pictures of up to 96
    /// pixels are taken so in any case.
    #[arg(long)]
    cut_out: bool,

    /// Write copies with boxes, predictions and probabilities drawn on: a .png or .jpg file for one photo,
    /// a folder for several.
    #[arg(long, value_name = "PATH")]
    annotate: Option<PathBuf>,

    #[command(flatten)]
    json: JsonFile,
}

/// A photo's entry in the file of `--json`.
#[derive(Serialize)]
struct Predicted {
    image: PathBuf,
    /// Width and height in pixels, upright.
    size: (u32, u32),
    /// The largest first.
    faces: Vec<Face>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let photos = listed(&args.photos)?;
    let several = photos.len() > 1 || args.photos.iter().any(|path| path.is_dir());
    let originals: HashSet<_> =
        photos.iter().filter_map(|photo| photo.canonicalize().ok()).collect();
    let spare = |option: &str, to: &Path| match to.canonicalize() {
        Ok(path) if originals.contains(&path) => {
            let hint = format!("Give another file after --{option}.");
            Err(Error::would_overwrite(to, "a photo that is predicted", hint))
        }
        _ => Ok(()),
    };
    if let Some(path) = &args.json.json {
        spare("json", path)?;
    }
    let (run, _) = args.run.for_photos()?;
    let predictor = Predictor::load(run.path(), device()?)?;
    crate::say(&format!("network trained on {}\n", predictor.trained_on()))?;
    let progress = bar(photos.len());
    let (mut predicted, mut failed) = (Vec::new(), 0);
    for path in &photos {
        let result = classified(args, &predictor, path).and_then(|(photo, faces)| {
            if let Some(to) = &args.annotate {
                let to = match several {
                    true => to.join(path.file_name().unwrap_or_default()).with_extension("png"),
                    false => to.clone(),
                };
                spare("annotate", &to)?;
                annotate(&photo, &faces)?.save(to)?;
            }
            Ok(Predicted { image: path.clone(), size: photo.size(), faces })
        });
        match result {
            Ok(found) => {
                progress.suspend(|| crate::say(&in_words(&found)))?;
                predicted.push(found);
            }
            // One picture that can't be read does not stop the others.
            Err(error) => {
                progress.suspend(|| crate::complain(&error.to_string()));
                failed += 1;
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    args.json.write(&predicted)?;
    match failed {
        0 => Ok(()),
        _ => Err(Error::input(
            "photos",
            format!("{} of {} predicted", predicted.len(), photos.len()),
            "pictures that can be read",
        )),
    }
}

fn classified(args: &Args, predictor: &Predictor, path: &Path) -> Result<(Photo, Vec<Face>)> {
    let photo = Photo::open(path)?;
    let (width, height) = photo.size();
    if args.cut_out || width.max(height) <= CUT_OUT {
        let prediction = predictor.predict_pixels(&photo.middle_square()?)?;
        let area = FaceBox::middle_square(width, height);
        return Ok((photo, vec![Face { area, prediction }]));
    }
    let faces = predictor.predict_photo(&photo, &FaceDetector::for_photos())?;
    Ok((photo, faces))
}

fn in_words(found: &Predicted) -> String {
    let image = found.image.display();
    match &found.faces[..] {
        [] => format!("{image}: no face was found\n"),
        [face] => format!("{image}: {}\n", face.prediction),
        faces => {
            let mut text = format!("{image}: {} faces\n", faces.len());
            for Face { area, prediction } in faces {
                text += &format!("  at {:.0}, {:.0}: {prediction}\n", area.left, area.top);
            }
            text
        }
    }
}

/// Files as they were named, and of folders those whose names say JPEG or PNG, in order.
fn listed(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut photos = Vec::new();
    for path in paths {
        if !path.is_dir() {
            photos.push(path.clone());
            continue;
        }
        let mut inside: Vec<_> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|error| Error::io("read", path, error))?;
        inside.retain(|file| {
            let end = file.extension().unwrap_or_default();
            let known = ["jpg", "jpeg", "png"].iter().any(|known| end.eq_ignore_ascii_case(known));
            known && file.is_file()
        });
        if inside.is_empty() {
            let hint = "Files in .jpg, .jpeg or .png are expected.";
            return Err(Error::file(path, "no photo is in this folder", hint));
        }
        inside.sort();
        photos.append(&mut inside);
    }
    Ok(photos)
}

/// A progress bar on stderr; none for a handful of photos, or without a terminal.
fn bar(photos: usize) -> ProgressBar {
    let target = match photos {
        0..=4 => ProgressDrawTarget::hidden(),
        _ => ProgressDrawTarget::stderr(),
    };
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} photos, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(photos as u64), target).with_style(style)
}
