//! [`Shown`]: types that a notebook can display, as a cell's last value or with [`display`](super::display()).

/// A value in several formats. A notebook displays the richest that it supports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formats(Vec<(&'static str, String)>);

impl Formats {
    /// HTML, and text for programs without HTML.
    pub fn html(html: impl Into<String>, text: impl Into<String>) -> Self {
        Self::text(text).and("text/html", html)
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and("text/plain", text)
    }

    /// Adds a format by its MIME type; pictures are in base64.
    pub fn and(mut self, mime: &'static str, content: impl Into<String>) -> Self {
        self.0.push((mime, content.into()));
        self
    }

    /// Each MIME type with its content.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(mime, content)| (*mime, content.as_str()))
    }

    /// Prints them as a cell's value.
    pub(super) fn emit(&self) {
        for (mime, content) in self.parts() {
            evcxr_runtime::mime_type(mime).text(content);
        }
    }
}

/// A type that a notebook can display.
///
/// ```
/// use fer_nb::notebook::{Formats, Shown, display};
///
/// struct Percent(f64);
///
/// impl Shown for Percent {
///     fn formats(&self) -> Formats {
///         let text = format!("{:.1} %", 100.0 * self.0);
///         Formats::html(format!("<b>{text}</b>"), text)
///     }
/// }
///
/// display(&Percent(0.5));
/// ```
pub trait Shown {
    /// The value in each of its formats.
    fn formats(&self) -> Formats;
}

impl<T: Shown + ?Sized> Shown for &T {
    fn formats(&self) -> Formats {
        (**self).formats()
    }
}

impl Shown for str {
    fn formats(&self) -> Formats {
        Formats::text(self)
    }
}

impl Shown for String {
    fn formats(&self) -> Formats {
        Formats::text(self)
    }
}

/// `displays!(Figure)`: the method that evcxr calls for a cell's last value, as an inherent method, so that it is
/// also found in a cell that does not use the prelude.
macro_rules! displays {
    ($($type:ty),+) => {
        $(impl $type {
            /// Displays the value in a notebook; evcxr calls it for a cell's last value.
            pub fn evcxr_display(&self) {
                $crate::notebook::Shown::formats(self).emit();
            }
        })+
    };
}

pub(super) use displays;
