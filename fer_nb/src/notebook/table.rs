//! [`Table`]: rows for display, as HTML and as text.

use polars::prelude::{AnyValue, Column, DataFrame};

use crate::common::text::{count, escape_xml, plural};
use crate::common::{Result, brief};
use crate::notebook::{Formats, Shown};

/// The number of first rows of a long table …
const HEAD: usize = 30;
/// … and the number of last rows.
const TAIL: usize = 5;

/// Sorts a table's rows by the column whose heading was clicked: by the first number of each cell if every
/// non-empty cell has one, otherwise as text. Empty cells come last in either order. It is an attribute, so it has
/// no double quotes and no `<`.
const SORT: &str = "const head=event.target.closest('th');if(head){const \
    body=this.tBodies[0],at=head.cellIndex,way=head.getAttribute('aria-sort')==='ascending'?-1:1;\
    for(const other of head.parentNode.cells)other.removeAttribute('aria-sort');\
    head.setAttribute('aria-sort',way===1?'ascending':'descending');\
    const text=row=>(row.cells[at]?.textContent??'').trim(),none=word=>word===''||word==='–',\
    number=word=>parseFloat(word.replace(/,/g,'').replace(/^−/,'-').replace(/^\\u003c /,'')),\
    rows=[...body.rows],numeric=rows.every(row=>none(text(row))||!isNaN(number(text(row))));\
    rows.sort((a,b)=>{const one=text(a),two=text(b);if(none(one)||none(two))return none(one)-none(two);\
    return way*(numeric?number(one)-number(two):one.localeCompare(two))});body.append(...rows)}";

/// The alignment of a column's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Text in columns, with a caption above and a note below.
///
/// ```
/// use fer_nb::notebook::Table;
///
/// let table = Table::new(["class", "images"]).right([1]).row(["happy", "7,215"]);
/// assert_eq!(table.to_string(), "class  images\nhappy   7,215");
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Table {
    pub(super) caption: String,
    pub(super) note: String,
    pub(super) columns: Vec<(String, Align)>,
    pub(super) rows: Vec<Vec<String>>,
    /// Row and column of bold cells.
    bold: Vec<(usize, usize)>,
    /// The number of omitted rows after the first [`HEAD`].
    pub(super) left_out: usize,
    /// Whether a click on a heading sorts the rows.
    sortable: bool,
    /// Whether the first and the last column stay in view when the table is scrolled.
    pinned: bool,
}

brief!(
    Table,
    |table| "{}, {}",
    plural(table.rows.len() + table.left_out, "row"),
    plural(table.columns.len(), "column")
);

impl Table {
    /// A table without rows; columns are left-aligned unless [`Table::right`] changes it.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().map(|name| (name.into(), Align::Left)).collect();
        Self { columns, ..Self::default() }
    }

    /// A table of names and values, without headings.
    pub(crate) fn pairs(rows: impl IntoIterator<Item = [String; 2]>) -> Self {
        rows.into_iter().fold(Self::new(["", ""]), Self::row)
    }

    /// A polars table: numbers right-aligned, whole ones with thousands separators, floats with as many decimals as
    /// their column needs. If it has more than 35 rows, the middle is omitted.
    pub fn from_frame(frame: &DataFrame) -> Result<Self> {
        Self::build(frame, None)
    }

    /// As [`Table::from_frame`], with `digits` decimals for every float.
    pub fn with_digits(frame: &DataFrame, digits: usize) -> Result<Self> {
        Self::build(frame, Some(digits))
    }

    fn build(frame: &DataFrame, digits: Option<usize>) -> Result<Self> {
        let height = frame.height();
        let mut shown: Vec<usize> = (0..height).collect();
        if height > HEAD + TAIL {
            shown.drain(HEAD..height - TAIL);
        }
        let mut rows = vec![Vec::new(); shown.len()];
        let mut columns = Vec::new();
        for column in frame.columns() {
            let numeric = column.dtype().is_primitive_numeric();
            columns.push((
                column.name().to_string(),
                if numeric { Align::Right } else { Align::Left },
            ));
            for (row, cell) in rows.iter_mut().zip(cells(column, &shown, digits)?) {
                row.push(cell);
            }
        }
        let left_out = height - shown.len();
        Ok(Self { columns, rows, left_out, ..Self::default() })
    }

    /// Adds a row. Missing cells are empty; cells after the last column are dropped.
    pub fn row<S: Into<String>>(mut self, cells: impl IntoIterator<Item = S>) -> Self {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
        self
    }

    /// Right-aligns the columns with these indices, for numbers.
    pub fn right(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        for place in places {
            if let Some((_, align)) = self.columns.get_mut(place) {
                *align = Align::Right;
            }
        }
        self
    }

    /// Bold cells in one row, by column; only HTML displays them bold.
    pub(crate) fn bold(mut self, row: usize, columns: impl IntoIterator<Item = usize>) -> Self {
        self.bold.extend(columns.into_iter().map(|column| (row, column)));
        self
    }

    /// Renames the columns, from the first one on.
    pub(crate) fn heads<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        for ((head, _), name) in self.columns.iter_mut().zip(names) {
            *head = name.into();
        }
        self
    }

    /// The table with headings that sort its rows when they are clicked, or selected with Tab and Enter: numbers by
    /// value, by the first one if a cell has several; a second click reverses the order. It needs a page that runs
    /// scripts.
    pub fn sortable(self) -> Self {
        Self { sortable: true, ..self }
    }

    /// The table with its first and last column always in view, for any width.
    pub(crate) fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }

    /// A heading above the table.
    pub fn caption(self, caption: impl Into<String>) -> Self {
        Self { caption: caption.into(), ..self }
    }

    /// A remark below the table.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The table as HTML, in the page's colours, for light and dark themes.
    pub fn html(&self) -> String {
        const LINE: &str = "1px solid var(--jp-border-color2,rgba(128,128,128,.45))";
        let last = self.columns.len().saturating_sub(1);
        let style = |place: usize, align: Align| {
            let base = match align {
                Align::Left => "text-align:left;padding:3px 14px 3px 0;white-space:pre-wrap",
                Align::Right => "text-align:right;padding:3px 14px 3px 0;white-space:nowrap",
            };
            let side = match place {
                0 => "left:0",
                place if place == last => "right:0;padding-left:14px",
                _ => return base.to_string(),
            };
            let pin = "position:sticky;background:var(--jp-layout-color0,Canvas)";
            if self.pinned { format!("{base};{pin};{side}") } else { base.to_string() }
        };
        let sorts =
            if self.sortable { ";cursor:pointer\" tabindex=\"0\" title=\"Sort" } else { "" };
        let heads: String = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, (name, align))| {
                let (name, style) = (escape_xml(name), style(place, *align));
                format!("<th style=\"{style};border-bottom:{LINE}{sorts}\">{name}</th>")
            })
            .collect();
        let mut body = String::new();
        for (place, row) in self.rows.iter().enumerate() {
            if place == HEAD && self.left_out > 0 {
                let words = self.left_out_words();
                let span = self.columns.len();
                body.push_str(&format!(
                    "<tr><td colspan=\"{span}\" style=\"text-align:left;opacity:.7\">{words}</td></tr>"
                ));
            }
            let cells =
                row.iter().zip(&self.columns).enumerate().map(|(column, (cell, (_, align)))| {
                    let weight =
                        if self.bold.contains(&(place, column)) { "font-weight:600;" } else { "" };
                    let style = style(column, *align);
                    format!("<td style=\"{weight}{style}\">{}</td>", escape_xml(cell))
                });
            body.push_str(&format!("<tr>{}</tr>", cells.collect::<String>()));
        }
        let part = |text: &str, style: &str| match text {
            "" => String::new(),
            text => format!("<div style=\"{style}\">{}</div>", escape_xml(text)),
        };
        let script = match self.sortable {
            true => format!(" onclick=\"{SORT}\" onkeydown=\"if(event.key==='Enter'){{{SORT}}}\""),
            false => String::new(),
        };
        format!(
            "<div style=\"color:var(--jp-content-font-color1,currentColor)\">{}\
             <div style=\"overflow-x:auto\"><table{script} style=\"border-collapse:collapse;margin:4px 0;\
             font-variant-numeric:tabular-nums\"><thead><tr>{heads}</tr></thead>\
             <tbody>{body}</tbody></table></div>{}</div>",
            part(&self.caption, "font-weight:600;margin-top:4px"),
            part(&self.note, "opacity:.75;white-space:pre-line"),
        )
    }

    fn left_out_words(&self) -> String {
        format!("… {} …", plural(self.left_out, "more row"))
    }
}

impl Shown for Table {
    fn formats(&self) -> Formats {
        Formats::html(self.html(), self.to_string())
    }
}

/// The table as aligned text.
impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width_of = |text: &str| text.chars().count();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, (name, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(place));
                cells.map(|cell| width_of(cell)).chain([width_of(name)]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells
                .zip(&self.columns)
                .zip(&widths)
                .map(|((cell, (_, align)), width)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                })
                .collect();
            padded.join("  ").trim_end().to_string()
        };
        if !self.caption.is_empty() {
            writeln!(f, "{}", self.caption)?;
        }
        write!(f, "{}", line(&mut self.columns.iter().map(|(name, _)| name.as_str())))?;
        for (place, row) in self.rows.iter().enumerate() {
            if place == HEAD && self.left_out > 0 {
                write!(f, "\n{}", self.left_out_words())?;
            }
            write!(f, "\n{}", line(&mut row.iter().map(String::as_str)))?;
        }
        if self.note.is_empty() { Ok(()) } else { write!(f, "\n{}", self.note) }
    }
}

/// The cells of these rows as text; null is empty.
fn cells(column: &Column, rows: &[usize], digits: Option<usize>) -> Result<Vec<String>> {
    let values = rows.iter().map(|row| Ok(column.get(*row)?)).collect::<Result<Vec<_>>>()?;
    let floats = values.iter().filter(|value| value.is_float()).filter_map(AnyValue::extract);
    let floats: Vec<f64> = floats.filter(|value: &f64| value.is_finite()).collect();
    let decimals = digits.unwrap_or_else(|| decimals_for(&floats));
    let hash = column.name().as_str() == "hash";
    Ok(values.iter().map(|value| cell(value, decimals, hash)).collect())
}

/// The number of decimals that shows the largest value with about four digits, and also the digits of the smallest.
fn decimals_for(values: &[f64]) -> usize {
    let largest = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let usual: usize = match largest {
        v if v < 10.0 => 4,
        v if v < 100.0 => 3,
        v if v < 10_000.0 => 2,
        _ => 0,
    };
    let smallest = values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).fold(f64::MAX, f64::min);
    if largest == 0.0 || smallest >= 0.001 {
        return usual;
    }
    // Two digits of the smallest, for small learning rates.
    usual.max((1.0 - smallest.log10().floor()).clamp(0.0, 8.0) as usize)
}

fn cell(value: &AnyValue<'_>, decimals: usize, hash: bool) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_string(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::UInt64(v) if hash => format!("{v:016x}"),
        AnyValue::Float32(v) => format!("{v:.decimals$}"),
        AnyValue::Float64(v) => format!("{v:.decimals$}"),
        other if other.is_integer() => {
            let whole: i128 = other.extract().unwrap_or_default();
            let sign = if whole < 0 { "−" } else { "" };
            format!("{sign}{}", count(whole.unsigned_abs() as usize))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn text_is_aligned() {
        let table = Table::new(["class", "images"])
            .right([1])
            .row(["happy", "7,215"])
            .row(["disgust"])
            .caption("FER2013")
            .note("train only");
        let expected = "FER2013\nclass    images\nhappy     7,215\ndisgust\ntrain only";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn html_is_escaped_and_takes_the_page_s_colours() {
        let html = Table::new(["a<b"]).row(["x & y"]).html();
        assert!(html.contains("a&lt;b") && html.contains("x &amp; y"));
        assert!(html.contains("--jp-border-color2") && html.contains("currentColor"));
    }

    #[test]
    fn numbers_of_a_frame_read_well() {
        let frame = df!(
            "emotion" => ["happy", "sad"],
            "images" => [7215u64, 4830],
            "f1" => [Some(0.83214f64), None],
            "learning_rate" => [1e-3f64, 1.25e-4],
            "hash" => [1u64, u64::MAX],
            "bad" => [f64::NAN, 1.0],
        )
        .unwrap();
        let table = Table::from_frame(&frame).unwrap();
        assert_eq!(
            table.rows[0],
            ["happy", "7,215", "0.8321", "0.00100", "0000000000000001", "NaN"]
        );
        assert_eq!(table.rows[1][2..4], ["".to_string(), "0.00013".to_string()]);
        assert_eq!(table.columns[1].1, Align::Right);
        assert_eq!(table.columns[0].1, Align::Left);
        assert_eq!(Table::with_digits(&frame, 2).unwrap().rows[0][2], "0.83");
    }

    #[test]
    fn a_sortable_table_has_a_script_that_an_attribute_can_hold() {
        assert!(!SORT.contains('"') && !SORT.contains('<') && !SORT.contains('\n'));
        let html = Table::new(["a", "b"]).row(["1", "2"]).sortable().pinned().html();
        assert_eq!(html.matches("aria-sort").count(), 2 * SORT.matches("aria-sort").count());
        assert_eq!((html.matches("tabindex").count(), html.matches("sticky").count()), (2, 4));
        assert!(!Table::new(["a"]).row(["1"]).html().contains("onclick"));
    }

    #[test]
    fn a_long_table_is_shortened() {
        let frame = df!("n" => (0..1000u32).collect::<Vec<_>>()).unwrap();
        let table = Table::from_frame(&frame).unwrap();
        assert_eq!(table.rows.len(), HEAD + TAIL);
        assert!(table.html().contains("… 965 more rows …"));
        assert!(table.to_string().ends_with("999"));
        let empty = df!("n" => Vec::<u32>::new()).unwrap();
        assert_eq!(Table::from_frame(&empty).unwrap().to_string(), "n");
    }
}
