use super::environment::Environment;
use super::error::ConfigError;
use super::print::Printer;
use super::secret::Secret;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["keys"];

/// `[api]`: who may use the internal API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The keys that `Authorization: Bearer KEY` may carry; several at once, so that one can be replaced without a gap.
    /// Default none: `serve` then answers 401 to all, `dev` is open. `GATEWAY_API__KEYS`.
    pub keys: Vec<Secret>,
}

impl Api {
    pub(super) fn read(section: &Section, environment: &Environment) -> Result<Self, ConfigError> {
        let keys = section.list_as("keys", |text| Secret::resolve(text, environment))?;
        Ok(Self { keys: keys.unwrap_or_default() })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[api]");
        out.list("keys", self.keys.iter().map(Secret::redacted));
    }
}
