use std::time::Duration;

use super::error::ConfigError;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["coalesce", "heartbeat", "lease", "leave_grace"];

/// `[presence]`: how pods notice each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// How often a pod proves to itself, through Redis, that its subscriptions still hear. Default 10 s;
    /// `GATEWAY_PRESENCE__HEARTBEAT`.
    pub heartbeat: Duration,
    /// How long the others believe that a silent pod lives; at least two heartbeats. Default 30 s;
    /// `GATEWAY_PRESENCE__LEASE`.
    pub lease: Duration,
    /// For how long changes of a topic are gathered into one diff. Default 20 ms; `GATEWAY_PRESENCE__COALESCE`.
    pub coalesce: Duration,
    /// How long somebody who left may stay away without a diff. Default 0: a leave is told at once;
    /// `GATEWAY_PRESENCE__LEAVE_GRACE`.
    pub leave_grace: Duration,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            coalesce: Duration::from_millis(20),
            leave_grace: Duration::ZERO,
        }
    }
}

impl Presence {
    pub(super) fn read(section: &Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        Ok(Self {
            heartbeat: section.period("heartbeat", default.heartbeat)?,
            lease: section.period("lease", default.lease)?,
            coalesce: section.duration("coalesce", default.coalesce)?,
            leave_grace: section.duration("leave_grace", default.leave_grace)?,
        })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[presence]");
        out.duration("heartbeat", self.heartbeat);
        out.duration("lease", self.lease);
        out.duration("coalesce", self.coalesce);
        out.duration("leave_grace", self.leave_grace);
    }
}
