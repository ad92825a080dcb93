use std::path::Path;
use std::time::Duration;

use super::args::ServeArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use super::watchdog::Watchdog;
use crate::app::Gateway;
use crate::config::Config;
use crate::lifecycle::StopSignals;
use crate::telemetry;

/// How long what is needed at start may take to answer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How much later than `drain.timeout` the process ends at the latest.
const OVERTIME: Duration = Duration::from_secs(4);

/// Serves clients until SIGTERM or SIGINT; a second signal ends the process at once.
pub(super) fn serve(config: Config, options: &ServeArgs, dev: bool) -> Result<(), Failure> {
    telemetry::init(&config.log)?;
    log_panics();
    let runtime = runtime()?;
    // The stop has its own limits; this is for what they cannot end.
    let limit = config.drain.timeout + OVERTIME;
    let served = runtime.block_on(async {
        // Before anything is printed: whoever reads the line may send a signal at once.
        let mut signals = StopSignals::new().map_err(Failure::unavailable)?;
        let builder = Gateway::builder(config);
        let builder = if dev { builder.development() } else { builder };
        let gateway = builder.mount_configured().start().await?;
        let line = format!("listening public={} internal={}\n", gateway.public_addr(), gateway.internal_addr());
        print(&line);
        if dev {
            print(&format!("open http://{}/ in a browser\n", gateway.public_addr()));
        }
        let ready_file = options.ready_file.as_deref();
        tokio::select! {
            ready = tokio::time::timeout(START_LIMIT, gateway.ready()) => {
                ready.map_err(|_| Failure::Unavailable("Redis does not answer; see `redis.url`".to_owned()))?;
                if let Some(path) = ready_file {
                    write_ready_file(path, &line)?;
                }
                signals.next().await;
            }
            () = signals.next() => {}
        }
        tracing::info!("stopping");
        let _watchdog = Watchdog::start(limit, || {
            tracing::error!("the stop does not end: something holds on to a thread");
            std::process::exit(0)
        });
        if let Some(path) = ready_file {
            // It says that the gateway is ready, which it is not any more.
            let _gone_already = std::fs::remove_file(path);
        }
        tokio::select! {
            clean = gateway.shutdown() => if !clean { tracing::warn!("stopped before everything had ended") },
            () = signals.next() => tracing::warn!("a second signal: stopping at once"),
        }
        Ok(())
    });
    // Not awaited: a callback that never returns would hold the exit.
    runtime.shutdown_background();
    served
}

/// Other programs watch for the file, so it appears whole.
fn write_ready_file(path: &Path, line: &str) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| Failure::Unavailable(format!("cannot write {}: {error}", path.display()));
    let partial = path.with_extension("partial");
    std::fs::write(&partial, line).map_err(unwritable)?;
    std::fs::rename(&partial, path).map_err(unwritable)
}

/// A panic of a callback ends a channel, and is logged like everything else.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "a panic");
    }));
}
