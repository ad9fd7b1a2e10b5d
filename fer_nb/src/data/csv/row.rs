//! One row of a table of images: its class, its part, and the 2304 numbers within one of its fields.

use csv::ByteRecord;

use crate::common::text;
use crate::data::options::{Class, DataOptions, Numbering};
use crate::data::part::Part;
use crate::emotion::Emotion;

/// The columns that are needed, and the names that they have, in any case.
const EMOTION: &[&str] = &["emotion", "emotions", "label", "labels", "class", "expression"];
const PIXELS: &[&str] = &["pixels", "pixel", "image"];
const USAGE: &[&str] = &["usage", "split", "subset", "part", "set"];

/// Where the needed columns are, among any others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    emotion: usize,
    pixels: usize,
    /// Not there where the table has no parts.
    pub(super) usage: Option<usize>,
}

impl Columns {
    /// Finds the columns by their names; else the name of the first that is missing.
    pub(super) fn of(names: &[&[u8]]) -> Result<Self, &'static str> {
        let place = |known: &'static [&'static str]| {
            let is = |name: &[u8]| known.iter().any(|k| name.eq_ignore_ascii_case(k.as_bytes()));
            names.iter().position(|name| is(name)).ok_or(known[0])
        };
        Ok(Self { emotion: place(EMOTION)?, pixels: place(PIXELS)?, usage: place(USAGE).ok() })
    }
}

/// What a row says in addition to its pixels.
pub(super) struct Row {
    /// Its class as the table has it.
    pub(super) name: String,
    /// `None` if it is none of the seven.
    pub(super) class: Option<Emotion>,
    pub(super) part: Part,
    /// What tables call the part.
    pub(super) usage: &'static str,
}

/// Parses a row: its pixels go to `out`, u8 [48 × 48], row-major. `whole` is the part of a table without a column for
/// it. The error says in a few words what is wrong.
pub(super) fn parse(
    record: &ByteRecord,
    columns: &Columns,
    whole: (Part, &'static str),
    options: &DataOptions,
    out: &mut [u8],
) -> Result<Row, String> {
    let field = |column: usize, name: &str| {
        let field = record.get(column).map(trim);
        field.ok_or_else(|| format!("{} and none for {name}", text::plural(record.len(), "field")))
    };
    let emotion = field(columns.emotion, "emotion")?;
    let pixels = field(columns.pixels, "pixels")?;
    let (part, usage) = match columns.usage {
        None => whole,
        Some(column) => {
            let usage = field(column, "Usage")?;
            let known = std::str::from_utf8(usage).ok().and_then(Part::of);
            known.ok_or_else(|| {
                let expected = "a part, such as Training, PublicTest or PrivateTest";
                format!("Usage is '{}', expected {expected}", text::excerpt(usage))
            })?
        }
    };
    let name = std::str::from_utf8(emotion).ok().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        format!("emotion is '{}', expected a class's number or name", text::excerpt(emotion))
    })?;
    let class = match options.class(name, Some(options.classes.unwrap_or(Numbering::Kaggle))) {
        Class::Is(emotion) => Some(emotion),
        Class::LeftOut | Class::Number => None,
    };
    parse_pixels(pixels, out)?;
    Ok(Row { name: name.to_string(), class, part, usage })
}

/// Whether the field for pixels begins with two numbers.
pub(super) fn has_pixels(record: &ByteRecord, columns: &Columns) -> bool {
    let field = record.get(columns.pixels).map(trim).unwrap_or_default();
    let mut words = field.split(|byte| is_separator(*byte)).filter(|word| !word.is_empty());
    let mut is_number = || {
        let word = words.next().and_then(|word| std::str::from_utf8(word).ok());
        word.is_some_and(|word| word.parse::<f64>().is_ok())
    };
    is_number() && is_number()
}

/// Parses numbers of 0 to 255 into `out`, exactly as many as it holds. Blanks or commas are between them, and
/// brackets may be around, as Python prints lists; 12.0 is 12.
fn parse_pixels(field: &[u8], out: &mut [u8]) -> Result<(), String> {
    let mut rest = field;
    let mut count = 0;
    loop {
        while let [first, tail @ ..] = rest
            && is_separator(*first)
        {
            rest = tail;
        }
        if rest.is_empty() {
            break;
        }
        let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(length);
        let ends = tail.first().is_none_or(|next| is_separator(*next));
        let value = match digits {
            [_] | [_, _] | [_, _, _] if ends => {
                rest = tail;
                digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
            }
            _ => {
                let length = rest.iter().position(|byte| is_separator(*byte));
                let (number, tail) = rest.split_at(length.unwrap_or(rest.len()));
                rest = tail;
                whole(number).ok_or_else(|| wrong(count, number))?
            }
        };
        let value = u8::try_from(value).map_err(|_| wrong(count, digits))?;
        if let Some(pixel) = out.get_mut(count) {
            *pixel = value;
        }
        count += 1;
    }
    if count == out.len() {
        Ok(())
    } else {
        Err(format!(
            "pixels: {}, expected {}",
            text::plural(count, "value"),
            text::count(out.len())
        ))
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b',' | b'[' | b']' | b'(' | b')')
}

fn wrong(at: usize, number: &[u8]) -> String {
    format!("pixels: value {} is '{}', expected 0 to 255", at + 1, text::excerpt(number))
}

/// A whole number that is written as a float: "12.0", "1.2e1".
fn whole(number: &[u8]) -> Option<u32> {
    let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    ((0.0..=255.0).contains(&value) && value.fract() == 0.0).then_some(value as u32)
}

/// A field without the blanks and quotes around it.
pub(super) fn trim(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    match field {
        [b'"', inner @ .., b'"'] => inner.trim_ascii(),
        _ => field,
    }
}
