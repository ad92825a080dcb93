use std::time::Duration;

use super::outage::recovered;
use super::{RedisPod, settings};
use crate::pubsub::testing::{broadcast, soon};
use crate::pubsub::{Acceptance, Control, IdempotencyKey, PublishError};
use crate::redis::testing::{RedisCluster, RedisServer};
use crate::wire::Vsn;

const ORDER: &str = "\u{1}\u{1}user:1";

fn order() -> Control {
    Control::Disconnect { socket_id: "user:1".into() }
}

/// The next order that was not just given; how long ago it was.
async fn old(pod: &mut RedisPod) -> (Control, Duration) {
    soon(async {
        loop {
            let (control, age) = pod.controls.recv().await.unwrap();
            if age > Duration::ZERO {
                return (control, age);
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_order_that_was_missed_is_performed_when_the_pod_is_back() {
    let server = RedisServer::start();
    let (a, mut b) = (RedisPod::start(&server).await, RedisPod::start(&server).await);
    a.ready(true).await;
    b.ready(true).await;
    soon(a.pubsub.disconnect("user:1")).await.unwrap();
    assert_eq!(soon(b.controls.recv()).await, Some((order(), Duration::ZERO)));
    // As if it had been given an hour ago, while nobody heard it; and one of a later version.
    server.command(&["DEL", "test:control"]);
    let time = server.command(&["TIME"]);
    let seconds: u64 = time.lines().nth(2).unwrap().parse().unwrap();
    server.command(&["XADD", "test:control", &format!("{}000-1", seconds - 3600), "o", ORDER]);
    server.command(&["XADD", "test:control", "*", "o", "\u{2}\u{1}user:1"]);
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    let (control, age) = old(&mut b).await;
    assert_eq!(control, order());
    assert!((3600..3660).contains(&age.as_secs()), "{age:?}");
    recovered(&a).await;
}

#[tokio::test]
async fn the_log_is_bounded_and_expires() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    pod.ready(true).await;
    let orders: Vec<_> = (0..6000).map(|n| pod.pubsub.disconnect(&n.to_string())).collect();
    for outcome in soon(futures_util::future::join_all(orders)).await {
        outcome.unwrap();
    }
    let number = |words: &[&str]| server.command(words).trim_start_matches(':').trim().parse::<u64>().unwrap();
    let length = number(&["XLEN", "test:control"]);
    assert!((4096..4300).contains(&length), "{length}");
    let life = number(&["PTTL", "test:control"]);
    assert!((80_000_000..=86_400_000).contains(&life), "{life}");
}

#[tokio::test]
async fn a_cluster_keeps_the_log_too() {
    let cluster = RedisCluster::start();
    let mut pod = RedisPod::with_settings(&settings(&cluster.url())).await;
    pod.ready(true).await;
    soon(pod.pubsub.disconnect("user:1")).await.unwrap();
    assert_eq!(soon(pod.controls.recv()).await, Some((order(), Duration::ZERO)));
    for server in &cluster.servers {
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }
    assert_eq!(old(&mut pod).await.0, order());
}

#[tokio::test]
async fn any_pod_honours_a_key_and_redis_forgets_it_after_a_day() {
    let server = RedisServer::start();
    let (a, b) = (RedisPod::start(&server).await, RedisPod::start(&server).await);
    let send = |pod: &RedisPod| {
        let message = broadcast("t", "e", "{}");
        pod.pubsub.broadcast_keyed(message, IdempotencyKey::new("order-7"))
    };
    assert_eq!(soon(send(&a)).await, Ok(Acceptance::New));
    assert_eq!(soon(send(&b)).await, Ok(Acceptance::Duplicate));
    let life = server.command(&["PTTL", "test:{t}:i:order-7"]);
    let life: u64 = life.trim_start_matches(':').trim().parse().unwrap();
    assert!((86_300_000..=86_400_000).contains(&life), "{life}");
    server.command(&["DEL", "test:{t}:i:order-7"]);
    assert_eq!(soon(send(&b)).await, Ok(Acceptance::New));
}

#[tokio::test]
async fn what_redis_does_not_let_pass_does_not_use_up_its_key() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let send = || {
        let message = broadcast("t", "e", "{}");
        soon(pod.pubsub.broadcast_keyed(message, IdempotencyKey::new("1")))
    };
    pod.ready(true).await;
    server.command(&["ACL", "SETUSER", "default", "resetchannels"]);
    send().await.unwrap_err();
    server.command(&["ACL", "SETUSER", "default", "allchannels"]);
    recovered(&pod).await;
    assert_eq!(send().await, Ok(Acceptance::New));
}

#[tokio::test]
async fn a_full_redis_keeps_no_keys_and_still_gives_orders() {
    let server = RedisServer::start();
    let mut pod = RedisPod::start(&server).await;
    let mut client = pod.join("t", Vsn::V2).await;
    pod.ready(true).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let keyed = pod.pubsub.broadcast_keyed(broadcast("t", "keyed", "{}"), IdempotencyKey::new("1"));
    assert_eq!(soon(keyed).await, Err(PublishError::Unavailable));
    soon(pod.pubsub.disconnect("user:1")).await.unwrap();
    assert_eq!(soon(pod.controls.recv()).await, Some((order(), Duration::ZERO)));
    soon(pod.pubsub.broadcast(broadcast("t", "plain", "{}"))).await.unwrap();
    assert_eq!(client.queued(), [r#"[null,null,"t","plain",{}]"#], "what needs no memory goes on");
}
