//! Broadcasts of Supabase's dialect: text, and binary frames of kinds 3 and 4 (protocol 8.4).

use gateway::Payload;
use serde_json::{Value, json};

use crate::support::supabase::{connect, connect_v1, error, join, supabase_gateway};
use crate::support::{Client, TestGateway, ok};

const TOPIC: &str = "realtime:room1";

async fn joined(gateway: &TestGateway, topic: &str, broadcast: Value) -> Client {
    let mut client = connect(gateway).await;
    join(&mut client, topic, json!({ "broadcast": broadcast })).await;
    client
}

/// A client of version 1, which hears its own.
async fn joined_v1(gateway: &TestGateway, topic: &str) -> Client {
    let mut client = connect_v1(gateway).await;
    let payload = json!({ "config": { "broadcast": { "self": true }, "presence": { "enabled": false } } });
    client.send(json!({ "topic": topic, "event": "phx_join", "payload": payload, "ref": "1", "join_ref": "1" })).await;
    assert_eq!(client.next().await["payload"]["status"], "ok");
    client
}

/// Kind 3 from a client whose join reference is 1.
fn kind_3(reference: &str, topic: &str, event: &str, encoding: u8, payload: &[u8]) -> Vec<u8> {
    let size = |text: &str| u8::try_from(text.len()).unwrap();
    let mut frame = vec![3, 1, size(reference), size(topic), size(event), 0, encoding];
    frame.extend([b"1", reference.as_bytes(), topic.as_bytes(), event.as_bytes(), payload].concat());
    frame
}

fn kind_4(topic: &str, event: &str, encoding: u8, payload: &[u8]) -> Vec<u8> {
    let size = |text: &str| u8::try_from(text.len()).unwrap();
    let mut frame = vec![4, size(topic), size(event), 0, encoding];
    frame.extend([topic.as_bytes(), event.as_bytes(), payload].concat());
    frame
}

#[tokio::test]
async fn row_278_text_reaches_its_sender_too_as_it_was_sent() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({ "self": true })).await;
    let mut bob = joined(&gateway, TOPIC, json!({})).await;
    let spoken = r#"{"event":"TEST","payload":{"msg":1},"type":"broadcast","more":[1]}"#;
    alice.send_text(&format!(r#"["1","2","{TOPIC}","broadcast",{spoken}]"#)).await;
    let heard = format!(r#"[null,null,"{TOPIC}","broadcast",{spoken}]"#);
    assert_eq!(alice.next_text().await, heard);
    assert_eq!(bob.next_text().await, heard);
    alice.assert_nothing_came().await;
}

#[tokio::test]
async fn row_279_without_self_the_sender_alone_is_left_out() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({ "self": false })).await;
    let mut bob = joined(&gateway, TOPIC, json!({})).await;
    for frame in 0..2 {
        match frame {
            0 => alice.send(json!(["1", "2", TOPIC, "broadcast", { "event": "e" }])).await,
            _ => alice.send_binary(&kind_3("3", TOPIC, "e", 1, b"{}")).await,
        }
        bob.next_message().await;
        alice.assert_nothing_came().await;
    }
}

#[tokio::test]
async fn row_280_a_broadcast_is_answered_only_if_the_client_asks_for_it() {
    let gateway = supabase_gateway().await;
    let mut asks = joined(&gateway, TOPIC, json!({ "ack": true })).await;
    let mut silent = joined(&gateway, TOPIC, json!({ "ack": "false" })).await;
    asks.send(json!(["1", "2", TOPIC, "broadcast", { "event": "e" }])).await;
    assert_eq!(asks.next().await, ok("1", "2", TOPIC));
    asks.send_binary(&kind_3("3", TOPIC, "e", 0, b"\xff")).await;
    assert_eq!(asks.next().await, ok("1", "3", TOPIC));
    silent.next().await;
    silent.next_binary().await;
    silent.send(json!(["1", "2", TOPIC, "broadcast", { "event": "e" }])).await;
    silent.send_binary(&kind_3("3", TOPIC, "e", 1, b"[]")).await;
    silent.assert_nothing_came().await;
}

#[tokio::test]
async fn row_282_kind_3_goes_out_as_kind_4_with_its_bytes_untouched() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({ "self": true })).await;
    let mut bob = joined(&gateway, TOPIC, json!({})).await;
    for (encoding, payload) in [(1, &b" {\"y\": 2}"[..]), (0, b"\x00\xff\x01"), (0, b""), (1, b"null")] {
        alice.send_binary(&kind_3("8", TOPIC, "cur", encoding, payload)).await;
        let heard = kind_4(TOPIC, "cur", encoding, payload);
        assert_eq!(alice.next_binary().await, heard);
        assert_eq!(bob.next_binary().await, heard);
    }
    // As realtime-js sent it when it was observed.
    bob.send_binary(b"\x03\x01\x01\x0e\x03\x00\x0118realtime:room1cur{\"y\":2}").await;
    assert_eq!(alice.next_binary().await, b"\x04\x0e\x03\x00\x01realtime:room1cur{\"y\":2}");
}

#[tokio::test]
async fn row_284_version_1_hears_kind_3_as_json() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({})).await;
    let mut old = joined_v1(&gateway, TOPIC).await;
    alice.send_binary(&kind_3("2", TOPIC, "cur", 1, b"{\"y\":2}")).await;
    let payload = r#"{"type":"broadcast","event":"cur","payload":{"y":2}}"#;
    assert_eq!(
        old.next_text().await,
        format!(r#"{{"topic":"{TOPIC}","event":"broadcast","payload":{payload},"ref":null}}"#)
    );
}

#[tokio::test]
async fn row_285_version_1_hears_no_bytes() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({})).await;
    let (mut bob, mut old) = (joined(&gateway, TOPIC, json!({})).await, joined_v1(&gateway, TOPIC).await);
    alice.send_binary(&kind_3("2", TOPIC, "cur", 0, b"{}")).await;
    assert_eq!(bob.next_binary().await, kind_4(TOPIC, "cur", 0, b"{}"));
    // Its own heartbeat is answered next.
    old.send(json!({ "topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "3" })).await;
    assert_eq!(old.next().await["ref"], "3");
}

#[tokio::test]
async fn row_289_any_join_reference_and_none_will_do() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({ "ack": true, "self": true })).await;
    for (join_ref, reference) in [(json!("0"), "2"), (Value::Null, "3"), (json!(1), "4"), (json!("1"), "5")] {
        alice.send(json!([join_ref, reference, TOPIC, "broadcast", { "event": "e" }])).await;
        assert_eq!(alice.next().await, json!([null, null, TOPIC, "broadcast", { "event": "e" }]));
        assert_eq!(alice.next().await, ok("1", reference, TOPIC));
    }
    let mut anonymous = kind_3("6", TOPIC, "e", 0, b"");
    anonymous[1] = 0;
    anonymous.remove(7);
    alice.send_binary(&anonymous).await;
    assert_eq!(alice.next_binary().await, kind_4(TOPIC, "e", 0, b""));
    assert_eq!(alice.next().await, ok("1", "6", TOPIC));
}

#[tokio::test]
async fn row_300_an_unknown_event_is_overlooked() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({ "ack": true, "self": true })).await;
    let mut bob = joined(&gateway, TOPIC, json!({})).await;
    for event in ["say", "phx_close", "presence_diff", "system", "heartbeat", "postgres_changes", "disconnect"] {
        alice.send(json!(["1", "2", TOPIC, event, { "a": 1 }])).await;
    }
    alice.assert_nothing_came().await;
    bob.assert_nothing_came().await;
}

/// A field `ids` is a Postgres change to stock clients, and anything but an object is an error to them.
#[tokio::test]
async fn what_would_break_stock_clients_reaches_nobody() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({ "ack": true, "self": true })).await;
    let mut bob = joined(&gateway, TOPIC, json!({ "self": true })).await;
    let fields =
        [json!({ "event": "e", "ids": [1] }), json!({ "ids": null }), json!({ "event": 7 }), json!({ "event": ["e"] })];
    for payload in fields.into_iter().chain([json!([]), json!(null), json!("x")]) {
        alice.send(json!(["1", "2", TOPIC, "broadcast", payload])).await;
        assert_eq!(alice.next().await[4], error("invalid_payload"), "{payload}");
        bob.send(json!(["1", "2", TOPIC, "broadcast", payload])).await;
    }
    bob.assert_nothing_came().await;
    let within = json!({ "event": "e", "payload": { "ids": [1] } });
    alice.send(json!(["1", "3", TOPIC, "broadcast", within])).await;
    assert_eq!(bob.next().await[4], within);
}

#[tokio::test]
async fn clients_say_only_what_their_pattern_allows() {
    let gateway = supabase_gateway().await;
    let topic = "realtime:mute";
    let mut alice = joined(&gateway, topic, json!({ "ack": true, "self": true })).await;
    let mut bob = joined(&gateway, topic, json!({})).await;
    for (reference, event) in [("2", json!("other")), ("3", json!(null))] {
        alice.send(json!(["1", reference, topic, "broadcast", { "event": event }])).await;
        assert_eq!(alice.next().await[4], error("forbidden"), "{event}");
    }
    alice.send_binary(&kind_3("5", topic, "other", 0, b"")).await;
    assert_eq!(alice.next().await[4], error("forbidden"));
    alice.send_binary(&kind_3("6", topic, "said", 0, b"")).await;
    assert_eq!(bob.next_binary().await, kind_4(topic, "said", 0, b""));
}

#[tokio::test]
async fn back_ends_speak_to_public_and_private_topics_by_their_names() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({})).await;
    let payload = json!({ "type": "broadcast", "event": "news", "payload": {} });
    gateway.endpoint().broadcast(&format!("@private:{TOPIC}"), "broadcast", payload.clone()).await.unwrap();
    gateway.endpoint().broadcast(TOPIC, "broadcast", payload.clone()).await.unwrap();
    assert_eq!(alice.next().await, json!([null, null, TOPIC, "broadcast", payload]));
    alice.assert_nothing_came().await;
}

/// The decoder of realtime-js throws on every binary frame but kind 4.
#[tokio::test]
async fn row_305_bytes_of_back_ends_are_left_out() {
    let gateway = supabase_gateway().await;
    let mut alice = joined(&gateway, TOPIC, json!({})).await;
    for bytes in [&b"bytes"[..], b"\x02\x01\x01te", b"\x04\x01\x00\x01e{", b""] {
        let payload = Payload::Binary(bytes.to_vec().into());
        gateway.endpoint().broadcast(TOPIC, "broadcast", payload).await.unwrap();
    }
    alice.assert_nothing_came().await;
}

#[tokio::test]
async fn topics_with_history_carry_json_as_text_and_no_bytes() {
    let gateway = supabase_gateway().await;
    let topic = "realtime:kept";
    let mut alice = joined(&gateway, topic, json!({ "ack": true, "self": true })).await;
    alice.send_binary(&kind_3("2", topic, "cur", 1, b"{\"y\":2}")).await;
    let payload = json!({ "type": "broadcast", "event": "cur", "payload": { "y": 2 } });
    assert_eq!(alice.next().await, json!([null, null, topic, "broadcast", payload]));
    assert_eq!(alice.next().await, ok("1", "2", topic));
    alice.send_binary(&kind_3("3", topic, "cur", 0, b"x")).await;
    assert_eq!(alice.next().await[4], error("binary_not_supported"));
}
