//! Inter embedded in an SVG file, so that it looks the same on systems without Inter.

use crate::plot::canvas::FONT_FAMILY;
use crate::plot::picture::base64;

/// A subset of Inter that files can carry; `assets/fonts/README.md` says how it is made.
struct Subset {
    /// The name of the font family in a file, unique to the subset, so that figures with different subsets can be
    /// on one page.
    family: &'static str,
    regular: &'static [u8],
    bold: &'static [u8],
}

/// ASCII, and the additional characters of the charts.
const SMALL: Subset = Subset {
    family: "fer Inter",
    regular: include_bytes!("../../assets/fonts/Inter-Regular.small.woff2"),
    bold: include_bytes!("../../assets/fonts/Inter-SemiBold.small.woff2"),
};
/// The letters of European languages, for names and titles of users.
const LATIN: Subset = Subset {
    family: "fer Inter Latin",
    regular: include_bytes!("../../assets/fonts/Inter-Regular.latin.woff2"),
    bold: include_bytes!("../../assets/fonts/Inter-SemiBold.latin.woff2"),
};
/// The characters of [`SMALL`] beyond ASCII.
const BESIDE_ASCII: &str = "°±²·×–—…→−σ’";

/// The font families for an SVG's texts, and the style that embeds the first of them; empty without text.
pub(super) fn for_texts(body: &str) -> (String, String) {
    if !body.contains("<text") {
        return (FONT_FAMILY.into(), String::new());
    }
    let is_small = |c: char| c.is_ascii() || BESIDE_ASCII.contains(c);
    let Subset { family, regular, bold } = if body.chars().all(is_small) { SMALL } else { LATIN };
    let face = |weight: u32, font: &[u8]| {
        format!(
            "@font-face{{font-family:\"{family}\";font-weight:{weight};src:url(data:font/woff2;base64,{})}}",
            base64(font)
        )
    };
    let mut style = face(400, regular);
    if body.contains("font-weight") {
        style += &face(600, bold);
    }
    (format!("{family}, {FONT_FAMILY}"), format!("<style>{style}</style>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_brings_the_letters_that_it_has() {
        let of = |text: &str| for_texts(&format!("<text>{text}</text>"));
        let (family, style) = of("0.5 ± 1");
        assert!(
            family.starts_with("fer Inter, Inter,") && style.matches("@font-face").count() == 1
        );
        assert!(style.len() < 12_000, "{}", style.len());
        assert!(of("Müller").0.starts_with("fer Inter Latin, "));
        let bold = for_texts("<text font-weight=\"600\">a</text>").1;
        assert_eq!(bold.matches("@font-face").count(), 2);
        assert_eq!(for_texts("<rect/>"), (FONT_FAMILY.to_string(), String::new()));
    }
}
