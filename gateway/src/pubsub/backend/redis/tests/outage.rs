use std::time::{Duration, Instant};

use crate::pubsub::testing::{broadcast, soon};
use crate::pubsub::{PublishError, Unavailable};
use crate::redis::testing::RedisServer;
use crate::wire::Vsn;

use super::{RedisPod, settings};

const MESSAGE: &str = r#"[null,null,"room:1","msg",{}]"#;

/// Broadcasts until it works, as clients do.
pub(super) async fn recovered(pod: &RedisPod) {
    until(pod, true).await;
}

/// Waits until all connections are up.
async fn up(pod: &RedisPod) {
    soon(async {
        while pod.metric("gateway_redis_up") < 1.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Broadcasts until the outcome is this one.
async fn until(pod: &RedisPod, works: bool) {
    soon(async {
        while pod.pubsub.broadcast(broadcast("room:1", "again", "{}")).await.is_ok() != works {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn fails_within(pod: &RedisPod, topic: &str, limit: Duration) {
    let start = Instant::now();
    let outcome = soon(pod.pubsub.broadcast(broadcast(topic, "msg", "{}"))).await;
    assert_eq!(outcome, Err(PublishError::Unavailable));
    assert!(start.elapsed() < limit, "took {:?}", start.elapsed());
}

#[tokio::test]
async fn after_a_restart_everything_is_back() {
    let mut server = RedisServer::start();
    let (a, b) = (RedisPod::start(&server).await, RedisPod::start(&server).await);
    let mut on_a = a.join("room:1", Vsn::V2).await;
    let mut on_b = b.join("room:1", Vsn::V2).await;
    a.ready(true).await;
    server.crash();
    fails_within(&a, "room:1", Duration::from_millis(3500)).await;
    until(&a, false).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fails_within(&a, "room:1", Duration::from_millis(100)).await;
    fails_within(&a, "elsewhere", Duration::from_millis(3500)).await;
    let start = Instant::now();
    assert_eq!(a.pubsub.interest("room:2").await.err(), Some(Unavailable));
    assert!(start.elapsed() < Duration::from_millis(100));
    assert!(a.readiness.is_ready(), "a short interruption does not make a pod unready");
    assert!((a.metric("gateway_redis_up") - 0.0).abs() < f64::EPSILON);

    server.resume();
    recovered(&a).await;
    recovered(&b).await;
    on_a.queued();
    on_b.queued();
    soon(a.pubsub.broadcast(broadcast("room:1", "msg", "{}"))).await.unwrap();
    assert_eq!(on_a.queued().last().map(String::as_str), Some(MESSAGE));
    while on_b.next().await != MESSAGE {}
    up(&a).await;
    let _new = a.join("room:2", Vsn::V2).await;
    assert!(a.metric("gateway_redis_reconnects_total") >= 1.0);
}

#[tokio::test]
async fn killed_subscriptions_are_restored() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    pod.ready(true).await;
    for round in 1..=3 {
        assert_eq!(server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]), ":2\r\n");
        // The interruption is shorter than what a publication waits: one may fail only if it was under way.
        recovered(&pod).await;
        assert!(!client.queued().is_empty());
        soon(async {
            while pod.metric("gateway_redis_reconnects_total") < f64::from(2 * round) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_frozen_server_costs_a_bounded_time() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    pod.ready(true).await;
    server.freeze();
    fails_within(&pod, "room:1", Duration::from_millis(3500)).await;
    fails_within(&pod, "elsewhere", Duration::from_millis(3500)).await;
    server.thaw();
    recovered(&pod).await;
    soon(pod.pubsub.broadcast(broadcast("room:1", "msg", "{}"))).await.unwrap();
    assert_eq!(client.queued().last().map(String::as_str), Some(MESSAGE));
}

#[tokio::test]
async fn a_paused_server_costs_a_bounded_time() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    server.command(&["CLIENT", "PAUSE", "6000", "ALL"]);
    let many: Vec<_> = (0..100).map(|_| pod.pubsub.broadcast(broadcast("room:1", "msg", "{}"))).collect();
    let start = Instant::now();
    for publication in many {
        assert_eq!(soon(publication).await, Err(PublishError::Unavailable));
    }
    assert!(start.elapsed() < Duration::from_millis(3500));
    recovered(&pod).await;
    soon(pod.pubsub.broadcast(broadcast("room:1", "msg", "{}"))).await.unwrap();
    assert_eq!(client.queued().last().map(String::as_str), Some(MESSAGE));
}

#[tokio::test]
async fn a_pod_may_start_before_its_redis() {
    let mut server = RedisServer::start();
    server.crash();
    let pod = RedisPod::start(&server).await;
    assert!(!pod.readiness.is_ready());
    let interest = pod.pubsub.interest("room:1");
    assert_eq!(soon(interest).await.err(), Some(Unavailable));
    fails_within(&pod, "room:1", Duration::from_millis(3500)).await;
    assert!(!pod.readiness.is_ready());
    server.resume();
    pod.ready(true).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    soon(pod.pubsub.broadcast(broadcast("room:1", "msg", "{}"))).await.unwrap();
    assert_eq!(client.next().await, MESSAGE);
}

#[tokio::test]
async fn a_long_interruption_makes_the_pod_unready() {
    let mut server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    pod.ready(true).await;
    server.crash();
    pod.ready(false).await;
    server.resume();
    pod.ready(true).await;
}

#[tokio::test]
async fn logs_in_with_a_password() {
    let server = RedisServer::with_arguments(&["--requirepass", "secret"]);
    let pod = RedisPod::with_settings(&settings(&format!("redis://:secret@127.0.0.1:{}", server.port()))).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    soon(pod.pubsub.broadcast(broadcast("room:1", "msg", "{}"))).await.unwrap();
    assert_eq!(client.next().await, MESSAGE);
    let wrong = RedisPod::with_settings(&settings(&format!("redis://:wrong@127.0.0.1:{}", server.port()))).await;
    assert_eq!(soon(wrong.pubsub.interest("room:1")).await.err(), Some(Unavailable));
}

#[tokio::test]
async fn a_stop_ends_all_tasks_and_fails_what_is_under_way() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let _client = pod.join("room:1", Vsn::V2).await;
    server.freeze();
    let under_way = pod.pubsub.broadcast(broadcast("room:1", "msg", "{}"));
    assert!(pod.tasks.join(Duration::from_secs(3)).await);
    assert_eq!(soon(under_way).await, Err(PublishError::Unavailable));
    fails_within(&pod, "room:1", Duration::from_millis(100)).await;
}
