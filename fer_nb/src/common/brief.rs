//! A `Debug` of one line, for large types: a notebook displays a value without a display method by its `Debug`, and
//! a page of pixels or weights is useless.

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
