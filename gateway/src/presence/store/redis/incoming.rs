use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::super::Events;
use crate::redis::{Keys, Listener};

/// Takes what the subscriber connections report.
pub(super) struct Incoming<E> {
    keys: Keys,
    /// What the channels of keyspace events begin with.
    prefix: String,
    pub(super) events: Weak<E>,
    /// How many reports of a probe there were.
    probed: AtomicU64,
    pub(super) probe_heard: Notify,
    /// The heartbeat should look at once.
    pub(super) hurry: Notify,
    /// The lease should be renewed at once.
    pub(super) renew: Notify,
    verified: watch::Sender<bool>,
}

impl<E: Events> Incoming<E> {
    pub(super) fn new(keys: Keys, database: u8, events: Weak<E>, verified: watch::Sender<bool>) -> Self {
        Self {
            keys,
            prefix: format!("__keyspace@{database}__:"),
            events,
            probed: AtomicU64::new(0),
            probe_heard: Notify::new(),
            hurry: Notify::new(),
            renew: Notify::new(),
            verified,
        }
    }

    /// The channel on which a server reports changes of a key.
    pub(super) fn channel_of(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// How many reports of a probe there were.
    pub(super) fn probed(&self) -> u64 {
        self.probed.load(Ordering::Relaxed)
    }

    fn changed(&self, channel: &str) -> bool {
        let Some(topic) = channel.strip_prefix(&self.prefix).and_then(|key| self.keys.topic_of_presence(key)) else {
            return false;
        };
        if let Some(events) = self.events.upgrade() {
            events.changed(&topic);
        }
        true
    }
}

impl<E: Events> Listener for Incoming<E> {
    fn message(&self, channel: &str, payload: &Bytes) {
        // The scripts write a version after all else, which is news alone.
        if matches!(&**payload, b"hdel" | b"expire" | b"persist") {
            return;
        }
        // Of a probe, only what a hash reports counts: that is what topics need.
        if !self.changed(channel) && &**payload == b"hincrby" {
            self.probed.fetch_add(1, Ordering::Relaxed);
            self.probe_heard.notify_one();
        }
    }

    fn subscribed(&self, channel: &str) {
        self.changed(channel);
    }

    fn interrupted(&self, _channel: &str) {}

    fn fallen(&self) {
        self.verified.send_replace(false);
    }

    fn risen(&self, _again: bool) {
        self.hurry.notify_one();
        self.renew.notify_one();
    }
}
