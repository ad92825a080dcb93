//! The address of a server.

use std::net::{SocketAddr, ToSocketAddrs};

use super::message::Vsn;

/// A parsed and resolved `ws://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// As the user wrote it; error lines name it.
    pub(crate) url: String,
    /// `host:port`, for the Host header.
    pub(crate) host: String,
    /// Request target: path and query, with `vsn`.
    pub(crate) target: String,
    pub(crate) address: SocketAddr,
}

/// Why a `--url` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("{0}: TLS is not supported; measure the plain ws:// listener")]
    Tls(String),
    #[error("{0}: the address must look like ws://HOST:PORT/socket/websocket")]
    NotWs(String),
    #[error("{0}: the host can't be resolved")]
    Unresolved(String),
}

impl Endpoint {
    /// Reads a URL and adds `vsn` to its query unless it names one.
    pub(crate) fn parse(url: &str, vsn: Vsn) -> Result<Self, EndpointError> {
        if url.starts_with("wss://") {
            return Err(EndpointError::Tls(url.to_owned()));
        }
        let rest = url.strip_prefix("ws://").ok_or_else(|| EndpointError::NotWs(url.to_owned()))?;
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = if path.is_empty() { "/" } else { path };
        let has_vsn = query.split('&').any(|pair| pair.starts_with("vsn="));
        let target = match (query.is_empty(), has_vsn) {
            (true, _) => format!("{path}?vsn={}", vsn.as_str()),
            (false, true) => format!("{path}?{query}"),
            (false, false) => format!("{path}?{query}&vsn={}", vsn.as_str()),
        };
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let mut addresses = host.to_socket_addrs().map_err(|_| EndpointError::Unresolved(url.to_owned()))?;
        let address = addresses.next().ok_or_else(|| EndpointError::Unresolved(url.to_owned()))?;
        Ok(Self { url: url.to_owned(), host, target, address })
    }
}

/// The nodes of a server; connections take turns. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    first: Endpoint,
    more: Vec<Endpoint>,
}

impl Endpoints {
    /// A server of one node.
    pub(crate) fn one(endpoint: Endpoint) -> Self {
        Self { first: endpoint, more: Vec::new() }
    }

    /// Adds a node.
    pub(crate) fn and(mut self, endpoint: Endpoint) -> Self {
        self.more.push(endpoint);
        self
    }

    /// How many nodes there are.
    pub(crate) fn count(&self) -> usize {
        1 + self.more.len()
    }

    /// The node of the connection with this number, counted from 0.
    pub(crate) fn of(&self, connection: usize) -> &Endpoint {
        let turn = connection % self.count();
        turn.checked_sub(1).map_or(&self.first, |turn| &self.more[turn])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> String {
        Endpoint::parse(url, Vsn::V2).unwrap().target
    }

    #[test]
    fn the_version_joins_the_query_unless_the_user_named_one() {
        assert_eq!(target("ws://127.0.0.1:4000/socket/websocket"), "/socket/websocket?vsn=2.0.0");
        assert_eq!(target("ws://127.0.0.1:4000/s?token=a"), "/s?token=a&vsn=2.0.0");
        assert_eq!(target("ws://127.0.0.1:4000/s?vsn=1.0.0&token=a"), "/s?vsn=1.0.0&token=a");
        assert_eq!(target("ws://127.0.0.1:4000?a=b"), "/?a=b&vsn=2.0.0");
        assert_eq!(target("ws://127.0.0.1:4000"), "/?vsn=2.0.0");
    }

    #[test]
    fn host_and_address_are_taken_from_the_authority() {
        let endpoint = Endpoint::parse("ws://127.0.0.1:4000/s", Vsn::V1).unwrap();
        assert_eq!(
            (endpoint.host.as_str(), endpoint.address.to_string().as_str()),
            ("127.0.0.1:4000", "127.0.0.1:4000")
        );
        assert_eq!(Endpoint::parse("ws://[::1]/s", Vsn::V1).unwrap().address.to_string(), "[::1]:80");
    }

    #[test]
    fn connections_take_turns_at_the_nodes() {
        let node = |port: u16| Endpoint::parse(&format!("ws://127.0.0.1:{port}/s"), Vsn::V2).unwrap();
        let endpoints = Endpoints::one(node(1)).and(node(2)).and(node(3));
        let ports: Vec<_> = (0..5).map(|id| endpoints.of(id).address.port()).collect();
        assert_eq!(ports, [1, 2, 3, 1, 2]);
    }

    #[test]
    fn what_can_not_be_used_is_refused_with_a_reason() {
        let refused = |url: &str| Endpoint::parse(url, Vsn::V2).unwrap_err();
        assert!(matches!(refused("wss://127.0.0.1:1/s"), EndpointError::Tls(_)));
        assert!(matches!(refused("http://127.0.0.1:1/s"), EndpointError::NotWs(_)));
        assert!(matches!(refused("ws:///s"), EndpointError::Unresolved(_)));
    }
}
