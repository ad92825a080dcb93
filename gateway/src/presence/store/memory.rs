//! One pod alone: the data is here, and every change is reported at once.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;

use super::ledger::Ledger;
use super::{Events, Reap, Store, StoreError, Work};
use crate::clock::Clock;
use crate::ids::NodeId;
use crate::presence::model::{About, Node};
use crate::presence::record::{Position, Reading, Record, Snapshot, Write, Written};

/// The store of the embedded mode.
pub(in crate::presence) struct Memory<E> {
    node: NodeId,
    clock: Clock,
    topics: Mutex<HashMap<Box<str>, Ledger>>,
    events: Weak<E>,
}

impl<E: Events> Memory<E> {
    pub(in crate::presence) fn new(node: NodeId, events: Weak<E>) -> Self {
        Self { node, clock: Clock::start(), topics: Mutex::default(), events }
    }

    fn changed(&self, topic: &str) {
        if let Some(events) = self.events.upgrade() {
            events.changed(topic);
        }
    }

    fn change<T>(&self, topic: &str, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let result = change(self.topics.lock().entry(topic.into()).or_default());
        self.changed(topic);
        result
    }
}

fn done<'a, T: Send + 'a>(result: Result<T, StoreError>) -> Work<'a, T> {
    Box::pin(ready(result))
}

impl<E: Events> Store for Memory<E> {
    fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    fn node(&self) -> NodeId {
        self.node.clone()
    }

    fn write<'a>(&'a self, topic: &'a str, write: &'a Write) -> Work<'a, Written> {
        done(self.change(topic, |ledger| ledger.write(write)))
    }

    fn read<'a>(&'a self, topic: &'a str, since: Option<&'a Position>) -> Work<'a, Reading> {
        let empty = || Reading::Snapshot(Snapshot::default());
        done(Ok(self.topics.lock().get(topic).map_or_else(empty, |ledger| ledger.read(since))))
    }

    fn list<'a>(&'a self, topic: &'a str) -> Work<'a, Vec<Record>> {
        let mut records = self.topics.lock().get(topic).map(|ledger| ledger.snapshot().records).unwrap_or_default();
        let now = self.now();
        records.retain(|record| record.until.is_none_or(|until| now < until));
        done(Ok(records))
    }

    fn reap<'a>(&'a self, topic: &'a str, node: &'a NodeId, why: Reap) -> Work<'a, bool> {
        if why != Reap::Expired {
            return done(Ok(self.change(topic, |ledger| ledger.reap(node, why))));
        }
        let mut topics = self.topics.lock();
        if let Some(ledger) = topics.get_mut(topic) {
            ledger.expire(self.now());
            if ledger.is_empty() {
                topics.remove(topic);
            }
        }
        drop(topics);
        self.changed(topic);
        done(Ok(false))
    }

    fn vacate<'a>(&'a self, topic: &'a str) -> Work<'a, ()> {
        let mut topics = self.topics.lock();
        if let Some(ledger) = topics.get_mut(topic) {
            while ledger.reap(&self.node, Reap::Dead) {}
            if ledger.is_empty() {
                topics.remove(topic);
            }
        }
        drop(topics);
        // Readers learn that there is nothing, and that a later life is another one.
        self.changed(topic);
        done(Ok(()))
    }

    fn nodes(&self) -> Work<'_, Vec<Node>> {
        done(Ok(vec![Node { id: self.node.clone(), lease: None, is_self: true, about: About::default() }]))
    }

    fn close(&self) -> Work<'_, ()> {
        done(Ok(()))
    }

    fn subscribe(&self, _topic: &str) -> bool {
        true
    }

    fn hears(&self) -> bool {
        true
    }

    fn outage(&self, _topic: &str) -> Option<Duration> {
        None
    }

    fn unsubscribe(&self, _topic: &str) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::contract::{Fixture, Recorder, suite};
    use super::Memory;
    use crate::ids::NodeId;

    async fn fixture() -> Fixture {
        let events = Arc::new(Recorder::default());
        let store = Arc::new(Memory::new(NodeId::random(), Arc::downgrade(&events)));
        Fixture { store: store.clone(), other: store, dead: "dead".into(), events, _owner: Box::new(()) }
    }

    suite!(fixture());
}
