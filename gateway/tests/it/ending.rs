//! How channels end without a leave, what they are told, and how long they may take: protocol 3.6.

use std::time::Duration;

use gateway::Ended;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{Client, Lab, ok, phx_close, unmatched};

const SHORT: Duration = Duration::from_millis(50);

async fn join(client: &mut Client, topic: &str, params: serde_json::Value) {
    client.send(json!(["1", "1", topic, "phx_join", params])).await;
    assert_eq!(client.next().await, ok("1", "1", topic));
}

fn ended(topic: &str, reason: Ended) -> (String, Ended) {
    (topic.to_owned(), reason)
}

#[tokio::test]
async fn row_136_a_channel_may_stop() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "stop", {}])).await;
    assert_eq!(client.next_text().await, r#"["1","1","lab:1","phx_close",{}]"#);
    assert_eq!(lab.ended().await, ended("lab:1", Ended::Stopped));
    client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, unmatched("3", "lab:1"));
    assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), 0);
}

#[tokio::test]
async fn row_137_a_channel_may_reply_and_stop() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    // The reply before it still waits for its broadcast when the channel stops.
    client.send(json!(["1", "2", "lab:1", "reply_after", {}])).await;
    client.send(json!(["1", "3", "lab:1", "stop_with_reply", { "last": "word" }])).await;
    assert_eq!(client.next().await[3], "shout");
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    let reply = json!(["1", "3", "lab:1", "phx_reply", { "status": "ok", "response": { "last": "word" } }]);
    assert_eq!(client.next().await, reply);
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
}

#[tokio::test]
async fn row_138_every_callback_may_stop_the_channel() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    lab.gateway.endpoint().broadcast("lab:1", "out_stop", json!({})).await.unwrap();
    assert_eq!(client.next().await, phx_close("1", "lab:1"));

    client.join("2", "lab:1").await;
    client.send(json!(["2", "3", "lab:1", "handle", {}])).await;
    lab.handle().await.send("stop");
    assert_eq!(client.next().await, phx_close("2", "lab:1"));

    join(&mut client, "lab:1", json!({ "after_join": "stop" })).await;
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_143_when_the_client_closes_its_channels_end_and_nothing_is_written() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    join(&mut client, "lab:1", json!({ "terminate": "push" })).await;
    join(&mut client, "lab:2", json!({ "terminate": "push" })).await;
    let frame = CloseFrame { code: 1000.into(), reason: "".into() };
    client.send_message(Message::Close(Some(frame))).await;
    assert_eq!(client.closed().await, Some(1000), "its own close is answered and nothing else");
    assert_eq!(lab.ended().await, ended("lab:1", Ended::SocketClosed));
    assert_eq!(lab.ended().await, ended("lab:2", Ended::SocketClosed));
    assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), 0);
    assert_eq!(lab.gateway.endpoint().subscribers("lab:2"), 0);
}

#[tokio::test]
async fn row_143_when_the_client_is_just_gone_its_channels_end_too() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    drop(client);
    assert_eq!(lab.ended().await, ended("lab:1", Ended::SocketClosed));
}

/// The new channel does not wait for the old one's grace, as it does in Phoenix; the frames are the same.
#[tokio::test]
async fn row_144_a_callback_that_outlives_its_channel_is_cut_after_the_grace() {
    let mut lab = Lab::with("", |mount| mount.callback_grace(SHORT)).await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    client.send(json!(["2", "2", "lab:1", "phx_join", {}])).await;
    assert_eq!(client.next().await, ok("2", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    assert_eq!(lab.dropped_without_terminate().await, "lab:1");

    client.send(json!(["2", "3", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    client.close().await;
    assert_eq!(lab.dropped_without_terminate().await, "lab:1");
    assert!(lab.gateway.shutdown().await, "nothing is left of the connection");
}

#[tokio::test]
async fn row_144_a_terminate_that_hangs_is_cut_after_the_grace() {
    let mut lab = Lab::with("", |mount| mount.callback_grace(SHORT)).await;
    let mut client = lab.gateway.connect().await;
    join(&mut client, "lab:1", json!({ "terminate": "wait" })).await;
    client.send(json!(["1", "2", "lab:1", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    lab.waiting().await;
    assert_eq!(lab.dropped_without_terminate().await, "lab:1");
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_144_within_the_grace_a_callback_runs_to_its_end_and_then_terminate() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    drop(client);
    let mut other = lab.gateway.connect().await;
    other.join("1", "lab:2").await;
    lab.open_gate();
    assert_eq!(lab.ended().await, ended("lab:1", Ended::SocketClosed));
}

#[tokio::test]
async fn terminate_is_told_why() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    for (event, reason) in
        [("phx_leave", Ended::Left), ("phx_join", Ended::Replaced), ("stop", Ended::Stopped), ("fail", Ended::Crashed)]
    {
        join(&mut client, "lab:1", json!({})).await;
        client.send(json!(["1", "2", "lab:1", event, {}])).await;
        assert_eq!(lab.ended().await, ended("lab:1", reason), "{event}");
        let last = if reason == Ended::Crashed { "phx_error" } else { "phx_close" };
        while client.next().await[3] != last {}
        if reason == Ended::Replaced {
            client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
            assert_eq!(lab.ended().await, ended("lab:1", Ended::Left));
            while client.next().await[3] != "phx_close" {}
        }
    }
    join(&mut client, "lab:1", json!({})).await;
    client.close().await;
    assert_eq!(lab.ended().await, ended("lab:1", Ended::SocketClosed));
}

#[tokio::test]
async fn a_refused_join_is_not_terminated() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "join": "refuse" }])).await;
    assert_eq!(client.next().await[4]["status"], "error");
    assert_eq!(lab.dropped_without_terminate().await, "lab:1");
}
