//! [`Frames`]: decoded frames with their times, one at a time.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use image::{DynamicImage, RgbImage};

use super::ffmpeg::{self, ONLY_FILES};
use super::source::Video;
use crate::common::{Error, Result};
use crate::deploy::photo::Photo;

/// A frame of a video.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its presentation time, in seconds from the first frame of the file.
    pub seconds: f64,
    /// Its number in the file, from 0, including skipped frames.
    pub number: u64,
    /// Its picture, upright; shrunk if the video has more than 1920 × 1088 pixels.
    pub photo: Photo,
    /// The factor from lengths in the picture to the video's.
    pub scale: f32,
}

/// How a video ended.
#[derive(Debug, Clone, PartialEq)]
pub enum FramesEnd {
    /// After its last frame.
    Complete,
    /// Before the last frame: the file is truncated or damaged.
    Cut {
        /// The time of the last decodable frame, in seconds; `None` if there was none.
        at: Option<f64>,
        /// The duration in the file's header, in seconds.
        of: Option<f64>,
        /// ffmpeg's message.
        why: String,
    },
}

/// A frame's number and time, as printed by the filter showinfo.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stamp {
    number: u64,
    /// The time in the stream's units.
    pts: i64,
    seconds: f64,
}

/// ffmpeg's messages up to its end.
#[derive(Debug, Default)]
struct Messages {
    /// The last decoded frame, selected or not.
    last: Option<Stamp>,
    /// The last error.
    error: String,
}

/// Iterates over the frames of a video; created by [`Video::frames`]. ffmpeg decodes ahead by at most the size of a
/// pipe, and ends when this value is dropped.
#[derive(Debug)]
pub struct Frames {
    video: Video,
    size: (u32, u32),
    ffmpeg: Child,
    pixels: ChildStdout,
    stamps: Receiver<Stamp>,
    messages: Option<JoinHandle<Messages>>,
    /// The time of the previous frame, in seconds.
    before: Option<f64>,
    end: Option<FramesEnd>,
}

impl Video {
    /// Decodes frames in order: all, or with `every` the first at or after each multiple of that number of seconds.
    ///
    /// # Errors
    /// [`Error::Setting`] unless `every` is 0.001 to 3,600; [`Error::Missing`] without ffmpeg.
    pub fn frames(&self, every: Option<f64>) -> Result<Frames> {
        Frames::of(self, every)
    }
}

impl Frames {
    fn of(video: &Video, every: Option<f64>) -> Result<Self> {
        if let Some(every) = every.filter(|every| !(0.001..=3600.0).contains(every)) {
            return Err(Error::setting("every", every, "0.001 to 3600 seconds"));
        }
        let size = video.decoded_size();
        let mut filters = vec!["showinfo".to_string()];
        if let Some(every) = every {
            // The first frame of each interval; the small number allows for rounded times.
            let stretch = |time: &str| format!("floor({time}/{every}+0.0001)");
            let (this, last) = (stretch("t"), stretch("prev_selected_t"));
            filters.push(format!("select='isnan(prev_selected_t)+gt({this},{last})'"));
        }
        filters.push(format!("scale={}:{}:flags=area", size.0, size.1));
        filters.push("format=rgb24,showinfo".into());
        let mut child = ffmpeg::command("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-nostats", "-v", "level+info"])
            .args(ONLY_FILES)
            .arg("-i")
            .arg(ffmpeg::file_argument(video.path()))
            .args(["-map", "0:V:0", "-an", "-sn", "-dn", "-vf", &filters.join(",")])
            .args(ffmpeg::keep_times()?)
            .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| ffmpeg::not_started("ffmpeg", error))?;
        let (Some(pixels), Some(words)) = (child.stdout.take(), child.stderr.take()) else {
            let _ = child.kill();
            return Err(Error::io("read", "ffmpeg", std::io::ErrorKind::BrokenPipe.into()));
        };
        let (sender, stamps) = channel();
        // Filters are numbered in order: showinfo, (select,) scale, format, showinfo.
        let chosen = if every.is_some() { 4 } else { 3 };
        let messages = std::thread::spawn(move || {
            let mut messages = Messages::default();
            let mut words = BufReader::new(words);
            let mut line = Vec::new();
            loop {
                line.clear();
                // A line of ffmpeg is short; a long one is read in pieces.
                match (&mut words).take(4096).read_until(b'\n', &mut line) {
                    Ok(1..) => {}
                    _ => return messages,
                }
                let text = String::from_utf8_lossy(&line);
                match stamp(&text) {
                    Some((0, stamp)) => messages.last = Some(stamp),
                    Some((filter, stamp)) if filter == chosen => {
                        // The number within the file is counted by the first filter.
                        let number = match messages.last {
                            Some(last) if last.pts == stamp.pts => last.number,
                            _ => stamp.number,
                        };
                        let _ = sender.send(Stamp { number, ..stamp });
                    }
                    Some(_) => {}
                    None if text.contains("[error]") || text.contains("[fatal]") => {
                        messages.error = ffmpeg::plain(&text);
                    }
                    None => {}
                }
            }
        });
        let (video, messages) = (video.clone(), Some(messages));
        Ok(Self { video, size, ffmpeg: child, pixels, stamps, messages, before: None, end: None })
    }

    /// How the video ended; `None` before its end.
    pub fn end(&self) -> Option<&FramesEnd> {
        self.end.as_ref()
    }

    /// The next frame; `None` after the last.
    fn read(&mut self) -> Result<Option<Frame>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let (width, height) = self.size;
        let mut bytes = vec![0; width as usize * height as usize * 3];
        let whole = match self.pixels.read_exact(&mut bytes) {
            Ok(()) => RgbImage::from_raw(width, height, bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(Error::io("read", self.video.path(), error)),
        };
        let stamp = whole.as_ref().and_then(|_| self.stamps.recv().ok());
        let (Some(picture), Some(stamp)) = (whole, stamp) else {
            self.end = Some(self.finish()?);
            return Ok(None);
        };
        let photo = Photo::from(DynamicImage::ImageRgb8(picture));
        let scale = self.video.size().0 as f32 / width as f32;
        // A frame without a time is assumed to follow the previous one; time never decreases.
        let before = self.before.unwrap_or(0.0);
        let seconds = match stamp.seconds.is_finite() {
            true => stamp.seconds.max(before),
            false => self.before.map_or(0.0, |before| before + self.frame_seconds()),
        };
        self.before = Some(seconds);
        Ok(Some(Frame { seconds, number: stamp.number, photo, scale }))
    }

    /// The duration of a frame, in seconds.
    fn frame_seconds(&self) -> f64 {
        self.video.frame_rate().map_or(0.04, |rate| 1.0 / rate)
    }

    fn finish(&mut self) -> Result<FramesEnd> {
        let path = self.video.path();
        let status = self.ffmpeg.wait().map_err(|error| Error::io("read", path, error))?;
        let messages = self.messages.take().map(JoinHandle::join);
        let messages = messages.and_then(std::result::Result::ok).unwrap_or_default();
        Ok(self.judged(status.success(), messages))
    }

    /// Whether all frames arrived. The decoder of a damaged file may still succeed, so the duration is checked too.
    fn judged(&self, success: bool, messages: Messages) -> FramesEnd {
        let at =
            messages.last.map(|stamp| stamp.seconds).filter(|at| at.is_finite()).or(self.before);
        let of = self.video.seconds();
        let frame = self.frame_seconds();
        // Sound may be a little longer than the pictures.
        let is_short = match (at, of) {
            (None, _) => true,
            (Some(at), Some(of)) => !messages.error.is_empty() && at + 2.0 * frame + 0.3 < of,
            (Some(_), None) => false,
        };
        if success && !is_short {
            return FramesEnd::Complete;
        }
        let why = match messages.error.is_empty() {
            true => "no frame could be decoded".into(),
            false => messages.error,
        };
        FramesEnd::Cut { at, of, why }
    }
}

impl Iterator for Frames {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = self.ffmpeg.kill();
            let _ = self.ffmpeg.wait();
        }
    }
}

/// Parses the filter and the frame of a line such as "[Parsed_showinfo_0 @ 0x55] [info] n:   3 pts:   1536
/// pts_time:0.12 …".
fn stamp(line: &str) -> Option<(usize, Stamp)> {
    let (filter, rest) = line.strip_prefix("[Parsed_showinfo_")?.split_once(' ')?;
    let after = |name: &str| {
        let (_, value) = rest.split_once(name)?;
        value.split_whitespace().next()
    };
    let number = after(" n:")?.parse().ok()?;
    // A frame without a time has "NOPTS".
    let pts = after(" pts:")?.parse().unwrap_or(i64::MIN);
    let seconds = after(" pts_time:")?.parse().unwrap_or(f64::NAN);
    Some((filter.parse().ok()?, Stamp { number, pts, seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_showinfo() {
        let line = "[Parsed_showinfo_4 @ 0x5566] [info] n:   3 pts:   1536 pts_time:0.12    pos:  48 fmt:rgb24";
        let expected = Stamp { number: 3, pts: 1536, seconds: 0.12 };
        assert_eq!(stamp(line), Some((4, expected)));
        for other in [
            "[Parsed_showinfo_0 @ 0x5566] [info] config in time_base: 1/12800, frame_rate: 25/1",
            "[mp4 @ 0x55] [error] partial file",
            "",
        ] {
            assert_eq!(stamp(other), None, "{other}");
        }
        let untimed =
            stamp("[Parsed_showinfo_0 @ 0x5566] [info] n:   7 pts: NOPTS pts_time:NOPTS").unwrap();
        assert!(untimed.1.number == 7 && untimed.1.seconds.is_nan());
    }
}
