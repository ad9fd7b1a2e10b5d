//! `fer serve`: the page with the camera, and the HTTP endpoint.

use std::net::{IpAddr, ToSocketAddrs};

use fer_nb::deploy::serve::{ServeConfig, serve};
use fer_nb::error::{Error, Result};
use fer_nb::project::{Precision, device};

use crate::arguments::AskedRun;

/// Serves a page for the camera and for photos on this machine, and an HTTP endpoint.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: AskedRun,

    /// The address to listen on, or a name of this machine. An address that is not a loopback address admits
    /// other machines on the network, if they know the token in the printed address.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    host: String,

    /// The port; 0 selects a free one.
    #[arg(long, default_value_t = 8765)]
    port: u16,

    /// A name by which other machines reach this one, such as lab7.example; may be repeated.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// An origin whose pages may use the endpoint, such as https://lab7.example behind a proxy; may be
    /// repeated. Its host is allowed too.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// The dtype of the network: auto is bfloat16 if this machine is faster with it, else float32.
    #[arg(long, default_value_t)]
    precision: Precision,

    /// Copies of the network that work in parallel, at most 64; 0 means one per core.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=ServeConfig::MOST_WORKERS as i64))]
    workers: u16,

    /// The maximum size of a photo, in MiB.
    #[arg(long, default_value_t = 20, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_upload: u32,

    /// The maximum number of pixels of a colour photo, in millions; photos with 16 bits per channel count twice.
    /// `fer predict` accepts up to 50.
    #[arg(long, default_value_t = 24, value_name = "MEGAPIXELS", value_parser = clap::value_parser!(u32).range(1..=50))]
    max_pixels: u32,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let host = address(&args.host)?;
    let (run, note) = args.run.for_photos()?;
    let is_local = host.is_loopback();
    let config = ServeConfig {
        host,
        port: args.port,
        precision: args.precision,
        workers: args.workers.into(),
        max_upload: (args.max_upload as usize) << 20,
        max_pixels: args.max_pixels,
        allowed_hosts: args.allow_host.clone(),
        allowed_origins: args.allow_origin.clone(),
        token: if is_local { None } else { Some(ServeConfig::draw_token()?) },
        note,
        ..ServeConfig::default()
    };
    if !is_local {
        crate::complain(&format!(
            "warning: with {host}, everybody who can reach this machine and knows the address below, with its token, \
             can use the page and the endpoint, unencrypted. On other machines, browsers do not give this page a camera."
        ));
    }
    let others = !(is_local && args.allow_host.is_empty() && args.allow_origin.is_empty());
    let promise = match others {
        false => "Nothing leaves this machine.",
        true => "Photos sent to this machine stay on it.",
    };
    serve(&run, device()?, &config, |address| {
        crate::say(&format!("{address}\nCtrl-C ends it. {promise}\n"))
    })?;
    // A worker may still be processing a photo, so libtorch must not be unloaded.
    // SAFETY: nothing is left to write; the system releases the process's resources.
    unsafe { libc::_exit(0) }
}

/// The address of a name of this machine; if it has several, the first IPv4 address.
fn address(host: &str) -> Result<IpAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found: Vec<IpAddr> = match (host, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    };
    let v4 = found.iter().find(|address| address.is_ipv4());
    v4.or(found.first()).copied().ok_or_else(|| {
        let expected =
            "an address or a name of this machine, such as 127.0.0.1, localhost or 0.0.0.0";
        Error::setting("host", host, expected)
    })
}
