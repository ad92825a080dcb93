//! What the examples have in common: how they start, how they stop, and how their pages are served.

pub(crate) mod page;

use std::error::Error;
use std::io::Write as _;

use gateway::Builder;
use gateway::config::{Config, Flags, Mode, process_environment};

/// Whatever an example cannot go on with.
pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

/// The settings of `gateway dev`, changed by the environment: `GATEWAY_LISTEN__PUBLIC`, `GATEWAY_REDIS__URL`. Starts the
/// log, too.
pub(crate) fn config() -> Result<Config, AnyError> {
    let config = Config::load(Mode::Dev, None, process_environment(), &Flags::default())?;
    gateway::telemetry::init(&config.log)?;
    Ok(config)
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn serve(builder: Builder) -> Result<(), AnyError> {
    let gateway = builder.start().await?;
    let (public, internal) = (gateway.public_addr(), gateway.internal_addr());
    writeln!(std::io::stdout(), "listening public={public} internal={internal}\nopen http://{public}/ in a browser")?;
    gateway.until_stopped().await?;
    Ok(())
}
