//! What keeps a connection open, and what ends it (rows 55-60).

use std::time::Duration;

use gateway::{Mount, Payload, Router};
use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{OpenSocket, TestGateway, relay_router};

const TIMEOUT: Duration = Duration::from_millis(200);

async fn impatient(timeout: Duration) -> TestGateway {
    TestGateway::with_mounts([Mount::new("/socket", OpenSocket, relay_router()).idle_timeout(timeout)]).await
}

#[tokio::test]
async fn row_055_a_silent_client_is_closed_with_1002() {
    let gateway = impatient(TIMEOUT).await;
    let mut client = gateway.connect().await;
    let last_sent = Instant::now();
    client.send(json!([null, "1", "phoenix", "heartbeat", {}])).await;
    assert_eq!(client.next().await, json!([null, "1", "phoenix", "phx_reply", { "status": "ok", "response": {} }]));
    assert_eq!(client.closed().await, Some(1002));
    let silent = last_sent.elapsed();
    // The gateway counts whole milliseconds. Late is bounded loosely: the machine may be busy.
    assert!(silent + Duration::from_millis(2) > TIMEOUT, "{silent:?}");
    assert!(silent < TIMEOUT * 10, "{silent:?}");
}

#[tokio::test]
async fn anything_that_comes_in_keeps_a_connection_open() {
    // Longer than a busy machine may pause between two frames.
    let timeout = Duration::from_secs(1);
    let gateway = impatient(timeout).await;
    let mut client = gateway.connect().await;
    let end = Instant::now() + timeout + timeout / 2;
    // A pong that nobody asked for is not answered, and counts.
    while Instant::now() < end {
        client.send_message(Message::Pong("still here".into())).await;
        tokio::time::sleep(timeout / 20).await;
    }
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_056_what_goes_out_does_not_keep_a_connection_open() {
    let gateway = impatient(TIMEOUT).await;
    let mut client = gateway.connect().await;
    client.join("1", "room:1").await;
    let pushes = async {
        loop {
            gateway.endpoint().broadcast("room:1", "tick", Payload::empty()).await.unwrap();
            tokio::time::sleep(TIMEOUT / 20).await;
        }
    };
    let closed = async {
        let mut ticks = 0;
        loop {
            match client.next_message().await {
                Message::Text(_) => ticks += 1,
                Message::Close(frame) => break (ticks, frame.map(|frame| u16::from(frame.code))),
                other => panic!("{other:?}"),
            }
        }
    };
    let (ticks, code) = tokio::select! {
        closed = closed => closed,
        () = pushes => unreachable!("it never ends"),
    };
    assert_eq!(code, Some(1002));
    assert!(ticks > 0, "nothing went out");
}

#[tokio::test]
async fn row_057_a_frame_over_the_limit_is_closed_with_1009() {
    let mount = || Mount::new("/socket", OpenSocket, relay_router()).max_frame_size(100);
    let gateway = TestGateway::with_mounts([mount()]).await;
    let heartbeat = |len: usize| {
        let frame = r#"[null,"1","phoenix","heartbeat",{}]"#;
        format!("{frame}{}", " ".repeat(len - frame.len()))
    };
    let mut client = gateway.connect().await;
    client.send_text(&heartbeat(100)).await;
    client.next().await;
    client.send_text(&heartbeat(101)).await;
    assert_eq!(client.closed().await, Some(1009));
    let mut client = gateway.connect().await;
    client.send_binary(&[0; 101]).await;
    assert_eq!(client.closed().await, Some(1009));
}

/// Rows 58, 59.
#[tokio::test]
async fn row_058_pings_are_answered_with_their_payload_and_disturb_no_channel() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect().await;
    for payload in ["123", ""] {
        client.send_message(Message::Ping(payload.into())).await;
        assert_eq!(client.next_message().await, Message::Pong(payload.into())); // row 58
    }
    client.join("1", "room:1").await; // row 59
    client.send_message(Message::Ping("x".into())).await;
    client.send(json!(["1", "2", "room:1", "shout", {}])).await;
    assert_eq!(client.next_message().await, Message::Pong("x".into()));
    assert_eq!(client.next().await, json!([null, null, "room:1", "shout", {}])); // row 59
    assert_eq!(client.next().await, json!(["1", "2", "room:1", "phx_reply", { "status": "ok", "response": {} }]));
}

#[tokio::test]
async fn row_060_a_drain_closes_with_1012_and_sends_nothing_else() {
    let gateway = TestGateway::with_mounts([Mount::new("/socket", OpenSocket, relay_router())]).await;
    let (mut joined, mut idle) = (gateway.connect().await, gateway.connect().await);
    joined.join("1", "room:1").await;
    let clients = async move {
        assert_eq!(joined.closed().await, Some(1012));
        assert_eq!(idle.closed().await, Some(1012));
        drop(joined);
        drop(idle);
    };
    let (drained, ()) = tokio::join!(gateway.shutdown(), clients);
    assert!(drained);
}

#[tokio::test]
async fn a_client_that_closes_gets_its_own_code_back() {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let gateway = TestGateway::with_mounts([Mount::new("/socket", OpenSocket, Router::new())]).await;
    for code in [1000, 1001, 3000, 4001] {
        let mut client = gateway.connect().await;
        client.send_message(Message::Close(Some(CloseFrame { code: code.into(), reason: "bye".into() }))).await;
        assert_eq!(client.closed().await, Some(code));
    }
    let mut client = gateway.connect().await;
    client.send_message(Message::Close(None)).await;
    assert_eq!(client.closed().await, None);
}
