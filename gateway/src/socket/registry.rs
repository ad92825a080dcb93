use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntGauge;
use slab::Slab;

use super::close::CloseReason;
use crate::channel::Client;
use crate::clock::Clock;

/// The connections of this pod are spread over so many locks.
const SHARDS: usize = 16;

/// The reason of a connection that has ended; no [`CloseReason`] has this number.
const GONE: u8 = u8::MAX;

/// What others can do with a connection: see when it was heard last, and have it closed. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Entry(Arc<Client>);

impl Entry {
    /// Begins the life of a connection.
    pub(crate) fn new(client: Arc<Client>, idle_timeout: Duration, now_ms: u64) -> Self {
        client.life().begin(idle_timeout, now_ms);
        Self(client)
    }

    /// Notes that bytes came.
    pub(crate) fn seen(&self, now_ms: u64) {
        self.0.life().seen(now_ms);
    }

    /// Why the connection should close, if it should.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        CloseReason::from_number(self.0.life().closing())
    }

    /// Has the connection closed; the first reason stays.
    pub(crate) fn close(&self, reason: CloseReason) {
        if self.0.life().close(reason as u8) {
            self.0.outbox().wake();
        }
    }

    /// How long it has been open, by the pod's clock.
    pub(crate) fn age(&self, now_ms: u64) -> Duration {
        self.0.life().age(now_ms)
    }

    /// When bytes came last, in milliseconds of the pod's clock.
    pub(crate) fn last_seen_ms(&self) -> u64 {
        self.0.life().last_seen_ms()
    }

    pub(super) fn is_idle(&self, now_ms: u64) -> bool {
        self.0.life().is_idle(now_ms)
    }

    pub(super) fn client(&self) -> &Client {
        &self.0
    }

    fn is_of(&self, client: &Arc<Client>) -> bool {
        Arc::ptr_eq(&self.0, client)
    }
}

/// A connection that may have ended.
#[derive(Debug)]
pub(crate) struct WeakEntry(Weak<Client>);

impl WeakEntry {
    /// The connection, unless it has ended or is about to.
    pub(crate) fn upgrade(&self) -> Option<Entry> {
        // What an application has kept of a connection outlives it.
        self.0.upgrade().map(Entry).filter(|entry| entry.0.life().closing() == 0)
    }
}

/// All connections of this pod.
#[derive(Debug)]
pub(crate) struct Registry {
    shards: [Mutex<Slab<Entry>>; SHARDS],
    ids: Mutex<HashMap<Box<str>, Vec<Entry>>>,
    next: AtomicU64,
    refuses_new: AtomicU8,
    clock: Clock,
    connections: IntGauge,
}

impl Registry {
    /// Without connections; the gauge follows their number.
    pub(crate) fn new(connections: IntGauge, clock: Clock) -> Self {
        let (shards, ids) = (Default::default(), Mutex::default());
        Self { shards, ids, next: AtomicU64::new(0), refuses_new: AtomicU8::new(0), clock, connections }
    }

    /// Has connections that come from now on closed at once: they were under way when the stop began.
    pub(crate) fn refuse_new(&self, reason: CloseReason) {
        self.refuses_new.store(reason as u8, Ordering::SeqCst);
    }

    /// Adds a connection, until what is returned is dropped.
    pub(crate) fn register(self: &Arc<Self>, entry: Entry) -> Registration {
        let shard = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default() % SHARDS;
        if let Some(id) = entry.client().id() {
            self.ids.lock().entry(id.into()).or_default().push(entry.clone());
        }
        let key = self.shards[shard].lock().insert(entry.clone());
        self.connections.inc();
        // After it can be seen: either this, or whoever closes all, closes it.
        if let Some(reason) = CloseReason::from_number(self.refuses_new.load(Ordering::SeqCst)) {
            entry.close(reason);
        }
        Registration { registry: Arc::clone(self), entry, place: key * SHARDS + shard }
    }

    /// Closes the connections with a socket id that are at least so old.
    pub(crate) fn close_id(&self, id: &str, age: Duration, reason: CloseReason) {
        let entries = self.ids.lock().get(id).cloned().unwrap_or_default();
        let now_ms = self.clock.now_ms();
        entries.iter().filter(|entry| entry.age(now_ms) >= age).for_each(|entry| entry.close(reason));
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self, reason: CloseReason) {
        self.for_each(|entry| entry.close(reason));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// All that are not being closed. What is returned keeps none of them.
    pub(crate) fn entries(&self) -> Vec<WeakEntry> {
        let mut entries = Vec::with_capacity(self.len());
        self.for_each(|entry| {
            if entry.closing().is_none() {
                entries.push(WeakEntry(Arc::downgrade(&entry.0)));
            }
        });
        entries
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&Entry)) {
        for shard in &self.shards {
            shard.lock().iter().for_each(|(_, entry)| visit(entry));
        }
    }
}

/// Removes a connection from the registry when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    entry: Entry,
    /// Shard and key in one word: there is one for each connection.
    place: usize,
}

impl Registration {
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = self.registry.shards[self.place % SHARDS].lock().try_remove(self.place / SHARDS);
        if let Some(id) = self.entry.client().id() {
            let mut ids = self.registry.ids.lock();
            if let Some(entries) = ids.get_mut(id) {
                entries.retain(|other| !other.is_of(&self.entry.0));
                if entries.is_empty() {
                    ids.remove(id);
                }
            }
        }
        self.registry.connections.dec();
        // The task may have panicked: the stream closes with it, and not when the last who holds the client lets go.
        self.entry.client().outbox().write_no_more();
        // Nobody is to count it among the living any more, whoever still holds its client.
        self.entry.0.life().close(GONE);
        drop(entry);
    }
}
