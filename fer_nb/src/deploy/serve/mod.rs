//! `fer serve`: serves a network with a page for the browser's camera, and with an HTTP endpoint.
//!
//! The way of a request: `connection` admits it if `places` has room, `site` checks hosts and origins, `api` and
//! `socket` receive photos and frames, of which `body` reads no more than the `budget` has memory for and `upload`
//! parses three encodings, `jobs` lets peers take turns, and `engine` has as many workers as cores, each with a
//! separate copy of the network. Nothing is written to disk, and no path of a request is a path of the file system.

mod api;
mod body;
mod budget;
mod connection;
mod cost;
mod engine;
mod jobs;
mod metrics;
mod multipart;
mod origin;
mod page;
mod places;
mod queue;
mod reply;
mod site;
mod socket;
mod upload;

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tch::Device;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::common::{Error, Result};
use crate::project::Precision;
use crate::train::RunFolder;
use budget::Budget;
use connection::CONNECTIONS;
use engine::Engine;
use metrics::Metrics;
use page::Reach;
use places::{Limits, Places};
use site::Site;

/// The server's address and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeConfig {
    /// The address to listen on. An address that is not a loopback address admits other machines on the network.
    pub host: IpAddr,
    /// The port; 0 selects a free one.
    pub port: u16,
    /// The dtype of the network.
    pub precision: Precision,
    /// The number of copies of the network that work in parallel; 0 means one per core.
    pub workers: usize,
    /// The maximum size of a photo, in bytes.
    pub max_upload: usize,
    /// The maximum number of pixels of a photo in color at 8 bits, in millions. Other photos count by their bytes:
    /// gray ones may have three times as many pixels, and those with 16 bits half as many.
    pub max_pixels: u32,
    /// The maximum number of simultaneous cameras.
    pub max_sockets: usize,
    /// Names and addresses of this machine in addition to its address and localhost, as a proxy passes them on in
    /// `Host`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may use the endpoint, such as `https://lab7.example`; the host of each is also allowed.
    pub allowed_origins: Vec<String>,
    /// The token that every request needs; `None` needs a loopback address. See [`ServeConfig::draw_token`].
    pub token: Option<String>,
    /// A sentence about the choice of the network, which the page displays.
    pub note: Option<String>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8765,
            precision: Precision::Auto,
            workers: 0,
            max_upload: 20 << 20,
            max_pixels: 24,
            max_sockets: 16,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            token: None,
            note: None,
        }
    }
}

impl ServeConfig {
    /// The maximum number of copies of the network.
    pub const MOST_WORKERS: usize = 64;

    /// A random token: 32 hexadecimal digits from the system's generator.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no generator.
    pub fn draw_token() -> Result<String> {
        let path = "/dev/urandom";
        let mut bytes = [0; 16];
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
        read.map_err(|error| Error::io("read", path, error))?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Where the data of a browser goes.
    fn reach(&self) -> Reach {
        let is_alone = self.allowed_hosts.is_empty() && self.allowed_origins.is_empty();
        match self.host.is_loopback() && is_alone {
            true => Reach::ThisMachine,
            false => Reach::Network,
        }
    }
}

/// The shared state of requests.
struct State {
    engine: Engine,
    metrics: Metrics,
    site: Site,
    /// Connections.
    places: Arc<Places>,
    cameras: Arc<Places>,
    /// The memory for bodies.
    budget: Arc<Budget>,
    max_upload: usize,
    reach: Reach,
    /// Becomes true when the server ends.
    end: watch::Sender<bool>,
}

type Shared = Arc<State>;

/// The memory for the bodies of requests: at least this much, and this multiple of the largest.
const BODIES: (usize, usize) = (64 << 20, 8);
/// The time without a frame after which a camera may be disconnected for another one.
const IDLE_CAMERA: Duration = Duration::from_secs(10);

/// Serves a run's network until Ctrl-C or SIGTERM. When the server accepts requests, it calls `ready` with the
/// address to open, including its token.
///
/// # Errors
/// [`Error::Setting`] for an address beyond this machine without a token, or an option out of range;
/// [`Error::Missing`] and [`Error::File`] for a run that can't be loaded; [`Error::InUse`] if the address is in
/// use, [`Error::Io`] if the server can't listen on it.
pub fn serve(
    run: impl Into<RunFolder>,
    device: Device,
    config: &ServeConfig,
    ready: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    if !config.host.is_loopback() && config.token.as_ref().is_none_or(String::is_empty) {
        let expected = "a loopback address, or a token";
        return Err(Error::setting("host", config.host, expected));
    }
    let address = SocketAddr::new(config.host, config.port);
    Site::new(address, config)?; // before the network is loaded
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::io("start", "the server", error))?;
    let name = format!("port {} of {}", config.port, config.host);
    // Before the network is loaded, so that a port in use is reported at once.
    let listener =
        runtime.block_on(async { listen(address) }).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                Error::in_use(&name, "another program", "End it, or take another port.")
            }
            _ => Error::io("listen on", &name, error),
        })?;
    let engine = Engine::start(run.into(), device, config)?;
    runtime.block_on(async {
        let end = connection::asked_to_end()?;
        let address =
            listener.local_addr().map_err(|error| Error::io("listen on", &name, error))?;
        let (least, times) = BODIES;
        let cameras = Limits { total: config.max_sockets, reserve: 0, idle: IDLE_CAMERA };
        let state = Arc::new(State {
            engine,
            metrics: Metrics::default(),
            site: Site::new(address, config)?,
            places: Places::new(CONNECTIONS),
            cameras: Places::new(cameras),
            budget: Budget::new(config.max_upload.saturating_mul(times).max(least)),
            max_upload: config.max_upload,
            reach: config.reach(),
            end: watch::Sender::new(false),
        });
        ready(&state.site.url())?;
        tokio::spawn(connection::tidy(state.clone()));
        connection::accept(listener, router(state.clone()), state, end).await;
        Ok(())
    })
}

fn router(state: Shared) -> Router {
    let files = page::files().fold(Router::new(), |router, (path, kind, text)| {
        router.route(&path, get(([(header::CONTENT_TYPE, kind)], text)))
    });
    files
        .route("/", get(page::index))
        .route("/live", get(socket::live))
        .route("/api/predict", post(api::predict))
        .route("/api/model", get(api::model))
        .route("/healthz", get(api::health))
        .route("/metrics", get(metrics::text))
        .fallback(api::unknown)
        .method_not_allowed_fallback(api::wrong_method)
        .layer(from_fn(page::headers))
        .layer(from_fn_with_state(state.clone(), site::guard))
        .layer(from_fn_with_state(state.clone(), metrics::count))
        .with_state(state)
}

/// The backlog of connections before they are accepted. A client whose connection the system drops tries again
/// after a second, so a burst from other clients must not fill it.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
