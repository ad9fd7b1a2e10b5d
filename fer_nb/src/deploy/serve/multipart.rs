//! `multipart/form-data` (RFC 7578), as sent by `curl -F` and browsers' forms.
//!
//! Strict: data that no such program sends is rejected.

use std::ops::Range;

use memchr::memmem;

/// The maximum number of parts.
const MOST_PARTS: usize = 16;
/// The maximum bytes of a part's headers.
const MOST_HEAD: usize = 4096;

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Whether it is a file: it has a `filename`.
    pub(super) is_file: bool,
    /// The position of its content in the body.
    pub(super) content: Range<usize>,
}

/// The boundary in a `Content-Type` of `multipart/form-data`.
pub(super) fn boundary(content_type: &str) -> Result<&str, String> {
    let wrong = || "multipart/form-data: a boundary is expected".to_string();
    let mut parameters = content_type.split(';').skip(1).map(str::trim);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let value = value.ok_or_else(wrong)?;
    let value = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or_else(wrong)?,
        None => value,
    };
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    match (1..=70).contains(&value.len()) && value.bytes().all(is_allowed) {
        true => Ok(value),
        false => Err(wrong()),
    }
}

/// The parts of a body.
pub(super) fn parts(body: &[u8], boundary: &str) -> Result<Vec<Part>, String> {
    let wrong = |what: &str| Err(format!("multipart/form-data: {what}"));
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    // The first boundary has no line before it.
    let first = &delimiter[2..];
    if !body.starts_with(first.as_bytes()) {
        return wrong("the body does not begin with its boundary");
    }
    let mut at = first.len();
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix(b"--") {
            return match after {
                b"" | b"\r\n" => Ok(parts),
                _ => wrong("bytes after the last boundary"),
            };
        }
        let Some(rest) = rest.strip_prefix(b"\r\n") else {
            return wrong("a line's end is expected after a boundary");
        };
        if parts.len() == MOST_PARTS {
            return wrong("too many parts");
        }
        let start = at + 2;
        let head = rest.get(..MOST_HEAD.min(rest.len())).unwrap_or_default();
        let Some(end) = memmem::find(head, b"\r\n\r\n") else {
            return wrong("a part's headers have no end");
        };
        let (name, is_file) = headers(head.get(..end).unwrap_or_default())?;
        let content = start + end + 4;
        let Some(length) = finder.find(body.get(content..).unwrap_or_default()) else {
            return wrong("the body is cut short");
        };
        parts.push(Part { name, is_file, content: content..content + length });
        at = content + length + delimiter.len();
    }
}

/// The name of a part, and whether it is a file.
fn headers(head: &[u8]) -> Result<(String, bool), String> {
    let wrong = |what: &str| format!("multipart/form-data: {what}");
    let head = std::str::from_utf8(head).map_err(|_| wrong("a part's headers are no text"))?;
    let mut found = None;
    for line in head.split("\r\n") {
        let (header, value) =
            line.split_once(':').ok_or_else(|| wrong("a part's header without a colon"))?;
        match header.to_ascii_lowercase().as_str() {
            "content-disposition" if found.is_none() => found = Some(disposition(value.trim())?),
            "content-disposition" => return Err(wrong("a part with two Content-Dispositions")),
            "content-transfer-encoding" => {
                let encoding = value.trim().to_ascii_lowercase();
                if !["binary", "8bit", "7bit"].contains(&encoding.as_str()) {
                    return Err(wrong("a part has to be sent as it is, in binary"));
                }
            }
            _ => (),
        }
    }
    found.ok_or_else(|| wrong("a part without Content-Disposition"))
}

/// `form-data; name="file"; filename="face.jpg"`.
fn disposition(value: &str) -> Result<(String, bool), String> {
    let wrong =
        || "multipart/form-data: Content-Disposition: form-data with a name is expected".into();
    let mut rest = value.strip_prefix("form-data").ok_or_else(wrong)?;
    let (mut name, mut is_file) = (None, false);
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return name.map(|name| (name, is_file)).ok_or_else(wrong);
        }
        rest = rest.strip_prefix(';').ok_or_else(wrong)?.trim_start();
        let (key, after) = rest.split_once('=').ok_or_else(wrong)?;
        let (value, after) = match after.strip_prefix('"') {
            Some(text) => quoted(text).ok_or_else(wrong)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_string(), &after[end..])
            }
        };
        rest = after;
        match key.to_ascii_lowercase().as_str() {
            "name" if name.is_none() => name = Some(value),
            "name" => return Err(wrong()),
            "filename" | "filename*" => is_file = true,
            _ => (),
        }
    }
}

/// The text up to the closing quote, and the rest.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    const CURL: &[u8] =
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\
        Content-Type: image/jpeg\r\n\r\nAB\r\n--xC\r\n-\r\n--x\r\n\
        Content-Disposition: form-data; name=\"faces\"\r\n\r\nfind\r\n--x--\r\n";

    fn found(body: &[u8], boundary: &str) -> Result<Vec<(String, bool, Vec<u8>)>, String> {
        let content = |part: Part| (part.name, part.is_file, body[part.content].to_vec());
        Ok(parts(body, boundary)?.into_iter().map(content).collect())
    }

    #[test]
    fn a_form_has_its_fields() {
        // A longer boundary is another one: "--xC" is content only for boundaries without that prefix.
        let body = String::from_utf8_lossy(CURL).replace("\r\n--xC", "\r\n-xC");
        let expected = [
            ("file".to_string(), true, b"AB\r\n-xC\r\n-".to_vec()),
            ("faces".to_string(), false, b"find".to_vec()),
        ];
        assert_eq!(found(body.as_bytes(), "x").unwrap(), expected);
        assert!(found(CURL, "x").is_err());
        assert_eq!(found(b"--x--", "x").unwrap(), []);
        let odd = b"--x\r\ncontent-disposition: form-data;name=\"a\\\"b\";filename=c.png ; z=1\r\n\r\n\r\n--x--";
        assert_eq!(found(odd, "x").unwrap(), [("a\"b".to_string(), true, vec![])]);
    }

    #[test]
    fn boundaries_are_read() {
        assert_eq!(boundary("multipart/form-data; boundary=----x1"), Ok("----x1"));
        assert_eq!(boundary("multipart/form-data; charset=a; Boundary=\"a b\""), Ok("a b"));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for wrong in
            ["multipart/form-data", "a; boundary=", "a; boundary=\"x", "a; boundary=\0", &long]
        {
            assert!(boundary(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let field = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";
        for wrong in [
            "",
            "--",
            "--x",
            "--x\r\n",
            "--x\r\n\r\n\r\n--x--",
            "--x--more",
            "--x\nContent-Disposition: form-data; name=\"a\"\n\nb\n--x--",
            "preamble\r\n--x--",
            "--x\r\nContent-Disposition: form-data\r\n\r\nb\r\n--x--",
            "--x\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nb\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\nb\r\n--x--",
            "--x\r\nno colon\r\n\r\nb\r\n--x--",
            "--x\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--x--",
            &format!("--x\r\n{field}b"),
            &format!("--x\r\n{field}b\r\n--x"),
            &format!("--x\r\n{field}b\r\n--y--"),
            &format!("--x\r\nX: {}\r\n{field}b\r\n--x--", "y".repeat(MOST_HEAD)),
            &format!("{}--x--", format!("--x\r\n{field}\r\n").repeat(MOST_PARTS + 1)),
        ] {
            assert!(parts(wrong.as_bytes(), "x").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn hostile_bodies_neither_panic_nor_point_outside() {
        let mut rng = StdRng::seed_from_u64(26);
        let pieces: [&[u8]; 9] = [
            b"\r\n",
            b"--x",
            b"\r\n--x",
            b"--",
            b"\"",
            b"\\",
            b";",
            b"name=",
            b"Content-Disposition:",
        ];
        let mut whole = 0;
        for _ in 0..40_000 {
            let mut body = CURL.to_vec();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..=body.len());
                match rng.random_range(0..4) {
                    0 => body.truncate(at),
                    1 => {
                        let piece = pieces[rng.random_range(0..pieces.len())];
                        body.splice(at..at, piece.iter().copied());
                    }
                    2 => {
                        let end = (at + rng.random_range(0..20)).min(body.len());
                        body.drain(at..end);
                    }
                    _ => body.splice(at..at, [rng.random::<u8>()]).for_each(drop),
                }
            }
            if let Ok(parts) = parts(&body, "x") {
                whole += 1;
                assert!(parts.len() <= MOST_PARTS);
                for pair in parts.windows(2) {
                    assert!(pair[0].content.end < pair[1].content.start);
                }
                for part in parts {
                    assert!(part.content.end + 5 <= body.len());
                    assert!(memmem::find(&body[part.content], b"\r\n--x").is_none());
                }
            }
            let _ = boundary(&String::from_utf8_lossy(&body));
        }
        assert!(whole > 100, "{whole} were understood");
    }
}
