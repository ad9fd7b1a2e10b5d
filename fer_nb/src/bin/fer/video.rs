//! `fer predict` of a video: a row for each frame and face.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use fer_nb::deploy::{
    CsvRows, FramesEnd, Predictor, Timeline, Video, VideoOptions, VideoStep, VideoWriter,
};
use fer_nb::error::{Error, Result};
use fer_nb::plot::{Figure, annotate_frame};
use fer_nb::project::{device, plural, shown};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::arguments::{AskedRun, JsonFile};
use crate::outputs::Outputs;

/// Options of `fer predict` for videos only.
#[derive(clap::Args)]
pub(crate) struct VideoArgs {
    /// For a video: predict one frame in this many seconds, such as 0.2 [default: all frames].
    #[arg(long, value_name = "SECONDS")]
    every: Option<f64>,

    /// For a video: write a row for each frame and face to this file, with seconds, frame, face, box, probabilities,
    /// emotion, confidence, uncertain, and smoothed probabilities.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Of a video, draw the emotions over time: a file that ends in .svg, .pdf or .png.
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
}

impl VideoArgs {
    /// Returns an error for options of videos if only photos are given.
    pub(crate) fn check_photos(&self) -> Result<()> {
        let given = [
            ("every", self.every.is_some()),
            ("csv", self.csv.is_some()),
            ("figure", self.figure.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Error::input(
                format!("--{option}"),
                "no video",
                "a video; for photos, --json writes the predictions",
            )),
            None => Ok(()),
        }
    }

    /// Checks each output file before anything is computed.
    fn check(
        &self,
        video: &Path,
        run: &Path,
        annotate: Option<&Path>,
        json: &JsonFile,
    ) -> Result<()> {
        if let Some(path) = annotate {
            VideoWriter::check_name(path)?;
        }
        if let Some(path) = &self.figure {
            Figure::check_name(path)?;
        }
        json.of(Outputs::default())
            .file("csv", self.csv.as_deref())
            .file("figure", self.figure.as_deref())
            .file("annotate", annotate)
            .reads("the video", video)
            .reads_run(run)
            .check()
    }
}

/// The entry in the file of `--json`.
#[derive(Serialize)]
struct Watched {
    /// The path, with `\xNN` for bytes that are not UTF-8.
    video: String,
    /// Width and height in pixels, upright.
    size: (u32, u32),
    frames: usize,
    seconds: f64,
    faces: Vec<WatchedFace>,
    /// Whether the whole file was read.
    complete: bool,
}

#[derive(Serialize)]
struct WatchedFace {
    face: usize,
    frames: usize,
    /// The mean of its probabilities, by class index.
    mean_probs: Vec<f64>,
}

pub(crate) fn run(
    path: &Path,
    args: &VideoArgs,
    run: &AskedRun,
    annotate: Option<&Path>,
    json: &JsonFile,
) -> Result<()> {
    let video = Video::open(path)?;
    let options = VideoOptions { every: args.every, ..VideoOptions::default() };
    let (folder, _) = run.for_photos()?;
    args.check(path, folder.path(), annotate, json)?;
    let predictor = Predictor::load(&folder, device()?)?;
    crate::say(&format!("network trained on {}\n", predictor.trained_on()))?;
    let bar = progress(&video);
    let (mut rows, mut copy) = (None, None);
    let timeline = predictor.predict_video(&video, &options, |VideoStep { frame, sightings }| {
        if let Some(path) = &args.csv {
            let failed = |error| Error::io("write", path, error);
            // Created only now, so that a video that can't be decoded leaves no file.
            let rows = match &mut rows {
                Some(rows) => rows,
                none => none.insert(
                    File::create(path)
                        .and_then(|file| CsvRows::new(BufWriter::new(file)))
                        .map_err(failed)?,
                ),
            };
            sightings.iter().try_for_each(|sighting| rows.write(sighting)).map_err(failed)?;
            rows.flush().map_err(failed)?;
        }
        if let Some(path) = annotate {
            let copy = match &mut copy {
                Some(copy) => copy,
                none => {
                    let rate =
                        args.every.map(|every| (1.0 / every).max(1.0)).or(video.frame_rate());
                    let rate = rate.unwrap_or(25.0).clamp(1.0, 60.0);
                    none.insert(VideoWriter::create(path, frame.photo.size(), rate)?)
                }
            };
            copy.write(frame.seconds, annotate_frame(frame, sightings)?)?;
        }
        bar.set_position((frame.seconds * 1000.0) as u64);
        Ok(())
    });
    bar.finish_and_clear();
    let timeline = timeline?;
    if timeline.frames == 0 {
        let why = match &timeline.end {
            Some(FramesEnd::Cut { why, .. }) => format!("no frame can be decoded ({why})"),
            _ => "it has no frame".into(),
        };
        return Err(Error::file(path, why, "Copy the video again."));
    }
    if let Some(copy) = copy {
        copy.finish()?;
    }
    if let Some(path) = &args.figure {
        timeline.figure()?.save(path)?;
    }
    json.write(&watched(&video, &timeline))?;
    crate::say(&in_words(&timeline))?;
    match timeline.end {
        Some(FramesEnd::Complete) => Ok(()),
        Some(FramesEnd::Cut { at, of, why }) => {
            let of = of.map(|of| format!(" of {of:.1}")).unwrap_or_default();
            let problem = format!("it ends after {:.1}{of} s: {why}", at.unwrap_or(0.0));
            Err(Error::file(path, problem, "The part before is predicted; copy the video again."))
        }
        None => {
            let of = video.seconds().map(|of| format!(" of {of:.1}")).unwrap_or_default();
            let progress =
                format!("after {:.1}{of} s; the predictions up to then are kept", timeline.seconds);
            Err(Error::stopped("predicting the video", progress))
        }
    }
}

fn watched(video: &Video, timeline: &Timeline) -> Watched {
    let face = |(face, frames): (usize, usize)| {
        let mut mean_probs = vec![0.0; 7];
        for sighting in timeline.sightings.iter().filter(|sighting| sighting.face == face) {
            for (mean, prob) in mean_probs.iter_mut().zip(sighting.prediction.probs()) {
                *mean += f64::from(*prob) / frames as f64;
            }
        }
        WatchedFace { face, frames, mean_probs }
    };
    Watched {
        video: shown(video.path()),
        size: video.size(),
        frames: timeline.frames,
        seconds: timeline.seconds,
        faces: timeline.faces().into_iter().map(face).collect(),
        complete: timeline.end == Some(FramesEnd::Complete),
    }
}

/// A line for the video, and one for each of the faces with the most frames.
fn in_words(timeline: &Timeline) -> String {
    const MOST: usize = 8;
    let mut text = format!("{timeline}\n");
    let faces = timeline.faces();
    for (face, frames) in faces.iter().take(MOST) {
        let mut classes: Vec<(&str, usize)> = Vec::new();
        let seen = timeline.sightings.iter().filter(|sighting| sighting.face == *face);
        for name in seen.map(|sighting| sighting.smoothed.emotion().name()) {
            match classes.iter_mut().find(|(of, _)| *of == name) {
                Some((_, count)) => *count += 1,
                None => classes.push((name, 1)),
            }
        }
        classes.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        let shares = classes.iter().take(3).map(|(name, count)| {
            format!("{name} in {:.0} %", 100.0 * *count as f64 / *frames as f64)
        });
        let shares = shares.collect::<Vec<_>>().join(", ");
        let frames = plural(*frames, "frame");
        text += &format!("  face {face}: {frames}; {shares}\n");
    }
    if faces.len() > MOST {
        text += &format!("  and {} more\n", faces.len() - MOST);
    }
    text
}

/// A progress bar over the video's time; none without a terminal.
fn progress(video: &Video) -> ProgressBar {
    let Some(seconds) = video.seconds() else { return ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {percent} % of the video, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let target = ProgressDrawTarget::stderr();
    ProgressBar::with_draw_target(Some((seconds * 1000.0) as u64), target).with_style(style)
}
