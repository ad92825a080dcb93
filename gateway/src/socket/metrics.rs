use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::close::CloseReason;

/// What the connections of a pod count.
#[derive(Debug, Clone)]
pub(crate) struct SocketMetrics {
    pub(crate) connections: IntGauge,
    pub(crate) messages_received: IntCounter,
    pub(crate) bytes_received: IntCounter,
    pub(crate) bytes_sent: IntCounter,
    compression_input: IntCounter,
    compression_output: IntCounter,
    pub(crate) outbox_overflows: IntCounter,
    pub(super) messages_rate_limited: IntCounter,
    connects: Vec<IntCounter>,
    disconnects: Vec<IntCounter>,
}

/// How a request to connect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectResult {
    Accepted,
    BadRequest,
    OriginRefused,
    TokenRefused,
    SubprotocolRefused,
    VsnRefused,
    Unauthorized,
    Refused,
    Crashed,
    Draining,
    /// The pod has `limits.connections`.
    PodFull,
    /// The client address has `limits.connections_per_ip`.
    AddressFull,
    /// The client address tries more than `limits.connects_per_second`.
    AddressTooFast,
    /// One of the three, and too many of them at once to answer this one.
    Shed,
    /// A trusted proxy sent no PROXY header.
    ProxyHeader,
    /// The TLS handshake failed.
    Tls,
}

impl ConnectResult {
    const ALL: [Self; 16] = [
        Self::Accepted,
        Self::BadRequest,
        Self::OriginRefused,
        Self::TokenRefused,
        Self::SubprotocolRefused,
        Self::VsnRefused,
        Self::Unauthorized,
        Self::Refused,
        Self::Crashed,
        Self::Draining,
        Self::PodFull,
        Self::AddressFull,
        Self::AddressTooFast,
        Self::Shed,
        Self::ProxyHeader,
        Self::Tls,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::BadRequest => "bad_request",
            Self::OriginRefused => "origin",
            Self::TokenRefused => "token",
            Self::SubprotocolRefused => "subprotocol",
            Self::VsnRefused => "vsn",
            Self::Unauthorized => "unauthorized",
            Self::Refused => "refused",
            Self::Crashed => "crashed",
            Self::Draining => "draining",
            Self::PodFull => "connections",
            Self::AddressFull => "connections_per_ip",
            Self::AddressTooFast => "connects_per_second",
            Self::Shed => "shed",
            Self::ProxyHeader => "proxy_header",
            Self::Tls => "tls",
        }
    }
}

impl SocketMetrics {
    /// Makes the families and registers them.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let connections = IntGauge::new("gateway_connections", "Connections that are open now")?;
        registry.register(Box::new(connections.clone()))?;
        let by = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let family = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let connects = by("gateway_connects_total", "Requests to connect, by how they were answered", "result")?;
        let connects = ConnectResult::ALL.iter().map(|result| connects.with_label_values(&[result.label()]));
        let disconnects = by("gateway_disconnects_total", "Connections that ended, by reason", "reason")?;
        let disconnects = CloseReason::ALL.iter().map(|reason| disconnects.with_label_values(&[reason.label()]));
        Ok(Self {
            connections,
            messages_received: counter("gateway_messages_received_total", "Messages that clients sent")?,
            bytes_received: counter("gateway_bytes_received_total", "Bytes read from clients")?,
            bytes_sent: counter("gateway_bytes_sent_total", "Bytes written to clients")?,
            compression_input: counter(
                "gateway_compression_input_bytes_total",
                "Bytes of messages that were sent compressed, before that",
            )?,
            compression_output: counter(
                "gateway_compression_output_bytes_total",
                "Bytes of messages that were sent compressed, after that",
            )?,
            outbox_overflows: counter(
                "gateway_outbox_overflows_total",
                "Connections closed because they read too slowly",
            )?,
            messages_rate_limited: counter(
                "gateway_messages_rate_limited_total",
                "Messages refused because their socket sent too many",
            )?,
            connects: connects.collect(),
            disconnects: disconnects.collect(),
        })
    }

    /// Counts messages of one connection, each with its length before and after it was compressed.
    pub(crate) fn compressed(&self, messages: impl Iterator<Item = (usize, usize)>) {
        for (before, after) in messages {
            self.compression_input.inc_by(before as u64);
            self.compression_output.inc_by(after as u64);
        }
    }

    pub(crate) fn connect(&self, result: ConnectResult) {
        if let Some(counter) = self.connects.get(result as usize) {
            counter.inc();
        }
    }

    /// How many requests to connect ended so.
    pub(super) fn connects(&self, result: ConnectResult) -> u64 {
        self.connects.get(result as usize).map_or(0, IntCounter::get)
    }

    /// How many connections ended so.
    pub(super) fn disconnects(&self, reason: CloseReason) -> u64 {
        self.disconnects.get(reason as usize - 1).map_or(0, IntCounter::get)
    }

    pub(crate) fn disconnect(&self, reason: CloseReason) {
        if reason == CloseReason::SlowConsumer {
            self.outbox_overflows.inc();
        }
        if let Some(counter) = self.disconnects.get(reason as usize - 1) {
            counter.inc();
        }
    }
}
