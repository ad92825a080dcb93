//! Joining a topic: protocol 3.1 to 3.3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway::{Channel, Context, HandlerResult, JoinContext, JoinError, JoinResult, Mount, Outcome, Payload, Router};
use serde_json::{Value, json};

use crate::support::{Lab, OpenSocket, TestGateway, ok, phx_close, unmatched};

const TOO_MANY: &str = "too many channels joined";

/// The room of Phoenix' own integration tests: it tells everybody, and then its client, that somebody came.
struct Room {
    user: Value,
}

impl Room {
    fn router() -> Router {
        Router::new().channel("room:*", || Self { user: Value::Null }).unwrap()
    }
}

impl Channel for Room {
    async fn join(&mut self, params: Payload, _cx: &mut JoinContext) -> JoinResult {
        self.user = params.parse::<Value>()?["user"].clone();
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.broadcast("user_entered", json!({ "user": self.user })).await?;
        cx.push("joined", json!({ "status": "connected", "user_id": null }))?;
        Ok(Outcome::NoReply)
    }
}

/// Answers a join with the name that its route gave it and with the names of the join's params.
struct Named(&'static str);

impl Channel for Named {
    async fn join(&mut self, params: Payload, _cx: &mut JoinContext) -> JoinResult {
        let params: serde_json::Map<String, Value> = params.parse()?;
        if params.contains_key("refuse") {
            return Err(JoinError::reason(self.0));
        }
        Ok(json!({ "route": self.0, "params": params.keys().collect::<Vec<_>>() }).into())
    }
}

/// Rows 95, 96, 97, 98, 99.
#[tokio::test]
async fn row_095_a_join_is_answered_and_what_the_channel_sends_then_follows() {
    let gateway = TestGateway::with_channels(Room::router()).await;
    let mut client = gateway.connect().await;
    client.send_text(r#"["11","1","room:l","phx_join",{}]"#).await;
    assert_eq!(client.next_text().await, r#"["11","1","room:l","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(client.next_text().await, r#"[null,null,"room:l","user_entered",{"user":null}]"#);
    let joined = json!(["11", null, "room:l", "joined", { "status": "connected", "user_id": null }]);
    assert_eq!(client.next().await, joined);
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_100_version_1_has_no_join_references() {
    let gateway = TestGateway::with_channels(Room::router()).await;
    let mut client = gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    client.send_text(r#"{"topic":"room:l","event":"phx_join","ref":"1","payload":{"user":"bob"}}"#).await;
    let reply = r#"{"topic":"room:l","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#;
    assert_eq!(client.next_text().await, reply);
    let entered = r#"{"topic":"room:l","event":"user_entered","payload":{"user":"bob"},"ref":null}"#;
    assert_eq!(client.next_text().await, entered);
    let payload = json!({ "status": "connected", "user_id": null });
    let joined = json!({ "topic": "room:l", "event": "joined", "payload": payload, "ref": null });
    assert_eq!(client.next().await, joined);
}

#[tokio::test]
async fn row_101_the_callback_gives_the_response() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "response": { "list": [1, { "a": null }] } }])).await;
    let response = json!({ "list": [1, { "a": null }] });
    let reply = json!(["1", "1", "lab:1", "phx_reply", { "status": "ok", "response": response }]);
    assert_eq!(client.next().await, reply);
}

#[tokio::test]
async fn row_102_a_refused_join_leaves_the_topic_unjoined() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["4", "5", "lab:1", "phx_join", { "join": "refuse" }])).await;
    let refused = json!(["4", "5", "lab:1", "phx_reply", { "status": "error", "response": { "reason": "mybad" } }]);
    assert_eq!(client.next().await, refused);
    client.send(json!(["4", "6", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, unmatched("6", "lab:1"));
    assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), 0);
    client.join("7", "lab:1").await;
}

#[tokio::test]
async fn row_102_what_was_sent_behind_a_refused_join_is_for_an_unjoined_topic() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    for frame in [
        json!(["1", "1", "lab:1", "phx_join", { "join": "refuse" }]),
        json!(["1", "2", "lab:1", "ok", {}]),
        json!(["1", "3", "lab:1", "phx_leave", {}]),
        json!(["1", "4", "lab:1", "phx_join", {}]),
    ] {
        client.send(frame).await;
    }
    let refused = json!({ "status": "error", "response": { "reason": "mybad" } });
    assert_eq!(client.next().await, json!(["1", "1", "lab:1", "phx_reply", refused]));
    assert_eq!(client.next().await, unmatched("2", "lab:1"));
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    assert_eq!(client.next().await, ok("1", "4", "lab:1"));
    // No `phx_close` for the join that was refused: it would close the one that was not.
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_103_a_join_that_crashes_is_answered_so() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    for how in ["panic", "fail"] {
        client.send(json!(["4", "5", "lab:1", "phx_join", { "join": how }])).await;
        let response = json!({ "reason": "join crashed" });
        let crashed = json!(["4", "5", "lab:1", "phx_reply", { "status": "error", "response": response }]);
        assert_eq!(client.next().await, crashed);
        client.send(json!(["4", "6", "lab:1", "ok", {}])).await;
        assert_eq!(client.next().await, unmatched("6", "lab:1"));
    }
    client.join("7", "lab:1").await;
}

#[tokio::test]
async fn row_103_a_channel_that_cannot_even_be_made_is_a_join_that_crashes() {
    let router = Router::new().channel("broken", || -> Named { panic!("as the test wants") }).unwrap();
    let gateway = TestGateway::with_channels(router.channel("lab:*", || Named("lab")).unwrap()).await;
    let mut client = gateway.connect().await;
    client.send(json!(["1", "1", "broken", "phx_join", {}])).await;
    let response = json!({ "reason": "join crashed" });
    let crashed = json!(["1", "1", "broken", "phx_reply", { "status": "error", "response": response }]);
    assert_eq!(client.next().await, crashed);
    client.join("2", "lab:1").await;
}

#[tokio::test]
async fn row_104_a_topic_without_a_channel_is_unmatched() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send_text(r#"["11","1","unmatched-topic","phx_join",{}]"#).await;
    let reply =
        r#"[null,"1","unmatched-topic","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    assert_eq!(client.next_text().await, reply);
}

/// Rows 105, 110.
#[tokio::test]
async fn row_105_the_first_route_that_matches_wins() {
    let router = Router::new().channel("food*", || Named("food")).unwrap().channel("foo*", || Named("foo")).unwrap();
    let gateway = TestGateway::with_channels(router).await;
    let mut client = gateway.connect().await;
    for (topic, route) in [("food:1", "food"), ("foo:1", "foo"), ("foo", "foo"), ("food", "food")] {
        client.send(json!(["1", "1", topic, "phx_join", { "key": 1 }])).await;
        let response = json!({ "route": route, "params": ["key"] });
        assert_eq!(client.next().await[4], json!({ "status": "ok", "response": response }));
    }
    for topic in ["unknown", "fo", "Foo:1", ""] {
        client.send(json!(["1", "1", topic, "phx_join", {}])).await;
        assert_eq!(client.next().await, unmatched("1", topic));
    }
}

/// Rows 106, 109.
#[tokio::test]
async fn row_106_the_101st_join_is_refused() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    for number in 1..=100 {
        client.join(&number.to_string(), &format!("lab:{number}")).await;
    }
    client.send(json!(["j101", "101", "lab:101", "phx_join", {}])).await;
    let refused = json!(["j101", "101", "lab:101", "phx_reply", {
        "status": "error", "response": { "reason": TOO_MANY } }]);
    assert_eq!(client.next().await, refused);
    client.send(json!(["j101", "101", "unrouted", "phx_join", {}])).await;
    assert_eq!(client.next().await, unmatched("101", "unrouted"));
    client.send(json!(["100", "102", "lab:100", "ok", {}])).await;
    assert_eq!(client.next().await, ok("100", "102", "lab:100"));
    // A second join of a topic takes the place of the first.
    client.send(json!(["j103", "103", "lab:100", "phx_join", {}])).await;
    assert_eq!(client.next().await, ok("j103", "103", "lab:100"));
    assert_eq!(client.next().await, phx_close("100", "lab:100"));
}

/// Rows 107, 108.
#[tokio::test]
async fn row_107_the_limit_is_the_mounts_and_a_leave_frees_a_place() {
    let lab = Lab::with("", |mount: Mount| mount.max_channels(1)).await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["2", "2", "lab:2", "phx_join", {}])).await;
    let response = json!({ "reason": TOO_MANY });
    let refused = json!(["2", "2", "lab:2", "phx_reply", { "status": "error", "response": response }]);
    assert_eq!(client.next().await, refused);
    client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.join("4", "lab:2").await;
}

#[tokio::test]
async fn row_114_a_join_holds_up_its_socket_but_not_its_heartbeats() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["2", "2", "lab:2", "phx_join", { "join": "wait" }])).await;
    lab.waiting().await;
    client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
    client.assert_nothing_came().await;
    client.assert_nothing_came().await;
    lab.open_gate();
    assert_eq!(client.next().await, ok("2", "2", "lab:2"));
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
}

#[tokio::test]
async fn row_114_another_socket_and_the_broadcasts_of_other_topics_go_on_during_a_join() {
    let mut lab = Lab::start().await;
    let (mut client, mut other) = (lab.gateway.connect().await, lab.gateway.connect().await);
    client.join("1", "lab:1").await;
    client.send(json!(["2", "2", "lab:2", "phx_join", { "join": "wait" }])).await;
    lab.waiting().await;
    other.join("1", "lab:1").await;
    other.send(json!(["1", "2", "lab:1", "shout_from", {}])).await;
    assert_eq!(other.next().await, ok("1", "2", "lab:1"));
    assert_eq!(client.next().await, json!([null, null, "lab:1", "shout", {}]));
    lab.open_gate();
    assert_eq!(client.next().await, ok("2", "2", "lab:2"));
}

/// The broadcasts come from another thread all the time, so that some fall into every part of the join.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_115_broadcasts_during_a_join_follow_its_reply_without_a_gap() {
    let lab = Lab::with("[limits]\noutbox_bytes = \"64MiB\"\n", |mount| mount).await;
    let (endpoint, stop) = (lab.gateway.endpoint().clone(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let flood = std::thread::spawn(move || {
        for n in 0..10_000_000_u64 {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            drop(endpoint.broadcast("lab:1", "tick", json!({ "n": n })));
        }
    });
    let mut client = lab.gateway.connect().await;
    for _ in 0..200 {
        client.send(json!(["1", "1", "lab:1", "phx_join", {}])).await;
        assert_eq!(client.next().await, ok("1", "1", "lab:1"));
        let first = client.next().await[4]["n"].as_u64().unwrap();
        for n in first + 1..first + 10 {
            assert_eq!(client.next().await, json!([null, null, "lab:1", "tick", { "n": n }]));
        }
        client.send(json!(["1", "2", "lab:1", "phx_leave", {}])).await;
        while client.next().await[3] != "phx_close" {}
        // What was on its way may follow the close, but not this answer.
        client.send(json!([null, "fence", "phoenix", "heartbeat", {}])).await;
        while client.next().await[1] != "fence" {}
    }
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
}

#[tokio::test]
async fn row_116_a_join_with_a_null_join_reference_talks_with_its_own_reference() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!([null, "1", "lab:1", "phx_join", { "after_join": "push" }])).await;
    let reply = json!([null, "1", "lab:1", "phx_reply", { "status": "ok", "response": {} }]);
    assert_eq!(client.next().await, reply);
    assert_eq!(client.next().await, json!(["1", null, "lab:1", "joined", { "reply_to": false }]));
    client.send(json!(["1", "2", "lab:1", "ok", {}])).await;
    client.send(json!([null, "3", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    client.send(json!([null, "4", "lab:1", "stop", {}])).await;
    assert_eq!(client.next().await, json!([null, null, "lab:1", "phx_close", {}]));
}

#[tokio::test]
async fn row_110_a_route_hands_its_channels_what_it_likes() {
    let router = Router::new().channel("a", || Named("a's")).unwrap().channel("b", || Named("b's")).unwrap();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", OpenSocket, router)]).await;
    let mut client = gateway.connect().await;
    for (topic, given) in [("a", "a's"), ("b", "b's")] {
        client.send(json!(["1", "1", topic, "phx_join", { "refuse": true }])).await;
        let refused = json!({ "status": "error", "response": { "reason": given } });
        assert_eq!(client.next().await, json!(["1", "1", topic, "phx_reply", refused]));
    }
}
