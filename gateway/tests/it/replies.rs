//! Replies, at once and later: protocol 3.4.

use gateway::{Payload, Reply};
use serde_json::{Value, json};

use crate::support::{Client, Lab, ok};

/// A lab, and a client that has joined `lab:1` with join reference 1.
async fn joined() -> (Lab, Client) {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    (lab, client)
}

fn reply(reference: &str, status: &str, response: &Value) -> Value {
    json!(["1", reference, "lab:1", "phx_reply", { "status": status, "response": response }])
}

#[tokio::test]
async fn row_128_a_reply_without_a_payload_is_an_empty_object() {
    let (_lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "ok", {}])).await;
    assert_eq!(client.next_text().await, r#"["1","2","lab:1","phx_reply",{"status":"ok","response":{}}]"#);
}

#[tokio::test]
async fn row_129_lists_and_nested_maps_come_through() {
    let (_lab, mut client) = joined().await;
    let payload = json!({ "list": [1, 2.5, [null, true]], "map": { "a": { "b": "ü\n" } } });
    client.send(json!(["1", "2", "lab:1", "echo", payload])).await;
    assert_eq!(client.next().await, reply("2", "ok", &payload));
}

#[tokio::test]
async fn row_130_a_handler_need_not_reply() {
    let (_lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "push", { "n": 1 }])).await;
    client.send(json!(["1", "3", "lab:1", "none", {}])).await;
    client.send(json!(["1", "4", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, json!(["1", null, "lab:1", "pushed", { "n": 1 }]));
    assert_eq!(client.next().await, ok("1", "4", "lab:1"));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_131_the_status_is_the_handlers() {
    let (_lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "error", { "why": ["x"] }])).await;
    assert_eq!(client.next().await, reply("2", "error", &json!({ "why": ["x"] })));
    client.send(json!(["1", "3", "lab:1", "maybe", {}])).await;
    assert_eq!(client.next().await, reply("3", "maybe", &json!({})));
}

/// Rows 132, 133, 134.
#[tokio::test]
async fn row_132_replies_may_come_later_and_from_anywhere() {
    let (mut lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "later", {}])).await;
    let second = lab.reply_to().await;
    client.send(json!(["1", "3", "lab:1", "later", {}])).await;
    let third = lab.reply_to().await;
    // Another message of the same channel is handled and answered meanwhile.
    client.send(json!(["1", "4", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, ok("1", "4", "lab:1"));
    third.reply(&Reply::ok(Payload::empty())).unwrap();
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    for n in 1..=3 {
        second.reply(&Reply::ok(json!({ "n": n }))).unwrap();
    }
    second.reply(&Reply::error_reason("enough")).unwrap();
    for n in 1..=3 {
        assert_eq!(client.next().await, reply("2", "ok", &json!({ "n": n })));
    }
    assert_eq!(client.next().await, reply("2", "error", &json!({ "reason": "enough" })));
}

#[tokio::test]
async fn row_134_a_late_reply_after_the_channel_ended_repeats_its_references_too() {
    let (mut lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "later", {}])).await;
    let late = lab.reply_to().await;
    client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    assert_eq!(client.next().await[3], "phx_close");
    late.reply(&Reply::ok(Payload::empty())).unwrap();
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
}

#[tokio::test]
async fn row_135_there_is_nothing_to_reply_to_without_a_message_that_has_a_reference() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    // The join context has no way to reply at all; right after the join no message is being handled.
    client.send(json!(["1", "1", "lab:1", "phx_join", { "after_join": "push" }])).await;
    assert_eq!(client.next().await, ok("1", "1", "lab:1"));
    assert_eq!(client.next().await, json!(["1", null, "lab:1", "joined", { "reply_to": false }]));
    client.send(json!(["1", "2", "lab:1", "may_reply_later", {}])).await;
    assert_eq!(client.next().await, reply("2", "ok", &json!({ "possible": true })));
    client.send(json!(["1", null, "lab:1", "may_reply_later", {}])).await;
    let response = json!({ "possible": false });
    let without = json!(["1", null, "lab:1", "phx_reply", { "status": "ok", "response": response }]);
    assert_eq!(client.next().await, without);
}

#[tokio::test]
async fn row_135_a_message_of_the_application_cannot_be_replied_to() {
    let (mut lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "handle", {}])).await;
    lab.handle().await.send("hello");
    assert_eq!(client.next().await, json!(["1", null, "lab:1", "info", { "info": "hello", "reply_to": false }]));
}

#[tokio::test]
async fn replies_that_wait_for_their_broadcast_keep_their_place_among_the_others() {
    let (_lab, mut client) = joined().await;
    for n in 0..100 {
        let event = if n % 2 == 0 { "reply_after" } else { "ok" };
        client.send(json!(["1", n.to_string(), "lab:1", event, { "n": n }])).await;
    }
    let mut replies = 0;
    while replies < 100 {
        let frame = client.next().await;
        if frame[3] == "phx_reply" {
            assert_eq!(frame, ok("1", &replies.to_string(), "lab:1"));
            replies += 1;
        } else {
            // The broadcast of a message that is not answered yet.
            assert_eq!(frame[3], "shout");
            assert!(frame[4]["n"].as_u64().unwrap() >= replies, "{frame}");
        }
    }
}

#[tokio::test]
async fn pushes_and_replies_of_a_channel_come_in_the_order_of_its_calls() {
    let (_lab, mut client) = joined().await;
    for n in 0..50 {
        client.send(json!(["1", n.to_string(), "lab:1", "push_and_reply", { "n": n }])).await;
    }
    for n in 0..50 {
        assert_eq!(client.next().await, json!(["1", null, "lab:1", "pushed", { "n": n }]));
        assert_eq!(client.next().await, ok("1", &n.to_string(), "lab:1"));
    }
}

#[tokio::test]
async fn a_handle_reaches_the_client_and_the_channel_from_another_task() {
    let (mut lab, mut client) = joined().await;
    client.send(json!(["1", "2", "lab:1", "handle", {}])).await;
    let handle = lab.handle().await;
    let (other, topic) = (handle.clone(), handle.topic().to_owned());
    assert_eq!(topic, "lab:1");
    std::thread::spawn(move || other.push("from_elsewhere", json!({ "n": 1 })).unwrap()).join().unwrap();
    assert_eq!(client.next().await, json!(["1", null, "lab:1", "from_elsewhere", { "n": 1 }]));
    assert!(handle.push("list", json!([1])).is_err(), "version 2 pushes objects only");
    client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    assert_eq!(client.next().await[3], "phx_close");
    // The channel is gone: nothing happens.
    handle.send("hello");
    client.assert_nothing_came().await;
    client.assert_nothing_came().await;
}
