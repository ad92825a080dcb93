use super::error::ConfigError;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["enabled", "rate", "tolerance"];

/// `[rebalance]`: a pod that has far more connections than the others sends some of them away, slowly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebalance {
    /// Whether pods do that. Default `false`; `GATEWAY_REBALANCE__ENABLED`.
    pub enabled: bool,
    /// How far above the mean of all pods a pod may be before it does, in percent of the mean. Default 20;
    /// `GATEWAY_REBALANCE__TOLERANCE`.
    pub tolerance: usize,
    /// How many connections a pod closes each second at most. Default 20; `GATEWAY_REBALANCE__RATE`.
    pub rate: usize,
}

impl Rebalance {
    pub(super) fn read(section: &Section) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: section.flag("enabled", false)?,
            tolerance: section.count("tolerance", 20)?,
            rate: section.count("rate", 20)?,
        })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[rebalance]");
        out.bool("enabled", self.enabled);
        out.number("tolerance", self.tolerance);
        out.number("rate", self.rate);
    }
}
