//! The programs `ffmpeg` and `ffprobe` of the search path.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Error, Result};

const INSTALL: &str = "Install it: `sudo apt install ffmpeg` (Debian, Ubuntu), `brew install ffmpeg` (macOS), \
                       `conda install -c conda-forge ffmpeg`.";

/// A command for ffmpeg that the terminal's Ctrl-C does not reach, so that the output can be completed.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// The error for a program that can't be started: it is not installed, or the system denies it.
pub(super) fn not_started(program: &'static str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::missing(format!("the program {program}"), program, INSTALL)
        }
        _ => Error::io("start", program, error),
    }
}

/// A path as an argument of ffmpeg, never read as an option or a protocol.
pub(super) fn file_argument(path: &Path) -> OsString {
    let mut argument = OsString::from("file:");
    argument.push(path);
    argument
}

/// Options before `-i`: the input is this file only, without files on a network to which it refers.
pub(super) const ONLY_FILES: [&str; 2] = ["-protocol_whitelist", "file"];

/// The option that keeps each frame's time: `-fps_mode` since ffmpeg 5.1, `-vsync` before.
pub(super) fn keep_times() -> Result<[&'static str; 2]> {
    let output =
        command("ffmpeg").arg("-version").output().map_err(|error| not_started("ffmpeg", error))?;
    let is_old = version(&output.stdout).is_some_and(|version| version < (5, 1));
    Ok([if is_old { "-vsync" } else { "-fps_mode" }, "passthrough"])
}

/// Major and minor version of "ffmpeg version 5.1.9-0+deb12u1 …"; `None` for a build from git.
fn version(text: &[u8]) -> Option<(u32, u32)> {
    let text = String::from_utf8_lossy(text);
    let name = text.split_whitespace().nth(2)?.trim_start_matches('n');
    let mut parts = name.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next().flatten().unwrap_or(0)))
}

/// The last line of a program's messages, without the address that ffmpeg adds before it.
pub(super) fn last_line(stderr: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(stderr.as_ref());
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    plain(line)
}

/// A message without "[h264 @ 0x55…]" and "[error]".
pub(super) fn plain(line: &str) -> String {
    let mut line = line.trim();
    while let Some((_, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        line = rest.trim();
    }
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether a file's name is that of a video.
pub(super) fn has_video_name(path: &Path) -> bool {
    const NAMES: [&str; 14] = [
        "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "wmv", "flv", "3gp",
        "ogv",
    ];
    let end = path.extension().unwrap_or(OsStr::new(""));
    NAMES.iter().any(|name| end.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_where_there_is_one() {
        assert_eq!(version(b"ffmpeg version 5.1.9-0+deb12u1 Copyright"), Some((5, 1)));
        assert_eq!(version(b"ffmpeg version n7.0 Copyright"), Some((7, 0)));
        assert_eq!(version(b"ffmpeg version 4.4.2-0ubuntu0.22.04.1"), Some((4, 4)));
        assert_eq!(version(b"ffmpeg version N-117857-g1ac10a3 Copyright"), None);
        assert_eq!(version(b""), None);
    }

    #[test]
    fn messages_lose_their_addresses() {
        let text = b"a\n[mov,mp4 @ 0x55d0] [error] moov atom not found\n\n";
        assert_eq!(last_line(text), "moov atom not found");
        assert_eq!(last_line(b""), "");
    }
}
