//! How configurations, checks of the data and model cards show themselves as a cell's last value.

use crate::deploy::ModelCard;
use crate::notebook::Table;
use crate::train::{RunConfig, TrainConfig};

impl TrainConfig {
    /// Name and value of each hyperparameter.
    pub fn overview(&self) -> Table {
        let Self { epochs, batch_size, learning_rate, beta1, beta2, epsilon, seed, augmentation } =
            self;
        let a = augmentation;
        let rows = [
            ("epochs", epochs.to_string()),
            ("batch_size", batch_size.to_string()),
            ("learning_rate", learning_rate.to_string()),
            ("beta1, beta2", format!("{beta1}, {beta2}")),
            ("epsilon", format!("{epsilon:e}")),
            ("seed", seed.to_string()),
            ("rotation", format!("±{}°", a.rotation)),
            ("width_shift, height_shift", format!("±{}, ±{}", a.width_shift, a.height_shift)),
            ("zoom", format!("±{}", a.zoom)),
            ("horizontal_flip", a.horizontal_flip.to_string()),
        ];
        let table = Table::new(["hyperparameter", "value"]).caption("Training configuration");
        rows.into_iter().fold(table, |table, (name, value)| table.row([name.to_string(), value]))
    }

    /// Shows the hyperparameters in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
    }
}

impl RunConfig {
    /// What made the run, and its hyperparameters.
    pub fn overview(&self) -> Table {
        let [train, validation, test] = self.images;
        let TrainConfig { epochs, batch_size, learning_rate, seed, .. } = &self.train;
        let rows = [
            ("network", self.network.clone()),
            ("data", self.data.clone()),
            ("images", format!("{train} train, {validation} validation, {test} test")),
            ("epochs", format!("{epochs} at most")),
            ("batch_size", batch_size.to_string()),
            ("learning_rate", learning_rate.to_string()),
            ("seed", seed.to_string()),
            ("device", self.device.clone()),
            ("fer_nb", self.fer_nb.clone()),
        ];
        let table = Table::new(["", ""]).caption(format!("Run, {}", self.data_title));
        rows.into_iter().fold(table, |table, (name, value)| table.row([name.to_string(), value]))
    }

    /// Shows the run in a notebook.
    pub fn evcxr_display(&self) {
        self.overview().evcxr_display();
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
