//! The topic `phoenix`.

use serde_json::json;

use crate::support::{Lab, unmatched};

/// Rows 145, 146.
#[tokio::test]
async fn row_145_heartbeats_are_answered_joined_or_not() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send_text(r#"[null,"1","phoenix","heartbeat",{}]"#).await;
    assert_eq!(client.next_text().await, r#"[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    client.join("1", "lab:1").await;
    client.send_text(r#"["5","6","phoenix","heartbeat",{"any":["payload"]}]"#).await;
    assert_eq!(client.next_text().await, r#"[null,"6","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    let mut client = lab.gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    client.send_text(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#).await;
    let reply = r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#;
    assert_eq!(client.next_text().await, reply);
}

#[tokio::test]
async fn row_147_the_topic_phoenix_has_no_other_events() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!([null, "2", "phoenix", "x", {}])).await;
    assert_eq!(client.next().await, unmatched("2", "phoenix"));
    client.send(json!([null, "3", "phoenix", "phx_join", {}])).await;
    assert_eq!(client.next().await, unmatched("3", "phoenix"));
}
