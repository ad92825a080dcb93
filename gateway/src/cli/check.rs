use super::exit::Failure;
use super::process::print;
use crate::auth::Verifier;
use crate::config::Config;

/// Prints the settings that `serve` would use, secrets redacted. They were checked when they were loaded; whether keys
/// are keys is seen when they are used.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    if let Some(auth) = &config.auth {
        Verifier::new(auth).map_err(|error| Failure::Configuration(error.to_string()))?;
    }
    print(&config.redacted_toml());
    Ok(())
}
