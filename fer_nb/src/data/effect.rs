//! Checks whether the options for reading data had an effect.

use super::options::{Class, ClassMap, DataOptions, number};
use super::{FaceData, Layout};
use crate::common::{Error, Result, text};

impl DataOptions {
    /// Checks that each of these options changed how at least one of the data sets was read. An option without
    /// effect is probably a mistake, and the data was not read as intended.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first option without effect, and the content of the data.
    pub fn check_effect(&self, sets: &[FaceData]) -> Result<()> {
        let layouts = || sets.iter().map(|data| &data.layout);
        let names = || {
            let rows = layouts().flat_map(|layout| &layout.rows);
            let mut names: Vec<&str> = rows.map(|row| row.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            match names.is_empty() {
                true => "no data of the user's was read".to_string(),
                false => format!("found were the classes {}", text::list(&names)),
            }
        };
        for class in self.map.sources() {
            let has =
                |layout: &Layout| layout.rows.iter().any(|row| self.is_called(&row.name, class));
            if !layouts().any(has) {
                let expected = format!("a class of the data; {}", names());
                return Err(Error::setting("map", format!("{class}=…"), expected));
            }
            let without = Self { map: ClassMap::default(), ..self.clone() };
            if let (Some(Some(said)), Class::Is(meant)) =
                (self.map.of(class), without.class(class, self.classes))
                && said == meant
            {
                let expected =
                    format!("no option for {class}, which is taken for {meant} without it");
                return Err(Error::setting("map", format!("{class}={said}"), expected));
            }
        }
        if let Some(numbering) = self.classes {
            let has = |layout: &Layout| layout.rows.iter().any(|row| number(&row.name).is_some());
            if !layouts().any(has) {
                let expected = format!("no option for classes without numbers; {}", names());
                return Err(Error::setting("classes", numbering, expected));
            }
        }
        match self.test_share {
            Some(share) if !layouts().any(|layout| layout.without_parts) => {
                let expected = "no option for data that has its own parts, train or test";
                Err(Error::setting("test-share", share, expected))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{self, Tree};

    #[test]
    fn an_option_without_effect_is_named() {
        let parts = Tree::new(1, 1);
        parts.write("train/Contempt/a.png", &fixtures::png(999));
        let whole = Tree::empty();
        for class in ["3", "happy"] {
            whole.write(&format!("{class}/a.png"), &fixtures::png(1));
        }
        let check = |options: &DataOptions, trees: &[&Tree]| {
            let read = |tree: &&Tree| FaceData::read(tree.path(), options).unwrap();
            options.check_effect(&trees.iter().map(read).collect::<Vec<_>>())
        };
        let options = |map: &str, classes: Option<&str>, test_share| DataOptions {
            map: map.parse().unwrap(),
            classes: classes.map(|classes| classes.parse().unwrap()),
            test_share,
        };
        let named = |checked: Result<()>, option: &str| match checked {
            Err(Error::Setting { name, .. }) => assert_eq!(name, option),
            other => panic!("{other:?}"),
        };
        check(&DataOptions::default(), &[&parts]).unwrap();
        let map = options("contempt=disgust", None, None);
        check(&map, &[&parts]).unwrap();
        let kaggle = options("contempt=disgust", Some("kaggle"), Some(0.5));
        check(&kaggle, &[&parts, &whole]).unwrap();
        named(check(&options("bored=sad", Some("kaggle"), None), &[&parts, &whole]), "map");
        named(check(&options("contempt=sad", Some("kaggle"), None), &[&parts]), "classes");
        named(check(&options("contempt=sad,happy=happy", None, None), &[&parts]), "map");
        check(&options("contempt=sad,happy=sad", None, None), &[&parts]).unwrap();
        named(check(&options("contempt=sad", None, Some(0.5)), &[&parts]), "test-share");
        let made_up = FaceData::sample(Default::default()).unwrap();
        named(map.check_effect(&[made_up]), "map");
    }
}
