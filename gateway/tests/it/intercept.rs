//! Broadcasts that channels look at first.

use gateway::{Channel, JoinContext, JoinResult, Payload, Router};
use serde_json::json;

use crate::support::{Client, Lab, TestGateway, ok};

async fn joined(lab: &Lab, id: &str) -> Client {
    let mut client = lab.gateway.connect_to(&format!("/socket/websocket?vsn=2.0.0&id={id}")).await;
    client.join(id, "lab:1").await;
    client
}

/// Rows 157, 158.
#[tokio::test]
async fn row_157_an_intercepted_broadcast_becomes_a_push_of_each_channel() {
    let lab = Lab::start().await;
    let (mut alice, mut bob) = (joined(&lab, "alice").await, joined(&lab, "bob").await);
    lab.gateway.endpoint().broadcast("lab:1", "out", json!({ "body": "hi" })).await.unwrap();
    for (client, id) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let payload = json!({ "body": "hi", "transport": ":websocket", "for": id });
        assert_eq!(client.next().await, json!([id, null, "lab:1", "out", payload]));
    }
    // Events that are not intercepted go straight to the clients, and the hook may keep one from its client.
    lab.gateway.endpoint().broadcast("lab:1", "out_none", json!({})).await.unwrap();
    lab.gateway.endpoint().broadcast("lab:1", "other", json!({})).await.unwrap();
    assert_eq!(alice.next().await, json!([null, null, "lab:1", "other", {}]));
    alice.assert_nothing_came().await;
}

#[tokio::test]
async fn row_157_in_version_1_the_push_has_no_references() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    client.send_text(r#"{"topic":"lab:1","event":"phx_join","ref":"1","payload":{}}"#).await;
    assert_eq!(client.next().await["event"], "phx_reply");
    lab.gateway.endpoint().broadcast("lab:1", "out", json!({})).await.unwrap();
    let payload = json!({ "transport": ":websocket", "for": null });
    let push = json!({ "topic": "lab:1", "event": "out", "payload": payload, "ref": null });
    assert_eq!(client.next().await, push);
}

/// Its hook is the default one, which passes everything on.
#[derive(Default)]
struct Passing;

impl Channel for Passing {
    fn intercept() -> &'static [&'static str] {
        &["bin"]
    }

    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }
}

#[tokio::test]
async fn row_166_an_intercepted_binary_broadcast_leaves_out_version_1_too() {
    let gateway = TestGateway::with_channels(Router::new().channel("t", Passing::default).unwrap()).await;
    let mut old = gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    old.send_text(r#"{"topic":"t","event":"phx_join","ref":"1","payload":{}}"#).await;
    assert_eq!(old.next().await["event"], "phx_reply");
    let mut new = gateway.connect().await;
    new.join("1", "t").await;
    gateway.endpoint().broadcast("t", "bin", Payload::Binary(vec![7].into())).await.unwrap();
    assert_eq!(new.next_binary().await, b"\x00\x01\x01\x031tbin\x07");
    gateway.endpoint().broadcast("t", "text", json!({})).await.unwrap();
    assert_eq!(old.next().await["event"], "text", "its channel lives");
}

#[tokio::test]
async fn row_164_the_senders_own_intercepted_broadcast_follows_the_reply() {
    let lab = Lab::start().await;
    let (mut alice, mut bob) = (joined(&lab, "alice").await, joined(&lab, "bob").await);
    for n in 0..20 {
        let reference = n.to_string();
        alice.send(json!(["alice", reference, "lab:1", "out", { "n": n }])).await;
        assert_eq!(alice.next().await, ok("alice", &reference, "lab:1"));
        let payload = |id| json!({ "n": n, "transport": ":websocket", "for": id });
        assert_eq!(alice.next().await, json!(["alice", null, "lab:1", "out", payload("alice")]));
        assert_eq!(bob.next().await, json!(["bob", null, "lab:1", "out", payload("bob")]));
    }
}
