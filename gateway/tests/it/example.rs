//! The example that the documentation shows, driven like any other channels.

use gateway::Mount;
use serde_json::json;

use crate::support::{Handshake, TestGateway};

#[expect(dead_code, reason = "its `main` is not run here")]
#[path = "../../examples/room.rs"]
mod room;

async fn gateway() -> TestGateway {
    TestGateway::with_mounts([Mount::new("/socket", room::UserSocket, room::rooms())]).await
}

#[tokio::test]
async fn people_without_a_name_stay_outside() {
    let gateway = gateway().await;
    let answer = Handshake::to("/socket/websocket?vsn=2.0.0").send(gateway.public()).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
}

#[tokio::test]
async fn people_talk_in_rooms() {
    let gateway = gateway().await;
    let mut ann = gateway.connect_to("/socket/websocket?vsn=2.0.0&name=ann").await;
    let mut bob = gateway.connect_to("/socket/websocket?vsn=2.0.0&name=bob").await;
    assert_eq!(ann.join("1", "room:lobby").await, json!({ "you_are": "ann" }));
    assert_eq!(ann.next().await, json!(["1", null, "room:lobby", "welcome", { "topic": "room:lobby" }]));
    bob.join("1", "room:lobby").await;
    assert_eq!(ann.next().await, json!([null, null, "room:lobby", "user_entered", { "name": "bob" }]));
    assert_eq!(bob.next().await, json!(["1", null, "room:lobby", "welcome", { "topic": "room:lobby" }]));

    bob.send(json!(["1", "2", "room:lobby", "new_msg", { "body": "hi" }])).await;
    let message = json!([null, null, "room:lobby", "new_msg", { "name": "bob", "body": "hi" }]);
    assert_eq!(ann.next().await, message);
    assert_eq!(bob.next().await, message);
    assert_eq!(bob.next().await, json!(["1", "2", "room:lobby", "phx_reply", { "status": "ok", "response": {} }]));
    bob.send(json!(["1", "3", "room:lobby", "new_msg", { "body": "" }])).await;
    let errors = json!({ "errors": { "body": "can't be blank" } });
    assert_eq!(bob.next().await[4], json!({ "status": "error", "response": errors }));
    bob.send(json!(["1", "4", "room:lobby", "count", {}])).await;
    assert_eq!(bob.next().await[4], json!({ "status": "ok", "response": { "sent": 1 } }));

    bob.close().await;
    assert_eq!(ann.next().await, json!([null, null, "room:lobby", "user_left", { "name": "bob" }]));
    ann.send(json!(["2", "2", "room:staff", "phx_join", {}])).await;
    let refusal = json!({ "status": "error", "response": { "reason": "unauthorized" } });
    assert_eq!(ann.next().await, json!(["2", "2", "room:staff", "phx_reply", refusal]));
}
