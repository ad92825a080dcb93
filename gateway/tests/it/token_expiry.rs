//! A connection ends with its token, and says so before.

use std::time::{Duration, SystemTime};

use gateway::{
    Accepted, Channel, ConnectError, ConnectInfo, Context, HandlerResult, Info, JoinContext, JoinResult, Mount,
    Outcome, Params, Payload, Renewed, Router, Socket,
};
use serde_json::json;

use crate::support::tokens::{SECRET, good, now};
use crate::support::{Client, TestGateway, metrics};

async fn gateway() -> TestGateway {
    let auth = format!("[auth]\nhs256_secret = \"{SECRET}\"\n");
    TestGateway::configured(&format!("{auth}[[channel]]\ntopic = \"*\"\njoin = \"authenticated\"\n")).await
}

async fn connect(gateway: &TestGateway, exp: i64) -> Client {
    let token = good(&json!({ "sub": "alice", "exp": exp }));
    gateway.connect_to(&format!("/socket/websocket?vsn=2.0.0&token={token}")).await
}

/// The next frame must be a warning; how many seconds it says are left.
async fn warned(client: &mut Client, join_ref: &str, topic: &str) -> i64 {
    let frame = client.next().await;
    assert_eq!((&frame[0], &frame[1]), (&json!(join_ref), &json!(null)), "{frame}");
    assert_eq!((&frame[2], &frame[3]), (&json!(topic), &json!("token_expiring")), "{frame}");
    frame[4]["expires_in"].as_i64().unwrap()
}

#[tokio::test]
async fn each_topic_is_warned_and_then_the_connection_ends_with_4001() {
    let gateway = gateway().await;
    let exp = now() + 4;
    let mut client = connect(&gateway, exp).await;
    client.join("1", "room:1").await;
    assert!((1..=4).contains(&warned(&mut client, "1", "room:1").await));
    // Also a topic that is joined when the end is near already.
    client.join("2", "room:2").await;
    assert!((0..=4).contains(&warned(&mut client, "2", "room:2").await));
    assert_eq!(client.closed().await, Some(4001));
    assert!((exp..=exp + 2).contains(&now()));
    let page = metrics(gateway.internal()).await;
    assert!(page.contains("gateway_disconnects_total{reason=\"token_expired\"} 1\n"), "{page}");
}

#[tokio::test]
async fn a_renewed_connection_outlives_its_first_token() {
    let gateway = gateway().await;
    let exp = now() + 4;
    let (mut renewed, mut left) = (connect(&gateway, exp).await, connect(&gateway, exp).await);
    renewed.join("1", "room:1").await;
    warned(&mut renewed, "1", "room:1").await;
    let short = good(&json!({ "sub": "alice", "exp": now() + 59 }));
    renewed.send(json!(["1", "2", "room:1", "access_token", { "access_token": short }])).await;
    assert_eq!(renewed.next().await[4], json!({ "status": "ok", "response": {} }));
    // The new token ends soon, too.
    assert!((50..=59).contains(&warned(&mut renewed, "1", "room:1").await));
    assert_eq!(left.closed().await, Some(4001));
    renewed.assert_nothing_came().await;
    let long = good(&json!({ "sub": "alice", "exp": now() + 3600 }));
    renewed.send(json!(["1", "3", "room:1", "access_token", { "access_token": long }])).await;
    assert_eq!(renewed.next().await[4], json!({ "status": "ok", "response": {} }));
    renewed.assert_nothing_came().await;
}

#[tokio::test]
async fn within_the_leeway_a_token_that_has_ended_is_taken_until_it_is_over() {
    let gateway = gateway().await;
    let mut client = connect(&gateway, now() - 26).await;
    client.join("1", "room:1").await;
    assert!((0..=4).contains(&warned(&mut client, "1", "room:1").await));
    assert_eq!(client.closed().await, Some(4001));
}

/// Connects for a second.
struct Brief;

impl Socket for Brief {
    async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let seconds = params.get("seconds").and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        Ok(Accepted::new().expires_at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

/// Renews when it is asked to, and tells its client when it was renewed.
struct Renewing;

impl Channel for Renewing {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _event: &str, _payload: Payload, cx: &mut Context) -> HandlerResult {
        let until = cx.client().expires_at().unwrap() + Duration::from_secs(3600);
        cx.client().renew_until(until);
        assert_eq!(cx.client().expires_at(), Some(until));
        Ok(Outcome::ok())
    }

    async fn handle_info(&mut self, info: Info, cx: &mut Context) -> HandlerResult {
        assert!(info.downcast::<Renewed>().is_ok());
        cx.push("renewed", json!({}))?;
        Ok(Outcome::NoReply)
    }
}

#[tokio::test]
async fn a_socket_of_ones_own_may_end_and_its_channels_may_renew_it() {
    let router = Router::new().channel("room:*", || Renewing).unwrap();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", Brief, router)]).await;
    let path = format!("/socket/websocket?vsn=2.0.0&seconds={}", now() + 4);
    let (mut brief, mut renewed) = (gateway.connect_to(&path).await, gateway.connect_to(&path).await);
    for (join_ref, topic) in [("1", "room:1"), ("2", "room:2")] {
        renewed.join(join_ref, topic).await;
        warned(&mut renewed, join_ref, topic).await;
    }
    renewed.send(json!(["1", "3", "room:1", "renew", {}])).await;
    assert_eq!(renewed.next().await[3], "phx_reply");
    for (join_ref, topic) in [("1", "room:1"), ("2", "room:2")] {
        assert_eq!(renewed.next().await, json!([join_ref, null, topic, "renewed", {}]));
    }
    assert_eq!(brief.closed().await, Some(4001));
    renewed.assert_nothing_came().await;
}
