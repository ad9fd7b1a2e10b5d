//! [`VideoWriter`]: writes frames to a video file, through ffmpeg.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::thread::JoinHandle;

use image::RgbImage;

use super::ffmpeg;
use crate::common::files::TEMPORARY_PREFIX;
use crate::common::text::shown;
use crate::common::{Error, Result};

/// The extensions of names, and ffmpeg's names of the formats.
const FORMATS: [(&str, &str); 5] =
    [("mp4", "mp4"), ("mov", "mov"), ("mkv", "matroska"), ("webm", "webm"), ("avi", "avi")];

/// Writes frames with given times as a video of a constant frame rate, without sound. [`VideoWriter::finish`]
/// renames the file to its path; before that, and if this value is dropped, no file exists.
#[derive(Debug)]
pub struct VideoWriter {
    path: PathBuf,
    temporary: tempfile::TempPath,
    ffmpeg: Child,
    frames: Option<ChildStdin>,
    words: Option<JoinHandle<Vec<u8>>>,
    size: (u32, u32),
    /// Frames per second.
    rate: f64,
    /// The number of written frames.
    written: u64,
    /// The frame that is repeated until the next one's time.
    shown: Option<RgbImage>,
}

impl VideoWriter {
    /// Checks the extension of a file's name.
    ///
    /// # Errors
    /// [`Error::Input`] with the supported extensions.
    pub fn check_name(path: impl AsRef<Path>) -> Result<()> {
        format(path.as_ref()).map(|_| ())
    }

    /// Starts ffmpeg, for frames of this width and height in pixels, at `rate` frames per second.
    ///
    /// # Errors
    /// [`Error::Input`] for a name with another extension, [`Error::Setting`] for a rate outside 0.01 to 240,
    /// [`Error::Missing`] without ffmpeg, [`Error::Io`] if the folder can't be written.
    pub fn create(path: impl AsRef<Path>, size: (u32, u32), rate: f64) -> Result<Self> {
        let path = path.as_ref();
        let format = format(path)?;
        if !(0.01..=240.0).contains(&rate) {
            return Err(Error::setting("frame rate", rate, "0.01 to 240 frames a second"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| Error::io("write", path, error))?
            .into_temp_path();
        let mut command = ffmpeg::command("ffmpeg");
        command
            .args(["-hide_banner", "-nostats", "-v", "error", "-y"])
            .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &format!("{}x{}", size.0, size.1)])
            .args(["-framerate", &rate.to_string(), "-i", "pipe:0"])
            // Encoders need even sides, and players this pixel format.
            .args(["-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p"])
            .args(["-f", format]);
        if matches!(format, "mp4" | "mov") {
            // A page can play it before it is completely loaded.
            command.args(["-movflags", "+faststart"]);
        }
        let mut child = command
            .arg(ffmpeg::file_argument(&temporary))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| ffmpeg::not_started("ffmpeg", error))?;
        let (frames, words) = (child.stdin.take(), child.stderr.take());
        let words = std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut words) = words {
                let _ = (&mut words).take(1 << 16).read_to_end(&mut text);
                let _ = std::io::copy(&mut words, &mut std::io::sink());
            }
            text
        });
        let (path, words) = (path.to_path_buf(), Some(words));
        Ok(Self {
            path,
            temporary,
            ffmpeg: child,
            frames,
            words,
            size,
            rate,
            written: 0,
            shown: None,
        })
    }

    /// Shows a frame from its time on, in seconds; the previous one is repeated until then.
    ///
    /// # Errors
    /// [`Error::Input`] for a frame of another size; [`Error::File`] if ffmpeg can't encode it.
    pub fn write(&mut self, seconds: f64, frame: RgbImage) -> Result<()> {
        if frame.dimensions() != self.size {
            let (width, height) = frame.dimensions();
            let expected = format!("{}×{}", self.size.0, self.size.1);
            return Err(Error::input("frame", format!("{width}×{height}"), expected));
        }
        self.fill((seconds * self.rate).round().clamp(0.0, 1e9) as u64)?;
        self.shown = Some(frame);
        Ok(())
    }

    /// Repeats the current frame until this many frames are written.
    fn fill(&mut self, until: u64) -> Result<()> {
        let Some(shown) = self.shown.take() else { return Ok(()) };
        while self.written < until {
            let to = self.frames.as_mut().map(|to| to.write_all(shown.as_raw()));
            if !matches!(to, Some(Ok(()))) {
                return Err(self.failed());
            }
            self.written += 1;
        }
        self.shown = Some(shown);
        Ok(())
    }

    /// Writes the last frame, and renames the file to its path.
    ///
    /// # Errors
    /// [`Error::File`] if ffmpeg fails, [`Error::Io`] if the file can't be renamed.
    pub fn finish(mut self) -> Result<()> {
        self.fill(self.written + 1)?;
        drop(self.frames.take());
        match self.ffmpeg.wait() {
            Ok(status) if status.success() => {}
            _ => return Err(self.failed()),
        }
        let Self { path, temporary, .. } = &mut self;
        #[cfg(unix)]
        {
            // Only the user can read temporary files; the final file gets the usual permissions.
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(&*temporary, open)
                .map_err(|error| Error::io("write", &*path, error))?;
        }
        std::fs::rename(&*temporary, &*path).map_err(|error| Error::io("write", path, error))
    }

    fn failed(&mut self) -> Error {
        drop(self.frames.take());
        let _ = self.ffmpeg.kill();
        let _ = self.ffmpeg.wait();
        let words = self.words.take().map(JoinHandle::join).and_then(std::result::Result::ok);
        let why = ffmpeg::last_line(words.unwrap_or_default());
        let problem = format!("ffmpeg can't write it ({why})");
        Error::file(&self.path, problem, "Try a name that ends in .mp4 or .mkv.")
    }
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        // Without the end of its input, ffmpeg would wait for frames.
        drop(self.frames.take());
        let _ = self.ffmpeg.kill();
        let _ = self.ffmpeg.wait();
    }
}

fn format(path: &Path) -> Result<&'static str> {
    let end = path.extension().unwrap_or_default();
    let known = FORMATS.iter().find(|(known, _)| end.eq_ignore_ascii_case(known));
    known.map(|(_, format)| *format).ok_or_else(|| {
        let expected = "a name that ends in .mp4, .mov, .mkv, .webm or .avi";
        Error::input("annotated video", shown(path), expected)
    })
}
