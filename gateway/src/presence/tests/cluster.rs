//! Pods on a Redis that is several servers: a cluster whose slots move and whose primaries die, and Sentinel.

use std::time::Duration;

use redis_protocol::redis_keyslot;

use super::pod::{Pod, soon};
use super::pods::{LEASE, hears, listed, settings};
use crate::config;
use crate::redis::testing::{RedisCluster, RedisSentinel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_topic_is_heard_at_the_primary_of_its_slot() {
    let cluster = RedisCluster::start();
    let (here, there, dead) = (pod(&cluster.url()), pod(&cluster.url()), pod(&cluster.url()));
    hears(&here, true).await;
    for n in 0..6 {
        let topic = format!("t{n}");
        let (mut alice, bob, ghost) = (here.join(&topic).await, there.join(&topic).await, dead.join(&topic).await);
        bob.track("bob", "b");
        ghost.track("ghost", "g");
        alice.shows(&["bob", "ghost"]).await;
    }
    tokio::time::sleep(LEASE).await;
    dead.tasks.stop();
    for n in 0..6 {
        listed(&here, &format!("t{n}"), &["bob"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let cluster = RedisCluster::start();
    let (here, there) = (pod(&cluster.url()), pod(&cluster.url()));
    let (mut alice, bob) = (here.join("moves").await, there.join("moves").await);
    alice.track("alice", "a");
    alice.shows(&["alice"]).await;
    let slot = redis_keyslot(b"moves");
    let from = usize::from(slot / 5461).min(2);
    cluster.move_slot(slot, from, (from + 1) % 3);
    bob.track("bob", "b");
    let both = alice.shows(&["alice", "bob"]).await;
    // The first one who comes to the new place begins another life there: who was here before tells it again.
    assert_eq!(listed(&here, "moves", &["alice", "bob"]).await, both);
    there.presence.untrack_all(bob.id);
    alice.shows(&["alice"]).await;
    hears(&here, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_is_replaced() {
    let mut cluster = RedisCluster::start();
    let slot = redis_keyslot(b"dies");
    let owner = usize::from(slot / 5461).min(2);
    cluster.add_replica(owner);
    // A failover takes some seconds, in which nobody can renew a lease that stood there.
    let settings = config::Presence { lease: Duration::from_secs(20), ..settings() };
    let (here, there) = (Pod::on(&cluster.url(), &settings), Pod::on(&cluster.url(), &settings));
    let (mut alice, mut bob) = (here.join("dies").await, there.join("dies").await);
    alice.track("alice", "a");
    bob.track("bob", "b");
    alice.shows(&["alice", "bob"]).await;
    let before = bob.shows(&["alice", "bob"]).await;
    cluster.servers[owner].crash();
    there.presence.untrack(&bob.topic, bob.id, "bob");
    alice.shows(&["alice"]).await;
    bob.track("bob", "again");
    let after = alice.shows(&["alice", "bob"]).await;
    assert_eq!((&after["alice"], &before["alice"]), (&before["alice"], &after["alice"]));
    assert_eq!(listed(&there, "dies", &["alice", "bob"]).await, after);
    hears(&here, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_that_sentinel_names_is_followed() {
    let sentinel = RedisSentinel::start();
    let (here, there) = (pod(&sentinel.url()), pod(&sentinel.url()));
    let (mut alice, mut bob) = (here.join("t").await, there.join("t").await);
    alice.track("alice", "a");
    bob.track("bob", "b");
    alice.shows(&["alice", "bob"]).await;
    let before = bob.shows(&["alice", "bob"]).await;
    sentinel.fail_over();
    soon(async {
        while !sentinel.replica.command(&["INFO", "replication"]).contains("role:master") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    alice.track("more", "m");
    bob.shows(&["alice", "bob", "more"]).await;
    here.presence.untrack(&alice.topic, alice.id, "more");
    assert_eq!(bob.shows(&["alice", "bob"]).await, before);
    assert_eq!(listed(&there, "t", &["alice", "bob"]).await, before);
    hears(&here, true).await;
}

fn pod(url: &str) -> Pod {
    Pod::on(url, &settings())
}
