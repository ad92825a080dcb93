use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntGauge;
use slab::Slab;
use tokio::time::Instant;

use super::close::CloseReason;
use crate::channel::Client;

/// The connections of this pod are spread over so many locks.
const SHARDS: usize = 16;

/// What others can do with a connection: see when it was heard last, and have it closed.
#[derive(Debug)]
pub(crate) struct Entry {
    client: Arc<Client>,
    opened: Instant,
    idle_timeout_ms: u64,
    last_seen_ms: AtomicU64,
    closing: AtomicU8,
}

impl Entry {
    pub(crate) fn new(client: Arc<Client>, idle_timeout: Duration, now_ms: u64) -> Self {
        let idle_timeout_ms = u64::try_from(idle_timeout.as_millis()).unwrap_or(u64::MAX);
        let (last_seen_ms, closing) = (AtomicU64::new(now_ms), AtomicU8::new(0));
        Self { client, opened: Instant::now(), idle_timeout_ms, last_seen_ms, closing }
    }

    /// Notes that bytes came.
    pub(crate) fn seen(&self, now_ms: u64) {
        self.last_seen_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Why the connection should close, if it should.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        CloseReason::from_number(self.closing.load(Ordering::Acquire))
    }

    /// Has the connection closed; the first reason stays.
    pub(crate) fn close(&self, reason: CloseReason) {
        let first = self.closing.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.client.outbox().wake();
        }
    }

    /// How long it has been open.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// When bytes came last, in milliseconds of the pod's clock.
    pub(crate) fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms.load(Ordering::Relaxed)
    }

    pub(super) fn is_idle(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_seen_ms.load(Ordering::Relaxed)) >= self.idle_timeout_ms
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// All connections of this pod.
#[derive(Debug)]
pub(crate) struct Registry {
    shards: [Mutex<Slab<Arc<Entry>>>; SHARDS],
    ids: Mutex<HashMap<Box<str>, Vec<Arc<Entry>>>>,
    next: AtomicU64,
    refuses_new: AtomicU8,
    connections: IntGauge,
}

impl Registry {
    /// Without connections; the gauge follows their number.
    pub(crate) fn new(connections: IntGauge) -> Self {
        let (shards, ids) = (Default::default(), Mutex::default());
        Self { shards, ids, next: AtomicU64::new(0), refuses_new: AtomicU8::new(0), connections }
    }

    /// Has connections that come from now on closed at once: they were under way when the stop began.
    pub(crate) fn refuse_new(&self, reason: CloseReason) {
        self.refuses_new.store(reason as u8, Ordering::SeqCst);
    }

    /// Adds a connection, until what is returned is dropped.
    pub(crate) fn register(self: &Arc<Self>, entry: Arc<Entry>) -> Registration {
        let shard = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default() % SHARDS;
        if let Some(id) = entry.client.id() {
            self.ids.lock().entry(id.into()).or_default().push(Arc::clone(&entry));
        }
        let key = self.shards[shard].lock().insert(Arc::clone(&entry));
        self.connections.inc();
        // After it can be seen: either this, or whoever closes all, closes it.
        if let Some(reason) = CloseReason::from_number(self.refuses_new.load(Ordering::SeqCst)) {
            entry.close(reason);
        }
        Registration { registry: Arc::clone(self), entry, shard, key }
    }

    /// Closes the connections with a socket id that are at least so old.
    pub(crate) fn close_id(&self, id: &str, age: Duration, reason: CloseReason) {
        let entries = self.ids.lock().get(id).cloned().unwrap_or_default();
        entries.iter().filter(|entry| entry.opened.elapsed() >= age).for_each(|entry| entry.close(reason));
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
    pub(crate) fn entries(&self) -> Vec<Weak<Entry>> {
        let mut entries = Vec::with_capacity(self.len());
        self.for_each(|entry| {
            if entry.closing().is_none() {
                entries.push(Arc::downgrade(entry));
            }
        });
        entries
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&Arc<Entry>)) {
        for shard in &self.shards {
            shard.lock().iter().for_each(|(_, entry)| visit(entry));
        }
    }
}

/// Removes a connection from the registry when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    entry: Arc<Entry>,
    shard: usize,
    key: usize,
}

impl Registration {
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = self.registry.shards[self.shard].lock().try_remove(self.key);
        if let Some(id) = self.entry.client.id() {
            let mut ids = self.registry.ids.lock();
            if let Some(entries) = ids.get_mut(id) {
                entries.retain(|other| !Arc::ptr_eq(other, &self.entry));
                if entries.is_empty() {
                    ids.remove(id);
                }
            }
        }
        self.registry.connections.dec();
        drop(entry);
    }
}
