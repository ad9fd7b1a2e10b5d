//! How results show themselves as a cell's last value.

use crate::common::Result;
use crate::data::Dataset;
use crate::deploy::Prediction;
use crate::emotion::Emotion;
use crate::evaluate::tune::Study;
use crate::evaluate::{
    Accuracy, ClassificationReport, Comparison, ConfusionMatrix, Evaluation, Protocol, Trust,
};
use crate::model::Summary;
use crate::notebook::table::Table;
use crate::plot::axis::{percent, thousands};
use crate::project::Environment;
use crate::train::History;

/// Shows a table with a text of the result's own beside it; without the table, the text alone.
fn show(table: Result<Table>, text: &str) {
    match table {
        Ok(table) => super::emit(&table.html(), text),
        Err(_) => evcxr_runtime::mime_type("text/plain").text(text),
    }
}

impl Environment {
    /// Shows versions, device and folders in a notebook.
    pub fn evcxr_display(&self) {
        let table = self.rows.iter().fold(Table::new(["", ""]), |table, (name, value)| {
            table.row([(*name).to_string(), value.clone()])
        });
        show(Ok(table), &self.to_string());
    }
}

impl Dataset {
    /// The images of each class, with the share of all.
    pub fn overview(&self) -> Table {
        let total = self.len().max(1) as f64;
        Emotion::ALL
            .into_iter()
            .zip(self.class_counts())
            .fold(Table::new(["class", "images", "share"]), |table, (class, count)| {
                let share = percent(count as f64 / total, 1);
                table.row([class.name().to_string(), thousands(count as u64), share])
            })
            .right([1, 2])
            .caption(format!("{} images, {}", thousands(self.len() as u64), self.origin()))
    }

    /// Shows the overview in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl Summary {
    /// Shows the layers in a notebook.
    pub fn evcxr_display(&self) {
        let table = Table::new(["Layer (type)", "Output Shape", "Param #"]).right([2]);
        let table = self.rows().into_iter().fold(table, Table::row);
        let caption = format!("Model: \"{}\"", self.network);
        show(Ok(table.caption(caption).note(self.footer())), &self.to_string());
    }
}

impl Comparison {
    /// Shows the runs side by side in a notebook.
    pub fn evcxr_display(&self) {
        let table = self.to_table().and_then(|frame| Table::with_digits(&frame, 3));
        let caption = format!("Runs on the test images, {}", self.title);
        show(table.map(|table| table.caption(caption).note(self.footer())), &self.to_string());
    }
}

impl Study {
    /// Shows the trials in a notebook.
    pub fn evcxr_display(&self) {
        let table = self.to_table().and_then(|frame| Table::with_digits(&frame, 4));
        let caption = format!("Study in {}", self.folder().display());
        show(table.map(|table| table.caption(caption).note(self.to_string())), &self.to_string());
    }
}

impl Trust {
    /// Shows intervals, calibration and protocol in a notebook.
    pub fn evcxr_display(&self) {
        let row = |table: Table, name: &str, value: String| table.row([name.to_string(), value]);
        let mut table = Table::new(["", ""]);
        for (name, interval) in [
            ("accuracy", self.intervals.accuracy),
            ("macro F1", self.intervals.macro_f1),
            ("balanced accuracy", self.intervals.balanced_accuracy),
        ] {
            table = row(table, name, interval.to_string());
        }
        for (name, top) in
            [("label among the two likeliest", self.top_2), ("among the three", self.top_3)]
        {
            table = row(table, name, format!("{:.4}", top.value));
        }
        table = row(table, "calibration error", format!("{:.4}", self.ece));
        if let Some((temperature, ece)) = self.calibrated {
            let name = format!("at temperature {temperature:.2}, fitted on validation");
            table = row(table, &name, format!("{ece:.4}"));
        }
        if let Some((threshold, counted)) = &self.certain {
            let percent = 100.0 * threshold.uncertain_below();
            let name = format!("of the answers of {percent:.1} % confidence or more");
            table = row(table, &name, counted.to_string());
        }
        if let Some((leaked, accuracy)) = &self.without_leaks {
            table = row(
                table,
                &format!("accuracy without {leaked} leaked images"),
                accuracy.to_string(),
            );
        }
        let note = self.protocol.as_ref().map(Protocol::to_string).unwrap_or_default();
        show(Ok(table.note(note)), &self.to_string());
    }
}

impl History {
    /// One row an epoch.
    pub fn overview(&self) -> Table {
        let columns =
            ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"];
        let mut table = Table::new(columns).right(0..columns.len());
        for record in &self.epochs {
            table = table.row([
                record.epoch.to_string(),
                format!("{:.4}", record.loss),
                format!("{:.4}", record.accuracy),
                format!("{:.4}", record.val_loss),
                format!("{:.4}", record.val_accuracy),
                record.learning_rate.to_string(),
                format!("{:.1}", record.seconds),
            ]);
        }
        let best = match self.best() {
            Some(best) => format!("best: epoch {}, val_loss {:.4}", best.epoch, best.val_loss),
            None => "no epoch with a finite val_loss".to_string(),
        };
        let note = self.stopped.iter().fold(best, |note, why| format!("{note}; {why}"));
        table.caption(format!("Training, {}", self.title)).note(note)
    }

    /// Shows the epochs in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl Accuracy {
    /// Shows the accuracy with its interval in a notebook.
    pub fn evcxr_display(&self) {
        evcxr_runtime::mime_type("text/plain").text(self.to_string());
    }
}

impl Evaluation {
    /// Loss and accuracy.
    pub fn overview(&self) -> Table {
        let accuracy = self.accuracy();
        Table::new(["", ""])
            .right([1])
            .row(["images".to_string(), thousands(accuracy.total)])
            .row(["predicted right".to_string(), thousands(accuracy.correct)])
            .row(["accuracy".to_string(), format!("{:.4}", accuracy.value)])
            .row(["95 % interval".to_string(), format!("{:.4}–{:.4}", accuracy.low, accuracy.high)])
            .row(["loss".to_string(), format!("{:.4}", self.loss())])
            .caption(format!("Evaluation, {}", self.title()))
    }

    /// Shows loss and accuracy in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl ClassificationReport {
    /// Shows the report in a notebook, with scikit-learn's columns and digits.
    pub fn evcxr_display(&self) {
        let table = self.to_table().and_then(|frame| Table::with_digits(&frame, 2));
        let caption = format!("Classification report, {}", self.title());
        show(table.map(|table| table.caption(caption)), &self.to_string());
    }
}

impl ConfusionMatrix {
    /// Shows the counts in a notebook.
    pub fn evcxr_display(&self) {
        let table = self.to_table().and_then(|frame| Table::from_frame(&frame));
        let caption =
            format!("Confusion matrix, {} (rows: true, columns: predicted)", self.title());
        show(table.map(|table| table.caption(caption)), &self.to_string());
    }
}

impl Prediction {
    /// Shows the probabilities in a notebook, the likeliest first.
    pub fn evcxr_display(&self) {
        let table = self.to_table().and_then(|frame| Table::with_digits(&frame, 4));
        show(table, &self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::train::EpochRecord;

    #[test]
    fn overviews_name_their_data() {
        let data = FaceData::sample(SampleConfig::default()).unwrap().test;
        let text = data.overview().to_string();
        assert!(text.contains("made-up sample") && text.contains("surprise"));

        let record = EpochRecord {
            epoch: 3,
            loss: 1.5,
            accuracy: 0.4,
            val_loss: 1.4,
            val_accuracy: 0.45,
            learning_rate: 1e-3,
            seconds: 1.0,
        };
        let title = "made-up sample".to_string();
        let history = History { epochs: vec![record], stopped: Some("enough".into()), title };
        let text = history.overview().to_string();
        assert!(text.contains("best: epoch 3, val_loss 1.4000; enough") && text.contains("0.001"));
        assert!(History::default().overview().to_string().contains("no epoch"));

        let evaluation = Evaluation::new(
            vec![0, 1],
            vec![[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]; 2],
            0.7,
            "FER2013",
        );
        let text = evaluation.unwrap().overview().to_string();
        assert!(text.contains("0.5000") && text.contains("FER2013"));
    }
}
