//! Hyperparameters from the environment, for papermill as well.

use std::any::Any;
use std::fmt::Display;
use std::str::FromStr;

use crate::common::{Error, Result};

/// The hyperparameter `name`: the value of `$FER_<NAME>` if that is set, else `default`. A value that can't be
/// parsed as the default's type is an error that names the variable and its valid values.
///
/// ```
/// let epochs = fer_nb::project::param("epochs", 35)?; // FER_EPOCHS=2 makes it 2
/// # assert_eq!(epochs, 35);
/// # Ok::<(), fer_nb::error::Error>(())
/// ```
pub fn param<T>(name: &str, default: T) -> Result<T>
where
    T: FromStr<Err: 'static> + Display,
{
    let variable = format!("FER_{}", name.to_uppercase());
    match std::env::var(&variable) {
        Ok(text) if !text.trim().is_empty() => read(&variable, text.trim(), &default),
        _ => Ok(default),
    }
}

fn read<T>(variable: &str, text: &str, default: &T) -> Result<T>
where
    T: FromStr<Err: 'static> + Display,
{
    text.parse().map_err(|error: T::Err| {
        // A type of this crate lists its valid values.
        let expected = match (&error as &dyn Any).downcast_ref::<Error>() {
            Some(Error::Setting { expected, .. }) => expected.clone(),
            _ => format!("{}, such as the default, {default}", kind::<T>()),
        };
        Error::setting(variable, text, expected)
    })
}

/// The text form of a type, in words.
fn kind<T>() -> &'static str {
    match std::any::type_name::<T>() {
        "usize" | "u8" | "u16" | "u32" | "u64" | "u128" => "a whole number, 0 or more",
        "isize" | "i8" | "i16" | "i32" | "i64" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" => "true or false",
        _ => "a value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Precision;

    #[test]
    fn what_cannot_be_read_is_answered_with_what_can() {
        let seed = read("FER_SEED", "many", &42u64).unwrap_err().to_string();
        let expected = "expected a whole number, 0 or more, such as the default, 42";
        assert_eq!(seed, format!("FER_SEED = many: {expected}"));
        assert!(read("FER_EPOCHS", "-1", &35usize).is_err());
        let rate = read("FER_LEARNING_RATE", "0,1", &0.001).unwrap_err().to_string();
        assert!(rate.ends_with("expected a number, such as the default, 0.001"), "{rate}");
        let precision = read("FER_PRECISION", "half", &Precision::Auto).unwrap_err().to_string();
        assert_eq!(precision, "FER_PRECISION = half: expected auto, float32 or bfloat16");
        assert_eq!(read("FER_PRECISION", "bf16", &Precision::Auto).unwrap(), Precision::Bfloat16);
        assert_eq!(read("FER_PHOTO", "a b", &String::new()).unwrap(), "a b");
    }
}
