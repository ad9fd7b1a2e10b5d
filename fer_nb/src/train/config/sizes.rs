//! [`SizeSchedule`]: training images that grow within a run.

use serde::{Deserialize, Serialize};

use crate::common::{Error, Result};
use crate::data::SIDE;

/// The size of training images over a run, in files `[[0.0, 32], [0.4, 40], [0.7, 48]]`: from the start, images of
/// 32×32 pixels; after 40 % of the epochs, of 40×40; after 70 %, of 48×48. Small images take less time, and a
/// network is first trained on them ("progressive resizing", Howard, "Training Imagenet in 3 hours", 2018; Tan and
/// Le, "EfficientNetV2", 2021). The default is empty: 48×48 in all epochs. Validation, test and prediction always
/// use 48×48.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SizeSchedule(Vec<(f64, i64)>);

impl SizeSchedule {
    /// Steps of (share of the epochs done, side in pixels).
    pub fn new(steps: impl Into<Vec<(f64, i64)>>) -> Self {
        Self(steps.into())
    }

    /// The side of the images of an epoch, from 1, of a run of `epochs`.
    pub fn side(&self, epoch: usize, epochs: usize) -> i64 {
        let done = epoch.saturating_sub(1) as f64 / epochs.max(1) as f64;
        let step = self.0.iter().rev().find(|(start, _)| *start <= done);
        step.map_or(SIDE as i64, |(_, side)| *side)
    }

    /// Returns an error for the first invalid step.
    ///
    /// # Errors
    /// [`Error::Setting`] unless the shares start with 0 and rise, below 1, and sides are even, 24 to 96.
    pub fn validate(&self) -> Result<()> {
        let rising = self.0.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let within = self.0.iter().all(|(start, _)| (0.0..1.0).contains(start));
        let first = self.0.first().is_none_or(|(start, _)| *start == 0.0);
        if !(rising && within && first) {
            let expected = "shares of the epochs that start with 0 and rise, below 1";
            return Err(Error::setting("sizes", format!("{:?}", self.0), expected));
        }
        let fits = |side: i64| (24..=96).contains(&side) && side % 2 == 0;
        match self.0.iter().find(|(_, side)| !fits(*side)) {
            Some((_, side)) => Err(Error::setting("sizes", side, "an even side, 24 to 96 pixels")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_begins_with_the_first_epoch_at_its_share() {
        let sizes = SizeSchedule::new([(0.0, 32), (0.4, 40), (0.7, 48)]);
        let sides: Vec<i64> = (1..=10).map(|epoch| sizes.side(epoch, 10)).collect();
        assert_eq!(sides, [32, 32, 32, 32, 40, 40, 40, 48, 48, 48]);
        assert_eq!(sizes.side(1, 1), 32);
        assert_eq!(SizeSchedule::default().side(1, 10), 48);
    }

    #[test]
    fn wrong_steps_are_named() {
        for (steps, value) in [
            (vec![(0.1, 32)], "[(0.1, 32)]"),
            (vec![(0.0, 32), (0.0, 40)], "[(0.0, 32), (0.0, 40)]"),
            (vec![(0.0, 32), (1.0, 48)], "[(0.0, 32), (1.0, 48)]"),
            (vec![(0.0, 32), (f64::NAN, 48)], "[(0.0, 32), (NaN, 48)]"),
            (vec![(0.0, 33)], "33"),
            (vec![(0.0, 32), (0.5, 98)], "98"),
        ] {
            match SizeSchedule::new(steps).validate() {
                Err(Error::Setting { name, value: found, .. }) => {
                    assert_eq!((name.as_str(), found.as_str()), ("sizes", value));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(SizeSchedule::default().validate().is_ok());
    }

    #[test]
    fn files_hold_pairs() {
        #[derive(Deserialize)]
        struct File {
            sizes: SizeSchedule,
        }
        let file: File = toml::from_str("sizes = [[0, 32], [0.5, 48]]").unwrap();
        assert_eq!(file.sizes, SizeSchedule::new([(0.0, 32), (0.5, 48)]));
    }
}
