//! A `Debug` of one line, for types that hold much: a notebook shows a value without a display by
//! its `Debug`, and a page of pixels or weights helps nobody.

/// `brief!(Dataset, |data| "{}", plural(data.len(), "image"))`: `Debug` says `Dataset { 600 images }`.
macro_rules! brief {
    ($type:ident, |$value:ident| $($text:tt)+) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $value = self;
                write!(f, "{} {{ {} }}", stringify!($type), format_args!($($text)+))
            }
        }
    };
}

pub(crate) use brief;
