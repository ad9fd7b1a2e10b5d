//! [`Upload`]: the photo in a request's body, in any encoding.
//!
//! Three encodings: the file's bytes (`curl --data-binary @face.jpg`), a form (`curl -F file=@face.jpg`), and JSON
//! with the bytes in base64 (`{"image": "/9j/4AAQ…"}`).

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::multipart;

/// The bytes of a form or of JSON in addition to the photo.
const AROUND: usize = 64 << 10;
/// Names of the field with the photo, if its part is not declared as a file.
const NAMES: [&str; 3] = ["file", "image", "photo"];

/// Why there is no photo: the status and a sentence.
type Refused = (StatusCode, String);

fn bad(why: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, why.into())
}

/// The encoding of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The file's bytes.
    Raw,
    Form,
    Json,
}

impl Encoding {
    /// The encoding by the request's headers. A body that is neither a form nor JSON is a photo: curl, for example,
    /// does not send a photo's type.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let packed = headers.get(header::CONTENT_ENCODING).is_some_and(|how| how != "identity");
        let mut sent = headers.get_all(header::TRANSFER_ENCODING).iter();
        let is_chunked = |how: &HeaderValue| how.as_bytes().eq_ignore_ascii_case(b"chunked");
        if packed || sent.next().is_some_and(|how| !is_chunked(how)) || sent.next().is_some() {
            let why = "the body has to be sent as it is, without Content-Encoding, and with no \
                       Transfer-Encoding but chunked";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why.into()));
        }
        let kind = content_type(headers).split(';').next().unwrap_or_default().trim();
        Ok(match kind.to_ascii_lowercase().as_str() {
            "multipart/form-data" => Encoding::Form,
            "application/json" => Encoding::Json,
            _ => Encoding::Raw,
        })
    }

    /// The maximum bytes of a body with a photo of `most` bytes.
    pub(super) fn most(self, most: usize) -> usize {
        match self {
            Encoding::Raw => most,
            Encoding::Form => most.saturating_add(AROUND),
            // Four characters for three bytes, and line ends.
            Encoding::Json => most.saturating_add(most / 2).saturating_add(AROUND),
        }
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The faces of a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Faces {
    /// To be detected.
    #[default]
    Find,
    /// The whole photo is one face.
    CutOut,
}

impl Faces {
    pub(super) const EXPECTED: &str = "faces=find or faces=cut_out is expected";

    /// The value of a form's field.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"find" => Some(Self::Find),
            b"cut_out" => Some(Self::CutOut),
            _ => None,
        }
    }
}

/// A photo, and the sender's options in addition to the query.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    pub(super) faces: Option<Faces>,
}

impl Upload {
    /// The photo in a body.
    pub(super) fn of(
        encoding: Encoding,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Self, Refused> {
        match encoding {
            Encoding::Raw => Ok(Self { bytes: body, faces: None }),
            Encoding::Form => form(content_type(headers), body),
            Encoding::Json => json(&body),
        }
    }
}

fn form(content_type: &str, mut body: Vec<u8>) -> Result<Upload, Refused> {
    let boundary = multipart::boundary(content_type).map_err(bad)?;
    let (mut photo, mut faces) = (None, None);
    for part in multipart::parts(&body, boundary).map_err(bad)? {
        if part.is_file || NAMES.contains(&part.name.as_str()) {
            if photo.replace(part.content).is_some() {
                return Err(bad("the form has more than one photo; send one a request"));
            }
        } else if part.name == "faces" && faces.is_none() {
            let content = body.get(part.content).unwrap_or_default();
            faces = Some(Faces::parse(content).ok_or_else(|| bad(Faces::EXPECTED))?);
        } else {
            return Err(bad(format!(
                "the form's field {:?}: file and faces are expected",
                part.name
            )));
        }
    }
    let Some(photo) = photo else {
        return Err(bad("the form has no photo: `curl -F file=@face.jpg` sends one"));
    };
    body.truncate(photo.end);
    body.drain(..photo.start);
    Ok(Upload { bytes: body, faces })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, alias = "photo", alias = "file")]
    image: Cow<'a, str>,
    #[serde(default)]
    faces: Option<Faces>,
}

fn json(body: &[u8]) -> Result<Upload, Refused> {
    let fields: Fields<'_> = serde_json::from_slice(body).map_err(|error| {
        bad(format!("JSON: {error}; {{\"image\": \"the file's bytes in base64\"}} is expected"))
    })?;
    let text = fields.image.as_ref();
    // A data URL, as a browser's FileReader returns it.
    let text = match text.strip_prefix("data:") {
        None => text,
        Some(rest) => match rest.split_once(";base64,") {
            Some((_, text)) => text,
            None => return Err(bad("image: a data URL in base64 is expected")),
        },
    };
    let wrong = || bad("image: base64 is expected (RFC 4648: A-Z, a-z, 0-9, +, /, padded with =)");
    let bytes = decoded(text).ok_or_else(wrong)?;
    Ok(Upload { bytes, faces: fields.faces })
}

/// The bytes of a base64 text (RFC 4648), with or without line breaks and padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut held, mut bits, mut digits, mut padding) = (0u32, 0u32, 0usize, 0usize);
    for byte in text.bytes() {
        let digit = match byte {
            b'\r' | b'\n' => continue,
            b'=' => {
                padding += 1;
                continue;
            }
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        digits += 1;
        held = held << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    // The unused bits of the last digits are 0, and a single digit contains no byte.
    let is_whole = held == 0 && digits % 4 != 1;
    (is_whole && (padding == 0 || (digits + padding) % 4 == 0 && padding < 3)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        headers
    }

    fn upload(content_type: &str, body: &str) -> Result<(String, Option<Faces>), String> {
        let headers = headers(content_type);
        let encoding = Encoding::of(&headers).unwrap();
        let upload = Upload::of(encoding, &headers, body.as_bytes().to_vec());
        let upload = upload.map_err(|(status, why)| {
            assert_eq!(status, StatusCode::BAD_REQUEST);
            why
        })?;
        Ok((String::from_utf8(upload.bytes).unwrap(), upload.faces))
    }

    #[test]
    fn a_photo_comes_in_three_ways() {
        for raw in
            ["", "image/jpeg", "application/x-www-form-urlencoded", "application/octet-stream"]
        {
            assert_eq!(upload(raw, "bytes").unwrap(), ("bytes".into(), None), "{raw}");
        }
        let form = "multipart/form-data; boundary=x";
        let part = |name: &str, file: &str, content: &str| {
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
            )
        };
        let file = "; filename=\"a.jpg\"";
        let body = part("anything", file, "bytes") + &part("faces", "", "cut_out") + "--x--\r\n";
        assert_eq!(upload(form, &body).unwrap(), ("bytes".into(), Some(Faces::CutOut)));
        assert_eq!(upload(form, &(part("image", "", "b") + "--x--")).unwrap().0, "b");
        for (wrong, why) in [
            (part("faces", "", "find"), "has no photo"),
            (part("a", file, "1") + &part("b", file, "2"), "more than one photo"),
            (part("a", file, "1") + &part("name", "", "me"), "\"name\""),
            (part("a", file, "1") + &part("faces", "", "all"), "cut_out"),
        ] {
            let found = upload(form, &(wrong + "--x--")).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
        let json = "application/json; charset=utf-8";
        for body in [
            r#"{"image": "Ynl0ZXM="}"#,
            r#"{"image": "Ynl0ZXM"}"#,
            r#"{"photo": "Ynl0\r\nZXM=\n"}"#,
            r#"{"file": "data:image/jpeg;base64,Ynl0ZXM="}"#,
        ] {
            assert_eq!(upload(json, body).unwrap(), ("bytes".into(), None), "{body}");
        }
        let asked = upload(json, r#"{"image": "", "faces": "find"}"#).unwrap();
        assert_eq!(asked, (String::new(), Some(Faces::Find)));
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"image": 7}"#,
            r#"{"image": "Y"}"#,
            r#"{"image": "Yn!0"}"#,
            r#"{"image": "Yn=0"}"#,
            r#"{"image": "Ynl0ZXM=="}"#,
            r#"{"image": "Ynl0ZXN="}"#,
            r#"{"image": "data:image/jpeg,abc"}"#,
            r#"{"image": "", "who": "me"}"#,
            r#"{"image": "", "faces": "all"}"#,
        ] {
            assert!(upload(json, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn base64_is_decoded() {
        // RFC 4648, section 10.
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decoded(text).unwrap(), bytes.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let text: String = all
            .chunks(3)
            .flat_map(|three| {
                let number = three.iter().fold(0u32, |sum, b| sum << 8 | u32::from(*b));
                let number = number << (8 * (3 - three.len()));
                let digits = [18, 12, 6, 0].map(|by| DIGITS[(number >> by & 63) as usize] as char);
                digits.into_iter().take(three.len() + 1).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(decoded(&text).unwrap(), all);
    }

    #[test]
    fn packed_bodies_are_refused() {
        for (name, value, is_taken) in [
            (header::CONTENT_ENCODING, "gzip", false),
            (header::CONTENT_ENCODING, "identity", true),
            (header::TRANSFER_ENCODING, "Chunked", true),
            (header::TRANSFER_ENCODING, "gzip, chunked", false),
            (header::TRANSFER_ENCODING, "chunked, chunked", false),
        ] {
            let mut packed = headers("image/jpeg");
            packed.insert(name, value.parse().unwrap());
            let status = Encoding::of(&packed).map_err(|(status, _)| status);
            let expected = Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert_eq!(status, if is_taken { Ok(Encoding::Raw) } else { expected }, "{value}");
        }
    }
}
