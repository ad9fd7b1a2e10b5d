//! `fer serve`: the page with the camera, and the HTTP endpoint.

use std::net::{IpAddr, ToSocketAddrs};

use fer_nb::deploy::serve::{ServeConfig, serve};
use fer_nb::error::{Error, Result};
use fer_nb::project::{Precision, device};

use crate::arguments::AskedRun;

/// Opens a page on this machine that looks at the camera or at photos, and an HTTP endpoint.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: AskedRun,

    /// The address to listen on, or a name of this machine. Anything but a loopback address lets others on
    /// the network in, if they know the token in the address that is printed.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    host: String,

    /// The port; 0 takes any that is free.
    #[arg(long, default_value_t = 8765)]
    port: u16,

    /// A name by which others reach this machine, such as lab7.example; as often as needed.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// An origin whose pages may use the endpoint, such as https://lab7.example behind a proxy; as often as
    /// needed. Its host is allowed, too.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// What the network computes in: auto is bfloat16 if this machine supports it, else float32.
    #[arg(long, default_value_t)]
    precision: Precision,

    /// Copies of the network that work in parallel, at most 64; 0 is one a core.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=ServeConfig::MOST_WORKERS as i64))]
    workers: u16,

    /// The largest photo of a request, in MiB.
    #[arg(long, default_value_t = 20, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_upload: u32,

    /// The most pixels of a photo in color, in millions; photos at 16 bits count twice. `fer predict` takes
    /// up to 50.
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
            "mind: {host} lets everybody who reaches this machine and knows the address below, with its token, \
             use the page and the endpoint, unencrypted. Browsers give a page from elsewhere no camera."
        ));
    }
    let others = !(is_local && args.allow_host.is_empty() && args.allow_origin.is_empty());
    let promise = match others {
        false => "Nothing leaves this machine.",
        true => "Photos of others come to this machine, and go no further.",
    };
    serve(&run, device()?, &config, |address| {
        crate::say(&format!("{address}\nCtrl-C ends it. {promise}\n"))
    })?;
    // A worker may still be in the middle of a photo, and libtorch is not to be taken apart under it.
    // SAFETY: nothing is left to write; what the process holds, the system takes back.
    unsafe { libc::_exit(0) }
}

/// The address of a name of this machine; of several, the first IPv4 address.
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
