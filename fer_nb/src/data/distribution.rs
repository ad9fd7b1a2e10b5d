//! [`ClassDistribution`]: the number of images of each class, in each part of the data.

use polars::prelude::*;

use super::Origin;
use crate::common::{Result, text};
use crate::emotion::Emotion;

/// Images by class, in train, validation and test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassDistribution {
    /// The source of the images.
    pub origin: Origin,
    /// The name of each part, and its number of images by class index.
    pub splits: [(&'static str, [usize; Emotion::COUNT]); 3],
}

impl ClassDistribution {
    /// A table with a row for each class and one for the totals: `emotion` (str), and `train`, `validation` and
    /// `test` (u64, numbers of images).
    pub fn table(&self) -> Result<DataFrame> {
        let mut names = Emotion::names().map(String::from).to_vec();
        names.push("total".into());
        let mut columns = vec![Column::new("emotion".into(), names)];
        for (split, counts) in &self.splits {
            let mut values: Vec<u64> = counts.iter().map(|count| *count as u64).collect();
            values.push(values.iter().sum());
            columns.push(Column::new((*split).into(), values));
        }
        Ok(DataFrame::new(Emotion::COUNT + 1, columns)?)
    }
}

impl std::fmt::Display for ClassDistribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "Images by class, {}", self.origin)?;
        let totals = self.splits.map(|(_, counts)| counts.iter().sum::<usize>());
        let [train, validation, test] = self.splits;
        writeln!(f, "{:<10}{:>18}{:>18}{:>18}", "", train.0, validation.0, test.0)?;
        for emotion in Emotion::ALL {
            write!(f, "{emotion:<10}")?;
            for ((_, counts), total) in self.splits.iter().zip(totals) {
                let count = counts[emotion.index()];
                let share = 100.0 * count as f64 / total.max(1) as f64;
                write!(f, "{:>9} ({share:>4.1} %)", text::count(count))?;
            }
            writeln!(f)?;
        }
        write!(f, "{:<10}", "total")?;
        for total in totals {
            write!(f, "{:>9}{:>9}", text::count(total), "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_shares_and_totals() {
        let distribution = ClassDistribution {
            origin: Origin::Sample { seed: 1 },
            splits: [
                ("train", [3196, 349, 3278, 5772, 3972, 3864, 2537]),
                ("validation", [799, 87, 819, 1443, 993, 966, 634]),
                ("test", [0; 7]),
            ],
        };
        let shown = distribution.to_string();
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "Images by class, made-up sample, seed 1 (not FER2013)");
        assert_eq!(lines[2], "angry         3,196 (13.9 %)      799 (13.9 %)        0 ( 0.0 %)");
        assert_eq!(lines[9], "total        22,968             5,741                 0");
        let table = distribution.table().unwrap();
        assert_eq!(table.shape(), (8, 4));
        assert_eq!(table.column("train").unwrap().u64().unwrap().get(7), Some(22_968));
    }
}
