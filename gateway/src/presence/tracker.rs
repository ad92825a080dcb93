//! Tells the store what this pod tracks: gathers changes of a topic for a moment, writes them at once, and tries again
//! until the store has them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::error::PresenceError;
use super::metrics::Metrics;
use super::model::{Meta, PhxRef};
use super::record::{Delta, Epoch, RecordId, Write, Written};
use super::store::{Store, StoreError};
use super::truth::{Former, Truth};
use crate::lifecycle::Tasks;
use crate::pubsub::SubscriberId;

/// How many topics are written at the same time.
const WRITES: usize = 64;

/// How many tracks are timed at once.
const TIMED: usize = 4096;

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
        let tracked = topics.owners.entry(owner).or_default();
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

    /// Writes a topic until nothing is left to write.
    async fn write(self: Arc<Self>, store: Arc<dyn Store>, topic: Arc<str>) {
        let mut delay = FIRST_DELAY;
        loop {
            tokio::time::sleep(self.coalesce).await;
            match self.write_once(&store, &topic).await {
                Ok(()) => delay = FIRST_DELAY,
                Err(StoreError::OtherEpoch) => {}
                Err(error) => {
                    tracing::debug!(%error, "presences could not be written");
                    let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.0));
                    tokio::time::sleep(jittered).await;
                    delay = (delay * 2).min(LONGEST_DELAY);
                }
            }
            if !self.finish(&*store, &topic).await {
                continue;
            }
            return;
        }
    }

    async fn write_once(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &Arc<str>) -> Result<(), StoreError> {
        // The semaphore is never closed.
        let _permit = self.writes.acquire().await;
        let node = store.node();
        let (batch, mut epoch) = {
            let mut topics = self.topics.lock();
            let Some(own) = topics.own.get_mut(topic) else { return Ok(()) };
            if !own.truth.is_dirty() {
                return Ok(());
            }
            (own.truth.begin(&node, store.now(), self.grace_ms()), own.truth.epoch.clone())
        };
        let mut outcome = Err(StoreError::Unavailable);
        let mut failed = Vec::new();
        for (delta, complete) in batch.delta.chunks(epoch.is_none()) {
            let claims = batch.claims.iter().filter(|claim| delta.put.iter().any(|put| put.id.phx_ref == **claim));
            let claims = claims.cloned().collect();
            let write = Write { node: node.clone(), epoch: epoch.clone(), complete, delta, claims };
            outcome = store.write(topic, &write).await;
            match &mut outcome {
                Ok(written) => {
                    epoch = Some(written.epoch.clone());
                    failed.append(&mut written.failed);
                }
                Err(_) => break,
            }
        }
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return Ok(()) };
        if store.node() != node {
            // All that was written stands under a name that is dead.
            own.truth.rebirth();
            return Ok(());
        }
        match outcome {
            Ok(written) => {
                let put = batch.delta.put.iter().map(|record| &record.id);
                let left: Vec<RecordId> = put.filter(|id| id.is_lingering()).cloned().collect();
                if !left.is_empty() {
                    let expire = self.clone().expire(store.clone(), topic.clone(), written.epoch.clone(), left);
                    self.tasks.spawn_until_stop(expire);
                }
                own.truth.taken(batch, Written { failed, ..written });
                Ok(())
            }
            Err(error) => {
                own.truth.refused(batch);
                if error != StoreError::Unavailable {
                    own.truth.doubt();
                }
                Err(error)
            }
        }
    }

    /// Drops what was left behind when its time has come: nobody else may watch the topic then.
    async fn expire(self: Arc<Self>, store: Arc<dyn Store>, topic: Arc<str>, epoch: Epoch, drop: Vec<RecordId>) {
        tokio::time::sleep(self.grace).await;
        let delta = Delta { drop, put: Vec::new() };
        let (epoch, claims) = (Some(epoch), Vec::new());
        let mut write = Write { node: store.node(), epoch, complete: false, delta, claims };
        // Somebody may have dropped it already, or a new epoch have lost it.
        while store.write(&topic, &write).await.is_err_and(|error| error != StoreError::OtherEpoch) {
            tokio::time::sleep(LONGEST_DELAY).await;
            write.node = store.node();
        }
    }

    /// Ends the writing of a topic, unless there is more to write.
    async fn finish(&self, store: &dyn Store, topic: &str) -> bool {
        {
            let mut topics = self.topics.lock();
            let Some(own) = topics.own.get_mut(topic) else { return true };
            if own.truth.is_dirty() {
                return false;
            }
            if !own.truth.is_empty() {
                own.end_writing();
                return true;
            }
        }
        let vacated = store.vacate(topic).await;
        let mut topics = self.topics.lock();
        let Some(own) = topics.own.get_mut(topic) else { return true };
        if own.truth.is_empty() && vacated.is_ok() {
            own.end_writing();
            topics.own.remove(topic);
            return true;
        }
        // Whoever came meanwhile is in a topic that the store has been told to forget.
        own.truth.doubt();
        false
    }
}

impl Own {
    fn end_writing(&mut self) {
        self.writing = false;
        for waiting in self.waiting.drain(..) {
            // Who no longer waits has dropped the other end.
            let _ = waiting.send(());
        }
    }
}
