//! Broadcasts: protocol section 4.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Lab, ok};

fn shout(topic: &str, payload: &Value) -> Value {
    json!([null, null, topic, "shout", payload])
}

/// So many clients that have joined a topic with join reference 1.
async fn joined(lab: &Lab, topic: &str, count: usize) -> Vec<Client> {
    join_all((0..count).map(async |_| {
        let mut client = lab.gateway.connect().await;
        client.join("1", topic).await;
        client
    }))
    .await
}

async fn joined_v1(lab: &Lab, topic: &str) -> Client {
    let mut client = lab.gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    client.send(json!({ "topic": topic, "event": "phx_join", "payload": {}, "ref": "1" })).await;
    assert_eq!(client.next().await["payload"], json!({ "status": "ok", "response": {} }));
    client
}

/// Rows 153, 163.
#[tokio::test]
async fn row_153_all_get_a_broadcast_and_its_sender_before_the_reply() {
    let lab = Lab::start().await;
    let mut clients = joined(&lab, "lab:1", 3).await;
    clients[0].send_text(r#"["1","2","lab:1","shout",{"body": "hi"}]"#).await;
    for client in &mut clients {
        assert_eq!(client.next_text().await, r#"[null,null,"lab:1","shout",{"body": "hi"}]"#);
    }
    assert_eq!(clients[0].next().await, ok("1", "2", "lab:1"));
}

#[tokio::test]
async fn row_154_broadcast_from_leaves_out_the_sending_channel_only() {
    let lab = Lab::start().await;
    // Two tabs of one user, and somebody else.
    let mut clients = Vec::new();
    for id in ["alice", "alice", "bob"] {
        let mut client = lab.gateway.connect_to(&format!("/socket/websocket?vsn=2.0.0&id={id}")).await;
        client.join("1", "lab:1").await;
        clients.push(client);
    }
    clients[0].send(json!(["1", "2", "lab:1", "shout_from", { "n": 1 }])).await;
    assert_eq!(clients[0].next().await, ok("1", "2", "lab:1"));
    for client in &mut clients[1..] {
        assert_eq!(client.next().await, shout("lab:1", &json!({ "n": 1 })));
    }
    clients[0].assert_nothing_came().await;
}

/// Rust has no raising variants: a broadcast returns a result, and a handler that passes an error on with `?` has the
/// push answered. The frames are the same either way.
#[tokio::test]
async fn row_155_a_broadcast_that_cannot_be_sent_is_an_error_to_its_caller() {
    let lab = Lab::start().await;
    let mut clients = joined(&lab, "lab:1", 2).await;
    let endpoint = lab.gateway.endpoint();
    assert!(endpoint.broadcast("lab:1", "list", json!([1])).await.is_err());
    assert!(endpoint.broadcast("lab:1", &"e".repeat(256), json!({})).await.is_err());
    clients[0].send(json!(["1", "2", "lab:1", "shout", [1]])).await;
    let response = json!({ "reason": "invalid_payload" });
    let refused = json!(["1", "2", "lab:1", "phx_reply", { "status": "error", "response": response }]);
    assert_eq!(clients[0].next().await, refused);
    clients[1].assert_nothing_came().await;
}

#[tokio::test]
async fn row_156_the_application_broadcasts_from_outside() {
    let lab = Lab::start().await;
    let mut clients = joined(&lab, "lab:1", 2).await;
    lab.gateway.endpoint().broadcast("lab:1", "news", json!({ "n": 1 })).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.next_text().await, r#"[null,null,"lab:1","news",{"n":1}]"#);
    }
}

#[tokio::test]
async fn row_159_a_channel_relays_another_topic_under_its_own() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:external", "phx_join", { "subscribe": "external:topic" }])).await;
    assert_eq!(client.next().await, ok("1", "1", "lab:external"));
    assert_eq!(lab.gateway.endpoint().subscribers("external:topic"), 1);
    lab.gateway.endpoint().broadcast("external:topic", "external_event", json!({ "n": 1 })).await.unwrap();
    let relayed = json!({ "from": "external:topic", "payload": { "n": 1 } });
    assert_eq!(client.next().await, json!(["1", null, "lab:external", "external_event", relayed]));
    client.send(json!(["1", "2", "lab:external", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:external"));
    assert_eq!(client.next().await[3], "phx_close");
    client.assert_nothing_came().await;
    assert_eq!(lab.gateway.endpoint().subscribers("external:topic"), 0, "it ends with the channel");
}

#[tokio::test]
async fn row_160_a_push_goes_to_one_client() {
    let lab = Lab::start().await;
    let mut clients = joined(&lab, "lab:1", 2).await;
    clients[0].send(json!(["1", "2", "lab:1", "push", { "n": 1 }])).await;
    assert_eq!(clients[0].next_text().await, r#"["1",null,"lab:1","pushed",{"n":1}]"#);
    clients[1].assert_nothing_came().await;
}

/// Rows 161, 162.
#[tokio::test]
async fn row_161_each_version_gets_its_own_form_whoever_sends() {
    let lab = Lab::start().await;
    let mut old = joined_v1(&lab, "lab:1").await;
    let mut new = joined(&lab, "lab:1", 1).await.remove(0);
    old.send_text(r#"{"topic":"lab:1","event":"shout","ref":"2","payload":{"n": 1}}"#).await;
    new.send_text(r#"["1","2","lab:1","shout",{"n": 2}]"#).await;
    let mut of_old = vec![old.next_text().await, old.next_text().await, old.next_text().await];
    let reply = r#"{"topic":"lab:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#;
    let own = of_old.iter().position(|frame| frame.contains(r#"{"n": 1}"#)).unwrap();
    assert!(of_old[own + 1..].contains(&reply.to_owned()), "its own broadcast comes before the reply");
    of_old.sort();
    let mut expected = [
        r#"{"topic":"lab:1","event":"shout","payload":{"n": 1},"ref":null}"#,
        r#"{"topic":"lab:1","event":"shout","payload":{"n": 2},"ref":null}"#,
        reply,
    ];
    expected.sort_unstable();
    assert_eq!(of_old, expected);
    let mut of_new = vec![new.next_text().await, new.next_text().await, new.next_text().await];
    of_new.sort();
    let mut expected = [
        r#"[null,null,"lab:1","shout",{"n": 1}]"#,
        r#"[null,null,"lab:1","shout",{"n": 2}]"#,
        r#"["1","2","lab:1","phx_reply",{"status":"ok","response":{}}]"#,
    ];
    expected.sort_unstable();
    assert_eq!(of_new, expected);
}

#[tokio::test]
async fn row_165_a_thousand_broadcasts_of_one_sender_come_in_order() {
    let lab = Lab::start().await;
    let mut clients = joined(&lab, "lab:1", 3).await;
    let (sender, receivers) = clients.split_first_mut().unwrap();
    let send_and_read = async {
        for n in 0..1000 {
            sender.send(json!(["1", n.to_string(), "lab:1", "shout", { "n": n }])).await;
        }
        for n in 0..1000 {
            assert_eq!(sender.next().await, shout("lab:1", &json!({ "n": n })));
            assert_eq!(sender.next().await, ok("1", &n.to_string(), "lab:1"));
        }
    };
    let read = join_all(receivers.iter_mut().map(async |receiver| {
        for n in 0..1000 {
            assert_eq!(receiver.next().await, shout("lab:1", &json!({ "n": n })));
        }
    }));
    tokio::join!(send_and_read, read);
}

#[tokio::test]
async fn row_166_a_binary_broadcast_leaves_out_version_1_and_harms_nobody() {
    let lab = Lab::start().await;
    let mut old = joined_v1(&lab, "lab:1").await;
    let mut clients = joined(&lab, "lab:1", 2).await;
    clients[0].send_binary(b"\x00\x01\x01\x05\x0512lab:1shout\xff\x00\x01").await;
    for client in &mut clients {
        assert_eq!(client.next_binary().await, b"\x02\x05\x05lab:1shout\xff\x00\x01");
    }
    assert_eq!(clients[0].next().await, ok("1", "2", "lab:1"));
    clients[0].send_text(r#"["1","3","lab:1","shout",{}]"#).await;
    assert_eq!(old.next_text().await, r#"{"topic":"lab:1","event":"shout","payload":{},"ref":null}"#);
}

#[tokio::test]
async fn row_167_topics_match_to_the_letter() {
    let lab = Lab::start().await;
    let mut listeners = Vec::new();
    for topic in ["lab:10", "lab:", "lab:1 ", "lab:1*", "LAB:1"] {
        let mut client = lab.gateway.connect().await;
        client.send(json!(["1", "1", topic, "phx_join", {}])).await;
        assert_eq!(client.next().await[3], "phx_reply");
        listeners.push(client);
    }
    let mut one = joined(&lab, "lab:1", 1).await.remove(0);
    lab.gateway.endpoint().broadcast("lab:1", "news", json!({})).await.unwrap();
    lab.gateway.endpoint().broadcast("lab:*", "news", json!({})).await.unwrap();
    assert_eq!(one.next().await, json!([null, null, "lab:1", "news", {}]));
    one.assert_nothing_came().await;
    for client in &mut listeners {
        client.assert_nothing_came().await;
    }
}
