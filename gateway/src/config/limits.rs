use std::time::Duration;

use super::error::ConfigError;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &[
    "connections",
    "connections_per_ip",
    "connects_per_second",
    "messages_per_second",
    "joins_per_second",
    "outbox_bytes",
    "handshake_timeout",
];

/// `[limits]`: what one client, and all of them together, may cost.
///
/// Those of numbers are off by default. What is much differs between applications, and behind a proxy that is not in
/// `socket.trusted_proxies` all clients have one address: a default would cut them off together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that a pod has at most; over it new ones are answered 503. Default none;
    /// `GATEWAY_LIMITS__CONNECTIONS`.
    pub connections: Option<usize>,
    /// Connections that one client address (IPv6: one /64) has at most to a pod; over it new ones are answered 429.
    /// Default none; `GATEWAY_LIMITS__CONNECTIONS_PER_IP`.
    pub connections_per_ip: Option<usize>,
    /// Attempts to connect that one client address may make each second, and so many for five seconds at once; over it
    /// they are answered 429. Default none; `GATEWAY_LIMITS__CONNECTS_PER_SECOND`.
    pub connects_per_second: Option<usize>,
    /// Messages of a socket each second, without joins, leaves and heartbeats; over it they are answered with an error.
    /// Default none; `GATEWAY_LIMITS__MESSAGES_PER_SECOND`.
    pub messages_per_second: Option<usize>,
    /// Joins of a socket each second, beside `socket.max_channels` at once; over it they are answered with an error.
    /// Default none; `GATEWAY_LIMITS__JOINS_PER_SECOND`.
    pub joins_per_second: Option<usize>,
    /// Bytes that may wait for a client that reads too slowly; over it the connection ends with 1013. Default 1 MiB;
    /// `GATEWAY_LIMITS__OUTBOX_BYTES`.
    pub outbox_bytes: usize,
    /// How long a client may take to send its whole handshake, that of TLS included. Default 10 s;
    /// `GATEWAY_LIMITS__HANDSHAKE_TIMEOUT`.
    pub handshake_timeout: Duration,
}

impl Limits {
    pub(super) fn read(section: &Section) -> Result<Self, ConfigError> {
        Ok(Self {
            connections: section.optional_count("connections")?,
            connections_per_ip: section.optional_count("connections_per_ip")?,
            connects_per_second: section.optional_count("connects_per_second")?,
            messages_per_second: section.optional_count("messages_per_second")?,
            joins_per_second: section.optional_count("joins_per_second")?,
            outbox_bytes: section.size("outbox_bytes", 1 << 20)?,
            handshake_timeout: section.period("handshake_timeout", Duration::from_secs(10))?,
        })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[limits]");
        out.limit("connections", self.connections);
        out.limit("connections_per_ip", self.connections_per_ip);
        out.limit("connects_per_second", self.connects_per_second);
        out.limit("messages_per_second", self.messages_per_second);
        out.limit("joins_per_second", self.joins_per_second);
        out.size("outbox_bytes", self.outbox_bytes);
        out.duration("handshake_timeout", self.handshake_timeout);
    }
}
