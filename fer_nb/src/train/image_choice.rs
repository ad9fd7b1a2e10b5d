//! [`ImageChoice`]: which of the images a training uses.

use serde::{Deserialize, Serialize};

use crate::data::Fer2013;
use crate::error::Result;

/// Training and validation images that are left out; test images never are, so that figures can be
/// compared with others'. The default leaves out none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageChoice {
    /// Leave out those whose exact copy is among the test images.
    pub without_leaks: bool,
    /// Leave out those of one flat colour.
    pub without_flat: bool,
}

impl ImageChoice {
    /// The data without them, and lines that say how many they were; `None` where nothing is to be
    /// left out.
    pub fn choose(&self, data: &Fer2013) -> Result<Option<(Fer2013, Vec<String>)>> {
        let mut chosen = None;
        if self.without_leaks {
            chosen = Some(data.without_leaks()?);
        }
        if self.without_flat {
            chosen = Some(chosen.as_ref().unwrap_or(data).without_flat()?);
        }
        Ok(chosen.map(|chosen| {
            let lines = chosen.notes.iter().skip(data.notes.len()).cloned().collect();
            (chosen, lines)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;

    #[test]
    fn only_what_is_asked_for_is_left_out() {
        let data = Fer2013::sample(SampleConfig { seed: 1, train: 350, test: 70 }).unwrap();
        assert!(ImageChoice::default().choose(&data).unwrap().is_none());
        let both = ImageChoice { without_leaks: true, without_flat: true };
        let (chosen, lines) = both.choose(&data).unwrap().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(chosen.test.len(), data.test.len());
        let same = data.without_leaks().unwrap().without_flat().unwrap();
        assert_eq!(chosen.fingerprint(), same.fingerprint());
    }
}
