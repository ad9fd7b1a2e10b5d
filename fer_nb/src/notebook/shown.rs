//! [`Shown`]: what a notebook can show, as a cell's last value or with [`display`](super::display()).

/// A value in each format that it has. A notebook shows the richest that it can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formats(Vec<(&'static str, String)>);

impl Formats {
    /// As HTML, and as text for where HTML isn't shown.
    pub fn html(html: impl Into<String>, text: impl Into<String>) -> Self {
        Self::text(text).and("text/html", html)
    }

    /// As plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and("text/plain", text)
    }

    /// Adds a format by its MIME type; pictures are in base64.
    pub fn and(mut self, mime: &'static str, content: impl Into<String>) -> Self {
        self.0.push((mime, content.into()));
        self
    }

    /// Each MIME type and content.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(mime, content)| (*mime, content.as_str()))
    }

    /// Puts them out as a cell's value.
    pub(super) fn emit(&self) {
        for (mime, content) in self.parts() {
            evcxr_runtime::mime_type(mime).text(content);
        }
    }
}

/// What a notebook can show.
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
    /// The value in each format that it has.
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

/// `displays!(Figure)`: the method that evcxr calls of what a cell ends in, so that it is found in a cell that
/// does not use the prelude as well.
macro_rules! displays {
    ($($type:ty),+) => {
        $(impl $type {
            /// Shows the value in a notebook; evcxr calls it for what a cell ends in.
            pub fn evcxr_display(&self) {
                $crate::notebook::Shown::formats(self).emit();
            }
        })+
    };
}

pub(super) use displays;
