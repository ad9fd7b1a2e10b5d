//! Results that are shown as a table: the trait [`Show`], and the macro [`shows!`], which makes them
//! [`Shown`](crate::notebook::Shown).

use crate::common::Result;
use crate::notebook::{Formats, Shown, Table};

/// A result that a cell shows as a table.
pub(crate) trait Show {
    /// The table, with its caption and note.
    fn overview(&self) -> Result<Table>;
}

/// `shows!(History, "one row an epoch")`: `overview` and [`Shown`](crate::notebook::Shown) of a type with
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
        }

        $crate::notebook::shown::displays!($type);

        #[doc = concat!("A table: ", $content, ".")]
        impl $crate::notebook::Shown for $type {
            fn formats(&self) -> $crate::notebook::Formats {
                $crate::notebook::show::formats(self, $text(self))
            }
        }
    };
}

pub(crate) use shows;

/// A result's formats: the table as HTML, and as text unless there is a better one.
pub(crate) fn formats(result: &impl Show, text: Option<String>) -> Formats {
    match (result.overview(), text) {
        (Ok(table), Some(text)) => Formats::html(table.html(), text),
        (Ok(table), None) => table.formats(),
        (Err(_), Some(text)) => Formats::text(text),
        (Err(error), None) => Formats::text(format!("a table that can't be shown: {error}")),
    }
}
