use std::time::Duration;

use super::error::ConfigError;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["outbox_bytes", "handshake_timeout"];

/// `[limits]`: what one client may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that may wait for a client that reads too slowly; over it the connection ends with 1013. Default 1 MiB;
    /// `GATEWAY_LIMITS__OUTBOX_BYTES`.
    pub outbox_bytes: usize,
    /// How long a client may take to send its whole handshake. Default 10 s; `GATEWAY_LIMITS__HANDSHAKE_TIMEOUT`.
    pub handshake_timeout: Duration,
}

impl Limits {
    pub(super) fn read(section: &Section) -> Result<Self, ConfigError> {
        Ok(Self {
            outbox_bytes: section.size("outbox_bytes", 1 << 20)?,
            handshake_timeout: section.period("handshake_timeout", Duration::from_secs(10))?,
        })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[limits]");
        out.size("outbox_bytes", self.outbox_bytes);
        out.duration("handshake_timeout", self.handshake_timeout);
    }
}
