use super::exit::Failure;
use super::process::print;
use crate::config::Config;

/// Prints the settings that `serve` would use, secrets redacted. They were checked when they were loaded.
#[expect(clippy::unnecessary_wraps, reason = "all commands have one signature")]
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    print(&config.redacted_toml());
    Ok(())
}
