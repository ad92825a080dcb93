use std::time::Duration;

use redis_protocol::redis_keyslot;
use tokio::time::Instant;

use super::outage::recovered;
use super::{RedisPod, settings};
use crate::pubsub::backend::contract;
use crate::pubsub::testing::{broadcast, soon};
use crate::redis::testing::RedisCluster;
use crate::wire::Vsn;

async fn pod(cluster: &RedisCluster) -> RedisPod {
    let pod = RedisPod::with_settings(&settings(&cluster.url())).await;
    pod.ready(true).await;
    pod
}

#[tokio::test]
async fn the_contract_holds_in_a_cluster() {
    let cluster = RedisCluster::start();
    contract::own_broadcast_is_queued_before_it_resolves(&mut pod(&cluster).await.pod).await;
    contract::both_versions_get_their_frames(&mut pod(&cluster).await.pod).await;
    contract::topics_are_told_apart(&mut pod(&cluster).await.pod).await;
    contract::all_subscribers_see_one_order(&mut pod(&cluster).await.pod).await;
    contract::nothing_precedes_the_reply(&mut pod(&cluster).await.pod).await;
    contract::a_key_is_sent_once(&mut pod(&cluster).await.pod).await;
    contract::keyed_broadcasts_keep_the_order(&mut pod(&cluster).await.pod).await;
    contract::topics_are_given_up(&mut pod(&cluster).await.pod).await;
    contract::a_topic_nobody_hosts_is_accepted(&mut pod(&cluster).await.pod).await;
    contract::disconnects_reach_the_handler(&mut pod(&cluster).await.pod).await;
}

#[tokio::test]
async fn channels_follow_their_slots() {
    let cluster = RedisCluster::start();
    let (a, b) = (pod(&cluster).await, pod(&cluster).await);
    let mut on_a = a.join("room:1", Vsn::V2).await;
    let mut on_b = b.join("room:1", Vsn::V2).await;
    let slot = redis_keyslot(b"room:1");
    let mut owner = usize::from(slot / 5461).min(2);
    for _ in 0..3 {
        let next = (owner + 1) % 3;
        cluster.move_slot(slot, owner, next);
        owner = next;
        // Both pods have moved when each hears itself.
        recovered(&a).await;
        recovered(&b).await;
        soon(a.pubsub.broadcast(broadcast("room:1", "moved", "{}"))).await.unwrap();
        let message = r#"[null,null,"room:1","moved",{}]"#;
        assert_eq!(on_a.queued().last().map(String::as_str), Some(message));
        while on_b.next().await != message {}
    }
}

#[tokio::test]
async fn a_join_that_comes_after_its_slot_has_moved_disturbs_nobody() {
    let cluster = RedisCluster::start();
    let mut settings = settings(&cluster.url());
    // The pod does not look at the slots by itself while this runs.
    settings.heartbeat = Duration::from_secs(60);
    let pod = RedisPod::with_settings(&settings).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    pod.ready(true).await;
    let owner_of = |topic: &str| usize::from(redis_keyslot(topic.as_bytes()) / 5461).min(2);
    let owner = owner_of("room:1");
    let others = (2..).map(|number| format!("room:{number}")).filter(|topic| owner_of(topic) == owner);
    for topic in others.take(3) {
        cluster.move_slot(redis_keyslot(topic.as_bytes()), owner, (owner + 1) % 3);
        let mut moved = pod.join(&topic, Vsn::V2).await;
        published(&pod, &topic).await;
        assert_eq!(moved.next().await, format!(r#"[null,null,"{topic}","e",{{}}]"#));
        // Each is heard on the connection that was told off.
        published(&pod, "room:1").await;
        assert_eq!(client.next().await, r#"[null,null,"room:1","e",{}]"#);
        client.queued();
    }
    assert!(pod.metric("gateway_redis_reconnects_total") < 1.0, "a connection fell");
}

/// Broadcasts until it is taken: the clients for commands learn of a move by the first refusal, and send nothing twice.
async fn published(pod: &RedisPod, topic: &str) {
    soon(async {
        while pod.pubsub.broadcast(broadcast(topic, "e", "{}")).await.is_err() {
            // It may fail at once, and others have to go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn other_programs_publish_to_shards() {
    let cluster = RedisCluster::start();
    let pod = pod(&cluster).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    let owner = usize::from(redis_keyslot(b"room:1") / 5461).min(2);
    cluster.servers[owner].command(&["SPUBLISH", "test:{room:1}:b", r#"{"event":"e","payload":{}}"#]);
    assert_eq!(client.next().await, r#"[null,null,"room:1","e",{}]"#);
}

#[tokio::test]
async fn a_replica_takes_over() {
    let mut cluster = RedisCluster::start();
    let owner = usize::from(redis_keyslot(b"room:1") / 5461).min(2);
    cluster.add_replica(owner);
    let pod = pod(&cluster).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    recovered(&pod).await;
    client.queued();
    cluster.servers[owner].crash();
    soon(pod.pubsub.broadcast(broadcast("room:1", "lost", "{}"))).await.unwrap_err();
    recovered(&pod).await;
    assert!(!client.queued().is_empty());
    pod.ready(true).await;
}

#[tokio::test]
async fn a_primary_that_dies_takes_only_its_own_topics_with_it() {
    let mut cluster = RedisCluster::start();
    let pod = pod(&cluster).await;
    let owner_of = |topic: &str| usize::from(redis_keyslot(topic.as_bytes()) / 5461).min(2);
    let topic_of = |owner: usize| (0..).map(|n| format!("room:{n}")).find(|topic| owner_of(topic) == owner).unwrap();
    let topics: Vec<String> = (0..3).map(topic_of).collect();
    let mut clients = Vec::new();
    for topic in &topics {
        clients.push(pod.join(topic, Vsn::V2).await);
        published(&pod, topic).await;
    }
    cluster.servers[0].crash();
    let send = |topic: &str| pod.pubsub.broadcast(broadcast(topic, "e", "{}"));
    soon(send(&topics[0])).await.unwrap_err();
    for topic in &topics[1..] {
        published(&pod, topic).await;
    }
    // Longer than it takes to become unready; each broadcast of the others goes through, while those of the dead one fail.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        let (dead, first, second) = tokio::join!(send(&topics[0]), send(&topics[1]), send(&topics[2]));
        assert_eq!((dead.is_err(), first, second), (true, Ok(()), Ok(())), "{:?}", began.elapsed());
        assert!(pod.readiness.is_ready(), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Also to a topic that is new here.
    let fresh = (100..).map(|n| format!("room:{n}")).find(|topic| owner_of(topic) == 1).unwrap();
    let mut member = pod.join(&fresh, Vsn::V2).await;
    soon(send(&fresh)).await.unwrap();
    assert_eq!(member.next().await, format!(r#"[null,null,"{fresh}","e",{{}}]"#));
    cluster.servers[0].resume();
    published(&pod, &topics[0]).await;
    pod.ready(true).await;
}
