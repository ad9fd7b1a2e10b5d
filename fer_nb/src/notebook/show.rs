//! Results that are displayed as a table: the trait [`Show`], and the macro [`shows!`], which implements
//! [`Shown`](crate::notebook::Shown) for them.

use crate::common::Result;
use crate::notebook::{Formats, Shown, Table};

/// A result that a cell displays as a table.
pub(crate) trait Show {
    /// The table, with its caption and note.
    fn overview(&self) -> Result<Table>;
}

/// `shows!(History, "one row for each epoch")`: `overview` and [`Shown`](crate::notebook::Shown) for a type with
/// [`Show`]. The text describes the table. With `Display` as a third argument, the text format is the type's
/// `Display` instead of the table.
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

/// A result's formats: the table as HTML, and as text unless the type has a better one.
pub(crate) fn formats(result: &impl Show, text: Option<String>) -> Formats {
    match (result.overview(), text) {
        (Ok(table), Some(text)) => Formats::html(table.html(), text),
        (Ok(table), None) => table.formats(),
        (Err(_), Some(text)) => Formats::text(text),
        (Err(error), None) => Formats::text(format!("a table that can't be shown: {error}")),
    }
}
