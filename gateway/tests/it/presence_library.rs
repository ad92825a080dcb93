//! Presence as authors of channels have it: protocol 5.2.

use std::collections::BTreeMap;

use gateway::presence::{Diff, Entry, Hooks, PresenceError, State};
use gateway::{
    Channel, ChannelError, Context, HandlerResult, JoinContext, JoinResult, Mount, Outcome, Payload, Router, TrackError,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Member, OpenSocket, TestGateway, phx_error};

/// Does to its presences what its client says.
struct Attending;

impl Channel for Attending {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.presence().push_state().await?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        let payload: Value = payload.parse()?;
        let (key, meta) = (payload["key"].as_str().unwrap_or_default(), &payload["meta"]);
        let mut presence = cx.presence();
        let outcome = match event {
            "track" if payload["key"].is_number() => presence.track(payload["key"].as_u64().unwrap(), meta).await,
            "track" => presence.track(key, meta).await,
            "update" => presence.update(key, meta),
            "rename" => presence.update_with(key, |old| {
                let mut new = old.clone();
                new.insert("was".into(), old["name"].clone());
                new.insert("name".into(), payload["name"].clone());
                new
            }),
            "untrack" => {
                presence.untrack(key);
                return Ok(Outcome::ok());
            }
            "list" => return Outcome::ok_with(&presence.list().await?),
            "get" => return Outcome::ok_with(&json!({ "entry": presence.get_by_key(key).await? })),
            "stop" => return Ok(Outcome::Stop(None)),
            "panic" => panic!("as the test wants"),
            unknown => return Err(ChannelError::unknown_event(unknown)),
        };
        match outcome {
            Ok(phx_ref) => Outcome::ok_with(&json!({ "phx_ref": phx_ref.as_str() })),
            Err(TrackError::Refused(PresenceError::AlreadyTracked)) => Ok(Outcome::error("already_tracked")),
            Err(TrackError::Refused(PresenceError::NotTracked)) => Ok(Outcome::error("nopresence")),
            Err(TrackError::NotAnObject) => Ok(Outcome::error("not_an_object")),
            Err(other) => Err(other.into()),
        }
    }

    async fn terminate(&mut self, _reason: gateway::Ended, cx: &mut Context) {
        // Too late, and it must not stay.
        let _late = cx.presence().track("late", &json!({})).await;
    }
}

/// Handles the diffs of its topic itself.
struct Dispatcher;

impl Channel for Dispatcher {
    fn intercept() -> &'static [&'static str] {
        &["presence_diff"]
    }

    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.presence().track("u1", &json!({})).await?;
        Ok(Outcome::NoReply)
    }

    async fn handle_out(&mut self, _event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        cx.push("my_diff", payload)?;
        Ok(Outcome::NoReply)
    }
}

fn router() -> Router {
    let router = Router::new().channel("room:*", || Attending).unwrap();
    router.channel("dispatched:*", || Dispatcher).unwrap()
}

async fn start() -> TestGateway {
    TestGateway::with_channels(router()).await
}

async fn join(gateway: &TestGateway) -> Member {
    Member::join(gateway.connect().await, "room:1", json!({})).await
}

/// Tracks, and waits until the client is told of it.
async fn track(member: &mut Member, key: &str, name: &str) -> String {
    let answer = member.push("track", json!({ "key": key, "meta": { "name": name } })).await;
    let phx_ref = answer["response"]["phx_ref"].as_str().unwrap().to_owned();
    while !member.metas(key).iter().any(|meta| meta["phx_ref"] == json!(phx_ref)) {
        member.next().await;
    }
    phx_ref
}

fn error(reason: &str) -> Value {
    json!({ "status": "error", "response": { "reason": reason } })
}

#[tokio::test]
async fn row_170_track_is_a_diff_and_the_list_shows_its_reference() {
    let gateway = start().await;
    let mut alice = join(&gateway).await;
    let phx_ref = track(&mut alice, "u1", "u1").await;
    let metas = json!({ "u1": { "metas": [{ "name": "u1", "phx_ref": phx_ref }] } });
    assert_eq!(alice.push("list", json!({})).await["response"], metas);
    let entry = alice.push("get", json!({ "key": "u1" })).await;
    assert_eq!(entry["response"]["entry"], metas["u1"]);
    assert_eq!(alice.push("get", json!({ "key": "u2" })).await["response"]["entry"], Value::Null);
    // Row 175.
    alice.push("track", json!({ "key": 1, "meta": {} })).await;
    alice.shows(&["1", "u1"]).await;
}

#[tokio::test]
async fn row_172_however_a_channel_ends_what_it_tracked_leaves_in_one_diff() {
    let gateway = start().await;
    let mut watcher = join(&gateway).await;
    for how in ["leave", "stop", "fail", "panic", "join", "close", "cut"] {
        let mut alice = join(&gateway).await;
        let one = track(&mut alice, "u1", how).await;
        let two = track(&mut alice, "u2", how).await;
        watcher.shows(&["u1", "u2"]).await;
        match how {
            "leave" => alice.send("phx_leave", json!({})).await,
            "join" => alice.client.send(json!(["9", "9", "room:1", "phx_join", {}])).await,
            "close" => alice.client.close().await,
            "cut" => drop(alice),
            event => alice.send(event, json!({})).await,
        }
        // Row 183.
        let leaves = json!({
            "u1": { "metas": [{ "name": how, "phx_ref": one }] },
            "u2": { "metas": [{ "name": how, "phx_ref": two }] },
        });
        assert_eq!(watcher.diff().await, json!({ "joins": {}, "leaves": leaves }), "{how}");
        // What `terminate` tracked does not stay either, if it was seen at all.
        while !watcher.metas("late").is_empty() {
            watcher.next().await;
        }
    }
    assert!(gateway.endpoint().presence("room:1").list().await.unwrap().is_empty());
}

#[tokio::test]
async fn row_177_untrack_takes_one_key_away() {
    let gateway = start().await;
    let mut alice = join(&gateway).await;
    track(&mut alice, "u1", "a").await;
    let two = track(&mut alice, "u2", "b").await;
    // Row 178: ok, and no diff.
    alice.push("untrack", json!({ "key": "unknown" })).await;
    alice.push("untrack", json!({ "key": "u2" })).await;
    let leaves = json!({ "u2": { "metas": [{ "name": "b", "phx_ref": two }] } });
    assert_eq!(alice.diff().await, json!({ "joins": {}, "leaves": leaves }));
    alice.shows(&["u1"]).await;
}

#[tokio::test]
async fn row_179_an_update_is_one_diff() {
    let gateway = start().await;
    let mut alice = join(&gateway).await;
    let first = track(&mut alice, "u1", "u1").await;
    let answer = alice.push("update", json!({ "key": "u1", "meta": { "name": "updated" } })).await;
    let second = &answer["response"]["phx_ref"];
    let joins = json!({ "u1": { "metas": [{ "name": "updated", "phx_ref": second, "phx_ref_prev": first }] } });
    let leaves = json!({ "u1": { "metas": [{ "name": "u1", "phx_ref": first }] } });
    assert_eq!(alice.diff().await, json!({ "joins": joins, "leaves": leaves }));
    // Row 180: by a function of the old meta.
    alice.push("rename", json!({ "key": "u1", "name": "renamed" })).await;
    alice.diff().await;
    let meta = alice.meta("u1");
    assert_eq!((&meta["name"], &meta["was"]), (&json!("renamed"), &json!("updated")));
    assert_eq!(meta["phx_ref_prev"], *second);
}

#[tokio::test]
async fn row_182_what_is_refused() {
    let gateway = start().await;
    let mut alice = join(&gateway).await;
    // Row 181.
    assert_eq!(alice.push("update", json!({ "key": "u1", "meta": {} })).await, error("nopresence"));
    assert_eq!(alice.push("rename", json!({ "key": "u1", "name": "x" })).await, error("nopresence"));
    track(&mut alice, "u1", "a").await;
    assert_eq!(alice.push("track", json!({ "key": "u1", "meta": {} })).await, error("already_tracked"));
    assert_eq!(alice.push("track", json!({ "key": "u2", "meta": [1] })).await, error("not_an_object"));
    track(&mut alice, "u2", "a").await;
    let mut other = Member::join(gateway.connect().await, "room:2", json!({})).await;
    track(&mut other, "u1", "a").await;
    // Another channel tracks the same key in the same topic.
    let mut bob = join(&gateway).await;
    track(&mut bob, "u1", "b").await;
    assert_eq!(bob.metas("u1").len(), 2);
}

#[tokio::test]
async fn row_184_a_channel_can_dispatch_the_diffs_itself() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    client.join("1", "dispatched:1").await;
    let frame = client.next().await;
    assert_eq!((&frame[0], &frame[3]), (&json!("1"), &json!("my_diff")), "{frame}");
    let metas = frame[4]["joins"]["u1"]["metas"].as_array().unwrap();
    assert_eq!(metas.len(), 1);
    assert_eq!(frame[4]["leaves"], json!({}));
}

/// What an observer has seen: joins, leaves, and who is there after them.
type Observed = (usize, usize, usize);

struct Users(mpsc::UnboundedSender<Observed>);

impl Hooks for Users {
    fn fetch(&self, topic: &str, entries: &mut BTreeMap<String, Entry>) {
        for (key, entry) in entries {
            entry.extra.insert("user".into(), format!("{key} of {topic}").into());
        }
    }

    fn observe(&self, _topic: &str, diff: &Diff, state: &State) {
        let metas = |state: &State| state.counts().metas;
        // A test that has ended looks no more.
        let _unseen = self.0.send((metas(&diff.joins), metas(&diff.leaves), metas(state)));
    }
}

#[tokio::test]
async fn row_173_hooks_add_fields_and_observe_each_diff() {
    let (sender, mut observed) = mpsc::unbounded_channel();
    let gateway = TestGateway::with_builder("", |builder| {
        let builder = builder.presence("room:*", Users(sender)).unwrap();
        builder.mount(Mount::new("/socket", OpenSocket, router()))
    })
    .await;
    let mut alice = join(&gateway).await;
    alice.send("track", json!({ "key": "u1", "meta": { "name": "a" } })).await;
    let diff = alice.diff().await;
    assert_eq!(diff["joins"]["u1"]["user"], "u1 of room:1");
    // Row 185: observers see joins and leaves, and who is there after them.
    assert_eq!(observed.recv().await, Some((1, 0, 1)));
    alice.send("update", json!({ "key": "u1", "meta": { "name": "b" } })).await;
    let diff = alice.diff().await;
    assert_eq!(
        (&diff["joins"]["u1"]["user"], &diff["leaves"]["u1"]["user"]),
        (&json!("u1 of room:1"), &json!("u1 of room:1"))
    );
    assert_eq!(observed.recv().await, Some((1, 1, 1)));
    let listed = alice.push("list", json!({})).await;
    assert_eq!(listed["response"]["u1"]["user"], "u1 of room:1");
    // A state has them, too.
    let mut bob = gateway.connect().await;
    bob.join("1", "room:1").await;
    assert_eq!(bob.next().await[4]["u1"]["user"], "u1 of room:1");
    alice.client.close().await;
    assert_eq!(observed.recv().await, Some((0, 1, 0)));
}

#[tokio::test]
async fn a_crash_ends_the_presences_of_its_channel_only() {
    let gateway = start().await;
    let mut watcher = join(&gateway).await;
    let mut client = gateway.connect().await;
    for topic in ["room:1", "room:2"] {
        client.send(json!([topic, topic, topic, "phx_join", {}])).await;
        client.send(json!([topic, "t", topic, "track", { "key": "u", "meta": {} }])).await;
    }
    watcher.shows(&["u"]).await;
    client.send(json!(["room:1", "p", "room:1", "panic", {}])).await;
    watcher.shows(&[]).await;
    while client.next().await != phx_error("room:1", "room:1") {}
    let there = gateway.endpoint().presence("room:2").list().await.unwrap();
    assert_eq!(there.0.keys().collect::<Vec<_>>(), ["u"]);
}
