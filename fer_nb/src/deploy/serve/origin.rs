//! Hosts and origins in `Host` and `Origin`: parsed completely, because a text that resembles a name of this
//! machine (`localhost:80@evil.example`) is not one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host in `Host` or `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Ip(IpAddr),
    /// In lower case.
    Dns(String),
}

impl Name {
    /// `localhost`, `lab7.example`, `127.0.0.1`; with brackets, `[::1]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            return Some(Name::Ip(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Name::Ip(IpAddr::V4(address)));
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let is_name = text.len() <= 253 && text.split('.').all(is_label);
        is_name.then(|| Name::Dns(text.to_ascii_lowercase()))
    }
}

/// A host with an optional port: `localhost:8765`.
pub(super) fn host(text: &str) -> Option<(Name, Option<u16>)> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_number = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let port = match port {
        None => None,
        Some(port) if is_number(port) => Some(port.parse().ok()?),
        Some(_) => return None,
    };
    Some((Name::parse(name)?, port))
}

/// The origin of a page: `https://lab7.example`. Without a port, the scheme's default applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) is_https: bool,
    pub(super) name: Name,
    pub(super) port: u16,
}

impl Origin {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_https, rest) = match text.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let (name, port) = host(rest)?;
        Some(Self { is_https, name, port: port.unwrap_or(if is_https { 443 } else { 80 }) })
    }
}
