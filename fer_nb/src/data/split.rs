//! The split of training images into train and validation.
//!
//! The rule is that of Keras' `ImageDataGenerator(validation_split=0.2)`: class by class, the first floor(0.2·n)
//! images in file-name order are validation and the others are train. On the full FER2013 this gives 22,968 + 5,741
//! images, always the same ones.

use crate::common::{Error, Result};
use crate::emotion::Emotion;

/// The share of each class's training images that is held back for validation.
pub(crate) const VALIDATION_SHARE: f64 = 0.2;

/// Indices of the training images, split into two; both in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) train: Vec<usize>,
    pub(super) validation: Vec<usize>,
}

/// The number of a class's `count` images that are held back: floor(`share`·count), in double precision as in
/// Keras.
fn held_back(count: usize, share: f64) -> usize {
    (share * count as f64).floor() as usize
}

/// Splits images by class: the first floor(`share`·n) of each class, in the given order, are for validation.
/// `share` is 0 or more and below 1.
pub(super) fn by_class(labels: &[Emotion], share: f64) -> Result<Split> {
    if !(0.0..1.0).contains(&share) {
        return Err(Error::setting("validation share", share, "0 or more and below 1"));
    }
    let mut counts = [0usize; Emotion::COUNT];
    for label in labels {
        counts[label.index()] += 1;
    }
    let mut left = counts.map(|count| held_back(count, share));
    let (mut train, mut validation) = (Vec::with_capacity(labels.len()), Vec::new());
    for (index, label) in labels.iter().enumerate() {
        let left = &mut left[label.index()];
        if *left > 0 {
            *left -= 1;
            validation.push(index);
        } else {
            train.push(index);
        }
    }
    Ok(Split { train, validation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::TRAINING_COUNTS;

    fn labels(counts: [usize; 7]) -> Vec<Emotion> {
        Emotion::ALL.into_iter().zip(counts).flat_map(|(e, n)| vec![e; n]).collect()
    }

    #[test]
    fn the_full_set_splits_as_keras_splits_it() {
        assert_eq!(TRAINING_COUNTS.iter().sum::<usize>(), 28_709);
        assert_eq!(TRAINING_COUNTS.map(|n| held_back(n, 0.2)), [799, 87, 819, 1443, 993, 966, 634]);
        let split = by_class(&labels(TRAINING_COUNTS), VALIDATION_SHARE).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (22_968, 5_741));
    }

    #[test]
    fn the_first_of_each_class_are_held_back_whatever_the_order() {
        use Emotion::{Happy, Sad};
        let mixed = [Sad, Happy, Sad, Sad, Happy, Sad, Sad, Happy, Happy, Happy, Happy];
        let split = by_class(&mixed, 0.2).unwrap();
        assert_eq!(split.validation, [0, 1]);
        assert_eq!(split.train, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn multiples_of_five_lose_nothing_to_rounding() {
        for n in 0..20_000 {
            assert_eq!(held_back(n, 0.2), n / 5);
        }
    }

    #[test]
    fn edges() {
        let four = by_class(&[Emotion::Fear; 4], 0.2).unwrap();
        assert_eq!((four.train.len(), four.validation.len()), (4, 0));
        assert_eq!(by_class(&[], 0.2).unwrap(), Split { train: vec![], validation: vec![] });
        for share in [-0.1, 1.0, f64::NAN] {
            let refused = by_class(&[Emotion::Fear], share);
            assert!(matches!(refused, Err(Error::Setting { .. })), "{refused:?}");
        }
    }
}
