//! [`Video`]: a video file, with the information of ffprobe.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ffmpeg::{self, ONLY_FILES};
use crate::common::file_kind::FileKind;
use crate::common::way_out::Wanted;
use crate::common::{Error, Result};

/// The maximum size of decoded frames, 1920 × 1088 pixels; larger ones are shrunk.
const MOST_PIXELS: f64 = 1920.0 * 1088.0;
/// The maximum side of a video's frames: 16K.
const MOST_SIDE: u32 = 16_384;
const HINT: &str =
    "A video that ffmpeg reads is expected, such as an .mp4, .mov, .mkv, .webm or .avi file.";

/// ffprobe's message for an .mp4 or .mov file that is truncated before its index.
const CUT: [&str; 1] = ["moov atom not found"];
const CUT_HINT: &str = "Copy or download it whole. A recording that broke off has none either: untrunc rebuilds it \
                        by an intact video of the same camera.";

/// A video file with a decodable video stream.
///
/// ```no_run
/// use fer_nb::prelude::*;
///
/// let video = Video::open("clip.mp4")?;
/// let options = VideoOptions { every: Some(0.2), ..VideoOptions::default() };
/// let predictor = Predictor::pretrained(device()?)?;
/// let timeline = predictor.predict_video(&video, &options, |step| {
///     println!("{:.1} s: {} faces", step.frame.seconds, step.sightings.len());
///     Ok(())
/// })?;
/// timeline.save_csv("clip.csv")?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    path: PathBuf,
    /// Its size as displayed: upright, in square pixels.
    size: (u32, u32),
    frame_rate: Option<f64>,
    seconds: Option<f64>,
}

/// The used part of ffprobe's output with `-print_format json`.
#[derive(Deserialize)]
struct Probed {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

#[derive(Deserialize, Default)]
struct Format {
    #[serde(default)]
    format_name: String,
    duration: Option<String>,
}

impl Video {
    /// Whether a path is that of a video, by its first bytes, or by its name if those are inconclusive. A folder is
    /// not.
    pub fn is_video(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        // Opening a pipe would wait.
        let kind = if path.is_file() { FileKind::at(path) } else { None };
        match kind {
            Some(FileKind::Video) => true,
            Some(FileKind::Empty | FileKind::Zeros) | None => {
                !path.is_dir() && ffmpeg::has_video_name(path)
            }
            Some(_) => false,
        }
    }

    /// Runs ffprobe on the file, without decoding frames.
    ///
    /// # Errors
    /// [`Error::Missing`] for a file that does not exist or if ffmpeg is not installed; [`Error::File`] for one
    /// that is not a video, has no video stream, or is a pipe or device.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let found = std::fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::missing("the video", path, "Give the path of a video file.")
            }
            _ => Error::io("read", path, error),
        })?;
        if !found.is_file() {
            let problem =
                if found.is_dir() { "this is a folder" } else { "this is not a plain file" };
            return Err(Error::file(path, problem, "Save the video as a file, and give that."));
        }
        if let Some(kind) =
            FileKind::at(path).filter(|kind| *kind != FileKind::Video && *kind != FileKind::Gif)
        {
            let way_out = kind.way_out(path, Wanted::Photo);
            let hint = if way_out.is_empty() { HINT } else { &way_out };
            return Err(Error::file(path, format!("this is {kind}, not a video"), hint));
        }
        let output = ffmpeg::command("ffprobe")
            .args(["-v", "error", "-print_format", "json", "-select_streams", "V:0"])
            .args([
                "-show_entries",
                "stream=width,height,sample_aspect_ratio,avg_frame_rate,duration",
            ])
            .args(["-show_entries", "stream_side_data=rotation:format=format_name,duration"])
            .args(ONLY_FILES)
            .arg("-i")
            .arg(ffmpeg::file_argument(path))
            .output()
            .map_err(|error| ffmpeg::not_started("ffprobe", error))?;
        let probed: Option<Probed> = serde_json::from_slice(&output.stdout).ok();
        let (true, Some(probed)) = (output.status.success(), probed) else {
            let words = String::from_utf8_lossy(&output.stderr);
            if CUT.iter().any(|cut| words.contains(cut)) {
                let problem = "the file is cut: its index (moov), which comes last, is missing";
                return Err(Error::file(path, problem, CUT_HINT));
            }
            let why = ffmpeg::last_line(&output.stderr);
            let why = why.rsplit(": ").next().unwrap_or_default();
            return Err(Error::file(path, format!("ffmpeg can't read it ({why})"), HINT));
        };
        // ffmpeg can render text files as pictures of a terminal.
        if probed.format.format_name == "tty" {
            return Err(Error::file(path, "this is text, not a video", HINT));
        }
        Self::probed(path, probed)
    }

    fn probed(path: &Path, Probed { streams, format }: Probed) -> Result<Self> {
        let Some(stream) = streams.into_iter().next() else {
            return Err(Error::file(path, "it has no video stream", HINT));
        };
        let (Some(width), Some(height)) = (stream.width, stream.height) else {
            return Err(Error::file(path, "its video stream has no size", HINT));
        };
        if width.min(height) < 8 || width.max(height) > MOST_SIDE {
            let problem = format!("frames of {width}×{height} pixels");
            let hint = format!("Expected are 8 to {MOST_SIDE} pixels on each side.");
            return Err(Error::file(path, problem, hint));
        }
        let aspect = stream.sample_aspect_ratio.as_deref().and_then(ratio).unwrap_or(1.0);
        let width = (f64::from(width) * aspect.clamp(0.25, 4.0)).round() as u32;
        let turn = stream.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
        let lies = (turn.abs() / 90.0).round() as i64 % 2 == 1;
        let seconds = |text: Option<String>| {
            text?.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
        };
        Ok(Self {
            path: path.to_path_buf(),
            size: if lies { (height, width) } else { (width, height) },
            frame_rate: stream.avg_frame_rate.as_deref().and_then(ratio),
            seconds: seconds(stream.duration).or_else(|| seconds(format.duration)),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Width and height of its frames in pixels, upright. Boxes of faces use these pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Frames per second on average; `None` if the file does not contain it.
    pub fn frame_rate(&self) -> Option<f64> {
        self.frame_rate
    }

    /// The duration; `None` if the file does not contain it.
    pub fn seconds(&self) -> Option<f64> {
        self.seconds
    }

    /// Width and height of decoded frames: at most 1920 × 1088 pixels, both even.
    pub(super) fn decoded_size(&self) -> (u32, u32) {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let scale = (MOST_PIXELS / (width * height)).sqrt().min(1.0);
        let even = |side: f64| ((side * scale / 2.0).round() as u32 * 2).max(8);
        (even(width), even(height))
    }
}

/// A number in ffprobe's format: "30000/1001", "4:3"; `None` for "0/0" and "N/A".
fn ratio(text: &str) -> Option<f64> {
    let (over, under) = text.split_once(['/', ':'])?;
    let ratio = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(json: &str) -> Result<Video> {
        Video::probed(Path::new("clip.mp4"), serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_phones_video_is_upright() {
        let video = probed(
            r#"{"streams": [{"width": 1920, "height": 1080, "avg_frame_rate": "30000/1001",
                "duration": "2.5", "side_data_list": [{"rotation": -90}]}], "format": {"duration": "9"}}"#,
        )
        .unwrap();
        assert_eq!((video.size(), video.seconds()), ((1080, 1920), Some(2.5)));
        assert!((video.frame_rate().unwrap() - 29.97).abs() < 0.01);
        assert_eq!(video.decoded_size(), (1080, 1920));
    }

    #[test]
    fn large_frames_are_shrunk_and_wide_pixels_made_square() {
        let video = probed(r#"{"streams": [{"width": 7680, "height": 4320}]}"#).unwrap();
        let (width, height) = video.decoded_size();
        assert!(width * height <= 1930 * 1090 && width.abs_diff(height * 16 / 9) <= 2);
        assert_eq!((video.frame_rate(), video.seconds()), (None, None));
        let video = probed(
            r#"{"streams": [{"width": 720, "height": 576, "sample_aspect_ratio": "64:45"}]}"#,
        );
        assert_eq!(video.unwrap().size(), (1024, 576));
    }

    #[test]
    fn streams_without_pictures_are_refused() {
        for json in [
            r#"{"streams": [], "format": {"duration": "3"}}"#,
            r#"{"streams": [{}]}"#,
            r#"{"streams": [{"width": 4, "height": 4}]}"#,
            r#"{"streams": [{"width": 70000, "height": 400}]}"#,
        ] {
            assert!(matches!(probed(json), Err(Error::File { .. })), "{json}");
        }
    }
}
