//! Settings that are off: `None` in the program, 0 or "" in files of older versions.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number, or `None` for 0.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.filter(|value| *value != 0.0))
}

/// A text, or `None` for an empty one.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// A count whose default is not `None`, so that files write 0 for off.
pub(crate) mod count {
    use super::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<usize>, D::Error> {
        Ok(Some(usize::deserialize(from)?).filter(|count| *count != 0))
    }

    pub(crate) fn serialize<S: Serializer>(
        count: &Option<usize>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        count.unwrap_or(0).serialize(to)
    }
}
