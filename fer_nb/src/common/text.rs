//! Text for messages, reports and figures: counts, plurals, percent, lists, escaping.

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

/// How many names a note lists before it says "and 12 more".
const LISTED: usize = 10;

/// "1 image", "2 images": the count and the noun, with an s where it needs one.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The first ten names, and how many more there are.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let mut text = names.iter().take(LISTED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", count(names.len() - LISTED)));
    }
    text
}

/// A share on 0 to 1 as percent with `digits` decimals: "59.5 %". A share that is not finite is "–".
pub(crate) fn percent(share: f64, digits: usize) -> String {
    if share.is_finite() { format!("{:.digits$} %", share * 100.0) } else { "–".into() }
}

/// Text as the content or an attribute of XML or HTML. Control characters, which XML forbids, are
/// left out.
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

/// Foreign bytes made fit for a message: at most 24 characters, nothing that moves the cursor.
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
    }

    #[test]
    fn markup_is_escaped() {
        let escaped = escape_xml("a<b> & \"c\" 'd'\u{7}");
        assert_eq!(escaped, "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
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
