use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::close::CloseReason;

/// What the connections of a pod count.
#[derive(Debug, Clone)]
pub(crate) struct SocketMetrics {
    pub(crate) connections: IntGauge,
    pub(crate) messages_received: IntCounter,
    pub(crate) bytes_received: IntCounter,
    pub(crate) bytes_sent: IntCounter,
    pub(crate) outbox_overflows: IntCounter,
    connects: IntCounterVec,
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
}

impl ConnectResult {
    const ALL: [Self; 10] = [
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
        for result in ConnectResult::ALL {
            connects.with_label_values(&[result.label()]);
        }
        let disconnects = by("gateway_disconnects_total", "Connections that ended, by reason", "reason")?;
        let disconnects = CloseReason::ALL.iter().map(|reason| disconnects.with_label_values(&[reason.label()]));
        Ok(Self {
            connections,
            messages_received: counter("gateway_messages_received_total", "Messages that clients sent")?,
            bytes_received: counter("gateway_bytes_received_total", "Bytes read from clients")?,
            bytes_sent: counter("gateway_bytes_sent_total", "Bytes written to clients")?,
            outbox_overflows: counter(
                "gateway_outbox_overflows_total",
                "Connections closed because they read too slowly",
            )?,
            connects,
            disconnects: disconnects.collect(),
        })
    }

    pub(crate) fn connect(&self, result: ConnectResult) {
        self.connects.with_label_values(&[result.label()]).inc();
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
