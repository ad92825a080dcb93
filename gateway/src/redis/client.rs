use std::time::Duration;

use fred::clients::Client;
use fred::types::Builder;
use fred::types::config::{ReconnectPolicy, TcpConfig};

use super::settings::{Location, SettingsError};

/// How long a command may take; below the 3 seconds that a push may wait (ruling 10).
pub const COMMAND_TIMEOUT: Duration = Duration::from_millis(2500);

/// How long a connection may take to come about.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest pause between attempts to connect: what is sent meanwhile waits for the next one.
const LONGEST_DELAY_MS: u32 = 1000;

/// How many commands may wait inside the client.
const BUFFERED_COMMANDS: usize = 16 * 1024;

/// A client for commands. It connects, again and again, once its `connect` is called. A command is sent once: when its
/// connection falls meanwhile, it fails and is never replayed (ruling 11).
///
/// # Errors
/// When the settings contradict each other.
pub fn client(location: &Location) -> Result<Client, SettingsError> {
    let mut policy = ReconnectPolicy::new_exponential(0, 50, LONGEST_DELAY_MS, 2);
    policy.set_jitter(100);
    Builder::from_config(location.config().clone())
        .set_policy(policy)
        .with_performance_config(|config| {
            config.default_command_timeout = COMMAND_TIMEOUT;
        })
        .with_connection_config(|config| {
            config.connection_timeout = CONNECT_TIMEOUT;
            config.internal_command_timeout = CONNECT_TIMEOUT;
            config.max_command_attempts = 1;
            config.max_command_buffer_len = BUFFERED_COMMANDS;
            config.unresponsive.max_timeout = Some(COMMAND_TIMEOUT);
            config.unresponsive.interval = Duration::from_millis(500);
            config.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        })
        .build()
        .map_err(|error| SettingsError::Client(error.to_string()))
}
