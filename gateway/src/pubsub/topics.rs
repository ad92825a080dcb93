//! The topics that this pod hosts, each with its subscribers and the state of its subscription.
//!
//! A topic is *subscribing* until the backend receives it, then *live*, *interrupted* while the backend has lost it, and
//! *gone* once nobody has held it for the linger. Lock order: table, then entry, then whatever the backend locks.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use slab::Slab;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backend::{Backend, Inbound, Sink};
use super::error::Unavailable;
use super::fanout;
use super::message::{Control, ControlHandler, Subscriber};
use super::metrics::{Dropped, Metrics};
use super::seen::Seen;
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
    metrics: Metrics,
    linger: Duration,
    /// Entries that nobody held at some time, oldest first; each stands here once at most.
    idle: Mutex<VecDeque<Arc<Entry>>>,
}

/// One topic.
pub(super) struct Entry {
    topic: Arc<str>,
    pub(super) state: Mutex<State>,
}

/// What is known about one topic, under its lock.
pub(super) struct State {
    phase: Phase,
    /// Interests, subscriptions and publications under way that need the topic to stay.
    holds: usize,
    pub(super) subscribers: Slab<Subscriber>,
    /// Who waits for the topic to be live.
    waiting: Vec<oneshot::Sender<Result<(), Unavailable>>>,
    seen: Seen,
    /// Since when nobody holds it.
    idle_since: Option<Instant>,
    /// Whether it stands in the queue of idle entries.
    queued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Subscribing,
    Live,
    Interrupted,
    Gone,
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
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The topic that it keeps.
    pub(super) fn topic(&self) -> &Arc<str> {
        self.entry.topic()
    }

    /// Whether messages of the topic may be missed at the moment.
    pub(super) fn is_interrupted(&self) -> bool {
        self.entry.state.lock().is_interrupted()
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
    pub(super) fn new(backend: Arc<dyn Backend>, handler: ControlHandler, metrics: Metrics, linger: Duration) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            backend,
            handler,
            metrics,
            linger,
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
            let waiting = (state.phase != Phase::Live).then(|| {
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
        let live = self.backend.subscribe(&topic);
        let entry = Arc::new(Entry::new(topic.clone(), if live { Phase::Live } else { Phase::Subscribing }));
        shard.insert(topic, entry.clone());
        entry
    }

    /// Holds a topic for a publication, if this pod receives it or is about to receive it again.
    pub(super) fn hosted(self: &Arc<Self>, topic: &str) -> Option<Hold> {
        let entry = self.find(topic)?;
        let mut state = entry.state.lock();
        if !matches!(state.phase, Phase::Live | Phase::Interrupted) {
            return None;
        }
        state.hold();
        drop(state);
        Some(Hold::new(self.clone(), entry))
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
                if awaited && self.backend.is_hopeless(&entry.topic) {
                    entry.state.lock().resolve(Err(Unavailable));
                }
            }
        }
    }

    /// Hands a message of this pod's own to the subscribers of a topic here. How many took it.
    pub(super) fn deliver_here(&self, topic: &str, event: &str, payload: Payload) -> usize {
        let Some(entry) = self.find(topic) else { return 0 };
        let message = Inbound { topic, event: event.into(), payload, exclude: None, stamp: None };
        let delivered = fanout::deliver(&entry.state.lock().subscribers, &entry.topic, &message);
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
        let mut shard = self.shard(&entry.topic).write();
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
        shard.remove(&entry.topic);
        self.backend.unsubscribe(&entry.topic);
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
    fn received(&self, message: &Inbound<'_>) {
        let Some(entry) = self.find(message.topic) else { return };
        let mut state = entry.state.lock();
        if message.stamp.as_ref().is_some_and(|stamp| !state.seen.is_new(stamp)) {
            self.metrics.dropped(Dropped::Duplicate);
            return;
        }
        let delivered = fanout::deliver(&state.subscribers, &entry.topic, message);
        drop(state);
        self.metrics.delivered(delivered);
    }

    fn controlled(&self, control: Control, age: Duration) {
        (self.handler)(control, age);
    }

    fn subscribed(&self, topic: &str) {
        let Some(entry) = self.find(topic) else { return };
        let mut state = entry.state.lock();
        if state.phase != Phase::Gone {
            state.phase = Phase::Live;
            state.resolve(Ok(()));
        }
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

impl Entry {
    fn new(topic: Arc<str>, phase: Phase) -> Self {
        let state = State {
            phase,
            holds: 0,
            subscribers: Slab::new(),
            waiting: Vec::new(),
            seen: Seen::default(),
            idle_since: None,
            queued: false,
        };
        Self { topic, state: Mutex::new(state) }
    }

    pub(super) fn topic(&self) -> &Arc<str> {
        &self.topic
    }
}

impl State {
    pub(super) fn is_interrupted(&self) -> bool {
        self.phase == Phase::Interrupted
    }

    fn hold(&mut self) {
        self.holds += 1;
        self.idle_since = None;
    }

    fn resolve(&mut self, outcome: Result<(), Unavailable>) {
        for waiting in std::mem::take(&mut self.waiting) {
            // Who no longer waits has dropped the other end.
            let _ = waiting.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests;
