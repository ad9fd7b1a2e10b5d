//! One row of `fer2013.csv`: its three fields, and the 2304 numbers within one of them.

use csv::ByteRecord;

use crate::common::text;
use crate::emotion::Emotion;

/// The columns that are needed, in any order and among any others.
pub(super) const COLUMNS: [&str; 3] = ["emotion", "pixels", "Usage"];
/// Kaggle's names of its three parts; the first is for training and validation, the others for test.
pub(super) const USAGES: [&str; 3] = ["Training", "PublicTest", "PrivateTest"];

/// One row's class index and its part, one of [`USAGES`].
pub(super) struct Row {
    pub(super) label: u8,
    pub(super) usage: &'static str,
}

/// Parses a row: its pixels go to `out`, u8 [48 × 48], row-major. `columns` are the places of
/// [`COLUMNS`]. The error says in a few words what is wrong.
pub(super) fn parse(
    record: &ByteRecord,
    columns: &[usize; 3],
    out: &mut [u8],
) -> Result<Row, String> {
    let mut fields = [&[] as &[u8]; 3];
    for ((field, column), name) in fields.iter_mut().zip(columns).zip(COLUMNS) {
        *field = trim(record.get(*column).ok_or_else(|| {
            let count = text::plural(record.len(), "field");
            format!("{count} and none for {name}, expected emotion, pixels and Usage")
        })?);
    }
    let [emotion, pixels, usage] = fields;
    let label = match emotion {
        [digit @ b'0'..=b'9'] => Emotion::from_kaggle(digit - b'0'),
        _ => None,
    }
    .ok_or_else(|| format!("emotion is '{}', expected 0 to 6", text::excerpt(emotion)))?
    .index() as u8;
    let usage =
        USAGES.into_iter().find(|known| usage.eq_ignore_ascii_case(known.as_bytes())).ok_or_else(
            || format!("Usage is '{}', expected {}", text::excerpt(usage), USAGES.join(", ")),
        )?;
    parse_pixels(pixels, out)?;
    Ok(Row { label, usage })
}

/// Parses numbers of 0 to 255 with blanks between them into `out`, exactly as many as it holds.
fn parse_pixels(field: &[u8], out: &mut [u8]) -> Result<(), String> {
    let wrong = |at: usize, number: &[u8]| {
        format!("pixels: value {} is '{}', expected 0 to 255", at + 1, text::excerpt(number))
    };
    let mut rest = field;
    let mut count = 0;
    loop {
        while let [b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            break;
        }
        let length = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(length);
        let digit = |byte: &u8| byte.wrapping_sub(b'0');
        // One to three digits are all that fits; what isn't a digit wraps to 10 or more.
        let value = match number {
            [a] if digit(a) < 10 => u32::from(digit(a)),
            [a, b] if digit(a) < 10 && digit(b) < 10 => {
                u32::from(digit(a)) * 10 + u32::from(digit(b))
            }
            [a, b, c] if digit(a) < 10 && digit(b) < 10 && digit(c) < 10 => {
                u32::from(digit(a)) * 100 + u32::from(digit(b)) * 10 + u32::from(digit(c))
            }
            _ => return Err(wrong(count, number)),
        };
        let value = u8::try_from(value).map_err(|_| wrong(count, number))?;
        if let Some(pixel) = out.get_mut(count) {
            *pixel = value;
        }
        count += 1;
        rest = tail;
    }
    if count == out.len() {
        Ok(())
    } else {
        Err(format!("pixels: {} values, expected {}", text::count(count), text::count(out.len())))
    }
}

/// A field without the blanks and quotes around it.
pub(super) fn trim(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    match field {
        [b'"', inner @ .., b'"'] => inner.trim_ascii(),
        _ => field,
    }
}
