//! What a cell shows of its last value. evcxr calls an inherent method, `evcxr_display`, which the macro
//! [`shows!`] writes; the rest is in the trait [`Show`].

use crate::common::Result;
use crate::notebook::Table;

/// A result that a cell shows as a table.
pub(crate) trait Show {
    /// The table, with its caption and note.
    fn overview(&self) -> Result<Table>;

    /// The result in words, if it has better ones than the table's text. It is shown in place of the
    /// table if there is no HTML.
    fn text(&self) -> Option<String> {
        None
    }
}

/// `shows!(History, "one row an epoch")`: the methods `overview` and `evcxr_display` of a type with
/// [`Show`]. The text says what the table holds.
macro_rules! shows {
    ($type:ty, $content:literal) => {
        impl $type {
            #[doc = concat!("A table: ", $content, ".")]
            ///
            /// # Errors
            /// [`Error::Table`](crate::error::Error::Table) if it can't be built.
            pub fn overview(&self) -> $crate::common::Result<$crate::notebook::Table> {
                $crate::notebook::show::Show::overview(self)
            }

            #[doc = concat!("Shows a table in a notebook: ", $content, ".")]
            pub fn evcxr_display(&self) {
                $crate::notebook::show::show(self);
            }
        }
    };
}

pub(crate) use shows;

/// Puts out a result as a cell's value: the table as HTML, and the text.
pub(crate) fn show(result: &impl Show) {
    match (result.overview(), result.text()) {
        (Ok(table), text) => emit(&table.html(), &text.unwrap_or_else(|| table.to_string())),
        (Err(_), Some(text)) => evcxr_runtime::mime_type("text/plain").text(text),
        (Err(error), None) => {
            let text = format!("a table that can't be shown: {error}");
            evcxr_runtime::mime_type("text/plain").text(text);
        }
    }
}

/// Puts out a cell's value, as HTML and as text.
pub(crate) fn emit(html: &str, text: &str) {
    evcxr_runtime::mime_type("text/html").text(html);
    evcxr_runtime::mime_type("text/plain").text(text);
}
