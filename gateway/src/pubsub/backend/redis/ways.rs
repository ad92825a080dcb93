//! The clients by which one lane publishes: one for all, or in a cluster one for each primary, so that one that is dead and
//! not replaced costs the topics of the others nothing.

use std::collections::HashMap;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Server;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backend::{OUTAGE_GRACE, QUIT};
use crate::lifecycle::Tasks;
use crate::redis::{self, Location, Subscriber};

/// The clients of one lane.
pub(super) enum Ways {
    /// Whatever is published goes through it.
    One(Client),
    /// Each publication goes to the primary of its slot.
    Primaries(Box<Primaries>),
}

/// One client for each primary; made when it is first needed.
pub(super) struct Primaries {
    location: Location,
    tasks: Tasks,
    ways: HashMap<Server, Way>,
}

struct Way {
    client: Client,
    /// Since when it is known not to be connected.
    down_since: Option<Instant>,
    /// Ends the connection when the server is no primary any more.
    _retire: DropGuard,
}

impl Ways {
    pub(super) fn of_cluster(location: Location, tasks: Tasks) -> Self {
        Self::Primaries(Box::new(Primaries { location, tasks, ways: HashMap::new() }))
    }

    /// The client to publish through, and whether it is worth a try. An interruption shorter than a second is waited out.
    pub(super) async fn client(&mut self, owner: Option<&Server>, subscriber: &Subscriber) -> Option<Client> {
        match self {
            Self::One(client) => Some(client.clone()),
            Self::Primaries(primaries) => primaries.way(owner?, subscriber)?.ready().await,
        }
    }
}

impl Primaries {
    fn way(&mut self, server: &Server, subscriber: &Subscriber) -> Option<&mut Way> {
        if !self.ways.contains_key(server) {
            self.ways.retain(|known, _| subscriber.is_primary(known));
            // The settings were good enough for the whole cluster.
            let client = redis::client(&self.location.at(server)).ok()?;
            let retired = CancellationToken::new();
            let (connected, token, stopped) = (client.clone(), retired.clone(), self.tasks.stopped());
            self.tasks.spawn(async move {
                // The client's own task, which it spawns itself, ends by `quit`.
                let _connection = connected.connect();
                tokio::select! {
                    () = stopped => {}
                    () = token.cancelled() => {}
                }
                let _ = tokio::time::timeout(QUIT, connected.quit()).await;
            });
            self.ways.insert(server.clone(), Way { client, down_since: None, _retire: retired.drop_guard() });
        }
        self.ways.get_mut(server)
    }
}

impl Way {
    async fn ready(&mut self) -> Option<Client> {
        if !self.client.is_connected() {
            let since = *self.down_since.get_or_insert_with(Instant::now);
            let left = OUTAGE_GRACE.checked_sub(since.elapsed())?;
            tokio::time::timeout(left, self.client.wait_for_connect()).await.ok()?.ok()?;
        }
        self.down_since = None;
        Some(self.client.clone())
    }
}
