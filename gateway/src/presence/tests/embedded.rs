//! The rows of the conformance checklist, section 9.E, on one pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::pod::{Pod, meta, soon};
use crate::config::TopicPattern;
use crate::presence::{Counts, Diff, Entry, Hooks, PresenceError, State};

#[tokio::test]
async fn rows_169_170_171_a_client_is_tracked_and_listed() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    assert_eq!(member.next().await, ("presence_state".into(), json!({})));
    let phx_ref = member.track("u1", "u1");
    let diff = json!({ "joins": { "u1": { "metas": [{ "name": "u1", "phx_ref": phx_ref }] } }, "leaves": {} });
    assert_eq!(member.diff().await, diff);
    let listed = soon(pod.presence.list("t")).await.unwrap();
    assert_eq!(serde_json::to_value(&listed).unwrap(), diff["joins"]);
    let shown = member.watch.with_state(|state| serde_json::to_value(state).unwrap());
    assert_eq!(shown, diff["joins"]);
    assert_eq!(soon(pod.presence.counts("t")).await, Ok(Counts { keys: 1, metas: 1 }));
}

#[tokio::test]
async fn a_list_knows_what_was_tracked_before_the_call() {
    let pod = Pod::embedded();
    let topic = Arc::from("t");
    let owner = pod.pubsub.next_subscriber_id();
    let phx_ref = pod.presence.track(&topic, owner, "u1", meta("u1")).unwrap();
    let listed = soon(pod.presence.get_by_key("t", "u1")).await.unwrap().unwrap();
    assert_eq!(*listed.metas[0].phx_ref(), phx_ref);
}

#[tokio::test]
async fn rows_172_183_the_end_of_a_channel_is_one_diff() {
    let pod = Pod::embedded();
    let (mut watcher, leaver) = (pod.join("t").await, pod.join("t").await);
    let (one, two) = (leaver.track("u1", "u1"), leaver.track("u2", "u2"));
    watcher.shows(&["u1", "u2"]).await;
    pod.presence.untrack_all(leaver.id);
    let leaves = json!({
        "u1": { "metas": [{ "name": "u1", "phx_ref": one }] },
        "u2": { "metas": [{ "name": "u2", "phx_ref": two }] },
    });
    assert_eq!(watcher.diff().await, json!({ "joins": {}, "leaves": leaves }));
}

struct Users;

impl Hooks for Users {
    fn fetch(&self, _topic: &str, entries: &mut BTreeMap<String, Entry>) {
        for (key, entry) in entries {
            entry.extra.insert("user".into(), format!("user {key}").into());
        }
    }
}

#[tokio::test]
async fn rows_173_174_a_hook_adds_fields_beside_metas() {
    let pod = Pod::embedded();
    pod.presence.add_hooks("hooked:*".parse::<TopicPattern>().unwrap(), Arc::new(Users));
    let mut member = pod.join("hooked:1").await;
    member.track("u1", "a");
    let diff = member.diff().await;
    assert_eq!(diff["joins"]["u1"]["user"], "user u1");
    pod.presence.update(&member.topic, member.id, "u1", |_| meta("b")).unwrap();
    let diff = member.diff().await;
    assert_eq!((&diff["joins"]["u1"]["user"], &diff["leaves"]["u1"]["user"]), (&json!("user u1"), &json!("user u1")));
    let listed = soon(pod.presence.get_by_key("hooked:1", "u1")).await.unwrap().unwrap();
    assert_eq!(listed.extra["user"], "user u1");
    let payload = member.watch.with_payload(|payload| serde_json::from_slice::<Value>(payload.bytes()).unwrap());
    assert_eq!(payload["u1"]["user"], "user u1");
    let mut plain = pod.join("plain").await;
    plain.track("u1", "a");
    assert_eq!(plain.diff().await["joins"]["u1"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn row_176_a_key_has_a_meta_for_each_channel() {
    let pod = Pod::embedded();
    let (mut one, two) = (pod.join("t").await, pod.join("t").await);
    one.track("u", "one");
    two.track("u", "two");
    while one.shows(&["u"]).await["u"].len() < 2 {
        one.next().await;
    }
    assert_eq!(soon(pod.presence.get_by_key("t", "u")).await.unwrap().unwrap().metas.len(), 2);
    assert!(soon(pod.presence.get_by_key("t", "other")).await.unwrap().is_none());
    assert!(soon(pod.presence.get_by_key("other", "u")).await.unwrap().is_none());
}

#[tokio::test]
async fn rows_177_178_untrack_takes_one_key_away() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    member.track("u1", "a");
    member.track("u2", "b");
    member.shows(&["u1", "u2"]).await;
    pod.presence.untrack(&member.topic, member.id, "unknown");
    pod.presence.untrack(&Arc::from("unknown"), member.id, "u1");
    pod.presence.untrack(&member.topic, member.id, "u1");
    let diff = member.diff().await;
    assert_eq!(diff["leaves"].as_object().unwrap().keys().collect::<Vec<_>>(), ["u1"]);
    member.shows(&["u2"]).await;
}

#[tokio::test]
async fn rows_179_180_an_update_is_one_diff() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    let first = member.track("u1", "u1");
    member.diff().await;
    let update = pod.presence.update(&member.topic, member.id, "u1", |old| {
        assert_eq!((&old["name"], &old["phx_ref"]), (&json!("u1"), &json!(first)));
        let mut new = old.clone();
        new.insert("name".into(), "updated".into());
        new
    });
    let second = update.unwrap().to_string();
    let joins = json!({ "u1": { "metas": [{ "name": "updated", "phx_ref": second, "phx_ref_prev": first }] } });
    let leaves = json!({ "u1": { "metas": [{ "name": "u1", "phx_ref": first }] } });
    assert_eq!(member.diff().await, json!({ "joins": joins, "leaves": leaves }));
}

#[tokio::test]
async fn rows_181_182_what_is_refused() {
    let pod = Pod::embedded();
    let member = pod.join("t").await;
    let update = pod.presence.update(&member.topic, member.id, "u1", |_| meta("x"));
    assert_eq!(update, Err(PresenceError::NotTracked));
    member.track("u1", "a");
    let twice = pod.presence.track(&member.topic, member.id, "u1", meta("b"));
    assert_eq!(twice, Err(PresenceError::AlreadyTracked));
    member.track("u2", "a");
    pod.presence.track(&Arc::from("other"), member.id, "u1", meta("a")).unwrap();
    let large = pod.presence.track(&member.topic, member.id, "u3", meta(&"x".repeat(70_000)));
    assert_eq!(large, Err(PresenceError::TooLarge));
}

#[derive(Default)]
struct Observer(Mutex<Vec<(usize, usize, usize)>>);

impl Hooks for Observer {
    fn observe(&self, topic: &str, diff: &Diff, state: &State) {
        assert_eq!(topic, "t");
        self.0.lock().push((diff.joins.counts().metas, diff.leaves.counts().metas, state.counts().metas));
    }
}

#[tokio::test]
async fn row_185_an_observer_sees_each_diff_and_the_state_after_it() {
    let pod = Pod::embedded();
    let observer = Arc::new(Observer::default());
    pod.presence.add_hooks("*".parse::<TopicPattern>().unwrap(), observer.clone());
    let mut member = pod.join("t").await;
    member.track("u1", "a");
    member.diff().await;
    member.track("u2", "a");
    member.diff().await;
    pod.presence.update(&member.topic, member.id, "u2", |_| meta("b")).unwrap();
    member.diff().await;
    pod.presence.untrack_all(member.id);
    member.diff().await;
    // The last one may still be running: it holds the topic.
    member.watch.with_state(|_| ());
    assert_eq!(*observer.0.lock(), [(1, 0, 1), (1, 0, 2), (1, 1, 2), (0, 2, 0)]);
}

/// An application with a bug.
struct Faulty;

impl Hooks for Faulty {
    fn observe(&self, _topic: &str, diff: &Diff, _state: &State) {
        assert!(diff.joins.get("observed").is_none(), "a test's panic");
    }

    fn fetch(&self, _topic: &str, entries: &mut BTreeMap<String, Entry>) {
        assert!(!entries.contains_key("fetched"), "a test's panic");
    }
}

#[tokio::test]
async fn a_hook_that_panics_is_done_without() {
    let pod = Pod::embedded();
    pod.presence.add_hooks("*".parse::<TopicPattern>().unwrap(), Arc::new(Faulty));
    let mut member = pod.join("t").await;
    for (key, shown) in
        [("observed", &["observed"][..]), ("fetched", &["fetched", "observed"]), ("u1", &["fetched", "observed", "u1"])]
    {
        member.track(key, "m");
        assert!(member.diff().await["joins"].get(key).is_some());
        assert!(member.client.shown().keys().eq(shown));
    }
    assert_eq!(soon(pod.presence.counts("t")).await, Ok(Counts { keys: 3, metas: 3 }));
    let mut late = pod.join("t").await;
    late.shows(&["fetched", "observed", "u1"]).await;
}

#[tokio::test]
async fn row_186_the_reference_is_ours() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    let given = json!({ "phx_ref": "mine", "phx_ref_prev": "mine too" });
    let phx_ref = pod.presence.track(&member.topic, member.id, "u1", given.as_object().unwrap().clone()).unwrap();
    assert_eq!(member.diff().await["joins"]["u1"]["metas"], json!([{ "phx_ref": phx_ref.as_str() }]));
}

#[tokio::test]
async fn what_happens_within_the_window_collapses() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    member.track("gone", "a");
    pod.presence.untrack(&member.topic, member.id, "gone");
    member.track("u1", "a");
    let phx_ref = pod.presence.update(&member.topic, member.id, "u1", |_| meta("b")).unwrap();
    let joins = json!({ "u1": { "metas": [{ "name": "b", "phx_ref": phx_ref.as_str() }] } });
    assert_eq!(member.diff().await, json!({ "joins": joins, "leaves": {} }));
}

#[tokio::test]
async fn convergence_is_measured_however_many_never_came_to_be() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    let measured = || {
        let families = pod.registry.gather();
        let family = families.iter().find(|family| family.name() == "gateway_presence_convergence_seconds").unwrap();
        family.get_metric()[0].get_histogram().get_sample_count()
    };
    for n in 0..5000 {
        let key = n.to_string();
        member.track(&key, "a");
        pod.presence.untrack(&member.topic, member.id, &key);
    }
    let before = measured();
    member.track("u1", "a");
    member.shows(&["u1"]).await;
    soon(async {
        while measured() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stop_leaves_nothing_behind() {
    let pod = Pod::embedded();
    let mut member = pod.join("t").await;
    member.track("u1", "a");
    member.shows(&["u1"]).await;
    assert!(pod.presence.close(std::time::Duration::from_secs(10)).await);
    member.shows(&[]).await;
    let families = pod.registry.gather();
    let entries = families.iter().find(|family| family.name() == "gateway_presence_entries").unwrap();
    assert!(entries.get_metric()[0].get_gauge().get_value().abs() < 0.5);
}
