//! Displays of stage 4 in a cell; the hyperparameters have a separate file.

use crate::common::Result;
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};
use crate::train::History;

impl Show for History {
    fn overview(&self) -> Result<Table> {
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
        let mut note = match self.best() {
            Some(best) => format!("best: epoch {}, val_loss {:.4}", best.epoch, best.val_loss),
            None => "no epoch with a finite val_loss".to_string(),
        };
        if let Some(reason) = &self.stopped {
            note += &format!("; {reason}");
        }
        Ok(table.caption(format!("Training, {}", self.title)).note(note))
    }
}

shows!(History, "one row for each epoch, with the columns of history.csv");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::EpochRecord;

    #[test]
    fn the_best_epoch_is_named() {
        let record = EpochRecord {
            epoch: 3,
            loss: 1.5,
            accuracy: 0.4,
            val_loss: 1.4,
            val_accuracy: 0.45,
            learning_rate: 1e-3,
            seconds: 1.0,
        };
        let history = History { epochs: vec![record], ..History::default() };
        let text = history.overview().unwrap().to_string();
        assert!(text.contains("best: epoch 3, val_loss 1.4000") && text.contains("0.001"));
        assert!(History::default().overview().unwrap().to_string().contains("no epoch"));
    }
}
