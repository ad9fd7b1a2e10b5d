//! Command lines in messages: words that can be pasted into a shell.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::text::is_unsafe;

/// A word for a shell (bash or zsh), quoted if needed. Bytes that can't be shown are written as `$'\xNN'`.
///
/// Use `path` for paths and [`option`] for an option's value: programs read a word that begins with a hyphen as an
/// option.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_encoded_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_unsafe) => {
            let plain = |c: char| c.is_alphanumeric() || "-_./,:=@%+".contains(c);
            // zsh replaces a word that begins with "=" by a program's path.
            match !text.is_empty() && !text.starts_with('=') && text.chars().all(plain) {
                true => text.into(),
                false => format!("'{}'", text.replace('\'', "'\\''")),
            }
        }
        _ => {
            let byte = |byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).into(),
                _ => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", bytes.iter().map(byte).collect::<String>())
        }
    }
}

/// A path as a program's argument, quoted if needed. A path that a program would read as an option ("-a.zip"), or
/// as a file on another machine ("a:b.tar", as tar does), gets the prefix "./".
pub(crate) fn path(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().as_os_str();
    let bytes = path.as_encoded_bytes();
    let first = bytes.split(|byte| *byte == b'/').next().unwrap_or_default();
    match bytes.starts_with(b"-") || first.contains(&b':') {
        true => {
            let mut here = OsString::from("./");
            here.push(path);
            quoted(here)
        }
        false => quoted(path),
    }
}

/// An option with its value: "--map Wut=angry", or with an equals sign if the value would be read as an option,
/// "--map=-1=angry".
pub fn option(name: &str, value: impl AsRef<OsStr>) -> String {
    let value = value.as_ref();
    match value.as_encoded_bytes().starts_with(b"-") {
        true => {
            let mut word = OsString::from(format!("{name}="));
            word.push(value);
            quoted(word)
        }
        false => format!("{name} {}", quoted(value)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use super::*;

    /// Names of any bytes that a file or a class may have.
    const NAMES: [&[u8]; 14] = [
        b"a b.jpg",
        b"it's.jpg",
        b"-1",
        b"--help",
        b"=ls",
        b"~",
        b"a,b=c",
        b"a:b.tar",
        b"$HOME `id` \"!\" \\ * ? [a] {b,c} #",
        b"\x1b[2J",
        b"\xbb\xe7'.png",
        "U\u{308}ber".as_bytes(),
        "\u{202E}gpj".as_bytes(),
        "사진.jpg".as_bytes(),
    ];

    /// The words that bash makes of a line.
    fn words(line: &str) -> Vec<Vec<u8>> {
        let print = format!("printf '%s\\0' {line}");
        let done = Command::new("bash").args(["-c", &print]).output().unwrap();
        let mut words: Vec<_> = done.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        words.pop();
        words
    }

    #[test]
    fn a_shell_reads_what_was_meant() {
        for name in NAMES {
            let name = OsStr::from_bytes(name);
            assert_eq!(words(&quoted(name)), [name.as_bytes()], "{name:?}");
            let path = words(&path(name));
            let [found] = &path[..] else { panic!("{path:?}") };
            assert!(found.ends_with(name.as_bytes()) && !found.starts_with(b"-"), "{path:?}");
            assert_eq!(
                std::path::absolute(OsStr::from_bytes(found)).unwrap(),
                std::path::absolute(name).unwrap(),
            );
            match &words(&option("--map", name))[..] {
                [one] => assert_eq!(*one, [b"--map=", name.as_bytes()].concat()),
                [first, second] => {
                    assert_eq!((&first[..], &second[..]), (&b"--map"[..], name.as_bytes()));
                    assert!(!second.starts_with(b"-"));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn words_are_quoted_if_needed_only() {
        for (name, as_quoted, as_path) in [
            ("a.zip", "a.zip", "a.zip"),
            ("a b.zip", "'a b.zip'", "'a b.zip'"),
            ("-a.zip", "-a.zip", "./-a.zip"),
            ("/c:/a", "/c:/a", "/c:/a"),
            ("c:a", "c:a", "./c:a"),
            ("it's", "'it'\\''s'", "'it'\\''s'"),
            ("\u{1b}[2J", "$'\\x1b[2J'", "$'\\x1b[2J'"),
            ("", "''", "''"),
        ] {
            assert_eq!((quoted(name).as_str(), path(name).as_str()), (as_quoted, as_path));
        }
        assert_eq!(option("--map", "a=happy"), "--map a=happy");
        assert_eq!(option("--map", "-1=happy"), "--map=-1=happy");
    }
}
