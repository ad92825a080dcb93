//! The topics that this pod hosts, each with its subscribers and the state of its subscription.
//!
//! A topic is *subscribing* until the backend receives it, then *live*, *interrupted* while the backend has lost it, and
//! *gone* once nobody has held it for the linger. Lock order: table, then entry, then whatever the backend locks.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backend::{Backend, Inbound, Sink, Taken};
use super::entry::{Entry, Phase};
use super::error::Unavailable;
use super::fanout;
use super::histories::Histories;
use super::message::{Control, ControlHandler};
use super::metrics::{Dropped, Gap, Metrics};
use crate::history::Retention;
use crate::wire::Payload;

/// How many topics that have not lingered long enough one sweep looks at.
const SWEEP: usize = 64;

/// How many locks the table is spread over.
const SHARDS: usize = 64;

type Shard = HashMap<Arc<str>, Arc<Entry>>;

/// The table of topics.
pub(super) struct Topics {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    backend: Arc<dyn Backend>,
    handler: ControlHandler,
    pub(super) metrics: Metrics,
    linger: Duration,
    /// Absent when no topic keeps a history.
    pub(super) histories: Option<Histories>,
    /// Itself, for the tasks that it begins.
    pub(super) this: Weak<Self>,
    /// Entries that nobody held at some time, oldest first; each stands here once at most.
    idle: Mutex<VecDeque<Arc<Entry>>>,
}

/// Keeps one topic subscribed; counted in its entry.
pub(super) struct Hold {
    topics: Arc<Topics>,
    entry: Arc<Entry>,
}

impl Hold {
    /// For a hold that is counted already.
    fn new(topics: Arc<Topics>, entry: Arc<Entry>) -> Self {
        Self { topics, entry }
    }

    /// What is known about the topic that it keeps.
    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The topic that it keeps.
    pub(super) fn topic(&self) -> &Arc<str> {
        self.entry.topic()
    }

    /// Whether messages of the topic may be missed for good at the moment.
    pub(super) fn is_interrupted(&self) -> bool {
        let state = self.entry.state.lock();
        state.phase == Phase::Interrupted && state.track.is_none()
    }

    /// The table that the topic stands in.
    pub(super) fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.topics.release(&self.entry);
    }
}

/// A declared interest: the hold, and what to wait for unless the topic is live already.
pub(super) type Declared = (Hold, Option<oneshot::Receiver<Result<(), Unavailable>>>);

impl Topics {
    /// An empty table. Without a linger, a topic is given up by the call that lets go of it last.
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        handler: ControlHandler,
        metrics: Metrics,
        linger: Duration,
        histories: Option<Histories>,
        this: &Weak<Self>,
    ) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            backend,
            handler,
            metrics,
            linger,
            histories,
            this: this.clone(),
            idle: Mutex::default(),
        }
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Declares interest; the first one subscribes.
    pub(super) fn declare(self: &Arc<Self>, topic: &str) -> Declared {
        loop {
            // Not under the table's lock: a large fan-out of this topic would hold up all others of its shard.
            let entry = self.find(topic).unwrap_or_else(|| self.found(topic));
            let mut state = entry.state.lock();
            if state.phase == Phase::Gone {
                // Given up since it was found: the next look finds another.
                continue;
            }
            state.hold();
            if !state.is_ready() && state.is_live() {
                // The first one asks where the topic is. In embedded mode that is known at once.
                drop(state);
                self.catch_up(&entry);
                state = entry.state.lock();
            }
            let waiting = (!state.is_ready()).then(|| {
                let (resolve, waiting) = oneshot::channel();
                state.waiting.push(resolve);
                waiting
            });
            drop(state);
            return (Hold::new(self.clone(), entry), waiting);
        }
    }

    /// Makes the entry of a topic, unless somebody else just did.
    fn found(&self, topic: &str) -> Arc<Entry> {
        let mut shard = self.shard(topic).write();
        if let Some(entry) = shard.get(topic) {
            return entry.clone();
        }
        let topic: Arc<str> = topic.into();
        let kept = self.retention(&topic);
        let live = self.backend.subscribe(&topic, kept.is_some());
        let phase = if live { Phase::Live } else { Phase::Subscribing };
        let entry = Arc::new(Entry::new(topic.clone(), phase, kept));
        shard.insert(topic, entry.clone());
        entry
    }

    /// For a publication: a hold on the topic, if this pod receives it or is about to receive it again, and how much
    /// history it keeps.
    pub(super) fn hosted(self: &Arc<Self>, topic: &str) -> (Option<Hold>, Option<Retention>) {
        let Some(entry) = self.find(topic) else { return (None, self.retention(topic)) };
        let mut state = entry.state.lock();
        let kept = state.track.as_ref().map(|track| track.retention);
        if !state.comes_back() {
            return (None, kept);
        }
        state.hold();
        drop(state);
        (Some(Hold::new(self.clone(), entry)), kept)
    }

    /// Takes back one hold.
    pub(super) fn release(&self, entry: &Arc<Entry>) {
        let mut state = entry.state.lock();
        state.holds -= 1;
        if state.holds > 0 {
            return;
        }
        state.idle_since = Some(Instant::now());
        if self.linger.is_zero() {
            drop(state);
            self.give_up(entry, Instant::now());
        } else if !std::mem::replace(&mut state.queued, true) {
            drop(state);
            self.idle.lock().push_back(entry.clone());
        }
    }

    /// Gives up the topics that nobody has held for the linger.
    fn sweep(&self, now: Instant) {
        // The queue is nearly in order of time: behind some that are too young, there are few that are not.
        let mut young = 0;
        while young < SWEEP {
            let Some(entry) = self.idle.lock().pop_front() else { return };
            let mut state = entry.state.lock();
            let Some(since) = state.idle_since else {
                state.queued = false;
                continue;
            };
            drop(state);
            if now < since + self.linger {
                young += 1;
                self.idle.lock().push_back(entry);
            } else {
                self.give_up(&entry, now);
            }
        }
    }

    /// Fails those who wait for a topic that will not come soon.
    fn fail_waiting(&self) {
        for shard in &self.shards {
            let entries: Vec<_> = shard.read().values().cloned().collect();
            for entry in entries {
                let awaited = !entry.state.lock().waiting.is_empty();
                if awaited && self.backend.is_hopeless(entry.topic()) {
                    entry.state.lock().resolve(Err(Unavailable));
                }
            }
        }
    }

    /// Hands a message of this pod's own to the subscribers of a topic here. How many took it.
    pub(super) fn deliver_here(&self, topic: &str, event: &str, payload: Payload) -> usize {
        let Some(entry) = self.find(topic) else { return 0 };
        let message = Inbound { topic, event: event.into(), payload, exclude: None, stamp: None, kept: None };
        let delivered = fanout::deliver(&entry.state.lock().subscribers, entry.topic(), &message);
        self.metrics.delivered(delivered);
        delivered
    }

    /// How many subscribers a topic has here.
    pub(super) fn subscribers(&self, topic: &str) -> usize {
        self.find(topic).map_or(0, |entry| entry.state.lock().subscribers.len())
    }

    /// How many topics are held or linger.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    fn give_up(&self, entry: &Arc<Entry>, now: Instant) {
        let mut shard = self.shard(entry.topic()).write();
        let mut state = entry.state.lock();
        // Somebody may have come, and gone again, since the caller looked.
        let due = state.idle_since.is_some_and(|since| since + self.linger <= now);
        if !due && state.idle_since.is_some() && state.queued {
            self.idle.lock().push_back(entry.clone());
            return;
        }
        state.queued = false;
        if !due || state.phase == Phase::Gone {
            return;
        }
        state.phase = Phase::Gone;
        shard.remove(entry.topic());
        self.backend.unsubscribe(entry.topic(), state.track.is_some());
    }

    /// All topics that keep a history.
    pub(super) fn tracked(&self) -> Vec<Arc<Entry>> {
        let entries = self.shards.iter().flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>());
        entries.filter(|entry| entry.state.lock().track.is_some()).collect()
    }

    fn find(&self, topic: &str) -> Option<Arc<Entry>> {
        self.shard(topic).read().get(topic).cloned()
    }

    fn shard(&self, topic: &str) -> &RwLock<Shard> {
        let hash = self.hasher.hash_one(topic);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

impl Sink for Topics {
    fn received(&self, message: &Inbound<'_>) -> Taken {
        let Some(entry) = self.find(message.topic) else { return Taken::Done };
        let mut state = entry.state.lock();
        if state.track.is_some() {
            match (message.kept, &message.stamp) {
                (Some(kept), _) => return self.received_kept(&entry, state, message, kept),
                // Of a pod that does not know yet that the topic keeps a history: live subscribers get it.
                (None, Some(_)) => {}
                (None, None) => return Taken::Refused,
            }
        }
        if message.stamp.as_ref().is_some_and(|stamp| !state.seen.is_new(stamp)) {
            self.metrics.dropped(Dropped::Duplicate);
            return Taken::Done;
        }
        let delivered = fanout::deliver(&state.subscribers, entry.topic(), message);
        let is_tracked = state.track.is_some();
        drop(state);
        self.metrics.delivered(delivered);
        if let (true, Some(histories), Some(stamp)) = (is_tracked, &self.histories, &message.stamp) {
            // Who is away will never learn of it.
            self.metrics.gap(Gap::Unkept);
            histories.complain_unkept(message.topic, &stamp.node);
        }
        Taken::Done
    }

    fn controlled(&self, control: Control, age: Duration) {
        (self.handler)(control, age);
    }

    fn subscribed(&self, topic: &str) {
        let Some(entry) = self.find(topic) else { return };
        let mut state = entry.state.lock();
        if state.phase == Phase::Gone {
            return;
        }
        state.phase = Phase::Live;
        if let Some(track) = &mut state.track {
            // What was missed last is not shown by a later message until there is one.
            track.sequence.doubt();
        }
        state.resolve_if_ready();
        drop(state);
        self.catch_up(&entry);
    }

    fn interrupted(&self, topic: &str) {
        let Some(entry) = self.find(topic) else { return };
        let mut state = entry.state.lock();
        if state.phase == Phase::Live {
            state.phase = Phase::Interrupted;
        }
    }

    fn tick(&self, now: Instant, hopeless: bool) {
        self.sweep(now);
        if hopeless {
            self.fail_waiting();
        }
    }
}

#[cfg(test)]
mod tests;
