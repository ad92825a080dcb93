//! Channels and clients that cannot keep up: only they pay for it.

use serde_json::json;

use crate::support::{Client, Lab, ok, phx_error};

#[tokio::test]
async fn a_channel_that_falls_behind_its_intercepted_broadcasts_is_ended() {
    let mut lab = Lab::start().await;
    let (mut slow, mut other) = (lab.gateway.connect().await, lab.gateway.connect().await);
    slow.join("1", "lab:1").await;
    slow.join("2", "lab:beside").await;
    slow.send(json!(["2", "3", "lab:beside", "handle", {}])).await;
    let beside = lab.handle().await;
    other.join("3", "lab:1").await;
    slow.send(json!(["1", "2", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    let endpoint = lab.gateway.endpoint().clone();
    for n in 0..2000 {
        endpoint.broadcast("lab:1", "out", json!({ "n": n })).await.unwrap();
        let payload = json!({ "n": n, "transport": ":websocket", "for": null });
        assert_eq!(other.next().await, json!(["3", null, "lab:1", "out", payload]), "the other one keeps up");
    }
    assert_eq!(slow.next().await, phx_error("1", "lab:1"));
    beside.send("still there");
    assert_eq!(slow.next().await[4]["info"], "still there");
    assert_eq!(endpoint.subscribers("lab:1"), 1);
}

#[tokio::test]
async fn a_flood_that_comes_at_once_ends_its_own_channel_and_loses_nothing_of_another() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:flooded").await;
    client.join("2", "lab:beside").await;
    client.send(json!(["2", "3", "lab:beside", "handle", {}])).await;
    let beside = lab.handle().await;
    // On this one thread the connection cannot look before all of it has come.
    for n in 0..2000 {
        drop(lab.gateway.endpoint().broadcast("lab:flooded", "out", json!({ "n": n })));
        if n % 500 == 0 {
            beside.send("in time");
        }
    }
    assert_eq!(client.next().await, phx_error("1", "lab:flooded"));
    for _ in 0..4 {
        let info = json!({ "info": "in time", "reply_to": false });
        assert_eq!(client.next().await, json!(["2", null, "lab:beside", "info", info]));
    }
    client.assert_nothing_came().await;
    assert_eq!(lab.gateway.endpoint().subscribers("lab:flooded"), 0);
}

/// Its join is never answered: for its client it has ended, and the socket's other messages go on.
#[tokio::test]
async fn a_channel_that_is_flooded_during_its_join_does_not_hold_up_its_socket() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["2", "2", "lab:2", "phx_join", { "join": "wait" }])).await;
    let handle = lab.handle().await;
    for _ in 0..2000 {
        handle.send("flood");
    }
    client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, phx_error("2", "lab:2"));
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    lab.open_gate();
    assert_eq!(lab.ended().await, ("lab:2".to_owned(), gateway::Ended::Crashed));
    client.assert_nothing_came().await;
    client.join("4", "lab:2").await;
}

/// What is sent during a join waits for it, in order.
#[tokio::test]
async fn messages_of_the_application_wait_for_the_join() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "join": "wait", "after_join": "push" }])).await;
    let handle = lab.handle().await;
    handle.send("first");
    handle.send("second");
    client.assert_nothing_came().await;
    lab.open_gate();
    assert_eq!(client.next().await, ok("1", "1", "lab:1"));
    assert_eq!(client.next().await[3], "joined");
    assert_eq!(client.next().await[4]["info"], "first");
    assert_eq!(client.next().await[4]["info"], "second");
}

const BIG: usize = 64 * 1024;

/// Broadcasts until the channel of a client that does not read has ended; a client that reads gets everything.
async fn broadcast_until_the_slow_one_falls(lab: &mut Lab, reader: &mut Client) -> usize {
    let payload = json!({ "data": "x".repeat(BIG) });
    let endpoint = lab.gateway.endpoint().clone();
    for n in 0..4000 {
        endpoint.broadcast("lab:1", "big", payload.clone()).await.unwrap();
        assert_eq!(reader.next().await[3], "big");
        if endpoint.subscribers("lab:1") == 1 {
            assert_eq!(lab.ended().await.1, gateway::Ended::SocketClosed);
            return n + 1;
        }
    }
    panic!("256 MB wait for a client that does not read");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_with_1013_and_nobody_else_notices() {
    let mut lab = Lab::with("[limits]\noutbox_bytes = \"256KiB\"\n", |mount| mount).await;
    let (mut slow, mut reader) = (lab.gateway.connect().await, lab.gateway.connect().await);
    slow.join("1", "lab:1").await;
    reader.join("1", "lab:1").await;
    let sent = broadcast_until_the_slow_one_falls(&mut lab, &mut reader).await;
    // What the network held still comes, and then the close frame.
    let mut received = 0;
    let code = loop {
        match slow.next_message().await {
            tokio_tungstenite::tungstenite::Message::Text(_) => received += 1,
            tokio_tungstenite::tungstenite::Message::Close(frame) => break frame.map(|frame| u16::from(frame.code)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(1013));
    assert!(received < sent, "{received} of {sent}");
    reader.send(json!(["1", "2", "lab:1", "shout", {}])).await;
    assert_eq!(reader.next().await[3], "shout");
    assert_eq!(reader.next().await, ok("1", "2", "lab:1"));
}

#[tokio::test]
async fn a_client_that_never_reads_again_is_gone_all_the_same() {
    let mut lab = Lab::with("[limits]\noutbox_bytes = \"256KiB\"\n", |mount| mount).await;
    let (mut slow, mut reader) = (lab.gateway.connect().await, lab.gateway.connect().await);
    slow.join("1", "lab:1").await;
    reader.join("1", "lab:1").await;
    broadcast_until_the_slow_one_falls(&mut lab, &mut reader).await;
    reader.close().await;
    assert!(lab.gateway.shutdown().await, "nothing is left of the connection");
    drop(slow);
}
