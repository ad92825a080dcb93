//! Topics with history on a Redis that loses connections, messages or everything.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::outage::recovered;
use super::{RedisPod, settings};
use crate::history::{Limit, Page};
use crate::ids::NodeId;
use crate::outbox::{Budget, Outbox};
use crate::pubsub::backend::kept_contract::{self, suite};
use crate::pubsub::testing::{Client, Pod, broadcast, listen, policy, soon};
use crate::pubsub::{Acceptance, Delivery, IdempotencyKey, Lost, envelope};
use crate::redis::Keys;
use crate::redis::testing::{RedisCluster, RedisSentinel, RedisServer};
use crate::wire::Vsn;

const LIMIT: Limit = Limit { messages: 1000, bytes: 1 << 20 };

/// The pod goes before its server.
struct Fixture {
    pod: RedisPod,
    server: RedisServer,
}

impl Deref for Fixture {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.pod
    }
}

impl DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut Pod {
        &mut self.pod
    }
}

async fn pod(url: &str) -> RedisPod {
    let pod = RedisPod::with_policy(&settings(url), Some(policy())).await;
    pod.ready(true).await;
    pod
}

async fn fixture() -> Fixture {
    let server = RedisServer::with_arguments(&["--enable-debug-command", "yes"]);
    Fixture { pod: pod(&server.url()).await, server }
}

suite!(fixture());

/// Told that continuity is lost, so many times.
#[derive(Default)]
struct Told(AtomicUsize);

impl Lost for Told {
    fn lost(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Fixture {
    /// Appends a message that no pod hears, as if the connection had been down just then.
    fn append_unheard(&self, topic: &str, event: &str) {
        let keys = Keys::new("test");
        let envelope = envelope::encode(&NodeId::from("other"), 1, &broadcast(topic, event, "{}"));
        let size = if topic.starts_with("short:") { "2" } else { "100" };
        let script = include_str!("../../../../redis/scripts/history_publish.lua");
        let (position, stream) = (keys.history_position(topic), keys.history(topic));
        let words = ["EVAL", script, "3", &position, &stream, "nowhere", "PUBLISH"];
        let text = std::str::from_utf8(&envelope).unwrap();
        let more = [text, "fresh", size, "60000", "3600000", "60000"];
        assert_eq!(self.server.command(&[&words[..], &more].concat()), ":1\r\n");
    }

    async fn publish(&self, topic: &str, event: &str) {
        soon(self.pubsub.broadcast(broadcast(topic, event, "{}"))).await.unwrap();
    }

    async fn page(&self, topic: &str) -> Page {
        soon(self.pubsub.history_page(topic, 0, LIMIT)).await.unwrap().unwrap()
    }

    /// A client whose channel would have to end.
    async fn client(&self, topic: &str) -> (Client, Arc<Told>) {
        let (told, outbox) = (Arc::new(Told::default()), Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX))));
        let interest = soon(self.pubsub.interest(topic)).await.unwrap();
        let delivery =
            Delivery::Fastlane { encoding: Vsn::V2.into(), outbox: outbox.clone(), lost: Some(told.clone()) };
        (self.attach(interest, outbox, delivery), told)
    }
}

fn events(events: &[(&str, u64)]) -> Vec<(String, Option<u64>)> {
    events.iter().map(|(event, offset)| ((*event).to_owned(), Some(*offset))).collect()
}

#[tokio::test]
async fn a_gap_is_read_and_delivered_in_order() {
    let fixture = fixture().await;
    let (collector, _subscription) = listen(&fixture, "h:1").await;
    fixture.publish("h:1", "a").await;
    for event in ["b", "c", "d"] {
        fixture.append_unheard("h:1", event);
    }
    // It comes behind the gap, and resolves when it stands in the queues.
    fixture.publish("h:1", "e").await;
    assert_eq!(collector.offsets(), events(&[("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)]));
    assert!((fixture.metric("gateway_history_gaps_total") - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_was_missed_last_is_read_when_the_connection_is_back() {
    let fixture = fixture().await;
    let (collector, _subscription) = listen(&fixture, "h:1").await;
    fixture.publish("h:1", "a").await;
    fixture.append_unheard("h:1", "b");
    fixture.server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    collector.has(2).await;
    assert_eq!(collector.offsets(), events(&[("a", 1), ("b", 2)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_cost_no_message() {
    const COUNT: u64 = 400;
    let fixture = fixture().await;
    let other = pod(&fixture.server.url()).await;
    let (collector, _subscription) = listen(&fixture, "h:1").await;
    let (mut sent, mut accepted) = (0, 0);
    while accepted < COUNT {
        // The other pod does not host it, so that nothing depends on its own connections.
        sent += 1;
        let event = format!("e{sent}");
        accepted += u64::from(soon(other.pubsub.broadcast(broadcast("h:1", &event, "{}"))).await.is_ok());
        if sent % 50 == 0 {
            fixture.server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
    }
    let last = fixture.page("h:1").await.position.offset;
    collector.has(usize::try_from(last).unwrap()).await;
    let heard: Vec<_> = collector.offsets().into_iter().map(|(_, offset)| offset.unwrap()).collect();
    assert_eq!(heard, (1..=last).collect::<Vec<_>>());
    assert!(last >= COUNT);
}

#[tokio::test]
async fn what_cannot_be_had_any_more_is_told() {
    let fixture = fixture().await;
    let (stays, _subscription) = listen(&fixture, "short:1").await;
    let (mut client, told) = fixture.client("short:1").await;
    fixture.publish("short:1", "a").await;
    assert_eq!(client.queued().len(), 1);
    for event in ["b", "c", "d", "e"] {
        fixture.append_unheard("short:1", event);
    }
    fixture.publish("short:1", "f").await;
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
    assert!(client.queued().is_empty(), "nothing comes behind a loss");
    assert_eq!(stays.offsets(), events(&[("a", 1), ("e", 5), ("f", 6)]));
    assert_eq!(fixture.pubsub.subscribers("short:1"), 1);
    let again = fixture.client("short:1").await;
    drop(client);
    assert_eq!(fixture.pubsub.subscribers("short:1"), 2, "another one has its place");
    drop(again);
}

#[tokio::test]
async fn a_flush_begins_another_epoch() {
    let fixture = fixture().await;
    let (_stays, _subscription) = listen(&fixture, "h:1").await;
    let (mut client, told) = fixture.client("h:1").await;
    fixture.publish("h:1", "a").await;
    let before = fixture.page("h:1").await.position;
    client.queued();
    fixture.server.command(&["FLUSHALL"]);
    fixture.publish("h:1", "b").await;
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
    assert!(client.queued().is_empty());
    let after = fixture.page("h:1").await;
    assert_ne!(after.position.epoch, before.epoch);
    assert_eq!(after.position.offset, 1);
    assert!(!after.follows(&before));
    fixture.publish("h:1", "c").await;
    assert_eq!(told.0.load(Ordering::Relaxed), 1, "told once");
}

#[tokio::test]
async fn a_promoted_replica_begins_another_epoch() {
    let fixture = fixture().await;
    let (_client, told) = fixture.client("h:1").await;
    fixture.publish("h:1", "a").await;
    let before = fixture.page("h:1").await.position;
    assert_eq!(fixture.server.command(&["DEBUG", "CHANGE-REPL-ID"]), "+OK\r\n");
    assert_eq!(soon(fixture.pubsub.history_page("h:1", 0, LIMIT)).await, Ok(None), "it may lack the last messages");
    fixture.publish("h:1", "b").await;
    let after = fixture.page("h:1").await;
    assert_ne!(after.position.epoch, before.epoch);
    assert_eq!(after.messages.len(), 1);
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn messages_beside_the_history_are_told_apart() {
    let fixture = fixture().await;
    let (collector, _subscription) = listen(&fixture, "h:1").await;
    fixture.server.command(&["PUBLISH", "test:{h:1}:b", r#"{"event":"raw","payload":{}}"#]);
    let envelope = envelope::encode(&NodeId::from("other"), 1, &broadcast("h:1", "unaware", "{}"));
    fixture.server.command(&["PUBLISH", "test:{h:1}:b", std::str::from_utf8(&envelope).unwrap()]);
    fixture.publish("h:1", "a").await;
    assert_eq!(collector.offsets(), [("unaware".to_owned(), None), ("a".to_owned(), Some(1))]);
    assert!((fixture.metric("gateway_broadcasts_dropped_total") - 1.0).abs() < f64::EPSILON);
    assert!((fixture.metric("gateway_history_gaps_total") - 1.0).abs() < f64::EPSILON, "who recovers misses it");
}

#[tokio::test]
async fn what_redis_keeps_is_bounded() {
    let fixture = fixture().await;
    for event in ["a", "b", "c"] {
        fixture.publish("short:1", event).await;
    }
    assert_eq!(fixture.server.command(&["XLEN", "test:{short:1}:h"]), ":2\r\n");
    let life = |key| fixture.server.command(&["PTTL", key]).trim_start_matches(':').trim().parse::<u64>().unwrap();
    assert!((50_000..=60_000).contains(&life("test:{short:1}:h")));
    assert!((3_500_000..=3_600_000).contains(&life("test:{short:1}:e")));
}

#[tokio::test]
async fn who_merely_joins_costs_redis_little_for_long() {
    let fixture = fixture().await;
    let (_stays, _subscription) = listen(&fixture, "h:1").await;
    let life =
        || fixture.server.command(&["PTTL", "test:{h:1}:e"]).trim_start_matches(':').trim().parse::<u64>().unwrap();
    assert!((500_000..=600_000).contains(&life()));
    fixture.publish("h:1", "a").await;
    assert!((3_500_000..=3_600_000).contains(&life()));
    let (_another, _subscription) = listen(&fixture, "h:1").await;
    assert!((3_500_000..=3_600_000).contains(&life()));
}

#[tokio::test]
async fn what_redis_does_not_let_pass_leaves_no_trace() {
    let fixture = fixture().await;
    let send = || {
        let message = broadcast("h:1", "e", "{}");
        soon(fixture.pubsub.broadcast_keyed(message, IdempotencyKey::new("1")))
    };
    fixture.publish("h:1", "a").await;
    fixture.server.command(&["ACL", "SETUSER", "default", "resetchannels"]);
    send().await.unwrap_err();
    assert_eq!(fixture.page("h:1").await.position.offset, 1);
    fixture.server.command(&["ACL", "SETUSER", "default", "allchannels"]);
    recovered(&fixture.pod).await;
    assert_eq!(send().await, Ok(Acceptance::New));
    assert_eq!(fixture.page("h:1").await.position.offset, 2);
}

#[tokio::test]
async fn a_key_is_not_remembered_when_the_history_cannot_be_written() {
    let fixture = fixture().await;
    let send = || soon(fixture.pubsub.broadcast_keyed(broadcast("h:1", "e", "{}"), IdempotencyKey::new("1")));
    fixture.server.command(&["SET", "test:{h:1}:e", "of somebody else"]);
    send().await.unwrap_err();
    fixture.server.command(&["DEL", "test:{h:1}:e"]);
    assert_eq!(send().await, Ok(Acceptance::New), "it may be tried again");
    assert_eq!(send().await, Ok(Acceptance::Duplicate));
    assert_eq!(fixture.page("h:1").await.position.offset, 1);
}

#[tokio::test]
async fn a_full_redis_refuses_and_stays_whole() {
    let fixture = fixture().await;
    let (collector, _subscription) = listen(&fixture, "h:1").await;
    fixture.publish("h:1", "a").await;
    fixture.server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    soon(fixture.pubsub.broadcast(broadcast("h:1", "refused", "{}"))).await.unwrap_err();
    fixture.server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    fixture.publish("h:1", "b").await;
    assert_eq!(collector.offsets(), events(&[("a", 1), ("b", 2)]));
}

#[tokio::test]
async fn two_pods_number_one_stream() {
    let fixture = fixture().await;
    let other = pod(&fixture.server.url()).await;
    let (here, _here) = listen(&fixture, "h:1").await;
    let (there, _there) = listen(&other, "h:1").await;
    let send = |pod: &Pod, event: &str| {
        let sent: Vec<_> = (0..40).map(|_| pod.pubsub.broadcast(broadcast("h:1", event, "{}"))).collect();
        futures_util::future::join_all(sent)
    };
    let (a, b) = soon(futures_util::future::join(send(&fixture, "a"), send(&other, "b"))).await;
    assert!(a.iter().chain(&b).all(Result::is_ok));
    here.has(80).await;
    there.has(80).await;
    assert_eq!(here.offsets(), there.offsets());
    let offsets: Vec<_> = here.offsets().into_iter().map(|(_, offset)| offset.unwrap()).collect();
    assert_eq!(offsets, (1..=80).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_history_keeps_its_slot_in_a_cluster() {
    let cluster = RedisCluster::start();
    kept_contract::broadcasts_are_numbered(&mut pod(&cluster.url()).await.pod).await;
    for server in &cluster.servers {
        server.command(&["FLUSHALL"]);
    }
    kept_contract::who_comes_back_gets_each_message_once(&mut pod(&cluster.url()).await.pod).await;
    let pod = pod(&cluster.url()).await;
    for n in 0..50 {
        let topic = format!("h:{n}-in-any-slot");
        let (collector, _subscription) = listen(&pod, &topic).await;
        for server in cluster.servers.iter().filter(|_| n % 10 == 0) {
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        while soon(pod.pubsub.broadcast(broadcast(&topic, "e", "{}"))).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        collector.has(1).await;
    }
}

#[tokio::test]
async fn a_failover_begins_another_epoch() {
    let sentinel = RedisSentinel::start();
    let pod = pod(&sentinel.url()).await;
    let (collector, _subscription) = listen(&pod, "h:1").await;
    soon(pod.pubsub.broadcast(broadcast("h:1", "a", "{}"))).await.unwrap();
    let page = || soon(pod.pubsub.history_page("h:1", 0, LIMIT));
    let before = page().await.unwrap().unwrap().position;
    sentinel.fail_over();
    let after = soon(async {
        loop {
            // Whoever listens begins the other epoch when the connection is back, and nobody has to publish.
            match page().await {
                Ok(Some(page)) if page.position.epoch != before.epoch => return page,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    assert!(!after.follows(&before));
    while soon(pod.pubsub.broadcast(broadcast("h:1", "b", "{}"))).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let heard = soon(async {
        loop {
            match collector.offsets().last() {
                Some(last) if last.0 == "b" => return collector.offsets(),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    assert_eq!(heard[..2], events(&[("a", 1), ("b", 1)]));
    assert!(pod.metric("gateway_history_gaps_total") >= 1.0);
}
