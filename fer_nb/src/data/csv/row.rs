//! One row of a table of images: its class, its part and its pixels.

use std::borrow::Cow;

use csv::ByteRecord;

use super::columns::{Column, Columns, PixelColumns};
use super::pixels::{self, Scale};
use crate::common::text;
use crate::data::options::{Class, DataOptions, Numbering, number};
use crate::data::part::{Part, Usage};
use crate::data::pixels::PIXELS;
use crate::emotion::Emotion;

/// What a row says in addition to its pixels.
pub(super) struct Row {
    /// Its class as the table has it.
    pub(super) name: String,
    /// `None` if it is none of the seven.
    pub(super) class: Option<Emotion>,
    pub(super) part: Part,
    /// What tables call the part.
    pub(super) usage: &'static str,
    /// What its pixels reach to as they are written.
    pub(super) scale: Scale,
}

/// Parses a row: its pixels go to `out`, u8 [48 × 48], row-major. `whole` is the part of a table without a column for
/// it. The error says in a few words what is wrong.
pub(super) fn parse(
    record: &ByteRecord,
    columns: &Columns,
    whole: Usage,
    options: &DataOptions,
    out: &mut [u8],
) -> Result<Row, String> {
    let (name, class) = class(record, columns, options)?;
    let (part, usage) = usage(record, columns, whole)?;
    let scale = match &columns.pixels {
        PixelColumns::One(column) => pixels::parse(field(record, column.place, "pixels")?, out)?,
        PixelColumns::Each(first) => {
            let fields = (*first..first + PIXELS).filter_map(|place| record.get(place));
            pixels::parse_each(fields.map(trim), out)?
        }
    };
    Ok(Row { name: name.into_owned(), class, part, usage, scale })
}

/// The class's name in the table, and what it means. Other columns that say a class must not say another one.
fn class<'a>(
    record: &'a ByteRecord,
    columns: &'a Columns,
    options: &DataOptions,
) -> Result<(Cow<'a, str>, Option<Emotion>), String> {
    let numbering = Some(options.classes.unwrap_or(Numbering::Kaggle));
    let mean = |name: &str| match options.class(name, numbering) {
        Class::Is(emotion) => Some(emotion),
        Class::LeftOut | Class::Number => None,
    };
    if !columns.one_hot.is_empty() {
        let name = one_hot(record, &columns.one_hot)?;
        return Ok((name.into(), mean(name)));
    }
    let mut said = columns.emotion.iter();
    let column = said.next().map_or(0, |column| column.place);
    let bytes = field(record, column, "emotion")?;
    let name = words(bytes);
    if name.is_empty() {
        return Err("emotion is '', expected a class's number or name".into());
    }
    let class = mean(&name);
    for other in said {
        let also = record.get(other.place).map(trim).map(words).unwrap_or_default();
        // A number beside a word counts by a rule of its own, which the word makes needless.
        let is_comparable = number(&name).is_some() || number(&also).is_none();
        if let (Some(one), Some(another), true) = (class, mean(&also), is_comparable)
            && one != another
        {
            return Err(contradiction(&columns.emotion, other, &name, &also));
        }
    }
    Ok((name, class))
}

/// The class whose column has 1 where those of the others have 0.
fn one_hot<'a>(record: &ByteRecord, columns: &'a [Column]) -> Result<&'a str, String> {
    let mut found = Vec::new();
    for column in columns {
        let text = words(field(record, column.place, &column.name)?);
        match yes_or_no(&text) {
            Some(true) => found.push(column.name.as_str()),
            Some(false) => {}
            None => {
                return Err(format!(
                    "{} is '{}', expected 0 or 1",
                    column.name,
                    text::excerpt(text.as_bytes())
                ));
            }
        }
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err("no column of a class has 1".into()),
        [one, other, ..] => Err(format!("{one} and {other} both have 1, expected one class")),
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" | "t" | "y" => Some(true),
        "0" | "0.0" | "false" | "no" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// The part of a row. Columns that say different parts contradict each other.
fn usage(record: &ByteRecord, columns: &Columns, whole: Usage) -> Result<Usage, String> {
    let mut found: Option<(Usage, Cow<'_, str>)> = None;
    for (index, column) in columns.usage.iter().enumerate() {
        let text = words(field(record, column.place, "Usage")?);
        match (Part::of(&text), &found) {
            (Some(usage), None) if index == 0 => found = Some((usage, text)),
            (None, _) if index == 0 => {
                let expected = "a part, such as Training, PublicTest or PrivateTest";
                let excerpt = text::excerpt(text.as_bytes());
                return Err(format!("Usage is '{excerpt}', expected {expected}"));
            }
            (Some((part, _)), Some(((before, _), said))) if part != *before => {
                return Err(contradiction(&columns.usage, column, said, &text));
            }
            _ => {}
        }
    }
    let flagged = flagged(record, columns)?;
    match (found, flagged) {
        (None, None) => Ok(whole),
        (Some((usage, _)), None) => Ok(usage),
        (None, Some(part)) => Ok((part, part.name())),
        (Some((usage, _)), Some(part)) if usage.0 == part => Ok(usage),
        (Some((usage, said)), Some(part)) => {
            let flag = columns.flags.first().map_or("", |(column, _)| &column.name);
            Err(format!(
                "the part is '{said}' ({}) and by {flag} it is {part}: rename the column that is not meant, in the \
                 first line",
                usage.0
            ))
        }
    }
}

/// The part by columns that say yes or no; `None` if there are none. Where no column says yes, a row is of the part
/// that has no column: without `is_train` it is for training, and else for testing.
fn flagged(record: &ByteRecord, columns: &Columns) -> Result<Option<Part>, String> {
    if columns.flags.is_empty() {
        return Ok(None);
    }
    let mut yes = Vec::new();
    for (column, part) in &columns.flags {
        let text = words(field(record, column.place, &column.name)?);
        match yes_or_no(&text) {
            Some(true) => yes.push((column, *part)),
            Some(false) => {}
            None => {
                let (name, other) = (&column.name, text::excerpt(text.as_bytes()));
                return Err(format!("{name} is '{other}', expected 0 or 1, or true or false"));
            }
        }
    }
    match &yes[..] {
        [(first, part), others @ ..] => match others.iter().find(|(_, other)| other != part) {
            Some((other, _)) => Err(format!("{} and {} both say yes", first.name, other.name)),
            None => Ok(Some(*part)),
        },
        [] => {
            let has_train = columns.flags.iter().any(|(_, part)| *part == Part::Train);
            Ok(Some(if has_train { Part::Test } else { Part::Train }))
        }
    }
}

/// The error for two columns that say different things.
fn contradiction(columns: &[Column], other: &Column, said: &str, also: &str) -> String {
    let first = columns.first().map_or("", |column| &column.name);
    let [said, also] = [said, also].map(|text| text::excerpt(text.as_bytes()));
    format!(
        "{first} is '{said}' and {} is '{also}': rename the column that is not meant, in the first line",
        other.name
    )
}

fn field<'a>(record: &'a ByteRecord, column: usize, name: &str) -> Result<&'a [u8], String> {
    let field = record.get(column).map(trim);
    field.ok_or_else(|| format!("{} and none for {name}", text::plural(record.len(), "field")))
}

/// A field as text: UTF-8, and else Latin-1, in which every byte is a letter.
fn words(field: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(field) {
        Ok(text) => text.into(),
        Err(_) => field.iter().copied().map(char::from).collect::<String>().into(),
    }
}

/// Whether the fields for pixels begin with numbers.
pub(super) fn has_pixels(record: &ByteRecord, columns: &Columns) -> bool {
    match &columns.pixels {
        PixelColumns::One(column) => {
            pixels::has_numbers(record.get(column.place).map(trim).unwrap_or_default(), 2)
        }
        PixelColumns::Each(first) => {
            let field = |place: usize| record.get(place).map(trim).unwrap_or_default();
            pixels::has_numbers(field(*first), 1) && pixels::has_numbers(field(first + 1), 1)
        }
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
