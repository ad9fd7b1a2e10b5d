//! Displays of stage 6 in a cell.

use crate::common::Result;
use crate::deploy::{ModelCard, Prediction, Published, Timeline};
use crate::notebook::show::{Show, shows};
use crate::notebook::{Formats, Shown, Table};
use crate::plot::{Annotated, base64};

impl Show for Prediction {
    fn overview(&self) -> Result<Table> {
        Table::with_digits(&self.to_table()?, 4)
    }
}

shows!(Prediction, "the classes and their probabilities, the most probable first", Display);

impl Show for Published {
    fn overview(&self) -> Result<Table> {
        let table = Table::new(["file", "weights", "MB", "accuracy"])
            .right([2, 3])
            .caption(format!("On the test images of {}", self.test.title()));
        Ok(self.files.iter().fold(table, |table, file| {
            let megabytes = format!("{:.1}", file.bytes as f64 / 1e6);
            let accuracy = format!("{:.4}", file.accuracy.value);
            table.row([file.name.to_string(), file.weights.to_string(), megabytes, accuracy])
        }))
    }
}

shows!(Published, "the files with the dtype of their weights, size and accuracy");

impl Show for Timeline {
    fn overview(&self) -> Result<Table> {
        Table::with_digits(&self.to_table()?, 3)
    }
}

shows!(Timeline, "one row for each frame and face", Display);

/// The photo, as PNG.
impl Shown for Annotated {
    fn formats(&self) -> Formats {
        match self.png() {
            Ok(png) => Formats::default().and("image/png", base64(&png)),
            Err(error) => Formats::text(error.to_string()),
        }
    }
}

/// The card, as formatted text.
impl Shown for ModelCard {
    fn formats(&self) -> Formats {
        let text = self.to_markdown();
        Formats::text(&text).and("text/markdown", text)
    }
}
