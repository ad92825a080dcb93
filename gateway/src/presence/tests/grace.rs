//! `leave_grace`: who comes back in time never left.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::pod::{Member, Pod};
use super::pods::settings;
use crate::config;
use crate::redis::testing::RedisServer;

fn with_grace(grace: Duration) -> config::Presence {
    config::Presence { leave_grace: grace, ..settings() }
}

fn online(since: &str, name: &str) -> Map<String, Value> {
    json!({ "name": name, "online_at": since }).as_object().unwrap().clone()
}

fn track(member: &Member, since: &str, name: &str) -> String {
    member.presence.track(&member.topic, member.id, "bob", online(since, name)).unwrap().to_string()
}

/// How often the topic has changed.
fn version(server: &RedisServer) -> u64 {
    server.command(&["HGET", "test:{t}:p", "v"]).lines().nth(1).unwrap().parse().unwrap()
}

/// The channel has ended, with its socket.
fn leave(member: &Member) {
    member.presence.untrack_all(member.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_on_another_pod_is_no_diff() {
    let server = RedisServer::start();
    let settings = with_grace(Duration::from_secs(60));
    let (here, there) = (Pod::on(&server.url(), &settings), Pod::on(&server.url(), &settings));
    let (mut alice, bob, reloaded) = (here.join("t").await, there.join("t").await, here.join("t").await);
    let first = track(&bob, "1", "bob");
    let before = alice.shows(&["bob"]).await;
    leave(&bob);
    // It lingers once the topic holds it.
    while !server.command(&["HKEYS", "test:{t}:p"]).contains("~:") {
        tokio::task::yield_now().await;
    }
    while track(&reloaded, "2", "bob") != first {
        // The reader here has not heard of it yet.
        here.presence.untrack(&reloaded.topic, reloaded.id, "bob");
        tokio::task::yield_now().await;
    }
    // What comes next is the next change, and nothing came before it.
    here.presence.list("t").await.unwrap();
    alice.track("marker", "m");
    let diff = alice.diff().await;
    assert_eq!(diff["joins"].as_object().unwrap().keys().collect::<Vec<_>>(), ["marker"]);
    assert_eq!(diff["leaves"], json!({}));
    assert_eq!(alice.client.shown()["bob"], before["bob"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_back_before_anybody_knows_of_the_leave_is_no_diff() {
    let server = RedisServer::start();
    let settings = with_grace(Duration::from_secs(60));
    let (here, there) = (Pod::on(&server.url(), &settings), Pod::on(&server.url(), &settings));
    let mut alice = here.join("t").await;
    for (from, to) in [(&here, &here), (&here, &there), (&there, &here)] {
        let (bob, reloaded) = (from.join("t").await, to.join("t").await);
        track(&bob, "1", "bob");
        let before = alice.shows(&["bob"]).await;
        let written = version(&server);
        leave(&bob);
        track(&reloaded, "2", "bob");
        // The leave is written, and then the return.
        while version(&server) < written + 2 {
            tokio::task::yield_now().await;
        }
        alice.track("marker", "m");
        let diff = alice.diff().await;
        assert_eq!(diff["joins"].as_object().unwrap().keys().collect::<Vec<_>>(), ["marker"]);
        assert_eq!(alice.client.shown()["bob"], before["bob"]);
        alice.presence.untrack(&alice.topic, alice.id, "marker");
        to.presence.untrack(&reloaded.topic, reloaded.id, "bob");
        alice.shows(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_tab_is_shown_beside_the_first() {
    let server = RedisServer::start();
    let settings = with_grace(Duration::from_secs(60));
    let (here, there) = (Pod::on(&server.url(), &settings), Pod::on(&server.url(), &settings));
    let (mut alice, bob, tab) = (here.join("t").await, there.join("t").await, here.join("t").await);
    track(&bob, "1", "bob");
    alice.shows(&["bob"]).await;
    track(&tab, "2", "tab");
    while alice.client.shown()["bob"].len() < 2 {
        alice.next().await;
    }
    // A list says what was tracked before, whether or not somebody may take over.
    let third = here.join("t").await;
    track(&third, "3", "third");
    assert_eq!(here.presence.get_by_key("t", "bob").await.unwrap().unwrap().metas.len(), 3);
}

#[tokio::test]
async fn who_comes_back_changed_is_one_update() {
    let settings = with_grace(Duration::from_secs(60));
    let pod = Pod::with(|pubsub, metrics, tasks| crate::presence::Presence::memory(pubsub, &settings, metrics, tasks));
    let (mut alice, bob, reloaded) = (pod.join("t").await, pod.join("t").await, pod.join("t").await);
    let first = track(&bob, "1", "old");
    alice.shows(&["bob"]).await;
    leave(&bob);
    pod.presence.list("t").await.unwrap();
    // The reader has taken it when it has taken this.
    alice.track("marker", "m");
    alice.shows(&["bob", "marker"]).await;
    let second = track(&reloaded, "2", "new");
    let diff = alice.diff().await;
    let joined = json!([{ "name": "new", "online_at": "1", "phx_ref": second, "phx_ref_prev": first }]);
    assert_eq!(diff["joins"]["bob"]["metas"], joined);
    assert_eq!(diff["leaves"]["bob"]["metas"][0]["phx_ref"], first.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_come_back_leaves_when_the_time_is_up() {
    let server = RedisServer::start();
    let settings = with_grace(Duration::from_millis(300));
    let (here, there) = (Pod::on(&server.url(), &settings), Pod::on(&server.url(), &settings));
    let (mut alice, bob) = (here.join("t").await, there.join("t").await);
    track(&bob, "1", "bob");
    alice.shows(&["bob"]).await;
    let left = std::time::Instant::now();
    leave(&bob);
    alice.shows(&[]).await;
    assert!(left.elapsed() >= Duration::from_millis(300));
    assert!(here.presence.list("t").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_just_after_an_update_lingers_as_before_it() {
    let settings = with_grace(Duration::from_secs(30));
    let pod = Pod::with(|pubsub, metrics, tasks| crate::presence::Presence::memory(pubsub, &settings, metrics, tasks));
    let (mut alice, bob) = (pod.join("t").await, pod.join("t").await);
    track(&bob, "1", "bob");
    alice.shows(&["bob"]).await;
    pod.presence.list("t").await.unwrap();
    let left = tokio::time::Instant::now();
    pod.presence.update(&bob.topic, bob.id, "bob", |_| online("1", "away")).unwrap();
    leave(&bob);
    alice.shows(&[]).await;
    assert!(left.elapsed() >= settings.leave_grace, "{:?}", left.elapsed());
}

#[tokio::test(start_paused = true)]
async fn devices_that_reload_in_another_order_are_who_they_were() {
    let settings = with_grace(Duration::from_secs(3600));
    let pod = Pod::with(|pubsub, metrics, tasks| crate::presence::Presence::memory(pubsub, &settings, metrics, tasks));
    let (mut alice, phone, laptop) = (pod.join("t").await, pod.join("t").await, pod.join("t").await);
    let first = (track(&phone, "1", "phone"), track(&laptop, "2", "laptop"));
    alice.shows(&["bob"]).await;
    leave(&phone);
    leave(&laptop);
    // The reader has taken both when it has taken this.
    pod.presence.list("t").await.unwrap();
    alice.track("marker", "m");
    alice.shows(&["bob", "marker"]).await;
    let (phone, laptop) = (pod.join("t").await, pod.join("t").await);
    let (second_laptop, second_phone) = (track(&laptop, "3", "laptop"), track(&phone, "4", "phone"));
    assert_eq!((second_phone, second_laptop), first);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_twice_has_all_the_time_twice() {
    let settings = with_grace(Duration::from_millis(1500));
    let pod = Pod::with(|pubsub, metrics, tasks| crate::presence::Presence::memory(pubsub, &settings, metrics, tasks));
    let (mut alice, bob, again) = (pod.join("t").await, pod.join("t").await, pod.join("t").await);
    let first = track(&bob, "1", "bob");
    alice.shows(&["bob"]).await;
    leave(&bob);
    // The clock of this test stands still while anything runs.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(track(&again, "2", "bob"), first);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let left = tokio::time::Instant::now();
    leave(&again);
    alice.shows(&[]).await;
    assert!(left.elapsed() >= Duration::from_millis(1500), "{:?}", left.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_is_left_to_drop_goes_by_itself_and_is_never_shown() {
    let server = RedisServer::start();
    let settings = with_grace(Duration::from_secs(2));
    let there = Pod::on(&server.url(), &settings);
    let mut bob = there.join("t").await;
    track(&bob, "1", "bob");
    bob.shows(&["bob"]).await;
    assert!(there.presence.close(Duration::from_secs(10)).await);
    there.tasks.stop();
    assert!(server.command(&["HKEYS", "test:{t}:p"]).contains("~:"));
    assert!(!server.command(&["PTTL", "test:{t}:p"]).starts_with(":-"), "it goes by itself");
    // Its time comes, and it is still there.
    assert_eq!(server.command(&["PERSIST", "test:{t}:p"]), ":1\r\n");
    tokio::time::sleep(settings.leave_grace + super::pods::HEARTBEAT).await;
    let here = Pod::on(&server.url(), &settings);
    let mut late = here.join("t").await;
    assert_eq!(late.next().await.1, json!({}));
    while server.command(&["HKEYS", "test:{t}:p"]).contains("~:") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_lingers_in_a_topic_that_nobody_watches() {
    let server = RedisServer::start();
    let pod = Pod::on(&server.url(), &with_grace(Duration::from_millis(300)));
    let mut bob = pod.join("t").await;
    track(&bob, "1", "bob");
    bob.shows(&["bob"]).await;
    leave(&bob);
    drop(bob);
    while server.command(&["HLEN", "test:{t}:p"]) != ":4\r\n" {
        tokio::task::yield_now().await;
    }
    assert!(!server.command(&["PTTL", "test:{t}:p"]).starts_with(":-"), "it goes by itself");
}
