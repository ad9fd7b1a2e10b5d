//! Displays of stage 1 in a cell.

use crate::common::Result;
use crate::notebook::Table;
use crate::notebook::show::{Show, shows};
use crate::project::Environment;

impl Show for Environment {
    fn overview(&self) -> Result<Table> {
        Ok(Table::pairs(self.rows.iter().map(|(name, value)| [name.to_string(), value.clone()])))
    }
}

shows!(Environment, "versions, device and folders", Display);
