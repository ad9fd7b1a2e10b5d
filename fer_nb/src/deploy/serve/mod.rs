//! `fer serve`: a network behind a page on this machine, with the browser's camera, and behind an HTTP
//! endpoint.
//!
//! The way of a request: `connection` bounds how many there are and how slow they may be, `site` says
//! which hosts and origins may ask, `api` and `socket` take photos and frames, and `engine` has as
//! many workers as there are cores, each with its own copy of the network. Nothing is written, and no
//! path of a request is one of the file system.

mod api;
mod connection;
mod engine;
mod metrics;
mod page;
mod site;
mod socket;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tch::Device;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::common::{Error, Result};
use crate::project::Precision;
use engine::Engine;
use metrics::Metrics;
use site::Site;

/// The server's address and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeConfig {
    /// The address to listen on. Anything but a loopback address lets others on the network in.
    pub host: IpAddr,
    /// The port; 0 takes any that is free.
    pub port: u16,
    /// The dtype that the network computes in.
    pub precision: Precision,
    /// The number of copies of the network that work in parallel; 0 is one a core.
    pub workers: usize,
    /// The largest photo of a request, in bytes.
    pub max_upload: usize,
    /// The most cameras at the same time.
    pub max_sockets: usize,
    /// A sentence about the choice of the network, which the page shows to whoever looks at it.
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
            max_sockets: 16,
            note: None,
        }
    }
}

/// The state that requests share.
struct State {
    engine: Engine,
    metrics: Metrics,
    site: Site,
    /// Cameras that may still come.
    sockets: Arc<Semaphore>,
}

type Shared = Arc<State>;

/// Serves a run's network until Ctrl-C or SIGTERM. `ready` is called with the address once requests are
/// taken.
///
/// # Errors
/// [`Error::Missing`] and [`Error::File`] for a run that can't be loaded; [`Error::InUse`] if the address
/// is taken, [`Error::Io`] if it can't be listened on.
pub fn serve(
    run: impl Into<PathBuf>,
    device: Device,
    config: &ServeConfig,
    ready: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<()> {
    let engine = Engine::start(run.into(), device, config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::io("start", "the server", error))?;
    runtime.block_on(async {
        let address = SocketAddr::new(config.host, config.port);
        let name = format!("port {} of {}", config.port, config.host);
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                Error::in_use(&name, "another program", "End it, or take another port.")
            }
            _ => Error::io("listen on", &name, error),
        })?;
        let address =
            listener.local_addr().map_err(|error| Error::io("listen on", &name, error))?;
        let state = Arc::new(State {
            engine,
            metrics: Metrics::default(),
            site: Site::new(address),
            sockets: Arc::new(Semaphore::new(config.max_sockets)),
        });
        ready(address)?;
        connection::accept(listener, router(state, config)).await;
        Ok(())
    })
}

fn router(state: Shared, config: &ServeConfig) -> Router {
    let files = page::FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(([(header::CONTENT_TYPE, kind)], text)))
    });
    files
        .route("/live", get(socket::live))
        .route("/api/predict", post(api::predict))
        .route("/api/model", get(api::model))
        .route("/healthz", get(api::health))
        .route("/metrics", get(metrics::text))
        .fallback(api::unknown)
        .layer(DefaultBodyLimit::max(config.max_upload))
        .layer(from_fn(api::in_time))
        .layer(from_fn(page::headers))
        .layer(from_fn_with_state(state.clone(), site::guard))
        .layer(from_fn_with_state(state.clone(), metrics::count))
        .with_state(state)
}
