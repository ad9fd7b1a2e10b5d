//! [`Site`]: the allowed hosts and origins of requests, and their token.
//!
//! A page of another site can make a browser send requests to 127.0.0.1, and a name that resolves to 127.0.0.1
//! makes such a page look like this server's (DNS rebinding). So `Host` has to be a name of this machine, and
//! `Origin`, if present, the same host or one that the user allows. Beyond this machine, a request also needs a
//! token, which the printed address contains.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::drain;
use super::origin::{Name, Origin, host};
use super::reply::problem;
use super::{ServeConfig, Shared};
use crate::common::{Error, Result};

/// The rejection of a request: the status and the reason.
type Objection = (StatusCode, String);

/// The address of this server, and the other allowed hosts and origins.
#[derive(Debug, Clone)]
pub(super) struct Site {
    address: SocketAddr,
    names: Vec<Name>,
    origins: Vec<Origin>,
    token: Option<String>,
}

impl Site {
    /// # Errors
    /// [`Error::Setting`] for an invalid name or origin in the config.
    pub(super) fn new(address: SocketAddr, config: &ServeConfig) -> Result<Self> {
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        let mut names: Vec<_> = loopback.into_iter().filter_map(Name::parse).collect();
        names.push(Name::Ip(address.ip()));
        for name in &config.allowed_hosts {
            let expected = "a host's name or address without a port, such as lab7.example";
            let parsed = name.parse().map(Name::Ip).ok().or_else(|| Name::parse(name));
            names.push(parsed.ok_or_else(|| Error::setting("allow-host", name, expected))?);
        }
        let mut origins = Vec::new();
        for origin in &config.allowed_origins {
            let expected = "a scheme and a host, such as https://lab7.example";
            let parsed = Origin::parse(origin);
            let parsed = parsed.ok_or_else(|| Error::setting("allow-origin", origin, expected))?;
            names.push(parsed.name.clone());
            origins.push(parsed);
        }
        Ok(Self { address, names, origins, token: config.token.clone() })
    }

    /// The address to open, with the token if one is needed.
    pub(super) fn url(&self) -> String {
        match &self.token {
            None => format!("http://{}", self.address),
            Some(token) => format!("http://{}/?token={token}", self.address),
        }
    }

    /// The rejection by a request's `Host` and `Origin`; otherwise whether its origin is one that the user allows.
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<bool, Objection> {
        let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_string());
        let refused = |why: String| (StatusCode::FORBIDDEN, why);
        let text = one(headers, header::HOST)
            .map_err(|()| bad("a single Host header is expected"))?
            .ok_or_else(|| bad("a Host header is expected"))?;
        let (name, port) =
            host(text).ok_or_else(|| bad("the Host header: a host's name is expected"))?;
        if uri.authority().is_some_and(|other| !other.as_str().eq_ignore_ascii_case(text)) {
            return Err(bad("the request line and the Host header name different hosts"));
        }
        // An address can't be redirected by DNS.
        let is_any = self.address.ip().is_unspecified() && matches!(name, Name::Ip(_));
        if !is_any && !self.names.contains(&name) {
            return Err(refused(format!(
                "this server doesn't answer to the name {text}; `fer serve --allow-host NAME` lets it"
            )));
        }
        let origin =
            one(headers, header::ORIGIN).map_err(|()| bad("a single Origin header is expected"))?;
        let Some(origin) = origin else { return Ok(false) }; // no browser, or the page itself
        let origin = Origin::parse(origin);
        let is_own = |origin: &Origin| {
            let own = port.unwrap_or(if origin.is_https { 443 } else { 80 });
            origin.name == name && origin.port == own
        };
        match origin {
            Some(origin) if self.origins.contains(&origin) => Ok(true),
            Some(origin) if is_own(&origin) => Ok(false),
            _ => Err(refused(
                "requests from pages of other sites are refused; `fer serve --allow-origin ORIGIN` lets \
                 a site in"
                    .into(),
            )),
        }
    }

    /// The cookie with the token: a browser sends it to all ports of a host.
    fn cookie(&self) -> String {
        format!("fer_token_{}", self.address.port())
    }

    /// Whether a request has the token.
    fn admits(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let cookie = self.cookie();
        let cookies =
            headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = cookies
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == cookie)
            .map(|(_, value)| value);
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|text| text.strip_prefix("Bearer "));
        query_token(uri).into_iter().chain(bearer).any(|given| same(given, token))
            || cookies.any(|given| same(given, token))
    }
}

/// A header that occurs at most once, as text; an error for several, and for one that is not text.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// Whether two texts are equal, in constant time.
fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// The token in the query.
fn query_token(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// The address without its token, which is not an option of an endpoint.
fn without_token(uri: &Uri) -> Option<Uri> {
    let rest: Vec<&str> =
        uri.query()?.split('&').filter(|pair| !pair.starts_with("token=")).collect();
    let path = match rest.is_empty() {
        true => uri.path().to_string(),
        false => format!("{}?{}", uri.path(), rest.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// Rejects requests that the site does not allow.
pub(super) async fn guard(
    State(state): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let site = &state.site;
    let refuse = |request: Request, status, why: String| {
        drain(request.into_body());
        problem(status, why)
    };
    let is_allowed_origin = match site.check(request.uri(), request.headers()) {
        Ok(is_allowed) => is_allowed,
        Err((status, why)) => return refuse(request, status, why),
    };
    let origin = request.headers().get(header::ORIGIN).cloned().filter(|_| is_allowed_origin);
    if let Some(origin) = &origin
        && request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, authorization"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        share_with(origin, headers);
        return response;
    }
    if !site.admits(request.uri(), request.headers()) {
        let why = "a token is needed: open the address that `fer serve` printed, or send it as \
                   `Authorization: Bearer TOKEN`";
        let refused = refuse(request, StatusCode::UNAUTHORIZED, why.into());
        return ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response();
    }
    let by_query = site.token.is_some() && query_token(request.uri()).is_some();
    if let Some(uri) = without_token(request.uri()).filter(|_| by_query) {
        *request.uri_mut() = uri;
    }
    let mut response = next.run(request).await;
    if let Some(token) = site.token.as_ref().filter(|_| by_query) {
        // From now on the page's requests send the cookie, and other sites' requests do not.
        let cookie = format!("{}={token}; HttpOnly; SameSite=Strict; Path=/", site.cookie());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    if let Some(origin) = &origin {
        share_with(origin, response.headers_mut());
    }
    response
}

/// Lets a page of an allowed origin read the response.
fn share_with(origin: &HeaderValue, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(address: &str, config: ServeConfig) -> Site {
        Site::new(address.parse().unwrap(), &config).unwrap()
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    /// The status of the objection.
    fn objection(site: &Site, pairs: &[(HeaderName, &str)]) -> Option<u16> {
        let result = site.check(&Uri::from_static("/"), &headers(pairs));
        result.err().map(|(status, _)| status.as_u16())
    }

    fn ask(address: &str, host: &str, origin: Option<&str>) -> Option<u16> {
        let mut pairs = vec![(header::HOST, host)];
        pairs.extend(origin.map(|origin| (header::ORIGIN, origin)));
        objection(&site(address, ServeConfig::default()), &pairs)
    }

    #[test]
    fn only_our_own_page_may_ask() {
        let here = "127.0.0.1:8765";
        for host in [here, "localhost:8765", "LOCALHOST:8765", "[::1]:8765", "localhost"] {
            assert_eq!(ask(here, host, None), None, "{host}");
            assert_eq!(ask(here, host, Some(&format!("http://{host}"))), None, "{host}");
            assert_eq!(ask(here, host, Some(&format!("https://{host}"))), None, "{host}");
        }
        for host in [
            "evil.example:8765",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "127.0.0.2",
            "0.0.0.0",
            "2130706433",
            "0x7f.1",
            "127.1",
            "[::2]",
        ] {
            assert_eq!(ask(here, host, None), Some(403), "{host}");
        }
        for host in [
            "[::1].evil.example",
            "[::1]evil",
            "[::1",
            "::1",
            "localhost:80@evil.example",
            "user@localhost",
            "localhost:evil.example",
            "127.0.0.1:8765:evil",
            "localhost:99999",
            "localhost:+80",
            "localhost localhost",
            "localhost.",
            "localhost/",
            "",
            "é",
        ] {
            assert_eq!(ask(here, host, None), Some(400), "{host}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "",
            "http://localhost:1",
            "file://",
            "https://",
            "http://localhost:8765/",
            "http://localhost:8765@evil.example",
            "http://[::1].evil.example:8765",
            "chrome-extension://localhost:8765",
            "http://127.0.0.1:8765",
        ] {
            assert_eq!(ask(here, "localhost:8765", Some(origin)), Some(403), "{origin}");
        }
        let here = site(here, ServeConfig::default());
        let (host, origin) = ((header::HOST, "localhost"), (header::ORIGIN, "http://localhost"));
        assert_eq!(objection(&here, &[]), Some(400));
        assert_eq!(objection(&here, &[host.clone(), (header::HOST, "evil.example")]), Some(400));
        assert_eq!(objection(&here, &[host.clone(), host.clone()]), Some(400));
        assert_eq!(objection(&here, &[host.clone(), origin.clone(), origin]), Some(400));
        let line = Uri::from_static("http://evil.example/healthz");
        assert!(here.check(&line, &headers(std::slice::from_ref(&host))).is_err());
        assert!(here.check(&Uri::from_static("http://localhost/"), &headers(&[host])).is_ok());
    }

    #[test]
    fn who_else_may_ask_is_listed() {
        let config = || ServeConfig {
            allowed_hosts: vec!["Lab7.example".into(), "::7".into()],
            allowed_origins: vec!["https://faces.example".into()],
            ..ServeConfig::default()
        };
        let site = site("127.0.0.1:8765", config());
        let ask = |host: &'static str, origin: Option<&'static str>| {
            let mut pairs = vec![(header::HOST, host)];
            pairs.extend(origin.map(|origin| (header::ORIGIN, origin)));
            objection(&site, &pairs)
        };
        assert_eq!(ask("lab7.example:80", None), None);
        assert_eq!(ask("[::7]", Some("http://[::7]")), None);
        assert_eq!(ask("faces.example", Some("https://faces.example")), None);
        assert_eq!(ask("127.0.0.1:8765", Some("https://faces.example:443")), None);
        assert_eq!(ask("127.0.0.1:8765", Some("http://faces.example")), Some(403));
        assert_eq!(ask("lab8.example", None), Some(403));
        for (hosts, origins) in [("lab7:80", ""), ("a b", ""), ("", "lab7"), ("", "ftp://lab7")] {
            let list = |text: &str| match text {
                "" => vec![],
                text => vec![text.to_string()],
            };
            let config = ServeConfig {
                allowed_hosts: list(hosts),
                allowed_origins: list(origins),
                ..ServeConfig::default()
            };
            let result = Site::new("127.0.0.1:1".parse().unwrap(), &config);
            assert!(matches!(result, Err(Error::Setting { .. })), "{hosts} {origins}");
        }
    }

    #[test]
    fn beyond_this_machine_addresses_are_names_and_a_token_is_asked_for() {
        let config = ServeConfig { token: Some("abc".into()), ..ServeConfig::default() };
        let site = site("0.0.0.0:80", config);
        assert_eq!(site.url(), "http://0.0.0.0:80/?token=abc");
        assert_eq!(objection(&site, &[(header::HOST, "10.1.2.3")]), None);
        assert_eq!(objection(&site, &[(header::HOST, "lab7.example")]), Some(403));
        let admits = |uri: &'static str, pairs: &[(HeaderName, &str)]| {
            site.admits(&Uri::from_static(uri), &headers(pairs))
        };
        assert!(admits("/?token=abc", &[]));
        assert!(admits("/api/predict?faces=find&token=abc", &[]));
        assert!(admits("/", &[(header::COOKIE, "other=1; fer_token_80=abc")]));
        assert!(admits("/", &[(header::AUTHORIZATION, "Bearer abc")]));
        for uri in ["/", "/?token=", "/?token=ab", "/?token=abcd", "/?Token=abc", "/?x=token=abc"] {
            assert!(!admits(uri, &[(header::COOKIE, "fer_token_81=abc; token=abc")]), "{uri}");
        }
        let rest = |uri: &'static str| without_token(&Uri::from_static(uri)).unwrap().to_string();
        assert_eq!(rest("/?token=abc"), "/");
        assert_eq!(rest("/api/predict?token=abc&faces=find"), "/api/predict?faces=find");
    }
}
