//! The camera page, its files, and the headers that restrict a browser.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use crate::deploy::page as shared;

/// Nothing from other hosts and nothing inline: only scripts, fonts and images that this server sends.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Files that are served as they are, in addition to those of [`shared::FILES`].
const FILES: [(&str, &str); 3] = [
    ("app.js", include_str!("page/app.js")),
    ("camera.js", include_str!("page/camera.js")),
    ("table.js", include_str!("page/table.js")),
];

/// Path, media type and content of each file that is served as it is; openapi.json describes the endpoint,
/// OpenAPI 3.1.
pub(super) fn files() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    let kind = |name: &str| match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    let api = ("/api/openapi.json".into(), "application/json", include_str!("openapi.json"));
    let page = shared::FILES.into_iter().chain(FILES);
    page.map(move |(name, text)| (format!("/{name}"), kind(name), text)).chain([api])
}

/// Where the data of a browser goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The server listens to this machine only.
    ThisMachine,
    /// The browser may be on another machine.
    Network,
}

/// The page; the text between its marks is valid for a server that listens to this machine only.
const INDEX: &str = include_str!("page/index.html");
/// The page's mark before and after the text about the destination of photos.
const MARK: &str = "<!-- reach -->";

impl Reach {
    /// The destination of photos, as HTML.
    fn promise(self) -> Option<&'static str> {
        match self {
            Self::ThisMachine => None, // the page's text is correct
            Self::Network => Some(
                "<strong>Photos leave your machine</strong> if it is not the one that runs <code>fer serve</code>: \
                 frames and photos go there over the network, unencrypted unless the address begins with https, \
                 are looked at in memory, and are forgotten.",
            ),
        }
    }

    /// The page.
    fn index(self) -> String {
        let page = shared::whole(INDEX);
        let parts: Vec<&str> = page.split(MARK).collect();
        match (&parts[..], self.promise()) {
            ([before, _, after], Some(promise)) => format!("{before}{promise}{after}"),
            _ => parts.concat(),
        }
    }
}

/// `GET /`.
pub(super) async fn index(State(state): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], state.reach.index()).into_response()
}

/// Adds the headers that restrict the browser's handling of the page.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=()"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_promises_no_more_than_is_so() {
        let (here, network) = (Reach::ThisMachine.index(), Reach::Network.index());
        let promise = "Nothing leaves this machine";
        assert!(here.contains(promise) && !network.contains(promise));
        assert!(network.contains("Photos leave your machine"));
        for page in [here, network] {
            assert!(page.ends_with("</html>\n") && !page.contains(MARK), "{page}");
        }
    }
}
