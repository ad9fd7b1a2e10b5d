//! [`Site`]: which hosts and origins requests may come for and from.
//!
//! A page of another site can make a browser send requests to 127.0.0.1, and a name that resolves to
//! 127.0.0.1 makes such a page look like ours (DNS rebinding). So `Host` has to be the name of this
//! machine, and `Origin`, if there is one, that same host.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use super::api::problem;

/// Where this server is.
#[derive(Debug, Clone)]
pub(super) struct Site {
    address: SocketAddr,
}

impl Site {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The objection to a request's `Host` and `Origin`; `None` if there is none.
    pub(super) fn objection(&self, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(host) = text(header::HOST) else { return Some("a Host header is expected") };
        if self.address.ip().is_loopback() && !is_loopback(host) {
            return Some("this server answers to localhost and 127.0.0.1 only");
        }
        match headers.contains_key(header::ORIGIN) {
            false => None, // no browser, or the page itself
            true => {
                let origin = text(header::ORIGIN).unwrap_or_default();
                let from = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
                let same = from.is_some_and(|from| from.eq_ignore_ascii_case(host));
                (!same).then_some("requests from pages of other sites are refused")
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "::1"
}

/// Refuses requests that the site objects to.
pub(super) async fn guard(State(state): State<Shared>, request: Request, next: Next) -> Response {
    match state.site.objection(request.headers()) {
        Some(objection) => problem(StatusCode::FORBIDDEN, objection),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objection(address: &str, host: &str, origin: Option<&str>) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        Site::new(address.parse().unwrap()).objection(&headers)
    }

    #[test]
    fn only_our_own_page_may_ask() {
        let here = "127.0.0.1:8765";
        for host in [here, "localhost:8765", "LOCALHOST:8765", "[::1]:8765", "localhost"] {
            assert_eq!(objection(here, host, None), None, "{host}");
            assert_eq!(objection(here, host, Some(&format!("http://{host}"))), None, "{host}");
        }
        for host in ["evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example:80"] {
            assert!(objection(here, host, None).is_some(), "{host}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:1", "file://", "https://"] {
            assert!(objection(here, "localhost:8765", Some(origin)).is_some(), "{origin}");
        }
        // Where others are let in, they know the machine by its own names.
        assert_eq!(objection("0.0.0.0:80", "lab7.example", Some("http://lab7.example")), None);
        assert!(objection("0.0.0.0:80", "lab7.example", Some("http://evil.example")).is_some());
        assert!(Site::new(here.parse().unwrap()).objection(&HeaderMap::new()).is_some());
    }
}
