//! `fer serve`: the page with the camera, and the HTTP endpoint.

use std::net::{IpAddr, Ipv4Addr};

use fer_nb::deploy::serve::{ServeConfig, serve};
use fer_nb::error::Result;
use fer_nb::project::{Precision, device};

use crate::arguments::AskedRun;

/// Opens a page on this machine that looks at the camera or at photos, and an HTTP endpoint.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: AskedRun,

    /// The address to listen on. Anything but a loopback address lets others on the network in.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,

    /// The port; 0 takes any that is free.
    #[arg(long, default_value_t = 8765)]
    port: u16,

    /// What the network computes in: auto is bfloat16 if this machine supports it, else float32.
    #[arg(long, default_value_t)]
    precision: Precision,

    /// Copies of the network that work in parallel; 0 is one a core.
    #[arg(long, default_value_t = 0)]
    workers: usize,

    /// The largest photo of a request, in MiB.
    #[arg(long, default_value_t = 20, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_upload: u32,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let (run, note) = args.run.for_photos()?;
    let config = ServeConfig {
        host: args.host,
        port: args.port,
        precision: args.precision,
        workers: args.workers,
        max_upload: (args.max_upload as usize) << 20,
        note,
        ..ServeConfig::default()
    };
    if !args.host.is_loopback() {
        crate::complain(&format!(
            "mind: {} lets everybody who reaches this machine use the page and the endpoint, \
             without a password and unencrypted. Browsers give a page from elsewhere no camera.",
            args.host
        ));
    }
    serve(run.path(), device()?, &config, |address| {
        crate::say(&format!("http://{address}\nCtrl-C ends it. Nothing leaves this machine.\n"))
    })
}
