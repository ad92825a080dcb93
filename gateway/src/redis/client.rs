use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, MetricsInterface};
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

/// How soon a client's work is begun anew.
const RESTART: Duration = Duration::from_millis(250);

/// How long a client may take to say goodbye.
const QUIT: Duration = Duration::from_secs(1);

/// How often it is looked at what a client believes to have queued, while it is certain to take what is queued.
const LOOKS: usize = 20;

/// Connects a client, keeps it connected until `stopped` resolves, and says goodbye then. The client's own task ends for
/// good over some answers (a redirect that it may not follow, since a command is sent once): then another is begun.
pub async fn stay_connected(client: Client, stopped: impl Future<Output = ()>) {
    let connected = async {
        let (mut work, mut connections) = (client.connect(), None);
        loop {
            let mended = async {
                if let Some(connections) = &mut connections {
                    // An error says that there were many: so it is connected.
                    let _: Result<_, _> = tokio::sync::broadcast::Receiver::recv(connections).await;
                    recount(&client).await;
                }
                std::future::pending::<()>().await;
            };
            let ended = tokio::select! {
                ended = &mut work => ended,
                () = mended => return,
            };
            tracing::warn!(?ended, "a client of Redis has ended: it is begun anew");
            tokio::time::sleep(RESTART).await;
            connections = Some(client.reconnect_rx());
            work = client.connect();
        }
    };
    tokio::select! {
        () = stopped => {}
        () = connected => {}
    }
    let _ = tokio::time::timeout(QUIT, client.quit()).await;
}

/// What a client dropped when its task ended, it counts as queued for ever; and while something is queued, it sends only
/// when much has gathered. What is never queued less cannot be there.
async fn recount(client: &Client) {
    let mut least = usize::MAX;
    for _ in 0..LOOKS {
        tokio::time::sleep(RESTART / 25).await;
        least = least.min(client.command_queue_len());
    }
    client.inner().counters.cmd_buffer_len.fetch_sub(least, Ordering::AcqRel);
}

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

#[cfg(test)]
mod tests {
    use fred::interfaces::KeysInterface;
    use redis_protocol::redis_keyslot;

    use super::super::settings::Settings;
    use super::*;
    use crate::redis::testing::RedisCluster;

    const MOVING: &str = "moving";

    /// A cluster in which the slot of a key is half-way to another server.
    fn cluster() -> RedisCluster {
        let (cluster, slot) = (RedisCluster::start(), redis_keyslot(MOVING.as_bytes()));
        let from = usize::from(slot / 5461).min(2);
        cluster.begin_to_move_slot(slot, from, (from + 1) % 3);
        cluster
    }

    fn location(cluster: &RedisCluster) -> Location {
        Settings::new(&cluster.url(), "test").unwrap().location
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_client_that_was_redirected_goes_on() {
        let cluster = cluster();
        let client = client(&location(&cluster)).unwrap();
        let goes_on = async {
            client.wait_for_connect().await.unwrap();
            assert!(client.get::<Option<String>, _>(MOVING).await.is_err(), "a redirect is not followed");
            while client.get::<Option<String>, _>("elsewhere").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let soon = tokio::time::timeout(Duration::from_secs(20), goes_on);
        tokio::select! {
            () = stay_connected(client.clone(), std::future::pending()) => unreachable!("nothing stops it"),
            soon = soon => soon.expect("soon"),
        }
    }
}
