//! Messages that a channel sends itself for later.

use serde_json::json;

use crate::support::{Lab, ok};

#[tokio::test]
async fn timers_fire_in_the_order_of_their_times() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "timers", { "ms": [120, 0, 60] }])).await;
    client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
    let mut timers = Vec::new();
    while timers.len() < 3 {
        let frame = client.next().await;
        match frame[3].as_str() {
            Some("timer") => timers.push(frame[4]["ms"].clone()),
            _ => assert_eq!(frame, ok("1", "3", "lab:1")),
        }
    }
    assert_eq!(timers, [json!(0), json!(60), json!(120)]);
}

#[tokio::test]
async fn timers_end_with_their_channel() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "timers", { "ms": [50] }])).await;
    client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    assert_eq!(client.next().await[3], "phx_close");
    // A later timer of the next channel: the first one's time is over by then.
    client.join("4", "lab:1").await;
    client.send(json!(["4", "5", "lab:1", "timers", { "ms": [100] }])).await;
    assert_eq!(client.next().await, json!(["4", null, "lab:1", "timer", { "ms": 100 }]));
}
