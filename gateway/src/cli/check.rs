use super::exit::Failure;
use super::process::print;
use crate::app::{StartError, database_location};
use crate::auth::Verifier;
use crate::config::Config;
use crate::transport::Tls;

/// Prints the settings that `serve` would use, secrets redacted. They were checked when they were loaded; whether keys are
/// keys, and certificates in other files certificates, is seen when they are used.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    if let Some(auth) = &config.auth {
        Verifier::new(auth).map_err(StartError::from)?;
    }
    if let Some(files) = &config.listen.tls {
        Tls::load(files).map_err(StartError::from)?;
    }
    database_location(config)?;
    print(&config.redacted_toml());
    Ok(())
}
