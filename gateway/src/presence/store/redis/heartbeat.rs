//! Says at every heartbeat that this pod lives, and asks every server whether it still is what it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::interfaces::{ClusterInterface, SetsInterface};
use fred::types::config::Server as Address;
use redis_protocol::redis_keyslot;
use tokio::time::Instant;

use super::super::{Events, StoreError};
use super::encoding::{texts, unavailable};
use super::lease::{self, DEAD};
use super::notify;
use super::store::{Redis, millis};
use crate::ids::NodeId;

/// How soon it is tried again when something failed.
const RETRY: Duration = Duration::from_millis(250);

/// How long a key that probes a server lives: longer than any outage that should not look like a loss.
const PROBE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How many names are tried to find a key that belongs to a server.
const NAMES: usize = 4096;

/// What is known of the servers.
#[derive(Default)]
struct Servers {
    /// What each was, by the key that probes it.
    known: HashMap<String, Server>,
    /// Whether some had other settings set since: it may have reported nothing for a while.
    touched: bool,
    /// Whether some report nothing.
    deaf: bool,
    told: bool,
    /// What to set by hand so that they report.
    advice: Option<&'static str>,
}

/// What a server was when it was probed.
struct Server {
    replication_id: String,
    /// How often its settings were set.
    sets: String,
}

impl<E: Events + 'static> Redis<E> {
    /// Says for as long as the work runs that this pod lives. Apart from everything else, since some server that is away
    /// must not make this pod look dead.
    pub(super) async fn renew_on(self: Arc<Self>) {
        loop {
            let began = Instant::now();
            let renewed = self.renew().await;
            let pause = self.pause(renewed);
            tokio::select! {
                () = tokio::time::sleep_until(began + pause) => {}
                () = self.incoming.renew.notified() => {}
            }
        }
    }

    /// Looks after the servers and the other pods for as long as the work runs.
    pub(super) async fn beat_on(self: Arc<Self>) {
        let mut servers = Servers::default();
        loop {
            let began = Instant::now();
            let beaten = self.beat(&mut servers).await;
            let pause = self.pause(beaten);
            tokio::select! {
                () = tokio::time::sleep_until(began + pause) => {}
                () = self.incoming.hurry.notified() => {}
            }
        }
    }

    /// How long to wait after this. Twice in each heartbeat, so that what is lost is noticed within one.
    fn pause(&self, outcome: Result<(), StoreError>) -> Duration {
        match outcome {
            Ok(()) => self.heartbeat / 2,
            Err(error) => {
                tracing::debug!(%error, "no heartbeat");
                self.spare();
                RETRY.min(self.heartbeat / 2)
            }
        }
    }

    async fn beat(&self, servers: &mut Servers) -> Result<(), StoreError> {
        let began = Instant::now();
        let wanted = self.probe(servers).await?;
        self.verified.send_replace(true);
        if began.elapsed() > self.heartbeat / 2 {
            // What was so slow here may have kept others from saying that they live.
            self.spare();
        }
        self.listen(servers, wanted).await;
        if let Some(events) = self.events() {
            events.beat();
        }
        self.reaping_wanted.notify_one();
        Ok(())
    }

    /// Whether nobody is to be taken for dead now.
    pub(super) fn spares(&self) -> bool {
        *self.spare_until.lock() > Instant::now()
    }

    /// Nobody is to be taken for dead for a while: who lives could not say so.
    pub(super) fn spare(&self) {
        *self.spare_until.lock() = Instant::now() + self.lease;
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let _turn = self.renewing.lock().await;
        let (node, first) = {
            let held = self.held.lock();
            if held.closed {
                return Ok(());
            }
            (held.node.clone(), held.end.is_none())
        };
        let keys = vec![self.keys.lease(node.as_str())];
        let arguments = vec![millis(self.lease), lease::text(&(self.describe)()).into()];
        let reply = self.scripts.lease.run(&self.client, keys, arguments).await.map_err(unavailable)?;
        let words = texts(reply);
        let [state, end] = words.as_slice() else { return Err(StoreError::Unavailable) };
        if state == DEAD {
            let fresh = NodeId::random();
            tracing::warn!(%node, %fresh, "taken for dead by the others: presences begin anew");
            *self.held.lock() = super::store::Held { node: fresh, end: None, since: Instant::now(), closed: false };
            if let Some(events) = self.events() {
                events.reborn();
            }
            self.incoming.renew.notify_one();
            return Err(StoreError::Expired);
        }
        {
            let mut held = self.held.lock();
            (held.end, held.since) = (end.parse().ok(), Instant::now());
        }
        self.client.sadd::<(), _, _>(self.keys.nodes(), node.as_str()).await.map_err(unavailable)?;
        if state == "missing" && !first {
            tracing::warn!(%node, "the lease was gone: Redis lost data, or was away for long");
            self.lost(false);
        }
        Ok(())
    }

    fn lost(&self, set_back: bool) {
        self.spare();
        if let Some(events) = self.events() {
            events.lost(set_back);
        }
    }

    /// Asks each server whether it still has its data and is the one it was, and has it report that it was asked. How
    /// many reports there should be then.
    async fn probe(&self, servers: &mut Servers) -> Result<u64, StoreError> {
        let probes = self.probes();
        let first = servers.known.is_empty();
        if first {
            servers.advice = notify::enable(&self.client, self.cluster).await;
        }
        let heard = self.incoming.probed();
        for key in &probes {
            // A subscription that is there already costs nothing.
            self.subscriber.subscribe(&self.incoming.channel_of(key));
        }
        let (mut lost, mut set_back) = (false, false);
        for key in &probes {
            let life = vec![millis(PROBE_LIFE)];
            let reply = self.scripts.probe.run(&self.client, vec![key.clone()], life).await.map_err(unavailable)?;
            let words = texts(reply);
            let [there, id, sets] = words.as_slice() else { return Err(StoreError::Unavailable) };
            let server = Server { replication_id: id.clone(), sets: sets.clone() };
            if let Some(known) = servers.known.insert(key.clone(), server) {
                lost |= there != "1" || known.replication_id != *id;
                set_back |= there == "1" && known.replication_id != *id;
                servers.touched |= known.sets != *sets;
            }
        }
        if lost {
            tracing::warn!(set_back, "Redis has lost data, or another server took over: presences are told again");
            // The lease may be among it, and who reads Redis passes over those of nodes without one.
            self.incoming.renew.notify_one();
            self.lost(set_back);
        }
        Ok(heard + probes.len() as u64)
    }

    /// Waits for the reports of all probes; without them, everything is read.
    async fn listen(&self, servers: &mut Servers, wanted: u64) {
        let all = async {
            while self.incoming.probed() < wanted {
                self.incoming.probe_heard.notified().await;
            }
        };
        let was_deaf = servers.deaf;
        servers.deaf = tokio::time::timeout(self.heartbeat / 4, all).await.is_err();
        self.hears.store(!servers.deaf, Ordering::Relaxed);
        if servers.deaf {
            servers.advice = notify::enable(&self.client, self.cluster).await;
            if let (Some(setting), false) = (servers.advice, std::mem::replace(&mut servers.told, true)) {
                tracing::warn!(
                    setting,
                    "Redis does not report changes of keys: presences are polled. Set notify-keyspace-events"
                );
            }
        } else {
            servers.told = false;
        }
        // Another pod, or somebody by hand, may have turned reports off and on again between two probes.
        let touched = std::mem::take(&mut servers.touched);
        if (servers.deaf || was_deaf || touched)
            && let Some(events) = self.events()
        {
            events.deaf();
        }
    }

    /// A key at each server that has keys.
    fn probes(&self) -> Vec<String> {
        let node = self.held.lock().node.clone();
        let probe = |number| self.keys.probe(node.as_str(), number);
        let Some(slots) = self.cluster.then(|| self.client.cached_cluster_state()).flatten() else {
            return vec![probe(0)];
        };
        let owner = |key: &str| slots.get_server(redis_keyslot(key.as_bytes()));
        let of = |server: &Address| (0..NAMES).map(probe).find(|key| owner(key) == Some(server));
        slots.unique_primary_nodes().iter().filter_map(of).collect()
    }
}
