//! [`named!`] and [`parsed!`]: names of choices, written once for parsing, printing and lists.

/// Names the variants of an enum without data: `ALL`, `name()`, `Display` and `FromStr`. Parsing
/// ignores case and takes `_` for `-`; an unknown name is an [`Error::Setting`](crate::common::Error)
/// that lists the known ones.
///
/// `named! { Sampler: "sampler", Random => "random", Tpe => "tpe" }`; aliases follow the name after `|`.
macro_rules! named {
    ($type:ident: $what:literal, $($variant:ident => $name:literal $(| $alias:literal)*),+ $(,)?) => {
        #[allow(unreachable_pub, reason = "as visible as the type")]
        impl $type {
            /// All variants, in the order of lists.
            pub const ALL: [$type; [$($name),+].len()] = [$($type::$variant),+];

            /// The name on the command line and in files.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        $crate::common::parsed! {
            $type: $what, $($name $(| $alias)* => $type::$variant),+
        }
    };
}

/// Implements `FromStr` with a list of names, for enums whose variants have data: a name gives the variant with its
/// defaults. Otherwise as [`named!`].
macro_rules! parsed {
    ($type:ident: $what:literal, $($name:literal $(| $alias:literal)* => $value:expr),+ $(,)?) => {
        impl std::str::FromStr for $type {
            type Err = $crate::common::Error;

            fn from_str(text: &str) -> $crate::common::Result<Self> {
                let wanted = $crate::common::names::plain(text);
                let is = |name: &str| $crate::common::names::plain(name) == wanted;
                $(if is($name) $(|| is($alias))* {
                    return Ok($value);
                })+
                let expected = $crate::common::names::one_of(&[$($name),+]);
                Err($crate::common::Error::setting($what, text, expected))
            }
        }
    };
}

pub(crate) use {named, parsed};

/// A name for comparison: lower case, `-` for `_`, without surrounding blanks.
pub(crate) fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace('_', "-")
}

/// "natural, balanced or square-root"
pub(crate) fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_string(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::common::Error;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fruit {
        Apple,
        SourCherry,
    }

    named! { Fruit: "fruit", Apple => "apple" | "pome", SourCherry => "sour-cherry" }

    #[test]
    fn names_are_parsed_printed_and_listed() {
        assert_eq!(Fruit::ALL.map(|fruit| fruit.to_string()), ["apple", "sour-cherry"]);
        for text in ["sour-cherry", "Sour_Cherry", " SOUR-CHERRY "] {
            assert_eq!(text.parse::<Fruit>().unwrap(), Fruit::SourCherry);
        }
        assert_eq!("pome".parse::<Fruit>().unwrap(), Fruit::Apple);
        let error = "pear".parse::<Fruit>().unwrap_err();
        let Error::Setting { name, value, expected } = error else { panic!("{error:?}") };
        assert_eq!([name, value, expected], ["fruit", "pear", "apple or sour-cherry"]);
    }
}
