//! Leaving a topic: protocol 3.5.

use gateway::Ended;
use serde_json::json;

use crate::support::{Lab, ok, phx_close, unmatched};

#[tokio::test]
async fn row_117_a_leave_is_answered_and_then_the_channel_closed() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("11", "lab:1").await;
    client.send_text(r#"["11","3","lab:1","phx_leave",{}]"#).await;
    assert_eq!(client.next_text().await, r#"["11","3","lab:1","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(client.next_text().await, r#"["11","11","lab:1","phx_close",{}]"#);
    assert_eq!(lab.ended().await, ("lab:1".to_owned(), Ended::Left));
    assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), 0);
}

#[tokio::test]
async fn row_118_what_a_channel_pushes_at_its_end_follows_its_close() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    for (event, reply) in [("phx_leave", true), ("stop", false)] {
        client.send(json!(["1", "1", "lab:1", "phx_join", { "terminate": "push" }])).await;
        assert_eq!(client.next().await, ok("1", "1", "lab:1"));
        client.send(json!(["1", "2", "lab:1", event, {}])).await;
        if reply {
            assert_eq!(client.next().await, ok("1", "2", "lab:1"));
        }
        assert_eq!(client.next().await, phx_close("1", "lab:1"));
        assert_eq!(client.next().await, json!(["1", null, "lab:1", "you_left", { "message": "bye!" }]));
    }
}

#[tokio::test]
async fn row_119_a_leave_without_a_join_reference_is_meant_for_the_current_channel() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!([null, "2", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
}

#[tokio::test]
async fn row_120_a_leave_with_another_join_reference_is_ignored() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["stale", "stale", "lab:1", "phx_leave", {}])).await;
    client.send(json!(["1", "2", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    client.assert_nothing_came().await;
}

/// Rows 121, 122.
#[tokio::test]
async fn row_121_leaving_what_is_not_joined_is_ok_and_nothing_closes() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["9", "5", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("9", "5", "lab:1"));
    client.send(json!(["9", "6", "unrouted", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("9", "6", "unrouted"));
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_123_in_version_1_the_close_has_the_reference_of_the_join_if_it_came_with_one() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    for (join_ref, closed) in [(json!("7"), r#""7""#), (json!(null), "null")] {
        let mut join = json!({ "topic": "lab:1", "event": "phx_join", "payload": {}, "ref": "1" });
        if !join_ref.is_null() {
            join["join_ref"] = join_ref;
        }
        client.send(join).await;
        let reply = r#"{"topic":"lab:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#;
        assert_eq!(client.next_text().await, reply);
        client.send(json!({ "topic": "lab:1", "event": "phx_leave", "payload": {}, "ref": "2" })).await;
        let reply = r#"{"topic":"lab:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#;
        assert_eq!(client.next_text().await, reply);
        let close = format!(r#"{{"topic":"lab:1","event":"phx_close","payload":{{}},"ref":{closed}}}"#);
        assert_eq!(client.next_text().await, close);
    }
}

#[tokio::test]
async fn row_124_after_a_leave_the_topic_is_unmatched_and_its_broadcasts_stay_away() {
    let lab = Lab::start().await;
    let (mut client, mut other) = (lab.gateway.connect().await, lab.gateway.connect().await);
    client.join("1", "lab:1").await;
    other.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.send(json!(["1", "3", "lab:1", "shout", {}])).await;
    assert_eq!(client.next().await, unmatched("3", "lab:1"));
    other.send(json!(["1", "4", "lab:1", "shout", { "from": "other" }])).await;
    assert_eq!(other.next().await, json!([null, null, "lab:1", "shout", { "from": "other" }]));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn a_leave_waits_for_what_was_sent_before_it() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "wait", {}])).await;
    client.send(json!(["1", "3", "lab:1", "echo", {}])).await;
    client.send(json!(["1", "4", "lab:1", "phx_leave", {}])).await;
    client.send(json!(["1", "5", "lab:1", "echo", {}])).await;
    lab.waiting().await;
    client.assert_nothing_came().await;
    lab.open_gate();
    for reference in ["2", "3", "4"] {
        assert_eq!(client.next().await, ok("1", reference, "lab:1"));
    }
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.assert_nothing_came().await;
}
