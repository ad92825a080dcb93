//! Tells the store what this pod tracks: gathers changes of a topic for a moment, writes them at once, and tries again
//! until the store has them.

mod writer;

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::error::PresenceError;
use super::metrics::Metrics;
use super::model::{Meta, PhxRef};
use super::record::Epoch;
use super::store::Store;
use super::truth::{Former, Truth};
use crate::lifecycle::Tasks;
use crate::pubsub::SubscriberId;

/// How many topics are written at the same time.
const WRITES: usize = 64;

/// How many tracks are timed at once.
const TIMED: usize = 4096;

/// By how much what this pod knows of the store's clock may be wrong.
const CLOCKS: Duration = Duration::from_millis(100);

const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// What this pod tracks, in all topics.
pub(super) struct Tracker {
    topics: Mutex<Topics>,
    writes: Semaphore,
    coalesce: Duration,
    /// How long what is left behind by a client lingers.
    grace: Duration,
    tasks: Tasks,
    metrics: Metrics,
}

#[derive(Default)]
struct Topics {
    own: HashMap<Arc<str>, Own>,
    /// Where each owner tracks something; with duplicates.
    owners: HashMap<SubscriberId, Vec<Arc<str>>>,
    /// When states were made that have not come back yet.
    timed: HashMap<PhxRef, Instant>,
}

#[derive(Default)]
struct Own {
    truth: Truth,
    /// Whether a task writes this topic.
    writing: bool,
    /// Who waits until all is written.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Tracker {
    pub(super) fn new(coalesce: Duration, grace: Duration, tasks: Tasks, metrics: Metrics) -> Self {
        Self { topics: Mutex::default(), writes: Semaphore::new(WRITES), coalesce, grace, tasks, metrics }
    }

    /// Whether who leaves may come back.
    pub(super) fn lingers(&self) -> bool {
        !self.grace.is_zero()
    }

    fn grace_ms(&self) -> u64 {
        u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX)
    }

    /// The reference, and whether the client is kept back.
    pub(super) fn track(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        topic: &Arc<str>,
        owner: SubscriberId,
        key: &str,
        meta: Meta,
        former: Former,
    ) -> Result<(PhxRef, bool), PresenceError> {
        let phx_ref = self.change(store, topic, |truth| truth.track(owner, key, meta, former))?;
        let mut topics = self.topics.lock();
        let kept_back = topics.own.get(topic).is_some_and(|own| own.truth.keeps_back(owner, key));
        if kept_back {
            topics.timed.remove(&phx_ref);
        }
        let tracked = topics.owners.entry(owner).or_insert_with(|| Vec::with_capacity(1));
        if !tracked.contains(topic) {
            tracked.push(topic.clone());
        }
        drop(topics);
        self.metrics.tracked();
        Ok((phx_ref, kept_back))
    }

    /// See [`Truth::settle`].
    pub(super) fn settle(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        topic: &Arc<str>,
        owner: SubscriberId,
        key: &str,
        former: Former,
    ) -> bool {
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return true };
        let settled = own.truth.settle(owner, key, former);
        if settled {
            self.written_soon(store, topic, own);
        }
        settled
    }

    pub(super) fn update(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        topic: &Arc<str>,
        owner: SubscriberId,
        key: &str,
        change: impl FnOnce(&Meta) -> Meta,
    ) -> Result<PhxRef, PresenceError> {
        self.change(store, topic, |truth| truth.update(owner, key, change))
    }

    pub(super) fn untrack(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &Arc<str>, owner: SubscriberId, key: &str) {
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return };
        let count = usize::from(own.truth.untrack(owner, key));
        self.written_soon(store, topic, own);
        drop(topics);
        self.metrics.untracked(count);
    }

    pub(super) fn end(self: &Arc<Self>, store: &Arc<dyn Store>, owner: SubscriberId) {
        let mut topics = self.topics.lock();
        let mut count = 0;
        for topic in topics.owners.remove(&owner).unwrap_or_default() {
            if let Some(own) = topics.own.get_mut(&topic) {
                count += own.truth.end(owner, self.lingers());
                self.written_soon(store, &topic, own);
            }
        }
        drop(topics);
        self.metrics.untracked(count);
    }

    /// Untracks everything on this pod.
    pub(super) fn end_all(self: &Arc<Self>, store: &Arc<dyn Store>) {
        let mut topics = self.topics.lock();
        topics.owners.clear();
        let mut count = 0;
        for (topic, own) in &mut topics.own {
            count += own.truth.end_all(self.lingers());
            self.written_soon(store, topic, own);
        }
        drop(topics);
        self.metrics.untracked(count);
    }

    /// The store may have lost what it was told: tells it everything again.
    pub(super) fn repeat(self: &Arc<Self>, store: &Arc<dyn Store>, reborn: bool) {
        let mut topics = self.topics.lock();
        for (topic, own) in &mut topics.own {
            if reborn {
                own.truth.rebirth();
            } else {
                own.truth.doubt();
            }
            self.written_soon(store, topic, own);
        }
    }

    /// All of a topic was read, in this epoch, if there is one. If this pod has told what it has in another one, it tells
    /// it again.
    pub(super) fn found(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &Arc<str>, epoch: Option<&Epoch>) {
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return };
        own.truth.found(epoch);
        if own.truth.is_dirty() {
            self.written_soon(store, topic, own);
        }
    }

    /// Resolves when the store has all that this pod has tracked in the topic before.
    pub(super) async fn written(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &str) {
        let waiting = {
            let mut topics = self.topics.lock();
            let Some(own) = topics.own.get_mut(topic) else { return };
            own.truth.settle_all();
            if own.truth.is_dirty() {
                self.written_soon(store, &topic.into(), own);
            }
            if !own.writing {
                return;
            }
            let (resolve, waiting) = oneshot::channel();
            own.waiting.push(resolve);
            waiting
        };
        // An error says that the writer has gone, and so has the wish.
        let _gone = waiting.await;
    }

    /// Resolves when the store has everything.
    pub(super) async fn all_written(self: &Arc<Self>, store: &Arc<dyn Store>) {
        while let Some(topic) = self.unwritten() {
            self.written(store, &topic).await;
        }
    }

    fn unwritten(&self) -> Option<Arc<str>> {
        let topics = self.topics.lock();
        topics.own.iter().find(|(_, own)| own.writing).map(|(topic, _)| topic.clone())
    }

    /// States have come back: measures how long that took.
    pub(super) fn came_back<'a>(&self, phx_refs: impl Iterator<Item = &'a PhxRef>) {
        let mut topics = self.topics.lock();
        if topics.timed.is_empty() {
            return;
        }
        for phx_ref in phx_refs {
            if let Some(since) = topics.timed.remove(phx_ref) {
                self.metrics.converged(since.elapsed());
            }
        }
    }

    fn change(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        topic: &Arc<str>,
        change: impl FnOnce(&mut Truth) -> Result<PhxRef, PresenceError>,
    ) -> Result<PhxRef, PresenceError> {
        let mut topics = self.topics.lock();
        let phx_ref = match topics.own.entry(topic.clone()) {
            MapEntry::Occupied(mut own) => {
                let phx_ref = change(&mut own.get_mut().truth)?;
                self.written_soon(store, topic, own.get_mut());
                phx_ref
            }
            MapEntry::Vacant(vacant) => {
                let mut own = Own::default();
                let phx_ref = change(&mut own.truth)?;
                self.written_soon(store, topic, vacant.insert(own));
                phx_ref
            }
        };
        if topics.timed.len() >= TIMED {
            // What was untracked before it was written never comes back.
            topics.timed.clear();
        }
        topics.timed.insert(phx_ref.clone(), Instant::now());
        Ok(phx_ref)
    }

    fn written_soon(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &Arc<str>, own: &mut Own) {
        if !std::mem::replace(&mut own.writing, true) {
            self.tasks.spawn_until_stop(self.clone().write(store.clone(), topic.clone()));
        }
    }
}

impl Own {
    fn end_writing(&mut self) {
        self.writing = false;
        resolve(std::mem::take(&mut self.waiting));
    }
}

fn resolve(waiting: Vec<oneshot::Sender<()>>) {
    for waiting in waiting {
        // Who no longer waits has dropped the other end.
        let _ = waiting.send(());
    }
}
