//! `fer predict`: the emotions in photos and in a video.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fer_nb::deploy::{
    Face, FaceBox, FaceDetector, PassedOver, Photo, PhotoFile, PhotoFiles, Predictor, Video,
};
use fer_nb::error::{Error, Result};
use fer_nb::plot::annotate;
use fer_nb::project::{device, shown};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::arguments::{AskedRun, JsonFile};
use crate::outputs::Outputs;
use crate::video::{self, VideoArgs};

/// Finds the faces in photos or a video, and predicts the emotion of each with the best weights of a run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// JPEG, PNG, WebP or BMP files, or folders with such files, also in subfolders; or one video, which ffmpeg
    /// decodes. Other files of a folder are skipped, and counted by format on stderr.
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,

    #[command(flatten)]
    run: AskedRun,

    /// Treat each picture as one face: use its middle square, without face detection. Pictures of up to 96
    /// pixels are always treated so.
    #[arg(long)]
    cut_out: bool,

    /// Write copies with boxes, predictions and probabilities drawn on them: a .png or .jpg file for one photo,
    /// a folder for several, with the photos' subfolders, an .mp4, .mov, .mkv, .webm or .avi file for a video.
    #[arg(long, value_name = "PATH")]
    annotate: Option<PathBuf>,

    #[command(flatten)]
    video: VideoArgs,

    #[command(flatten)]
    json: JsonFile,
}

/// The content of the file of `--json`.
#[derive(Serialize)]
struct Report {
    photos: Vec<Predicted>,
    /// Photos that could not be read, or whose copies could not be written.
    failed: Vec<Failed>,
    /// Skipped files of the folders.
    passed_over: Vec<PassedOver>,
}

#[derive(Serialize)]
struct Predicted {
    #[serde(flatten)]
    image: Named,
    /// Width and height in pixels, upright.
    size: (u32, u32),
    /// The largest first.
    faces: Vec<Face>,
    /// The reason if no face was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_face: Option<String>,
}

#[derive(Serialize)]
struct Failed {
    #[serde(flatten)]
    image: Named,
    problem: String,
}

/// A file's name in JSON, which supports Unicode only.
#[derive(Serialize)]
struct Named {
    /// The path, with `\xNN` for bytes that are not UTF-8.
    image: String,
    /// The path's bytes in hexadecimal, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_bytes: Option<String>,
}

impl Named {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self { image: text.into(), image_bytes: None },
            None => {
                let bytes = path.as_os_str().as_bytes().iter();
                let bytes = bytes.map(|byte| format!("{byte:02x}")).collect();
                Self { image: shown(path), image_bytes: Some(bytes) }
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(path) = args.photos.iter().find(|path| Video::is_video(path)) {
        if args.photos.len() > 1 {
            let found = format!("{} and {} more", shown(path), args.photos.len() - 1);
            return Err(Error::input("photos", found, "photos and folders, or a single video"));
        }
        return video::run(path, &args.video, &args.run, args.annotate.as_deref(), &args.json);
    }
    args.video.check_photos()?;
    let found = PhotoFiles::find_without(&args.photos, args.annotate.as_deref())?;
    let copies = copies(args, &found)?;
    let (run, _) = args.run.for_photos()?;
    outputs(args, &found, &copies)?.reads_run(run.path()).check()?;
    if !found.passed_over().is_empty() {
        crate::complain(&found.to_string());
    }
    let predictor = Predictor::load(&run, device()?)?;
    crate::say(&format!("network trained on {}\n", predictor.trained_on()))?;
    let progress = bar(found.photos.len());
    let mut report =
        Report { photos: Vec::new(), failed: Vec::new(), passed_over: found.passed_over() };
    let copies = copies.iter().map(Some).chain(std::iter::repeat(None));
    for (file, copy) in found.photos.iter().zip(copies) {
        match predicted(args, &predictor, file, copy.map(PathBuf::as_path)) {
            Ok(predicted) => {
                progress.suspend(|| crate::say(&in_words(file, &predicted)))?;
                report.photos.push(predicted);
            }
            // An unreadable picture does not stop the others.
            Err(error) => {
                progress.suspend(|| crate::complain(&error.to_string()));
                let (image, problem) = (Named::of(&file.path), error.to_string());
                report.failed.push(Failed { image, problem });
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    args.json.write(&report)?;
    match report.failed.is_empty() {
        true => Ok(()),
        false => Err(Error::input(
            "photos",
            format!("{} of {} predicted", report.photos.len(), found.photos.len()),
            "pictures that can be read",
        )),
    }
}

/// The paths of the photos' annotated copies; none without `--annotate`.
fn copies(args: &Args, found: &PhotoFiles) -> Result<Vec<PathBuf>> {
    let Some(to) = &args.annotate else { return Ok(Vec::new()) };
    let ending = to.extension().unwrap_or_default();
    let is_picture = ["png", "jpg", "jpeg"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    if !is_for_several(to, found) {
        return match is_picture {
            true => Ok(vec![to.clone()]),
            false => {
                let expected = "a folder that exists, or a name that ends in .png or .jpg";
                Err(Error::setting("annotate", shown(to), expected))
            }
        };
    }
    if is_picture && !to.is_dir() {
        return Err(Error::setting("annotate", shown(to), "a folder, for several photos"));
    }
    let copies = found.copies_in(to)?;
    match has_others(args, to, &copies) {
        true => {
            let hint = "Give another folder after --annotate.";
            Err(Error::would_overwrite(to, "photos next to the annotated copies", hint))
        }
        false => Ok(copies),
    }
}

/// Whether the folder for copies lies within the searched folders, in which it is skipped, and contains pictures that
/// are not copies.
fn has_others(args: &Args, to: &Path, copies: &[PathBuf]) -> bool {
    let real = |path: &PathBuf| path.canonicalize().ok();
    let Ok(folder) = to.canonicalize() else { return false };
    let is_within = args.photos.iter().filter_map(real).any(|named| folder.starts_with(named));
    let copies: HashSet<PathBuf> = copies.iter().filter_map(real).collect();
    let is_other = |photo: &PhotoFile| real(&photo.path).is_none_or(|path| !copies.contains(&path));
    is_within && PhotoFiles::find(&[to]).is_ok_and(|inside| inside.photos.iter().any(is_other))
}

/// Whether the copies are written to a folder.
fn is_for_several(to: &Path, found: &PhotoFiles) -> bool {
    let is_called_folder = to.as_os_str().as_bytes().ends_with(b"/");
    found.photos.len() > 1 || found.has_folder || is_called_folder || to.is_dir()
}

/// The files that are written.
fn outputs(args: &Args, found: &PhotoFiles, copies: &[PathBuf]) -> Result<Outputs> {
    let outputs = args.json.of(Outputs::default());
    if let Some(json) = &args.json.json {
        found.check_spares(&[json])?;
        if args.annotate.as_ref() != Some(json) && copies.contains(json) {
            let expected = "another path than those of --annotate";
            return Err(Error::setting("json", shown(json), expected));
        }
    }
    let Some(to) = &args.annotate else { return Ok(outputs) };
    if !is_for_several(to, found) {
        found.check_spares(&[to])?;
        return Ok(outputs.file("annotate", Some(to)));
    }
    if let Some(folder) = copies.iter().find(|copy| copy.is_dir()) {
        let expected = "a folder for copies in which no folder has the name of a copy";
        return Err(Error::setting("annotate", shown(folder), expected));
    }
    let folders: BTreeSet<&Path> = copies.iter().filter_map(|copy| copy.parent()).collect();
    Ok(folders
        .into_iter()
        .fold(outputs, |outputs, folder| outputs.folder("annotate", Some(folder))))
}

fn predicted(
    args: &Args,
    predictor: &Predictor,
    file: &PhotoFile,
    copy: Option<&Path>,
) -> Result<Predicted> {
    let photo = Photo::open(&file.path)?;
    let faces = faces(args, predictor, &photo)?;
    if let Some(copy) = copy {
        annotate(&photo, &faces)?.save(copy)?;
    }
    let no_face = match faces.is_empty() {
        true => Some(FaceDetector::for_photos().why_no_face(&photo)?.to_string()),
        false => None,
    };
    Ok(Predicted { image: Named::of(&file.path), size: photo.size(), faces, no_face })
}

fn faces(args: &Args, predictor: &Predictor, photo: &Photo) -> Result<Vec<Face>> {
    let (width, height) = photo.size();
    if args.cut_out || width.max(height) <= Photo::CUT_OUT {
        let prediction = predictor.predict_pixels(&photo.middle_square()?)?;
        let area = FaceBox::middle_square(width, height);
        return Ok(vec![Face { area, prediction }]);
    }
    predictor.predict_photo(photo, &FaceDetector::for_photos())
}

fn in_words(file: &PhotoFile, predicted: &Predicted) -> String {
    match &predicted.faces[..] {
        [] => {
            let why = predicted.no_face.iter().map(|why| format!(": {why}")).collect::<String>();
            format!("{file}: no face was found{why}\n")
        }
        [face] => format!("{file}: {}\n", face.prediction),
        faces => {
            let mut text = format!("{file}: {} faces\n", faces.len());
            for Face { area, prediction } in faces {
                text += &format!("  at {:.0}, {:.0}: {prediction}\n", area.left, area.top);
            }
            text
        }
    }
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
