//! What is sent while a callback runs waits, in bounds, and is handled in order.

use serde_json::{Value, json};

use crate::support::{Client, Lab, ok};

#[tokio::test]
async fn a_thousand_messages_wait_for_a_join_and_are_handled_in_order() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["2", "2", "lab:2", "phx_join", { "join": "wait" }])).await;
    lab.waiting().await;
    for n in 0..1000 {
        let (join_ref, topic) = if n % 2 == 0 { ("1", "lab:1") } else { ("2", "lab:2") };
        client.send(json!([join_ref, n.to_string(), topic, "ok", {}])).await;
    }
    lab.open_gate();
    assert_eq!(client.next().await, ok("2", "2", "lab:2"));
    let (mut even, mut odd) = (0, 1);
    while even < 1000 || odd < 1000 {
        let frame = client.next().await;
        if frame[2] == "lab:1" {
            assert_eq!(frame, ok("1", &even.to_string(), "lab:1"));
            even += 2;
        } else {
            assert_eq!(frame, ok("2", &odd.to_string(), "lab:2"));
            odd += 2;
        }
    }
}

#[tokio::test]
async fn a_thousand_messages_wait_for_a_handler_and_are_handled_in_order() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "first", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    for n in 0..1000 {
        client.send(json!(["1", n.to_string(), "lab:1", "shout", { "n": n }])).await;
    }
    lab.open_gate();
    assert_eq!(client.next().await, ok("1", "first", "lab:1"));
    for n in 0..1000 {
        assert_eq!(client.next().await, json!([null, null, "lab:1", "shout", { "n": n }]));
        assert_eq!(client.next().await, ok("1", &n.to_string(), "lab:1"));
    }
}

/// Sends a hundred messages and a heartbeat while one callback waits at the gate. Had the gateway read them all, the
/// heartbeat would be answered before the gate opens.
async fn assert_not_read_while_a_callback_waits(lab: &Lab, client: &mut Client, first: Value) {
    for n in 0..100 {
        client.send(json!(["1", n.to_string(), "lab:1", "ok", {}])).await;
    }
    client.send(json!([null, "h", "phoenix", "heartbeat", {}])).await;
    // On this one thread the gateway has its turn at every one of these.
    let mut other = lab.gateway.connect().await;
    for _ in 0..50 {
        other.assert_nothing_came().await;
    }
    lab.open_gate();
    assert_eq!(client.next().await, first);
    let mut replies = Vec::new();
    for _ in 0..101 {
        replies.push(client.next().await[1].as_str().unwrap().to_owned());
    }
    replies.retain(|reference| reference != "h");
    assert_eq!(replies, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_is_not_read_while_too_many_of_its_messages_wait_for_a_join() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "join": "wait" }])).await;
    lab.waiting().await;
    assert_not_read_while_a_callback_waits(&lab, &mut client, ok("1", "1", "lab:1")).await;
}

#[tokio::test]
async fn a_client_is_not_read_while_too_many_of_its_messages_wait_for_a_handler() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "first", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    assert_not_read_while_a_callback_waits(&lab, &mut client, ok("1", "first", "lab:1")).await;
}

#[tokio::test]
async fn what_waits_for_a_join_is_forgotten_when_the_connection_ends() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "join": "wait" }])).await;
    lab.waiting().await;
    client.send(json!(["2", "2", "lab:2", "phx_join", {}])).await;
    client.assert_nothing_came().await;
    client.close().await;
    lab.open_gate();
    assert_eq!(lab.ended().await, ("lab:1".to_owned(), gateway::Ended::SocketClosed));
    assert!(lab.gateway.shutdown().await, "no channel joined on a connection that is gone");
}
