//! Displays of stage 3 in a cell.

use crate::common::Result;
use crate::model::Summary;
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};

impl Show for Summary {
    fn overview(&self) -> Result<Table> {
        let table = Table::new(["Layer (type)", "Output Shape", "Param #"]).right([2]);
        let table = self.rows().into_iter().fold(table, Table::row);
        Ok(table.caption(format!("Model: \"{}\"", self.network)).note(self.footer()))
    }
}

shows!(Summary, "layer, output shape and number of parameters, as in Keras", Display);
