//! `gateway::testing`, as the author of an application meets it. How it is used day by day shows in the examples.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use gateway::presence::{Entry, Hooks};
use gateway::testing::{ANY, ChannelTest, TestChannel};
use gateway::{
    Accepted, Channel, ChannelError, ConnectError, ConnectInfo, Context, Ended, HandlerResult, Info, JoinContext,
    JoinError, JoinResult, Mount, Outcome, Params, Payload, Reply, Router, Socket,
};
use serde_json::{Value, json};

/// Shows what it was given.
struct Mirror;

impl Socket for Mirror {
    async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        if params.get("refuse").is_some() {
            return Err(ConnectError::reason("asked for"));
        }
        let shown =
            json!({ "count": params.get("count"), "nested": params.value("nested"), "token": info.auth_token() });
        Ok(Accepted::new().id("user_socket:1").assign(shown))
    }
}

/// Does what each event says.
struct Room;

impl Channel for Room {
    fn intercept() -> &'static [&'static str] {
        &["hidden"]
    }

    async fn join(&mut self, params: Payload, cx: &mut JoinContext) -> JoinResult {
        match params.parse::<Value>()?["as"].as_str() {
            Some("nobody") => Err(JoinError::reason("unauthorized")),
            _ => Ok(cx.client().assign::<Value>().cloned().unwrap_or_default().into()),
        }
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.push("welcome", json!({ "to": cx.topic() }))?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "broadcast" => cx.broadcast("said", payload).await?,
            "hidden" => cx.broadcast("hidden", payload).await?,
            "bytes" => cx.push("bytes", payload)?,
            "later" => cx.send_after(Duration::from_secs(60), "later"),
            "state" => cx.presence().push_state().await?,
            "track" => drop(cx.presence().track("ann", &json!({})).await?),
            "odd" => return Ok(Outcome::Reply(Reply::with_status("odd", json!({})))),
            "stop" => return Ok(Outcome::Stop(None)),
            unknown => return Err(ChannelError::unknown_event(unknown)),
        }
        Ok(Outcome::ok())
    }

    async fn handle_out(&mut self, _event: &str, _payload: Payload, _cx: &mut Context) -> HandlerResult {
        Ok(Outcome::NoReply)
    }

    async fn handle_info(&mut self, info: Info, cx: &mut Context) -> HandlerResult {
        cx.push("info", json!({ "is": info.downcast::<&str>().ok() }))?;
        Ok(Outcome::NoReply)
    }

    async fn terminate(&mut self, reason: Ended, cx: &mut Context) {
        let _alone = cx.broadcast("terminated", json!({ "reason": format!("{reason:?}") })).await;
    }
}

fn test() -> ChannelTest {
    ChannelTest::new(Mount::new("/socket", Mirror, Router::new().channel("room:*", || Room).unwrap()))
}

async fn join(test: &ChannelTest) -> (gateway::testing::TestSocket, TestChannel) {
    let socket = test.socket(Accepted::new());
    let (_, room) = socket.subscribe_and_join("room:1", json!({})).await.unwrap();
    (socket, room)
}

/// The message of an assertion that fails.
async fn failure<T>(assertion: impl Future<Output = T>) -> String {
    let Err(panic) = AssertUnwindSafe(assertion).catch_unwind().await else { panic!("it should have failed") };
    panic.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn connect_goes_through_the_callback_with_strings_as_clients_send_them() {
    let test = test();
    assert_eq!(test.connect(json!({ "refuse": true })).await.unwrap_err().as_reason(), Some("asked for"));
    let socket = test.connect_with_token(json!({ "count": 7, "nested": { "a": [1] } }), "secret").await.unwrap();
    let (reply, _room) = socket.subscribe_and_join("room:1", json!({})).await.unwrap();
    assert_eq!(reply, json!({ "count": "7", "nested": { "a": ["1"] }, "token": "secret" }));
    let refused = socket.subscribe_and_join("room:2", json!({ "as": "nobody" })).await.unwrap_err();
    assert_eq!(refused, json!({ "reason": "unauthorized" }));
    let unmatched = socket.subscribe_and_join("hall:1", json!({})).await.unwrap_err();
    assert_eq!(unmatched, json!({ "reason": "unmatched topic" }));
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_fails_says_where_it_stands_and_what_came() {
    let test = test();
    let (_socket, room) = join(&test).await;
    let message = failure(room.assert_push("welcome", json!({ "to": "room:2" }))).await;
    assert!(message.contains("tests/it/testing_kit.rs:"), "{message}");
    assert!(message.contains(r#"no push `welcome` on `room:1` like {"to":"room:2"} within 5s"#), "{message}");
    assert!(message.contains(r#"push `welcome` on `room:1`: {"to":"room:1"}"#), "{message}");
    let message = failure(room.refute_push("welcome", json!({}))).await;
    assert!(message.contains("there should be no push `welcome`"), "{message}");
    let message = failure(room.push("odd", json!({})).assert_reply("ok", json!({ "id": ANY }))).await;
    assert!(message.contains("no reply `ok`") && message.contains(r#"like {"id":ANY}"#), "{message}");
    assert!(message.contains("reply `odd`"), "{message}");
    let message = failure(room.assert_broadcast("said", |_: &Value| true)).await;
    assert!(message.contains("for which the closure holds") && message.contains("Nothing came."), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_was_matched_is_not_matched_again() {
    let test = test();
    let (_socket, room) = join(&test).await;
    room.push("broadcast", json!({ "n": 1 })).assert_reply("ok", json!({})).await;
    room.push("broadcast", json!({ "n": 2 })).assert_reply("ok", json!({})).await;
    assert_eq!(room.assert_push("said", json!({})).await, json!({ "n": 1 }));
    assert_eq!(room.assert_push("said", json!({})).await, json!({ "n": 2 }));
    room.refute_push("said", json!({})).await;
    assert_eq!(room.assert_broadcast("said", json!({ "n": 2 })).await, json!({ "n": 2 }));
    room.refute_broadcast("said", json!({ "n": 2 })).await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_a_channel_keeps_from_its_client_is_a_broadcast_all_the_same() {
    let test = test();
    let (_socket, room) = join(&test).await;
    room.push("hidden", json!({})).assert_reply("ok", json!({})).await;
    room.assert_broadcast("hidden", json!({})).await;
    room.refute_push("hidden", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn bytes_messages_and_time() {
    let test = test();
    let (_socket, room) = join(&test).await;
    let bytes = Payload::Binary(vec![1, 2].into());
    room.push("bytes", bytes.clone()).assert_reply("ok", json!({})).await;
    room.assert_push("bytes", bytes).await;
    room.send("hello");
    room.assert_push("info", json!({ "is": "hello" })).await;
    room.push("later", json!({})).assert_reply("ok", json!({})).await;
    room.refute_push("info", json!({})).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    room.assert_push("info", json!({ "is": "later" })).await;
}

#[tokio::test(start_paused = true)]
async fn however_a_channel_ends_the_test_sees_it() {
    let test = test();
    let (_watcher, watching) = join(&test).await;
    let told = async |reason: &str| drop(watching.assert_broadcast("terminated", json!({ "reason": reason })).await);

    let (_socket, room) = join(&test).await;
    room.leave().assert_reply("ok", json!({})).await;
    room.assert_push("phx_close", json!({})).await;
    told("Left").await;

    let (_socket, room) = join(&test).await;
    drop(room.push("stop", json!({})));
    room.assert_push("phx_close", json!({})).await;
    told("Stopped").await;

    let (_socket, room) = join(&test).await;
    drop(room.push("unknown", json!({})));
    room.assert_push("phx_error", json!({ "reason": "channel_crash" })).await;
    told("Crashed").await;

    let (socket, first) = join(&test).await;
    let (_, second) = socket.subscribe_and_join("room:1", json!({})).await.unwrap();
    first.assert_push("phx_close", json!({})).await;
    second.refute_push("phx_close", json!({})).await;
    told("Replaced").await;

    socket.close().await;
    // Its `terminate` is over when `close` returns.
    told("SocketClosed").await;

    let (socket, room) = join(&test).await;
    drop((socket, room));
    told("SocketClosed").await;
}

struct Names;

impl Hooks for Names {
    fn fetch(&self, _topic: &str, entries: &mut BTreeMap<String, Entry>) {
        entries.values_mut().for_each(|entry| drop(entry.extra.insert("name".into(), "Ann".into())));
    }
}

#[tokio::test(start_paused = true)]
async fn presence_has_its_hooks_and_ends_with_the_connection() {
    let test = test().presence("room:*", Names).unwrap();
    let (_watcher, watching) = join(&test).await;
    watching.push("state", json!({})).assert_reply("ok", json!({})).await;
    watching.assert_push("presence_state", json!({})).await;
    let (socket, room) = join(&test).await;
    room.push("track", json!({})).assert_reply("ok", json!({})).await;
    let joined = json!({ "joins": { "ann": { "name": "Ann", "metas": [{ "phx_ref": ANY }] } } });
    watching.assert_push("presence_diff", joined).await;
    assert_eq!(test.endpoint().presence("room:1").counts().await.unwrap().keys, 1);
    socket.close().await;
    watching.assert_push("presence_diff", json!({ "leaves": { "ann": {} } })).await;
}
