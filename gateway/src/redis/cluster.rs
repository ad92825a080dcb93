//! Where the channels of a cluster are: one connection to each primary that owns a slot of theirs, and channels that
//! follow their slots.
//!
//! The client for commands knows the slots; they are asked for again every heartbeat, and at once when a connection falls
//! or a server gives up a channel. Lock order: the table here, then the channels of a link.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClusterInterface, PubsubInterface};
use fred::types::cluster::SlotRange;
use fred::types::config::Server;
use parking_lot::Mutex;
use redis_protocol::redis_keyslot;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::client::COMMAND_TIMEOUT;
use super::keys::Keys;
use super::link::Link;
use super::listener::Listener;
use super::place::{Place, Work};
use super::settings::Settings;
use super::spawn::Spawn;

/// How often the slots are asked for while something is amiss.
const HURRY: Duration = Duration::from_millis(250);

/// How many names are tried to find a canary that belongs to a server: one of a hundred primaries is found well within.
const CANARIES: usize = 4096;

/// The connections to a cluster.
pub(super) struct Cluster {
    settings: Settings,
    keys: Keys,
    node: Box<str>,
    client: Client,
    listener: Arc<dyn Listener>,
    /// Whether servers know the channels as sharded ones.
    sharded: bool,
    table: Arc<Mutex<Table>>,
    doubtful: Arc<Notify>,
    /// Whether the slots are known.
    known: watch::Sender<bool>,
    spawn: OnceLock<Spawn>,
}

#[derive(Default)]
struct Table {
    /// By their starts; empty until they are known.
    slots: Vec<SlotRange>,
    links: HashMap<Server, Arc<Link>>,
    channels: HashMap<Arc<str>, Position>,
    /// On their way to another server, and not yet reported as interrupted: until then they must not be received again.
    leaving: HashSet<Arc<str>>,
    /// How many links there have been.
    count: usize,
}

/// Where a channel is received, and since when.
struct Position {
    server: Option<Server>,
    since: Instant,
}

impl Cluster {
    pub(super) fn new(
        settings: &Settings,
        node: &str,
        client: &Client,
        listener: &Arc<dyn Listener>,
        sharded: bool,
    ) -> Self {
        let table = Table::default();
        Self {
            settings: settings.clone(),
            keys: Keys::new(&settings.prefix),
            node: node.into(),
            client: client.clone(),
            listener: listener.clone(),
            sharded,
            table: Arc::new(Mutex::new(table)),
            doubtful: Arc::new(Notify::new()),
            known: watch::Sender::new(false),
            spawn: OnceLock::new(),
        }
    }

    pub(super) fn start(self: &Arc<Self>, spawn: Spawn) {
        let cluster = self.clone();
        spawn(Box::pin(async move { cluster.follow().await }));
        // Set once: a second start would follow the slots twice, and do no harm.
        let _ = self.spawn.set(spawn);
    }

    pub(super) fn subscribe(&self, channel: &str) -> bool {
        let mut table = self.table.lock();
        let server = if table.leaving.contains(channel) { None } else { table.owner(channel).cloned() };
        table.channels.insert(channel.into(), Position { server: server.clone(), since: Instant::now() });
        let Some(server) = server else { return false };
        self.link_to(&mut table, &server).is_some_and(|link| link.subscribe(channel))
    }

    pub(super) fn unsubscribe(&self, channel: &str) {
        let mut table = self.table.lock();
        let position = table.channels.remove(channel);
        if let Some(link) = position.and_then(|position| table.links.get(&position.server?)) {
            link.unsubscribe(channel);
        }
    }

    /// The connection that a channel is received over, or would be.
    pub(super) fn link(&self, channel: &str) -> Option<Arc<Link>> {
        let table = self.table.lock();
        let server = table.channels.get(channel).map_or_else(|| table.owner(channel), |at| at.server.as_ref());
        table.links.get(server?).cloned()
    }

    pub(super) fn outage(&self, channel: &str) -> Option<Duration> {
        let unplaced = self.table.lock().channels.get(channel).and_then(Position::outage);
        unplaced.or_else(|| self.link(channel)?.status().outage())
    }

    pub(super) fn longest_outage(&self) -> Option<Duration> {
        let table = self.table.lock();
        let links = table.links.values().filter_map(|link| link.status().outage());
        links.chain(table.channels.values().filter_map(Position::outage)).max()
    }

    /// Waits until the slots are known, for as long as a command may take.
    pub(super) async fn known(&self) {
        let mut known = self.known.subscribe();
        // Who still does not know then goes on without.
        let _ = tokio::time::timeout(COMMAND_TIMEOUT, known.wait_for(|known| *known)).await;
    }

    /// Whether no connection is up. There is one to each primary.
    pub(super) fn is_cut_off(&self) -> bool {
        self.table.lock().links.values().all(|link| link.status().outage().is_some())
    }

    pub(super) fn owner(&self, channel: &str) -> Option<Server> {
        self.table.lock().owner(channel).cloned()
    }

    pub(super) fn is_primary(&self, server: &Server) -> bool {
        self.table.lock().slots.iter().any(|range| range.primary == *server)
    }

    pub(super) fn doubt_places(&self) {
        self.doubtful.notify_one();
    }

    /// Keeps each channel where its slot is.
    async fn follow(&self) {
        loop {
            // What the client knows may be old; without an answer it is the best that there is.
            let _ = tokio::time::timeout(COMMAND_TIMEOUT, self.client.sync_cluster()).await;
            if let Some(slots) = self.client.cached_cluster_state() {
                self.place(slots.slots().to_vec());
            }
            let pause = if self.longest_outage().is_some() { HURRY } else { self.settings.heartbeat };
            if tokio::time::timeout(pause, self.doubtful.notified()).await.is_ok() {
                // A slot that moves takes many channels with it: one look for all.
                tokio::time::sleep(HURRY / 5).await;
            }
        }
    }

    /// Brings every channel to the owner of its slot. In two passes: who hears that a channel is received again must have
    /// heard before that it was interrupted, and listeners are never called under the lock.
    fn place(&self, mut slots: Vec<SlotRange>) {
        if slots.is_empty() {
            return;
        }
        slots.sort_by_key(|range| range.start);
        let interrupted = self.table.lock().uproot(slots);
        self.known.send_replace(true);
        for channel in &interrupted {
            self.listener.interrupted(channel);
        }
        if !interrupted.is_empty() {
            self.listener.fallen();
        }
        let mut table = self.table.lock();
        table.leaving.clear();
        // Also to those that nothing is received from yet: it tells whether they are there.
        let primaries: HashSet<Server> = table.slots.iter().map(|range| range.primary.clone()).collect();
        for server in &primaries {
            self.link_to(&mut table, server);
        }
        for channel in table.unplaced() {
            let server = table.owner(&channel).cloned();
            let link = server.as_ref().and_then(|server| self.link_to(&mut table, server));
            if let (Some(link), Some(position)) = (link, table.channels.get_mut(&channel)) {
                position.server = server;
                link.subscribe(&channel);
            }
        }
    }

    /// The connection to a server; made when it is needed first. None before the start.
    fn link_to(&self, table: &mut Table, server: &Server) -> Option<Arc<Link>> {
        if let Some(link) = table.links.get(server) {
            return Some(link.clone());
        }
        let spawn = self.spawn.get()?;
        let place = Primary {
            server: server.clone(),
            keys: self.keys.clone(),
            node: self.node.clone(),
            client: self.client.clone(),
            sharded: self.sharded,
            table: Arc::downgrade(&self.table),
            doubtful: self.doubtful.clone(),
        };
        let name = format!("gateway-{}-{}", self.node, table.count);
        table.count += 1;
        let link = Arc::new(Link::new(name, self.settings.clone(), Box::new(place), self.listener.clone()));
        spawn(Box::pin(link.clone().run()));
        table.links.insert(server.clone(), link.clone());
        Some(link)
    }
}

impl Table {
    /// The primary that is responsible for a channel.
    fn owner(&self, channel: &str) -> Option<&Server> {
        let slot = redis_keyslot(channel.as_bytes());
        let after = self.slots.partition_point(|range| range.start <= slot);
        let range = self.slots[..after].last()?;
        (slot <= range.end).then_some(&range.primary)
    }

    /// Takes the channels whose slots have moved from their servers. Those that were received there.
    fn uproot(&mut self, slots: Vec<SlotRange>) -> Vec<Arc<str>> {
        self.slots = slots;
        let moved = |(channel, position): &(&Arc<str>, &Position)| {
            position.server.is_some() && self.owner(channel) != position.server.as_ref()
        };
        let moved: Vec<Arc<str>> = self.channels.iter().filter(moved).map(|(channel, _)| channel.clone()).collect();
        let mut interrupted = Vec::new();
        for channel in moved {
            let nowhere = Position { server: None, since: Instant::now() };
            let before = self.channels.insert(channel.clone(), nowhere).and_then(|before| before.server);
            if before.and_then(|before| self.links.get(&before)).is_some_and(|link| link.unsubscribe(&channel)) {
                interrupted.push(channel);
            }
        }
        self.leaving.extend(interrupted.iter().cloned());
        self.retire();
        interrupted
    }

    /// The channels that are received nowhere.
    fn unplaced(&self) -> Vec<Arc<str>> {
        let unplaced = self.channels.iter().filter(|(_, position)| position.server.is_none());
        unplaced.map(|(channel, _)| channel.clone()).collect()
    }

    /// Ends the connections to servers that own nothing any more.
    fn retire(&mut self) {
        let Self { slots, links, .. } = self;
        links.retain(|server, link| {
            let needed = slots.iter().any(|range| range.primary == *server);
            if !needed {
                link.retire();
            }
            needed
        });
    }
}

impl Position {
    fn outage(&self) -> Option<Duration> {
        self.server.is_none().then(|| self.since.elapsed())
    }
}

/// One primary of the cluster.
struct Primary {
    server: Server,
    keys: Keys,
    node: Box<str>,
    client: Client,
    sharded: bool,
    table: Weak<Mutex<Table>>,
    doubtful: Arc<Notify>,
}

impl Place for Primary {
    fn server(&self) -> Option<Server> {
        Some(self.server.clone())
    }

    fn canary(&self) -> Option<String> {
        let table = self.table.upgrade()?;
        let table = table.lock();
        let mut names = (0..CANARIES).map(|number| self.keys.canary(&self.node, number));
        names.find(|name| table.owner(name) == Some(&self.server))
    }

    fn release(&self, canary: &str) -> Work<bool> {
        let (client, canary, sharded) = (self.client.clone(), canary.to_owned(), self.sharded);
        Box::pin(async move {
            if sharded {
                client.spublish::<i64, _, _>(canary, "").await.is_ok()
            } else {
                client.publish::<i64, _, _>(canary, "").await.is_ok()
            }
        })
    }

    fn is_sharded(&self) -> bool {
        self.sharded
    }

    fn doubtful(&self, channel: Option<&str>) {
        if let (Some(table), Some(channel)) = (self.table.upgrade(), channel)
            && let Some(position) = table.lock().channels.get_mut(channel)
        {
            *position = Position { server: None, since: Instant::now() };
        }
        self.doubtful.notify_one();
    }
}

#[cfg(test)]
mod tests;
