//! The 2304 numbers of an image, in one field of a row or in as many.

use crate::common::text;

/// What the numbers of an image reach to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// 255, as the first number above 1 shows.
    Bytes,
    /// 1, as a fraction shows; they were brought to 255.
    Unit,
    /// Nothing but 0 and 1, which may be either.
    Either,
}

/// Parses numbers of 0 to 255, or of 0 to 1 with fractions, into `out`, exactly as many as it holds. Blanks, commas or
/// line breaks are between them, and brackets may be around, as Python prints lists; 12.0 is 12.
pub(super) fn parse(field: &[u8], out: &mut [u8]) -> Result<Scale, String> {
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
                match whole(number) {
                    Some(value) => value,
                    None if fraction(number).is_some() && are_bits(out.get(..count)) => {
                        return parse_unit(words(field), out);
                    }
                    None => return Err(wrong(count, number)),
                }
            }
        };
        let value = u8::try_from(value).map_err(|_| wrong(count, digits))?;
        if let Some(pixel) = out.get_mut(count) {
            *pixel = value;
        }
        count += 1;
    }
    counted(count, out.len())?;
    Ok(if are_bits(Some(out)) { Scale::Either } else { Scale::Bytes })
}

/// [`parse`] of one number a field.
pub(super) fn parse_each<'a>(
    fields: impl Iterator<Item = &'a [u8]> + Clone,
    out: &mut [u8],
) -> Result<Scale, String> {
    let mut count = 0;
    for field in fields.clone() {
        let value = match whole(field) {
            Some(value) => value as u8,
            None if fraction(field).is_some() && are_bits(out.get(..count)) => {
                return parse_unit(fields, out);
            }
            None => return Err(wrong(count, field)),
        };
        if let Some(pixel) = out.get_mut(count) {
            *pixel = value;
        }
        count += 1;
    }
    counted(count, out.len())?;
    Ok(if are_bits(Some(out)) { Scale::Either } else { Scale::Bytes })
}

/// Numbers of 0 to 1, brought to 0 to 255 and rounded.
fn parse_unit<'a>(words: impl Iterator<Item = &'a [u8]>, out: &mut [u8]) -> Result<Scale, String> {
    let mut count = 0;
    for word in words {
        let value = number(word).filter(|value| (0.0..=1.0).contains(value));
        let value = value.ok_or_else(|| wrong(count, word))?;
        if let Some(pixel) = out.get_mut(count) {
            *pixel = (value * 255.0).round() as u8;
        }
        count += 1;
    }
    counted(count, out.len())?;
    Ok(Scale::Unit)
}

fn counted(count: usize, wanted: usize) -> Result<(), String> {
    if count == wanted {
        return Ok(());
    }
    let side = count.isqrt();
    let image = match side * side == count && side > 1 {
        true => format!(" (an image of {side}×{side})"),
        false => String::new(),
    };
    Err(format!(
        "pixels: {}{image}, expected {}",
        text::plural(count, "value"),
        text::count(wanted)
    ))
}

/// Whether a field holds this many numbers, or more.
pub(super) fn has_numbers(field: &[u8], wanted: usize) -> bool {
    let mut words = words(field);
    (0..wanted).all(|_| words.next().is_some_and(|word| number(word).is_some()))
}

fn words(field: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    field.split(|byte| is_separator(*byte)).filter(|word| !word.is_empty())
}

/// What is between numbers, by byte: each of a table's bytes is asked about.
const SEPARATORS: [bool; 256] = {
    let mut table = [false; 256];
    let known = b" \t\n\r,[]()";
    let mut index = 0;
    while index < known.len() {
        table[known[index] as usize] = true;
        index += 1;
    }
    table
};

fn is_separator(byte: u8) -> bool {
    SEPARATORS[usize::from(byte)]
}

/// Whether all of the pixels so far may as well reach to 1.
fn are_bits(pixels: Option<&[u8]>) -> bool {
    pixels.unwrap_or_default().iter().all(|pixel| *pixel <= 1)
}

fn wrong(at: usize, number: &[u8]) -> String {
    match number {
        b"..." => "pixels: cut short with '...', as NumPy prints long arrays, so the image is not in the table: \
                   write ' '.join(map(str, image.ravel()))"
            .into(),
        _ => format!("pixels: value {} is '{}', expected 0 to 255", at + 1, text::excerpt(number)),
    }
}

fn number(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word).ok()?.trim().parse().ok()
}

/// A whole number that may be written as a float: "12.0", "1.2e1".
fn whole(word: &[u8]) -> Option<u32> {
    let value = number(word)?;
    ((0.0..=255.0).contains(&value) && value.fract() == 0.0).then_some(value as u32)
}

/// A number between 0 and 1.
fn fraction(word: &[u8]) -> Option<f64> {
    number(word).filter(|value| *value > 0.0 && *value < 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(field: &str) -> Result<([u8; 4], Scale), String> {
        let mut out = [0; 4];
        parse(field.as_bytes(), &mut out).map(|scale| (out, scale))
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let bytes = [7, 0, 255, 12];
        for text in ["7 0 255 12", "[7, 0, 255, 12]", "[[7 0]\n [255 12]]", "7.0 0.0 255.0 1.2e1"] {
            assert_eq!(four(text), Ok((bytes, Scale::Bytes)), "{text}");
        }
        for text in ["0.5 0 1 0.25", "5e-1 0.0 1.0 0.25"] {
            assert_eq!(four(text), Ok(([128, 0, 255, 64], Scale::Unit)), "{text}");
        }
        assert_eq!(four("0 1 0.0 1.0"), Ok(([0, 1, 0, 1], Scale::Either)));
        for (text, problem) in [
            ("7 0 0.5 9", "value 3 is '0.5', expected 0 to 255"),
            ("0.5 7 0 9", "value 2 is '7', expected 0 to 255"),
            ("-0.5 0 0 0", "value 1 is '-0.5', expected 0 to 255"),
            ("0.5 0 1", "3 values, expected 4"),
            ("[70 80 ... 90]", "cut short with '...', as NumPy prints"),
        ] {
            assert!(four(text).unwrap_err().contains(problem), "{:?}", four(text));
        }
        let each = |fields: [&str; 4]| {
            let mut out = [0; 4];
            parse_each(fields.iter().map(|field| field.as_bytes()), &mut out)
                .map(|scale| (out, scale))
        };
        assert_eq!(each(["7", "0", "255.0", "12"]), Ok((bytes, Scale::Bytes)));
        assert_eq!(each(["0.5", "0", "1", "0.25"]), Ok(([128, 0, 255, 64], Scale::Unit)));
        assert!(each(["7", "x", "0", "0"]).is_err());
    }
}
