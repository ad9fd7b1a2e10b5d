//! What a cell shows of stage 6.

use crate::common::Result;
use crate::deploy::{ModelCard, Prediction, Published};
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};
use crate::plot::{Annotated, base64};

impl Show for Prediction {
    fn overview(&self) -> Result<Table> {
        Table::with_digits(&self.to_table()?, 4)
    }
}

shows!(Prediction, "the classes and their probabilities, the likeliest first", Display);

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

impl Annotated {
    /// Shows the photo in a notebook.
    pub fn evcxr_display(&self) {
        match self.png() {
            Ok(png) => evcxr_runtime::mime_type("image/png").text(base64(&png)),
            Err(error) => evcxr_runtime::mime_type("text/plain").text(error.to_string()),
        }
    }
}

impl ModelCard {
    /// Shows the card in a notebook, as formatted text.
    pub fn evcxr_display(&self) {
        let text = self.to_markdown();
        evcxr_runtime::mime_type("text/markdown").text(&text);
        evcxr_runtime::mime_type("text/plain").text(&text);
    }
}
