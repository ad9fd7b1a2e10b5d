//! The objects of a PDF file, and the table that says where each begins.

use std::io::{Result, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use plotters::style::RGBColor;
use plotters_backend::BackendColor;

use super::backend::Page;
use super::numbers::{components, rounded};
use crate::data::{PIXELS, SIDE};
use crate::plot::palette::PAPER;
use crate::plot::style::Style;
use crate::plot::vector_backend::STEPS;

/// Points, of which an inch has 72, in a pixel, of which it has 96.
const POINTS: f64 = 0.75;

/// The number of the first picture's object; those before it are catalog, pages, page, content and title.
const FIRST_PICTURE: usize = 6;

/// The file of one page. It has no date, so the same figure is the same file.
pub(super) fn write(title: &str, page: &Page, style: &Style) -> Result<Vec<u8>> {
    let (wide, high) = style.size;
    let [width, height] = [wide, high].map(|side| rounded(POINTS * f64::from(side), 2));
    let names: String = (0..page.pictures.len())
        .map(|number| format!("/P{number} {} 0 R ", FIRST_PICTURE + number))
        .collect();
    let mut file = File::new();
    file.object("<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /DisplayDocTitle true >> >>");
    file.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    file.object(&format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R \
         /Resources << /XObject << {names}>> >> >>"
    ));
    file.stream("", content(page, style, [width, height]).as_bytes())?;
    file.object(&format!("<< /Title {} /Producer (fer_nb) >>", text(title)));
    for picture in &page.pictures {
        let space = if picture.len() == PIXELS { "/DeviceGray" } else { "/DeviceRGB" };
        let picture_of = format!(
            "/Type /XObject /Subtype /Image /Width {SIDE} /Height {SIDE} /ColorSpace {space} \
             /BitsPerComponent 8 /Interpolate false "
        );
        file.stream(&picture_of, picture)?;
    }
    Ok(file.finished())
}

/// The paper, if the figure has any, and the drawing in the middle of the page.
fn content(page: &Page, style: &Style, [width, height]: [f64; 2]) -> String {
    let [left, top, sheet, _] = style.sheet();
    let unit = width / sheet;
    let matrix = [
        unit / f64::from(STEPS),
        0.0,
        0.0,
        -unit / f64::from(STEPS), // y points down
        -left * unit,
        height + top * unit,
    ];
    let matrix = matrix.map(|value| rounded(value, 7).to_string()).join(" ");
    let RGBColor(red, green, blue) = style.theme.color(PAPER);
    let paper = components(BackendColor { alpha: 1.0, rgb: (red, green, blue) });
    let paper = match style.transparent {
        true => String::new(),
        false => format!("{paper} rg 0 0 {width} {height} re f\n"),
    };
    // Lines have round joins.
    format!("{paper}{matrix} cm 1 j\n{}", page.content)
}

/// A text of the file's description: UTF-16 in hexadecimal digits.
fn text(text: &str) -> String {
    let digits: String = text.encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    format!("<FEFF{digits}>")
}

/// A file that grows by an object at a time.
struct File {
    bytes: Vec<u8>,
    /// Where each object begins.
    offsets: Vec<usize>,
}

impl File {
    fn new() -> Self {
        // Bytes above 127 say that the file is no text.
        Self { bytes: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec(), offsets: Vec::new() }
    }

    fn object(&mut self, body: &str) {
        self.begin();
        self.bytes.extend_from_slice(format!("{body}\nendobj\n").as_bytes());
    }

    /// An object of compressed bytes, whose dictionary says what they are.
    fn stream(&mut self, dictionary: &str, bytes: &[u8]) -> Result<()> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        let packed = encoder.finish()?;
        self.begin();
        let head = format!("<< {dictionary}/Filter /FlateDecode /Length {} >>\n", packed.len());
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(b"stream\n");
        self.bytes.extend_from_slice(&packed);
        self.bytes.extend_from_slice(b"\nendstream\nendobj\n");
        Ok(())
    }

    fn begin(&mut self) {
        self.offsets.push(self.bytes.len());
        let number = self.offsets.len();
        self.bytes.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
    }

    /// The bytes with the table of objects. A line of it has 20 bytes.
    fn finished(mut self) -> Vec<u8> {
        let (start, count) = (self.bytes.len(), self.offsets.len() + 1);
        let mut end = format!("xref\n0 {count}\n0000000000 65535 f \n");
        for offset in &self.offsets {
            end += &format!("{offset:010} 00000 n \n");
        }
        end += &format!(
            "trailer\n<< /Size {count} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{start}\n%%EOF\n"
        );
        self.bytes.extend_from_slice(end.as_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;
    use crate::plot::style::Theme;

    fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
        let rest = text.split_once(before).unwrap().1;
        rest.split_once(after).unwrap().0
    }

    /// The bytes of the first stream, unpacked.
    fn first_stream(file: &[u8]) -> String {
        let find = |part: &[u8]| file.windows(part.len()).position(|it| it == part).unwrap();
        let start = find(b"stream\n") + 7;
        let mut text = String::new();
        ZlibDecoder::new(&file[start..]).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_table_says_where_objects_begin() {
        let pictures = vec![vec![7; PIXELS], vec![9; 3 * PIXELS]];
        let page = Page { content: "0 0 1 1 re f\n".into(), pictures };
        let file = write("Ä (1)", &page, &Style::default()).unwrap();
        let text = String::from_utf8_lossy(&file).into_owned();
        // Bytes that are no text are longer in `text`, so places are looked up in the file.
        let start: usize = between(&text, "startxref\n", "\n").parse().unwrap();
        assert!(file[start..].starts_with(b"xref\n0 8\n"));
        let table = String::from_utf8(file[start..].to_vec()).unwrap();
        for (number, line) in table.lines().skip(3).take(7).enumerate() {
            let offset: usize = line[..10].parse().unwrap();
            assert_eq!(line.len(), 19, "and the line's end");
            let head = format!("{} 0 obj\n", number + 1);
            assert!(file[offset..].starts_with(head.as_bytes()), "{number}");
        }
        assert_eq!(between(&text, "/MediaBox [", "]"), "0 0 1440 810");
        assert_eq!(between(&text, "/Title <", ">"), "FEFF00C40020002800310029");
        assert!(text.contains("/P0 6 0 R /P1 7 0 R") && text.contains("/DeviceGray"));
        assert!(first_stream(&file).ends_with("0.075 0 0 -0.075 0 810 cm 1 j\n0 0 1 1 re f\n"));
    }

    #[test]
    fn the_page_is_the_figure_s_sheet() {
        let content = |style: &Style| first_stream(&write("", &Page::default(), style).unwrap());
        let square = Style::default().sized(1000, 1000).unwrap();
        let dark = Style { theme: Theme::Dark, ..square };
        assert!(content(&dark).starts_with("0.0706 0.0706 0.0706 rg 0 0 750 750 re f\n"));
        // The drawing's upper edge is 420 of the sheet's 1920 units below the page's.
        let clear = content(&Style { transparent: true, ..square });
        assert_eq!(clear, "0.0390625 0 0 -0.0390625 0 585.9375 cm 1 j\n");
    }
}
