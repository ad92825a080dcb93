//! One topic that this pod hosts: its subscribers, the state of its subscription, and how far they have come.

use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::Unavailable;
use super::listener::Listener;
use super::seen::Seen;
use super::track::Track;
use crate::history::Retention;

/// One topic.
pub(super) struct Entry {
    topic: Arc<str>,
    pub(super) state: Mutex<State>,
}

/// What is known about one topic, under its lock.
pub(super) struct State {
    pub(super) phase: Phase,
    /// Interests, subscriptions and publications under way that need the topic to stay.
    pub(super) holds: usize,
    pub(super) subscribers: Slab<Listener>,
    /// Who waits for the topic to be live.
    pub(super) waiting: Vec<oneshot::Sender<Result<(), Unavailable>>>,
    pub(super) seen: Seen,
    /// Absent when the topic keeps no history.
    pub(super) track: Option<Box<Track>>,
    /// Since when nobody holds it.
    pub(super) idle_since: Option<Instant>,
    /// Whether it stands in the queue of idle entries.
    pub(super) queued: bool,
}

/// The state of a topic's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Subscribing,
    Live,
    Interrupted,
    Gone,
}

impl Entry {
    pub(super) fn new(topic: Arc<str>, phase: Phase, kept: Option<Retention>) -> Self {
        let track = kept.map(|retention| Box::new(Track::new(retention)));
        let state = State {
            phase,
            holds: 0,
            subscribers: Slab::new(),
            waiting: Vec::new(),
            seen: Seen::default(),
            track,
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
    /// Whether the topic is received, and it is known where it is.
    pub(super) fn is_ready(&self) -> bool {
        self.is_live() && self.is_placed()
    }

    /// Whether what is published now comes back: what precedes the first known position of a history never does.
    pub(super) fn comes_back(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Interrupted) && self.is_placed()
    }

    /// Whether it is known where the topic is, if it keeps a history.
    fn is_placed(&self) -> bool {
        self.track.as_ref().is_none_or(|track| track.sequence.position().is_some())
    }

    /// Whether the topic is received.
    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Whether it was given up.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Tells those who wait, if the topic is ready.
    pub(super) fn resolve_if_ready(&mut self) {
        if self.is_ready() {
            self.resolve(Ok(()));
        }
    }

    /// Adds a subscriber; where it stands in the list.
    pub(super) fn add(&mut self, listener: Listener) -> usize {
        let count = self.subscribers.len();
        if count == self.subscribers.capacity() {
            // A list that grows by doubling holds room for half as many again, which each small topic would pay.
            self.subscribers.reserve_exact((count / 4).max(1));
        }
        self.subscribers.insert(listener)
    }

    pub(super) fn hold(&mut self) {
        self.holds += 1;
        self.idle_since = None;
    }

    pub(super) fn resolve(&mut self, outcome: Result<(), Unavailable>) {
        for waiting in std::mem::take(&mut self.waiting) {
            // Who no longer waits has dropped the other end.
            let _ = waiting.send(outcome);
        }
    }
}
