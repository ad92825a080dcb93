//! Channels that crash, and what is left of them: protocol 3.6.

use gateway::{
    Channel, ChannelHandle, Context, Ended, HandlerResult, JoinContext, JoinResult, Outcome, Payload, Router,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Lab, TestGateway, ok, phx_error, unmatched};

/// Rows 139, 141, 142, 152.
#[tokio::test]
async fn row_139_a_crash_ends_its_channel_only_and_the_client_may_rejoin() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("7", "lab:other").await;
    // An error is what Phoenix calls an exception; a panic ends the channel by no way that it announced (row 152).
    for how in ["fail", "panic"] {
        client.join("1", "lab:1").await;
        client.send(json!(["1", "2", "lab:1", how, {}])).await;
        assert_eq!(client.next_text().await, r#"["1","1","lab:1","phx_error",{"reason":"channel_crash"}]"#);
        client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
        assert_eq!(client.next().await, unmatched("3", "lab:1"));
        assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), 0);
        client.send(json!(["7", "8", "lab:other", "ok", {}])).await;
        assert_eq!(client.next().await, ok("7", "8", "lab:other"));
    }
    client.join("4", "lab:1").await;
}

#[tokio::test]
async fn row_139_in_version_1_the_error_has_the_reference_of_the_join() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect_to("/socket/websocket?vsn=1.0.0").await;
    client.send_text(r#"{"topic":"lab:1","event":"phx_join","ref":"1","join_ref":"1","payload":{}}"#).await;
    assert_eq!(client.next().await["event"], "phx_reply");
    client.send_text(r#"{"topic":"lab:1","event":"panic","ref":"2","join_ref":"1","payload":{}}"#).await;
    let error = r#"{"topic":"lab:1","event":"phx_error","payload":{"reason":"channel_crash"},"ref":"1"}"#;
    assert_eq!(client.next_text().await, error);
}

#[tokio::test]
async fn row_140_an_unknown_event_crashes() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "no such event", {}])).await;
    assert_eq!(client.next().await, phx_error("1", "lab:1"));
    assert_eq!(lab.ended().await, ("lab:1".to_owned(), Ended::Crashed));
}

#[tokio::test]
async fn row_142_what_was_sent_behind_the_crash_is_lost_or_unmatched_but_never_handled() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "fail", {}])).await;
    client.send(json!(["1", "3", "lab:1", "shout", {}])).await;
    assert_eq!(client.next().await, phx_error("1", "lab:1"));
    client.send(json!([null, "4", "phoenix", "heartbeat", {}])).await;
    let next = client.next().await;
    if next == unmatched("3", "lab:1") {
        assert_eq!(client.next().await[1], "4");
    } else {
        assert_eq!(next[1], "4");
    }
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_152_a_panic_has_no_last_word() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "terminate": "push" }])).await;
    assert_eq!(client.next().await, ok("1", "1", "lab:1"));
    client.send(json!(["1", "2", "lab:1", "panic", {}])).await;
    assert_eq!(client.next().await, phx_error("1", "lab:1"));
    assert_eq!(lab.dropped_without_terminate().await, "lab:1");
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn a_channel_that_failed_is_terminated_and_what_it_pushes_then_follows_its_error() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "terminate": "push" }])).await;
    assert_eq!(client.next().await, ok("1", "1", "lab:1"));
    client.send(json!(["1", "2", "lab:1", "fail", {}])).await;
    assert_eq!(client.next().await, phx_error("1", "lab:1"));
    assert_eq!(client.next().await, json!(["1", null, "lab:1", "you_left", { "message": "bye!" }]));
    assert_eq!(lab.ended().await, ("lab:1".to_owned(), Ended::Crashed));
}

/// A channel whose last breath is a panic, outside any callback.
struct Bomb(mpsc::UnboundedSender<ChannelHandle>);

impl Channel for Bomb {
    async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
        self.0.send(cx.handle()).expect("the test listens");
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _event: &str, _payload: Payload, _cx: &mut Context) -> HandlerResult {
        Ok(Outcome::Stop(None))
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the application fails where nobody catches it");
    }
}

#[tokio::test]
async fn a_panic_outside_of_callbacks_closes_the_connection_whoever_still_holds_a_handle() {
    let (sender, mut handles) = mpsc::unbounded_channel();
    let router = Router::new().channel("bomb:*", move || Bomb(sender.clone())).unwrap();
    let gateway = TestGateway::with_channels(router).await;
    let mut client = gateway.connect().await;
    client.join("1", "bomb:1").await;
    let handle = handles.recv().await.unwrap();
    client.send(json!(["1", "2", "bomb:1", "stop", {}])).await;
    client.ended().await;
    assert_eq!(handle.topic(), "bomb:1");
}
