use std::time::Duration;

use super::error::ConfigError;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["timeout"];

/// `[drain]`: the orderly stop on SIGTERM or SIGINT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// How long a stop may take before what is left is cut. Default 30 s, which is also what Kubernetes waits before it
    /// kills a pod; `0s` cuts at once; `GATEWAY_DRAIN__TIMEOUT`.
    pub timeout: Duration,
}

impl Drain {
    pub(super) fn read(section: &Section) -> Result<Self, ConfigError> {
        Ok(Self { timeout: section.duration("timeout", Duration::from_secs(30))? })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[drain]");
        out.duration("timeout", self.timeout);
    }
}
