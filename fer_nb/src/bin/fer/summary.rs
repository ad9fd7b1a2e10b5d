//! `fer summary`: the network, layer by layer.

use std::path::PathBuf;

use fer_nb::error::Result;
use fer_nb::model::{Network, SeedCnn};
use tch::Device;

/// Layers, output shapes and parameters of the seed CNN, as Keras prints them.
#[derive(clap::Args)]
pub struct Args {
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let summary = SeedCnn::new(Device::Cpu, 0)?.summary();
    crate::say(&format!("{summary}\n"))?;
    match &args.json {
        Some(path) => crate::write_json(path, &summary),
        None => Ok(()),
    }
}
