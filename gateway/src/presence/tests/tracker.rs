//! How changes of a topic get to a store that is slow, or does not do all it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::record::{Position, Reading, Record, RecordId, Write, Written};
use super::super::store::{Memory, Reap, Store, StoreError, Work};
use super::super::tracker::Tracker;
use super::super::truth::Former;
use super::nobody::Nobody;
use super::pod::{meta, soon};
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::presence::{Metrics, Node, PhxRef};
use crate::pubsub::SubscriberId;

/// A store that takes a while to write, and cannot vacate.
struct Stubborn {
    inner: Memory<Nobody>,
    vacated: AtomicUsize,
}

impl Store for Stubborn {
    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn node(&self) -> NodeId {
        self.inner.node()
    }

    fn write<'a>(&'a self, topic: &'a str, write: &'a Write) -> Work<'a, Written> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.inner.write(topic, write).await
        })
    }

    fn read<'a>(&'a self, topic: &'a str, since: Option<&'a Position>) -> Work<'a, Reading> {
        self.inner.read(topic, since)
    }

    fn list<'a>(&'a self, topic: &'a str) -> Work<'a, Vec<Record>> {
        self.inner.list(topic)
    }

    fn reap<'a>(&'a self, topic: &'a str, node: &'a NodeId, why: Reap) -> Work<'a, bool> {
        self.inner.reap(topic, node, why)
    }

    fn vacate<'a>(&'a self, _topic: &'a str) -> Work<'a, ()> {
        self.vacated.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn nodes(&self) -> Work<'_, Vec<Node>> {
        self.inner.nodes()
    }

    fn close(&self) -> Work<'_, ()> {
        self.inner.close()
    }

    fn subscribe(&self, topic: &str) -> bool {
        self.inner.subscribe(topic)
    }

    fn hears(&self) -> bool {
        self.inner.hears()
    }

    fn outage(&self, topic: &str) -> Option<Duration> {
        self.inner.outage(topic)
    }

    fn unsubscribe(&self, topic: &str) {
        self.inner.unsubscribe(topic);
    }
}

struct Fixture {
    tracker: Arc<Tracker>,
    stubborn: Arc<Stubborn>,
    store: Arc<dyn Store>,
    topic: Arc<str>,
    owner: SubscriberId,
    tasks: Tasks,
}

impl Fixture {
    fn new() -> Self {
        let (tasks, metrics) = (Tasks::new(), Metrics::register(&prometheus::Registry::new()).unwrap());
        let tracker = Arc::new(Tracker::new(Duration::from_millis(10), Duration::ZERO, tasks.clone(), metrics));
        let inner = Memory::new(NodeId::random(), Weak::new());
        let stubborn = Arc::new(Stubborn { inner, vacated: AtomicUsize::new(0) });
        let owner = SubscriberId::for_tests(1);
        Self { tracker, store: stubborn.clone(), stubborn, topic: "t".into(), owner, tasks }
    }

    fn track(&self, key: &str) -> PhxRef {
        self.tracker.track(&self.store, &self.topic, self.owner, key, meta("m"), Former::default()).unwrap().0
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_topic_does_not_wait_for_those_who_come_later() {
    let fixture = Fixture::new();
    let phx_ref = fixture.track("first");
    let busy = async {
        for n in 0_u64.. {
            fixture.track(&n.to_string());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = soon(fixture.tracker.written(&fixture.store, "t")) => {}
        () = busy => {}
    }
    let id = RecordId { node: fixture.store.node(), phx_ref };
    assert!(fixture.store.list("t").await.unwrap().iter().any(|record| record.id == id));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_cannot_be_left_is_tried_again_with_pauses() {
    let fixture = Fixture::new();
    fixture.track("u");
    fixture.tracker.written(&fixture.store, "t").await;
    fixture.tracker.untrack(&fixture.store, &fixture.topic, fixture.owner, "u");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let vacated = fixture.stubborn.vacated.load(Ordering::Relaxed);
    assert!((50..200).contains(&vacated), "{vacated}");
}
