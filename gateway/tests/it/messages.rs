//! Messages to a topic: protocol 3.4.

use serde_json::json;

use crate::support::{Lab, ok, unmatched};

#[tokio::test]
async fn row_125_a_push_to_what_was_never_joined_is_unmatched() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    for (join_ref, topic) in [(json!("1"), "lab:1"), (json!(null), "lab:2"), (json!(null), "unrouted")] {
        client.send(json!([join_ref, "12300", topic, "ok", {}])).await;
        assert_eq!(client.next().await, unmatched("12300", topic));
    }
    let mut client = lab.gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    client.send_text(r#"{"topic":"lab:1","event":"ok","ref":"9","payload":{}}"#).await;
    let response = r#"{"status":"error","response":{"reason":"unmatched topic"}}"#;
    let reply = format!(r#"{{"topic":"lab:1","event":"phx_reply","payload":{response},"ref":"9"}}"#);
    assert_eq!(client.next_text().await, reply);
}

#[tokio::test]
async fn row_126_a_push_with_another_join_reference_is_dropped_without_a_word() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    for stale in [json!("stale"), json!(""), json!(1), json!("01"), json!({ "a": 1 })] {
        client.send(json!([stale, "stale", "lab:1", "shout", {}])).await;
    }
    client.send(json!(["1", "2", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_127_a_push_without_a_join_reference_is_handled() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!([null, "2", "lab:1", "shout", { "n": 1 }])).await;
    assert_eq!(client.next().await, json!([null, null, "lab:1", "shout", { "n": 1 }]));
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
}

#[tokio::test]
async fn what_a_client_names_like_the_protocols_own_events_reaches_the_handler_like_any_other() {
    let lab = Lab::start().await;
    let (mut client, mut other) = (lab.gateway.connect().await, lab.gateway.connect().await);
    other.join("1", "lab:1").await;
    for event in ["phx_close", "phx_error", "phx_reply", "presence_diff"] {
        client.join("1", "lab:1").await;
        client.send(json!(["1", "2", "lab:1", event, {}])).await;
        // This channel does not know them, which ends it, and only it.
        assert_eq!(client.next().await[3], "phx_error");
    }
    other.assert_nothing_came().await;
}
