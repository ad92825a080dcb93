//! The store against a real `redis-server`, which each test starts for itself.

use std::sync::Arc;
use std::time::Duration;

use super::super::Store;
use super::super::contract::{Fixture, Recorder, suite};
use super::Redis;
use super::lease::DEAD;
use crate::config;
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::presence::model::{About, Census};
use crate::presence::record::{Delta, Record, RecordId, Write};
use crate::redis::testing::RedisServer;
use crate::redis::{self, Listener, Settings};

struct Owner(Tasks, RedisServer);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

type Pod = Arc<Redis<Recorder>>;

/// Two pods that have their leases.
async fn pods() -> (Pod, Pod, Arc<Recorder>, Owner) {
    let (server, tasks) = (RedisServer::start(), Tasks::new());
    let settings = Settings::new(&server.url(), "test").unwrap();
    let events = Arc::new(Recorder::default());
    let start = |connections| {
        let client = redis::client(&settings.location).unwrap();
        let describe = Arc::new(move || About { connections: Some(connections), envelope: 2 });
        Redis::start(&settings, &config::Presence::default(), describe, client, Arc::downgrade(&events), &tasks)
    };
    let (store, other) = (start(70), start(80));
    let leases = async {
        while [&store, &other].iter().any(|store| store.held.lock().end.is_none() || !*store.verified.borrow()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), leases).await.expect("soon");
    (store, other, events, Owner(tasks, server))
}

async fn fixture() -> Fixture {
    let (store, other, events, owner) = pods().await;
    let dead = other.node();
    Fixture { store, other, dead, events, _owner: Box::new(owner) }
}

/// A pod says for the first time what it has in a topic.
async fn tell(pod: &Pod) {
    let record = Record {
        id: RecordId { node: pod.node(), phx_ref: "r1".into() },
        key: "u".into(),
        meta: "{}".into(),
        until: None,
    };
    let delta = Delta { drop: Vec::new(), put: vec![record] };
    let write = Write { node: pod.node(), epoch: None, complete: true, delta, claims: Vec::new() };
    pod.write("t", &write).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_tells_all_again_after_a_flush_can_be_found_by_a_reaper() {
    let (store, _other, _events, Owner(_, server)) = &pods().await;
    server.command(&["DEL", "test:nodes"]);
    tell(store).await;
    assert_eq!(server.command(&["SISMEMBER", "test:nodes", store.node().as_str()]), ":1\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_does_not_remember_every_pod_that_has_left_it() {
    let (store, other, _events, Owner(_, server)) = &pods().await;
    tell(other).await;
    for _ in 0..20 {
        // Each time as another pod.
        let node = NodeId::random();
        store.held.lock().node = node;
        tell(store).await;
        store.vacate("t").await.unwrap();
    }
    let complete = server.command(&["HGET", "test:{t}:p", "s"]);
    assert!(complete.contains(other.node().as_str()), "{complete}");
    assert!(complete.lines().nth(1).unwrap().len() < 64, "{complete}");
    assert_eq!(server.command(&["HLEN", "test:{t}:p"]), ":5\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_whose_own_lease_is_gone_takes_nobody_for_dead() {
    let (store, other, _events, Owner(_, server)) = &pods().await;
    tell(other).await;
    let (own, others) = (store.keys.lease(store.node().as_str()), store.keys.lease(other.node().as_str()));
    *store.spare_until.lock() = tokio::time::Instant::now();
    server.command(&["DEL", &own, &others]);
    store.reap_dead().await.unwrap();
    assert_eq!(server.command(&["EXISTS", &others]), ":0\r\n", "nobody has said that it is dead");
    assert!(store.spares());
    // Once it has said that it lives, so could everybody.
    server.command(&["SET", &own, "alive"]);
    *store.spare_until.lock() = tokio::time::Instant::now();
    store.reap_dead().await.unwrap();
    assert!(server.command(&["GET", &others]).contains(DEAD));
    assert_eq!(server.command(&["HLEN", "test:{t}:p"]), ":4\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_say_how_many_connections_each_pod_has() {
    let (store, other, _events, Owner(_, server)) = &pods().await;
    let mut nodes = store.nodes().await.unwrap();
    nodes.sort_by_key(|node| node.about.connections);
    assert_eq!(nodes.iter().map(|node| node.is_self).collect::<Vec<_>>(), [true, false]);
    let about = |connections| About { connections: Some(connections), envelope: 2 };
    assert_eq!(nodes.iter().map(|node| node.about).collect::<Vec<_>>(), [about(70), about(80)]);
    let census = store.census().unwrap();
    store.reap_dead().await.unwrap();
    assert_eq!(*census.borrow(), Census { others: vec![about(80)], doubtful: true }, "pods that have just come doubt");
    // Pods of the first releases say that they live, and nothing more.
    server.command(&["SET", &store.keys.lease(other.node().as_str()), "alive"]);
    *store.spare_until.lock() = tokio::time::Instant::now();
    store.reap_dead().await.unwrap();
    assert_eq!(*census.borrow(), Census { others: vec![About::default()], doubtful: false });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_of_a_pod_that_is_late_do_not_count() {
    let (store, other, _events, Owner(_, server)) = &pods().await;
    let census = store.census().unwrap();
    let lease = store.keys.lease(other.node().as_str());
    // Its heartbeats come every 5 seconds, and its lease lasts 30: it was renewed 19 seconds ago, and 21.
    for (left, connections) in [("11000", Some(80)), ("9000", None)] {
        assert_eq!(server.command(&["PEXPIRE", &lease, left]), ":1\r\n");
        store.reap_dead().await.unwrap();
        assert_eq!(census.borrow().others, [About { connections, envelope: 2 }], "{left} ms are left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_leave_at_once_are_one_event() {
    let (store, _other, events, Owner(_, server)) = &pods().await;
    let record = |n| Record {
        id: RecordId { node: store.node(), phx_ref: format!("r{n}").as_str().into() },
        key: "u".into(),
        meta: "{}".into(),
        until: None,
    };
    let put: Vec<Record> = (0..1000).map(record).collect();
    let drop = put.iter().map(|record| record.id.clone()).collect();
    let (node, claims) = (store.node(), Vec::new());
    let delta = Delta { drop: Vec::new(), put };
    let write = Write { node, epoch: None, complete: true, delta, claims };
    let epoch = Some(store.write("t", &write).await.unwrap().epoch);
    let delta = Delta { drop, put: Vec::new() };
    store.write("t", &Write { epoch, complete: false, delta, ..write }).await.unwrap();
    let stats = server.command(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_hdel:calls=1,"), "{stats}");
    assert_eq!(server.command(&["HLEN", "test:{t}:p"]), ":4\r\n");
    // Of what one write reports, one event is news.
    let channel = store.incoming.channel_of("test:{t}:p");
    for event in ["hdel", "hset", "expire"] {
        store.incoming.message(&channel, &event.into());
    }
    assert_eq!(events.take(), ["t"]);
}

suite!(fixture());
