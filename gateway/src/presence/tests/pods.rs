//! Several pods on one real Redis, which is troubled on purpose.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::client::{Seen, metas, sorted};
use super::pod::{Member, Pod, meta, soon};
use crate::config;
use crate::redis::testing::RedisServer;

pub(super) const HEARTBEAT: Duration = Duration::from_millis(400);
pub(super) const LEASE: Duration = Duration::from_millis(1200);

/// What a busy machine may take on top.
const SLACK: Duration = Duration::from_secs(3);

pub(super) fn settings() -> config::Presence {
    let coalesce = Duration::from_millis(10);
    config::Presence { heartbeat: HEARTBEAT, lease: LEASE, coalesce, leave_grace: Duration::ZERO }
}

fn pod(server: &RedisServer) -> Pod {
    Pod::on(&server.url(), &settings())
}

/// Waits until a pod hears, or does not hear, what Redis reports.
pub(super) async fn hears(pod: &Pod, hears: bool) {
    soon(async {
        while pod.presence.hears_changes() != hears {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Waits until Redis holds exactly these keys, as this pod lists them.
pub(super) async fn listed(pod: &Pod, topic: &str, keys: &[&str]) -> Seen {
    soon(async {
        loop {
            if let Ok(state) = pod.presence.list(topic).await
                && state.0.keys().eq(keys)
            {
                return sorted(metas(&serde_json::to_value(&state).unwrap()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_187_pods_see_each_others_clients() {
    let server = RedisServer::start();
    let (here, there) = (pod(&server), pod(&server));
    let (mut alice, mut bob) = (here.join("t").await, there.join("t").await);
    let first = alice.track("alice", "a");
    bob.shows(&["alice"]).await;
    bob.track("bob", "b");
    alice.shows(&["alice", "bob"]).await;
    bob.shows(&["alice", "bob"]).await;
    let second = here.presence.update(&alice.topic, alice.id, "alice", |_| meta("new")).unwrap();
    let diff = bob.diff().await;
    let joined = &diff["joins"]["alice"]["metas"][0];
    assert_eq!((&joined["phx_ref"], &joined["phx_ref_prev"]), (&second.as_str().into(), &first.as_str().into()));
    assert_eq!(diff["leaves"]["alice"]["metas"][0]["phx_ref"], first.as_str());
    let mut late = there.join("t").await;
    late.shows(&["alice", "bob"]).await;
    here.presence.untrack_all(alice.id);
    bob.shows(&["bob"]).await;
    late.shows(&["bob"]).await;
    assert_eq!(listed(&here, "t", &["bob"]).await, bob.client.shown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_188_a_dead_pod_leaves_within_a_lease_and_a_heartbeat() {
    let server = RedisServer::start();
    let (here, there, dead) = (pod(&server), pod(&server), pod(&server));
    let (mut alice, mut bob, ghost) = (here.join("t").await, there.join("t").await, dead.join("t").await);
    // Nobody on the survivors watches this one.
    let alone = dead.join("alone").await;
    alone.track("ghost", "g");
    for key in ["g1", "g2"] {
        ghost.track(key, "g");
    }
    alice.track("alice", "a");
    bob.track("bob", "b");
    alice.shows(&["alice", "bob", "g1", "g2"]).await;
    bob.shows(&["alice", "bob", "g1", "g2"]).await;
    // Pods that have just come spare everybody for a lease.
    tokio::time::sleep(LEASE).await;
    dead.tasks.stop();
    let died = Instant::now();
    alice.shows(&["alice", "bob"]).await;
    bob.shows(&["alice", "bob"]).await;
    assert!(died.elapsed() < LEASE + HEARTBEAT + SLACK, "{:?}", died.elapsed());
    listed(&here, "alone", &[]).await;
    let keys = server.command(&["EXISTS", "test:{alone}:p"]);
    assert!(keys.starts_with(":1"), "it stays for a while, so that those who read it learn what has changed");
    assert_eq!(server.command(&["HLEN", "test:{alone}:p"]), ":4\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_191_an_orderly_stop_is_seen_at_once() {
    let server = RedisServer::start();
    let (here, there) = (pod(&server), pod(&server));
    let (mut alice, bob) = (here.join("t").await, there.join("t").await);
    bob.track("bob", "b");
    alice.shows(&["bob"]).await;
    assert!(there.presence.close(Duration::from_secs(10)).await);
    alice.shows(&[]).await;
    assert_eq!(server.command(&["SCARD", "test:nodes"]), ":1\r\n");
}

/// Two clients on two pods see each other; then Redis suffers; nobody may see a leave, and all is as before.
async fn nobody_leaves(trouble: impl AsyncFnOnce(&mut RedisServer)) {
    let mut server = RedisServer::start();
    let (here, there) = (pod(&server), pod(&server));
    let (mut alice, mut bob) = (here.join("t").await, there.join("t").await);
    alice.track("alice", "a");
    bob.track("bob", "b");
    alice.shows(&["alice", "bob"]).await;
    let before = bob.shows(&["alice", "bob"]).await;
    trouble(&mut server).await;
    let began = Instant::now();
    assert_eq!(listed(&here, "t", &["alice", "bob"]).await, before, "told again");
    assert!(began.elapsed() < 2 * HEARTBEAT + SLACK, "{:?}", began.elapsed());
    alice.catch_up().await;
    bob.catch_up().await;
    assert_eq!((alice.client.shown(), bob.client.shown()), (before.clone(), before));
    alice.track("more", "a");
    bob.shows(&["alice", "bob", "more"]).await;
    here.presence.untrack_all(alice.id);
    let only_bob = bob.shows(&["bob"]).await;
    alice.shows(&["bob"]).await;
    assert_eq!(listed(&there, "t", &["bob"]).await, only_bob);
    // A lease later nothing has been taken for lost.
    tokio::time::sleep(LEASE + HEARTBEAT).await;
    bob.catch_up().await;
    assert_eq!(bob.client.shown(), only_bob);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_heals_within_two_heartbeats() {
    nobody_leaves(async |server| {
        server.command(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_deleted_heals() {
    nobody_leaves(async |server| {
        server.command(&["DEL", "test:{t}:p", "test:{t}:d"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_begins_anew_before_anybody_notices_heals() {
    nobody_leaves(async |server| {
        // As if its slot had been moved here: for the next one who comes, that is another life.
        server.command(&["HSET", "test:{t}:p", "r", "elsewhere"]);
        let third = pod(server);
        let mut carol = third.join("t").await;
        carol.track("carol", "c");
        carol.shows(&["alice", "bob", "carol"]).await;
        third.presence.untrack_all(carol.id);
        carol.shows(&["alice", "bob"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_data_heals() {
    nobody_leaves(async |server| {
        server.crash();
        server.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_a_lease_changes_nothing() {
    nobody_leaves(async |server| {
        server.freeze();
        tokio::time::sleep(LEASE + HEARTBEAT).await;
        server.thaw();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_of_a_new_topic_does_not_wait_for_a_redis_that_is_away() {
    let mut server = RedisServer::start();
    let here = pod(&server);
    let known = here.join("t").await;
    server.crash();
    let began = Instant::now();
    assert!(here.presence.watch(&"new".into()).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(here.presence.watch(&"other".into()).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(here.presence.watch(&known.topic).await.is_ok(), "what is known here is known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keyspace_events_versions_are_polled() {
    let server = RedisServer::start();
    let rights = ["ACL", "SETUSER", "pod", "on", ">secret", "~*", "&*", "+@all"];
    assert_eq!(server.command(&rights), "+OK\r\n");
    let url = server.url().replace("redis://", "redis://pod:secret@");
    let (here, there) = (Pod::on(&url, &settings()), Pod::on(&url, &settings()));
    let (mut alice, mut bob) = (here.join("t").await, there.join("t").await);
    hears(&here, true).await;
    alice.track("alice", "a");
    bob.shows(&["alice"]).await;
    assert_eq!(server.command(&["CONFIG", "SET", "notify-keyspace-events", ""]), "+OK\r\n");
    // The pods, who log in by name, cannot switch them on again.
    assert_eq!(server.command(&["ACL", "SETUSER", "pod", "-config"]), "+OK\r\n");
    for turn in 0..3 {
        let key = format!("k{turn}");
        let began = Instant::now();
        bob.track(&key, "b");
        while !alice.client.shown().contains_key(&key) {
            alice.next().await;
        }
        assert!(began.elapsed() < HEARTBEAT + SLACK, "{:?}", began.elapsed());
    }
    hears(&here, false).await;
    assert_eq!(server.command(&["CONFIG", "SET", "notify-keyspace-events", "KA"]), "+OK\r\n");
    hears(&here, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_reported_between_two_probes_is_read() {
    let server = RedisServer::start();
    let (here, there) = (pod(&server), pod(&server));
    let (mut alice, bob) = (here.join("t").await, there.join("t").await);
    hears(&here, true).await;
    // Off and on again, as when another pod is the first to notice: probes are heard before and after.
    assert_eq!(server.command(&["CONFIG", "SET", "notify-keyspace-events", ""]), "+OK\r\n");
    bob.track("bob", "b");
    listed(&there, "t", &["bob"]).await;
    assert_eq!(server.command(&["CONFIG", "SET", "notify-keyspace-events", "KA"]), "+OK\r\n");
    let began = Instant::now();
    alice.shows(&["bob"]).await;
    assert!(began.elapsed() < HEARTBEAT + SLACK, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_flags_are_added_and_none_removed() {
    let server = RedisServer::with_arguments(&["--notify-keyspace-events", "E$"]);
    let (here, there) = (pod(&server), pod(&server));
    let (alice, mut bob) = (here.join("t").await, there.join("t").await);
    alice.track("alice", "a");
    bob.shows(&["alice"]).await;
    let flags = server.command(&["CONFIG", "GET", "notify-keyspace-events"]);
    let flags = flags.lines().nth(4).unwrap();
    assert!("E$Khgx".chars().all(|flag| flags.contains(flag)), "{flags}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_190_a_pod_that_was_taken_for_dead_begins_anew() {
    let server = RedisServer::start();
    let (here, there) = (pod(&server), pod(&server));
    let (mut alice, bob) = (here.join("t").await, there.join("t").await);
    let before = bob.track("bob", "b");
    alice.shows(&["bob"]).await;
    let fields = server.command(&["HKEYS", "test:{t}:p"]);
    let field = fields.lines().find(|line| line.ends_with(&format!(":{before}"))).unwrap();
    let node = field.split(':').next().unwrap();
    assert_eq!(server.command(&["SET", &format!("test:node:{node}"), "dead"]), "+OK\r\n");
    let seen = soon(async {
        loop {
            let metas = alice.client.shown().remove("bob").unwrap_or_default();
            match metas.as_slice() {
                [meta] if meta["phx_ref"] != before.as_str() => return meta.clone(),
                _ => alice.next().await,
            };
        }
    })
    .await;
    assert!(seen.get("phx_ref_prev").is_none());
    assert_eq!(listed(&here, "t", &["bob"]).await["bob"], [seen]);
}

/// One client does something at random.
fn act(random: &mut StdRng, member: &Member) {
    let key = format!("k{}", random.random_range(0..20));
    match random.random_range(0..4) {
        0 | 1 => {
            let _ = member.presence.track(&member.topic, member.id, &key, meta("m"));
        }
        2 => {
            let _ = member.presence.update(&member.topic, member.id, &key, |_| meta("n"));
        }
        _ => member.presence.untrack(&member.topic, member.id, &key),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_random_with_a_dead_pod_and_a_flush_all_end_with_the_truth() {
    let server = RedisServer::start();
    let mut random = StdRng::seed_from_u64(7);
    let mut pods: Vec<Pod> = (0..3).map(|_| pod(&server)).collect();
    let mut members = Vec::new();
    for pod in &pods {
        for _ in 0..10 {
            members.push(pod.join("t").await);
        }
    }
    let mut survivors = members.len();
    for round in 0..120 {
        for _ in 0..20 {
            let who = random.random_range(0..survivors);
            act(&mut random, &members[who]);
        }
        match round {
            40 => {
                // Killed: its clients are gone too.
                survivors = 20;
                members.truncate(survivors);
                pods.pop().unwrap().tasks.stop();
            }
            70 => {
                server.command(&["FLUSHALL"]);
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
    }
    // The end: everybody tracks one known key, and nothing else.
    for (index, member) in members.iter().enumerate() {
        member.presence.untrack_all(member.id);
        member.track(&format!("end{index:02}"), "end");
    }
    let keys: Vec<String> = (0..survivors).map(|index| format!("end{index:02}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut truth: BTreeMap<_, _> = BTreeMap::new();
    for member in &mut members {
        let shown = member.shows(&keys).await;
        if truth.is_empty() {
            truth = shown;
        } else {
            assert_eq!(shown, truth);
        }
    }
    assert_eq!(listed(&pods[0], "t", &keys).await, truth);
}
