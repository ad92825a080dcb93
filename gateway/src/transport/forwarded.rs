//! What the headers of proxies tell about a client, as far as they can be believed.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::HOST;

use crate::auth::Origin;
use crate::config::Network;

/// The proxies in front of the gateway. Only what they say is believed; what a client says about itself never is.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    pub(crate) fn new(networks: &[Network]) -> Self {
        Self(networks.to_vec())
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client behind `source`: the last one in `X-Forwarded-For` that no trusted proxy has. Each
    /// proxy appends the address that it sees, so whatever a client puts there itself stands before its own.
    pub(super) fn client_ip(&self, source: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = source.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or_default());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        for hop in hops.into_iter().rev() {
            if !self.contains(client) {
                break;
            }
            // What cannot be read was not written by a proxy that appends addresses: nothing before it counts.
            let Some(address) = parse_address(hop) else { break };
            client = address.to_canonical();
        }
        client
    }
}

/// Where a client sent its request to, for `check_origin = "conn"`. `is_proxy`: the request comes from a trusted proxy, so
/// that its headers count. `secure`: it came over our own TLS.
pub(super) fn request_origin(is_proxy: bool, secure: bool, headers: &HeaderMap) -> Origin {
    let forwarded = |name| if is_proxy { last_value(headers, name) } else { None };
    let scheme = match forwarded("x-forwarded-proto") {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") => "https",
        None if secure => "https",
        Some(_) | None => "http",
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = forwarded("x-forwarded-host").or(host).unwrap_or_default();
    Origin::parse(&format!("{scheme}://{host}"))
}

/// What the nearest proxy says: the last value of the last line.
fn last_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// `192.0.2.1`, `2001:db8::1`, and with a port as some proxies write them: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn parse_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let address = hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config::{Config, Mode};

    fn proxies(list: &str) -> TrustedProxies {
        let config = Config::from_toml(Mode::Dev, &format!("[socket]\ntrusted_proxies = {list}")).unwrap();
        TrustedProxies::new(&config.socket.trusted_proxies)
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn client(source: &str, forwarded: &[&'static str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let proxies = proxies(r#"["10.0.0.0/8", "2001:db8:ff::/48"]"#);
        proxies.client_ip(source.parse().unwrap(), &headers(&lines)).to_string()
    }

    #[test]
    fn the_client_is_the_last_one_that_no_proxy_of_ours_is() {
        for (source, forwarded, expected) in [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1", "10.0.0.2,10.0.0.3"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("2001:db8:ff::1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ] {
            assert_eq!(client(source, forwarded), expected, "{source} {forwarded:?}");
        }
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        for (source, forwarded, expected) in [
            // Who is no proxy of ours says nothing that counts.
            ("192.0.2.1", &["8.8.8.8"][..], "192.0.2.1"),
            // What it has sent itself stands before what the proxy has seen.
            ("10.0.0.1", &["8.8.8.8, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["10.0.0.7, 8.8.8.8, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["8.8.8.8", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["8.8.8.8, garbage"], "10.0.0.1"),
            ("10.0.0.1", &["8.8.8.8,"], "10.0.0.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["\u{fc}"], "10.0.0.1"),
        ] {
            assert_eq!(client(source, forwarded), expected, "{source} {forwarded:?}");
        }
    }

    #[test]
    fn scheme_and_host_are_believed_from_proxies_only() {
        let lines = headers(&[
            ("host", "gateway:4000"),
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-host", "evil.example, chat.example"),
        ]);
        let origin = |is_proxy, secure, headers: &HeaderMap| {
            let origin = request_origin(is_proxy, secure, headers);
            (origin.scheme.unwrap(), origin.host.unwrap(), origin.port.unwrap())
        };
        let expected = |scheme: &str, host: &str, port| (scheme.to_owned(), host.to_owned(), port);
        assert_eq!(origin(true, false, &lines), expected("https", "chat.example", 443));
        assert_eq!(origin(false, false, &lines), expected("http", "gateway", 4000));
        assert_eq!(origin(false, true, &lines), expected("https", "gateway", 4000));
        let plain = headers(&[("host", "chat.example")]);
        assert_eq!(origin(true, true, &plain), expected("https", "chat.example", 443));
    }
}
