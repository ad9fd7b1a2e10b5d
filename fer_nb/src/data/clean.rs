//! The data without findings of its audit: images that are also in test, images of one flat colour.

use std::collections::HashSet;

use super::copies::{Member, TEST, groups_of_copies, is_flat, members};
use super::{Dataset, FaceData};
use crate::common::{Result, text};

impl FaceData {
    /// Indices of the test images that have an exact copy in train or validation, ascending.
    pub(crate) fn leaked_test_images(&self) -> Vec<usize> {
        let leaked = self.leaked().into_iter().filter(|member| member.split == TEST);
        let mut places: Vec<usize> = leaked.map(|member| member.index).collect();
        places.sort_unstable();
        places
    }

    /// The images of all groups of copies that occur in test and in another part.
    fn leaked(&self) -> Vec<Member<'_>> {
        let mut groups = groups_of_copies(&members(self.parts()));
        let has = |group: &[Member], test| group.iter().any(|one| (one.split == TEST) == test);
        groups.retain(|group| has(group, true) && has(group, false));
        groups.concat()
    }

    /// The same data without the train and validation images that are also in test. The test part keeps all images,
    /// so that its metrics stay comparable.
    pub fn without_leaks(&self) -> Result<FaceData> {
        self.without(&self.leaked(), "also in test")
    }

    /// The same data without the train and validation images of one flat colour. The test part keeps all images, so
    /// that its metrics stay comparable.
    pub fn without_flat(&self) -> Result<FaceData> {
        let mut flat = members(self.parts());
        flat.retain(|member| is_flat(member.pixels));
        self.without(&flat, "of one flat colour")
    }

    fn without(&self, members: &[Member], reason: &str) -> Result<FaceData> {
        let [train, validation, test] = self.parts();
        let rest = |split: usize, data: &Dataset| {
            let of_split = members.iter().filter(|member| member.split == split);
            let left_out: HashSet<usize> = of_split.map(|member| member.index).collect();
            let kept = (0..data.len()).filter(|index| !left_out.contains(index));
            data.select(&kept.collect::<Vec<_>>())
        };
        let (kept_train, kept_validation) = (rest(0, train)?, rest(1, validation)?);
        let mut notes = self.notes.clone();
        notes.push(format!(
            "Left out {} of train and {} of validation: {reason}",
            text::plural(train.len() - kept_train.len(), "image"),
            text::count(validation.len() - kept_validation.len()),
        ));
        Ok(FaceData {
            train: kept_train,
            validation: kept_validation,
            test: test.clone(),
            notes,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::data::fixtures::{self, data_with};

    #[test]
    fn leaks_leave_train_and_stay_in_test() {
        let data = data_with(&[
            ("train/happy/x1.png", fixtures::png(900)),
            ("train/happy/x2.png", fixtures::png(900)),
            ("test/happy/x3.png", fixtures::png(900)),
        ]);
        assert_eq!(data.leaked_test_images(), [12]);
        let clean = data.without_leaks().unwrap();
        assert_eq!(data.train.len() - clean.train.len(), 2);
        assert_eq!((clean.validation.len(), clean.test.len()), (data.validation.len(), 22));
        assert_eq!(clean.audit().unwrap().test_in_train, 0);
        let note = "Left out 2 images of train and 0 of validation: also in test";
        assert_eq!(clean.notes, [note]);
    }

    #[test]
    fn flat_images_leave_train_and_stay_in_test() {
        let flat = |value| {
            fixtures::encode(image::GrayImage::from_pixel(48, 48, image::Luma([value])).into())
        };
        let data = data_with(&[
            ("train/sad/flat.png", flat(0)),
            ("train/sad/000.png", flat(1)),
            ("test/sad/flat.png", flat(2)),
        ]);
        let clean = data.without_flat().unwrap();
        assert_eq!(clean.train.len() + 1, data.train.len());
        assert_eq!(clean.validation.len() + 1, data.validation.len());
        assert_eq!(clean.test.len(), data.test.len());
        assert_eq!(clean.audit().unwrap().flat, 1);
    }
}
