//! Text for messages, reports and figures: counts, plurals, percent, lists, escaping.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A count with thousands separators: 35,887.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number of names in a note before "and 12 more".
const LISTED: usize = 10;

/// "1 image", "2 images", "2 classes", "2 copies", "2 folders of copies": the count, and the noun in singular or
/// plural. The words after "of" or "without" stay unchanged.
pub fn plural(number: usize, noun: &str) -> String {
    format!("{} {}", count(number), nouns(number, noun))
}

/// The noun of [`plural`] alone.
pub(crate) fn nouns(number: usize, noun: &str) -> String {
    if number == 1 {
        return noun.into();
    }
    let end = [" of ", " without "].iter().filter_map(|word| noun.find(word)).min();
    let (head, rest) = noun.split_at(end.unwrap_or(noun.len()));
    // The ch of "epoch" is a k.
    let sibilant =
        !head.ends_with("epoch") && ["s", "x", "ch", "sh"].iter().any(|end| head.ends_with(end));
    let vowel = ["ay", "ey", "oy", "uy"].iter().any(|end| head.ends_with(end));
    match head.strip_suffix('y') {
        Some(stem) if !vowel => format!("{stem}ies{rest}"),
        _ => format!("{head}{}{rest}", if sibilant { "es" } else { "s" }),
    }
}

/// "is" or "are", to agree with [`plural`].
pub(crate) fn is_or_are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// The first ten names, and how many more there are.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let mut text = names.iter().take(LISTED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", count(names.len() - LISTED)));
    }
    text
}

/// Short names for paths: their last parts, with as many parent folders as needed to distinguish them.
pub(crate) fn path_ends(paths: &[&Path]) -> Vec<String> {
    let ends = |parts: usize| -> Vec<String> {
        let end = |path: &&Path| {
            let above = path.components().count().saturating_sub(parts);
            path.components().skip(above).collect::<PathBuf>().display().to_string()
        };
        paths.iter().map(end).collect()
    };
    let longest = paths.iter().map(|path| path.components().count()).max().unwrap_or(1);
    let distinct = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    (1..=longest).map(ends).find(distinct).unwrap_or_else(|| ends(1))
}

/// The number of letters to change, insert, delete, or swap with the next to turn one word into another.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for (at, wanted) in other.iter().enumerate() {
            let swapped = match at.checked_sub(1).map(|before| other[before]) {
                Some(previous) if Some(*wanted) == last && letter == previous && at > 0 => {
                    before.get(at - 1).map_or(usize::MAX, |cost: &usize| cost + 1)
                }
                _ => usize::MAX,
            };
            let kept = row[at] + usize::from(letter != *wanted);
            next.push(kept.min(row[at + 1] + 1).min(next[at] + 1).min(swapped));
        }
        before = std::mem::replace(&mut row, next);
        last = Some(letter);
    }
    row.last().copied().unwrap_or_default()
}

/// The most similar of the names, if it is similar enough to be a typing error.
pub(crate) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = names.iter().map(|name| (distance(word, name), *name));
    let most = (word.chars().count() / 3).max(1);
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Headings and rows as lines of text in columns; columns from `right` on, for numbers, are right-aligned.
pub(crate) fn aligned(heads: &[String], rows: &[Vec<String>], right: usize) -> Vec<String> {
    let lines = || std::iter::once(heads).chain(rows.iter().map(Vec::as_slice));
    let width = |place: usize| {
        let cells = lines().filter_map(|line| line.get(place));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let padded = |line: &[String]| {
        let cells = line.iter().zip(&widths).enumerate().map(|(place, (cell, &width))| {
            if place < right { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    lines().map(padded).collect()
}

/// A share on 0 to 1 as percent with `digits` decimals: "59.5 %". A share that is not finite is "–".
pub(crate) fn percent(share: f64, digits: usize) -> String {
    if share.is_finite() { format!("{:.digits$} %", share * 100.0) } else { "–".into() }
}

/// Text as the content or an attribute of XML or HTML, without control characters, which XML forbids.
pub(crate) fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Untrusted bytes for a message: at most 24 characters, and nothing that moves the cursor.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 24;
    let head = bytes.get(..bytes.len().min(SHOWN * 4)).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN {
        shown.push('…');
    }
    shown
}

/// A file name or path for a message: bytes that are not UTF-8 as `\xNN`, and nothing that moves the cursor or
/// changes the direction of the text.
pub fn shown(name: impl AsRef<std::ffi::OsStr>) -> String {
    let mut shown = String::new();
    for chunk in name.as_ref().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match is_unsafe(c) {
                true => shown.extend(c.escape_default()),
                false => shown.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

/// Foreign text made fit for a message: as [`shown`], and of a long one both ends.
pub(crate) fn told(text: impl AsRef<str>) -> String {
    const BEGINNING: usize = 600;
    const END: usize = 300;
    let text = text.as_ref();
    let before = text.char_indices().nth(BEGINNING).map(|(at, _)| at);
    let after = text.char_indices().nth_back(END - 1).map(|(at, _)| at);
    match (before, after) {
        (Some(before), Some(after)) if before < after => {
            format!("{} […] {}", shown(&text[..before]), shown(&text[after..]))
        }
        _ => shown(text),
    }
}

/// Whether a terminal does something else with a character than to show it: control characters, line and
/// paragraph separators, and those that change the direction of the text.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(35_887), "35,887");
        assert_eq!(count(1_468_135), "1,468,135");
        assert_eq!(percent(0.5953, 1), "59.5 %");
        assert_eq!(percent(f64::NAN, 1), "–");
        for (noun, two) in [
            ("class", "classes"),
            ("epoch", "epochs"),
            ("batch", "batches"),
            ("exact copy", "exact copies"),
            ("display", "displays"),
            ("folder of annotated copies", "folders of annotated copies"),
        ] {
            assert_eq!(
                [plural(1, noun), plural(1002, noun)],
                [format!("1 {noun}"), format!("1,002 {two}")]
            );
        }
    }

    #[test]
    fn words_have_a_distance() {
        for (one, other, expected) in [
            ("", "", 0),
            ("happy", "happy", 0),
            ("hapy", "happy", 1),
            ("nuetral", "neutral", 1),
            ("suprise", "surprise", 1),
            ("", "sad", 3),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
        assert_eq!(nearest("seed_cn", &["vgg", "seed_cnn"]), Some("seed_cnn"));
        assert_eq!(nearest("other", &["vgg", "seed_cnn"]), None);
    }

    #[test]
    fn markup_is_escaped() {
        let escaped = escape_xml("a<b> & \"c\" 'd'\u{7}");
        assert_eq!(escaped, "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
    }

    #[cfg(unix)]
    #[test]
    fn names_of_any_bytes_are_shown() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        for (name, as_shown) in [
            (&b"a b.jpg"[..], "a b.jpg"),
            (b"\x1b[2J", "\\u{1b}[2J"),
            (b"\xbb\xe7'.png", "\\xbb\\xe7'.png"),
            ("\u{202E}gpj".as_bytes(), "\\u{202e}gpj"),
            ("사진.jpg".as_bytes(), "사진.jpg"),
        ] {
            assert_eq!(shown(OsStr::from_bytes(name)), as_shown);
        }
    }

    #[test]
    fn nouns_and_names_read_well() {
        assert_eq!(plural(1, "image"), "1 image");
        assert_eq!(plural(2_000, "image"), "2,000 images");
        assert_eq!(list(&["a", "b"]), "a, b");
        let many: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(list(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
        assert_eq!(excerpt(b"x\x1b[2J\xff"), "x\\u{1b}[2J\u{fffd}");
        assert!(excerpt(&[b'7'; 9_000]).len() < 40);
    }
}
