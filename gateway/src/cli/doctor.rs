use super::args::DoctorArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::redis_settings;
use crate::config::{Config, Mode};
use crate::doctor::{Level, examine};

/// Looks at what the configuration names, and prints a line for each finding. A finding that is a failure fails it.
pub(super) fn doctor(config: &Config, mode: Mode, options: &DoctorArgs) -> Result<(), Failure> {
    let redis = redis_settings(config)?;
    let findings = runtime()?.block_on(examine(config, mode, redis.as_ref()));
    for finding in &findings {
        let line = if options.json {
            serde_json::to_string(finding).map_err(Failure::unavailable)?
        } else {
            finding.to_string()
        };
        print(&format!("{line}\n"));
    }
    match findings.iter().filter(|finding| finding.level == Level::Fail).count() {
        0 => Ok(()),
        1 => Err(Failure::Unavailable("1 check failed".to_owned())),
        failed => Err(Failure::Unavailable(format!("{failed} checks failed"))),
    }
}
