//! How much one socket may send.

use gateway::Mount;
use serde_json::{Value, json};

use crate::support::{Client, Handshake, OpenSocket, TestGateway, metrics, relay_router, until};

async fn gateway(limits: &str) -> TestGateway {
    let mount = Mount::new("/socket", OpenSocket, relay_router()).max_channels(3);
    TestGateway::with_config(&format!("[limits]\n{limits}\n"), [mount]).await
}

fn limited(join_ref: &Value, reference: &str, topic: &str) -> Value {
    json!([join_ref, reference, topic, "phx_reply", { "status": "error", "response": { "reason": "rate_limited" } }])
}

/// Pushes and returns the status of the answer; the broadcast before it is skipped.
async fn push(client: &mut Client, reference: &str) -> Value {
    client.send(json!(["1", reference, "room:1", "say", {}])).await;
    loop {
        let frame = client.next().await;
        if frame[3] == "phx_reply" {
            assert_eq!(frame[1], reference, "{frame}");
            return frame[4].clone();
        }
    }
}

#[tokio::test]
async fn a_message_too_many_is_answered_with_an_error_and_nobody_else_is_concerned() {
    let gateway = gateway("messages_per_second = 3").await;
    let (mut client, mut other) = (gateway.connect().await, gateway.connect().await);
    client.join("1", "room:1").await;
    other.join("1", "room:2").await;
    for reference in ["2", "3", "4"] {
        assert_eq!(push(&mut client, reference).await["status"], "ok");
    }
    client.send(json!(["1", "5", "room:1", "say", {}])).await;
    assert_eq!(client.next().await, limited(&json!("1"), "5", "room:1"));
    // Nobody waits for an answer to this one.
    client.send(json!(["1", null, "room:1", "say", {}])).await;
    // These make a client quieter, or show that it lives.
    client.assert_nothing_came().await;
    client.send(json!(["1", "6", "room:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await[4]["status"], "ok");
    assert_eq!(client.next().await[3], "phx_close");
    client.join("7", "room:1").await;
    for reference in ["2", "3", "4"] {
        other.send(json!(["1", reference, "room:2", "say", {}])).await;
        assert_eq!(other.next().await[3], "say");
        assert_eq!(other.next().await[4]["status"], "ok");
    }
    let page = metrics(gateway.internal()).await;
    assert!(page.contains("\ngateway_messages_rate_limited_total 2\n"), "{page}");
}

#[tokio::test]
async fn the_next_message_passes_in_time() {
    let gateway = gateway("messages_per_second = 20").await;
    let mut client = gateway.connect().await;
    client.join("1", "room:1").await;
    while push(&mut client, "2").await["status"] == "ok" {}
    let client = tokio::sync::Mutex::new(client);
    until(async || push(&mut *client.lock().await, "5").await["status"] == "ok").await;
}

#[tokio::test]
async fn as_many_joins_as_a_socket_may_have_come_at_once_and_no_more() {
    let gateway = gateway("joins_per_second = 1").await;
    let mut client = gateway.connect().await;
    for topic in ["a", "b", "c"] {
        client.join(topic, topic).await;
    }
    client.send(json!(["d", "4", "a", "phx_join", {}])).await;
    assert_eq!(client.next().await, limited(&json!("d"), "4", "a"));
    // The channel that the refused join would have replaced goes on.
    client.send(json!(["a", "5", "a", "say", {}])).await;
    assert_eq!(client.next().await[3], "say");
    assert_eq!(client.next().await[4]["status"], "ok");
    let page = metrics(gateway.internal()).await;
    assert!(page.contains("\ngateway_joins_total{result=\"rate_limited\"} 1\n"), "{page}");
    assert!(page.contains("\ngateway_messages_rate_limited_total 0\n"), "{page}");
}

#[tokio::test]
async fn who_goes_on_far_over_the_limit_is_closed() {
    for (limit, topic, event) in [
        ("messages_per_second = 2", "no:topic", "say"),
        ("joins_per_second = 1", "no:topic", "phx_join"),
        ("messages_per_second = 2", "no:topic", "phx_leave"),
        ("messages_per_second = 2", "phoenix", "heartbeat"),
    ] {
        let gateway = gateway(limit).await;
        let (mut client, mut other) = (gateway.connect().await, gateway.connect().await);
        other.join("1", "room:1").await;
        for _ in 0..60 {
            client.send(json!([null, null, topic, event, {}])).await;
        }
        let code = loop {
            match client.next_message().await {
                tokio_tungstenite::tungstenite::Message::Close(frame) => {
                    break frame.map(|frame| u16::from(frame.code));
                }
                tokio_tungstenite::tungstenite::Message::Text(_) => {}
                unexpected => panic!("{unexpected:?}"),
            }
        };
        assert_eq!(code, Some(1008), "{limit}: {event}");
        let page = metrics(gateway.internal()).await;
        assert!(page.contains("\ngateway_disconnects_total{reason=\"rate_limited\"} 1\n"), "{page}");
        assert_eq!(push(&mut other, "2").await["status"], "ok");
        assert_eq!(Handshake::to("/socket/websocket?vsn=2.0.0").send(gateway.public()).await.status, 101);
    }
}

#[tokio::test]
async fn without_limits_there_are_none() {
    let gateway = gateway("").await;
    let mut client = gateway.connect().await;
    client.join("1", "room:1").await;
    for n in 0..2_000 {
        assert_eq!(push(&mut client, &format!("m{n}")).await["status"], "ok");
    }
}
