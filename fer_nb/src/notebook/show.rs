//! What a cell shows of its last value. evcxr calls an inherent method, `evcxr_display`, which the macro
//! [`shows!`] writes; the rest is in the trait [`Show`].

use crate::common::Result;
use crate::notebook::{Table, emit};

/// A result that a cell shows as a table.
pub(crate) trait Show {
    /// The table, with its caption and note.
    fn overview(&self) -> Result<Table>;
}

/// `shows!(History, "one row an epoch")`: the methods `overview` and `evcxr_display` of a type with
/// [`Show`]. The text says what the table holds. `Display` as a third argument shows the type's own text
/// in place of the table's if there is no HTML.
macro_rules! shows {
    ($type:ty, $content:literal) => {
        shows!($type, $content, |_: &$type| None);
    };
    ($type:ty, $content:literal, Display) => {
        shows!($type, $content, |result: &$type| Some(result.to_string()));
    };
    ($type:ty, $content:literal, $text:expr) => {
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
                $crate::notebook::show::show(self, $text(self));
            }
        }
    };
}

pub(crate) use shows;

/// Puts out a result as a cell's value: the table as HTML, and as text unless there is a better one.
pub(crate) fn show(result: &impl Show, text: Option<String>) {
    match (result.overview(), text) {
        (Ok(table), text) => emit(&table.html(), &text.unwrap_or_else(|| table.to_string())),
        (Err(error), text) => {
            let text = text.unwrap_or_else(|| format!("a table that can't be shown: {error}"));
            evcxr_runtime::mime_type("text/plain").text(text);
        }
    }
}
