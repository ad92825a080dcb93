//! Presence on two pods that share a Redis, from outside: protocol 5.3, design 7.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::{Member, Pod};
use crate::two_pods::Pods;

const SETTINGS: &str = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\npresence = true\n";

async fn join(pod: &Pod, user: &str) -> Member {
    join_topic(pod, "room:1", user).await
}

async fn join_topic(pod: &Pod, topic: &str, user: &str) -> Member {
    Member::join(pod.connect().await, topic, json!({ "user_id": user, "meta": { "name": user } })).await
}

#[tokio::test]
async fn row_187_clients_of_both_pods_see_each_other_soon() {
    let pods = Pods::start(SETTINGS).await;
    let mut alice = join(&pods.a, "alice").await;
    alice.shows(&["alice"]).await;
    let began = Instant::now();
    let mut bob = join(&pods.b, "bob").await;
    alice.shows(&["alice", "bob"]).await;
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    bob.shows(&["alice", "bob"]).await;
    assert_eq!(alice.meta("bob"), bob.meta("bob"));
    assert_eq!(alice.meta("alice"), bob.meta("alice"));
    // An update is one diff there, too.
    let old = bob.meta("alice");
    alice.presence("update", json!({ "name": "Alice" })).await;
    let diff = bob.diff().await;
    assert_eq!(diff["leaves"], json!({ "alice": { "metas": [old] } }));
    assert_eq!(diff["joins"], json!({ "alice": { "metas": [bob.meta("alice")] } }));
    // Both pods answer for all, also one that has no client in the topic.
    for pod in [&pods.a, &pods.b] {
        let state = pod.get("/api/v1/topics/room%3A1/presence").await.json();
        assert_eq!(state["alice"]["metas"], json!([bob.meta("alice")]));
        assert_eq!(state["bob"]["metas"], json!([bob.meta("bob")]));
    }
    bob.client.close().await;
    alice.shows(&["alice"]).await;
}

#[tokio::test]
async fn where_nothing_is_lost_no_diff_is_counted_as_a_resync() {
    let pods = Pods::start(SETTINGS).await;
    for topic in ["room:1", "room:2"] {
        let mut alice = join_topic(&pods.a, topic, "alice").await;
        alice.shows(&["alice"]).await;
        let mut bob = join_topic(&pods.b, topic, "bob").await;
        alice.shows(&["alice", "bob"]).await;
        bob.shows(&["alice", "bob"]).await;
        bob.client.close().await;
        alice.shows(&["alice"]).await;
    }
    for pod in [&pods.a, &pods.b] {
        assert!(pod.metric("gateway_presence_diffs_total", "change").await > 0.0);
        assert_eq!(pod.metric("gateway_presence_diffs_total", "resync").await, 0.0);
    }
}

#[tokio::test]
async fn row_188_the_clients_of_a_killed_pod_leave_within_a_lease_and_a_heartbeat() {
    let settings = format!("[presence]\nheartbeat = \"500ms\"\nlease = \"1s\"\n{SETTINGS}");
    let pods = Pods::start(&settings).await;
    let mut alice = join(&pods.a, "alice").await;
    let _bob = join(&pods.b, "bob").await;
    alice.shows(&["alice", "bob"]).await;
    pods.b.process.signal("-KILL");
    alice.shows(&["alice"]).await;
    assert_eq!(pods.a.get("/api/v1/topics/room%3A1").await.json()["presence"], json!({ "keys": 1, "metas": 1 }));
}

#[tokio::test]
async fn row_191_the_clients_of_a_pod_that_stops_leave_at_once() {
    // The lease is 30 seconds here: nobody waits for its end.
    let pods = Pods::start(SETTINGS).await;
    let mut alice = join(&pods.a, "alice").await;
    let _bob = join(&pods.b, "bob").await;
    alice.shows(&["alice", "bob"]).await;
    pods.b.process.signal("-TERM");
    timeout(Duration::from_secs(5), alice.shows(&["alice"])).await.expect("at once");
    assert_eq!(pods.b.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_hundred_clients_of_two_pods_join_at_once_and_each_sees_all() {
    let pods = Pods::start(SETTINGS).await;
    let mut clients = Vec::new();
    for number in 0..100 {
        let pod = if number % 2 == 0 { &pods.a } else { &pods.b };
        clients.push((number, pod.connect().await));
    }
    let everyone = clients.into_iter().map(async |(number, client)| {
        let mut member = Member::join(client, "room:1", json!({ "user_id": number })).await;
        member.shows_keys(100).await;
        member
    });
    let members = futures_util::future::join_all(everyone).await;
    let mut members = members.into_iter();
    let mut first = members.next().unwrap();
    drop(members);
    first.shows_keys(1).await;
}

#[tokio::test]
async fn without_redis_a_join_is_unavailable_and_with_it_all_are_there_again() {
    let settings = format!("[presence]\nheartbeat = \"500ms\"\nlease = \"1s\"\n{SETTINGS}");
    let mut pods = Pods::start(&settings).await;
    let mut alice = join(&pods.a, "alice").await;
    let mut bob = join(&pods.b, "bob").await;
    alice.shows(&["alice", "bob"]).await;
    bob.shows(&["alice", "bob"]).await;
    pods.redis.crash();
    pods.a.until_metric("gateway_redis_up", "", |up| up == 0.0).await;
    let mut carol = pods.a.connect().await;
    carol.send(json!(["1", "1", "room:2", "phx_join", {}])).await;
    let reply = carol.next().await;
    assert_eq!(reply[4], json!({ "status": "error", "response": { "reason": "unavailable" } }));
    pods.a.get("/api/v1/topics/room%3A1/presence").await.problem(503);
    // What changes meanwhile is told when it is back, and Redis has lost everything.
    alice.presence("update", json!({ "name": "Alice" })).await;
    pods.redis.resume();
    while bob.metas("alice").iter().all(|meta| meta["name"] != "Alice") {
        bob.next().await;
    }
    bob.shows(&["alice", "bob"]).await;
    alice.client.close().await;
    bob.shows(&["bob"]).await;
}
