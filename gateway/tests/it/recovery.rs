//! Channels of the library whose topics keep a history.

use std::time::Duration;

use gateway::history::Retention;
use gateway::{Channel, Context, HandlerResult, JoinContext, JoinResult, Outcome, Payload, Router};
use serde_json::{Value, json};

use crate::support::{Client, TestGateway, ok};

/// Looks at the event `looked_at`, slowly, and keeps `hidden` from its client.
#[derive(Default)]
struct Kept;

impl Channel for Kept {
    fn intercept() -> &'static [&'static str] {
        &["looked_at", "hidden"]
    }

    fn history() -> Option<Retention> {
        Some(Retention::new(1000, Duration::from_secs(60)))
    }

    async fn join(&mut self, params: Payload, cx: &mut JoinContext) -> JoinResult {
        if cx.topic() == "kept:list" {
            return Ok(Payload::json(&json!(["no object"]))?);
        }
        Ok(Payload::json(&json!({ "params": params.parse::<Value>()?["own"] }))?)
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.push("welcome", json!({}))?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "last" => {
                let count = payload.parse::<Value>()?["count"].as_u64().unwrap_or(0);
                let last = cx.history().last(usize::try_from(count)?).await?;
                Outcome::ok_with(&json!({ "offsets": last.iter().map(|stored| stored.offset).collect::<Vec<_>>() }))
            }
            _ => Ok(Outcome::ReplyAfter(cx.broadcast(event, payload))),
        }
    }

    async fn handle_out(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        tokio::task::yield_now().await;
        if event == "looked_at" {
            cx.push("seen", payload)?;
        }
        Ok(Outcome::NoReply)
    }
}

/// One that keeps nothing, and says what it was asked.
#[derive(Default)]
struct Plain;

impl Channel for Plain {
    async fn join(&mut self, params: Payload, cx: &mut JoinContext) -> JoinResult {
        assert!(cx.history().last(1).await.is_err(), "there is none");
        Ok(params)
    }
}

async fn start() -> TestGateway {
    let router = Router::new().channel("kept:*", Kept::default).unwrap().channel("plain", Plain::default).unwrap();
    TestGateway::with_channels(router).await
}

async fn connect(gateway: &TestGateway) -> Client {
    gateway.connect_to("/socket/websocket?vsn=2.0.0&offsets=1").await
}

/// Joins; the response of the reply.
async fn join(client: &mut Client, topic: &str, params: Value) -> Value {
    client.send(json!(["1", "1", topic, "phx_join", params])).await;
    let reply = client.next().await;
    assert_eq!((&reply[3], &reply[4]["status"]), (&json!("phx_reply"), &json!("ok")), "{reply}");
    reply[4]["response"].clone()
}

/// The epoch of a topic, from a client that has gone again.
async fn epoch(gateway: &TestGateway, topic: &str) -> Value {
    let mut client = connect(gateway).await;
    let response = join(&mut client, topic, json!({ "recover": true })).await;
    client.close().await;
    response["recovery"]["epoch"].clone()
}

async fn publish(gateway: &TestGateway, topic: &str, event: &str, n: u64) {
    gateway.endpoint().broadcast(topic, event, json!({ "n": n })).await.unwrap();
}

#[tokio::test]
async fn what_was_missed_comes_before_after_join_and_intercepted_events_go_through_the_channel() {
    let (gateway, topic) = (start().await, "kept:1");
    let epoch = epoch(&gateway, topic).await;
    for (n, event) in [(1, "plain"), (2, "looked_at"), (3, "hidden"), (4, "plain"), (5, "looked_at"), (6, "plain")] {
        publish(&gateway, topic, event, n).await;
    }
    let mut client = connect(&gateway).await;
    let recover = json!({ "own": 7, "recover": { "epoch": epoch, "offset": 1 } });
    let recovery = json!({ "epoch": epoch, "offset": 1, "recovered": true });
    assert_eq!(join(&mut client, topic, recover).await, json!({ "params": 7, "recovery": recovery }));
    let seen = |n: u64| json!(["1", format!("o:{n}"), topic, "seen", { "n": n }]);
    let plain = |n: u64| json!([null, format!("o:{n}"), topic, "plain", { "n": n }]);
    for expected in [seen(2), plain(4), seen(5), plain(6), json!(["1", null, topic, "welcome", {}])] {
        assert_eq!(client.next().await, expected);
    }
    publish(&gateway, topic, "plain", 7).await;
    assert_eq!(client.next().await, plain(7));
    publish(&gateway, topic, "looked_at", 8).await;
    assert_eq!(client.next().await, seen(8));
    client.send(json!(["1", "9", topic, "last", { "count": 1 }])).await;
    assert_eq!(client.next().await[4]["response"]["offsets"], json!([8]));
}

#[tokio::test]
async fn what_a_client_sends_while_it_catches_up_waits() {
    let (gateway, topic) = (start().await, "kept:1");
    let epoch = epoch(&gateway, topic).await;
    for n in 1..=500 {
        publish(&gateway, topic, if n % 50 == 0 { "looked_at" } else { "plain" }, n).await;
    }
    let mut client = connect(&gateway).await;
    let recover = json!({ "recover": { "epoch": epoch, "offset": 0 } });
    client.send(json!(["1", "1", topic, "phx_join", recover])).await;
    client.send(json!(["1", "2", topic, "plain", { "n": 501 }])).await;
    client.send(json!(["1", "3", topic, "phx_leave", {}])).await;
    assert_eq!(client.next().await[4]["response"]["recovery"]["recovered"], true);
    for n in 1..=500 {
        assert_eq!(client.next().await[4]["n"], n);
    }
    assert_eq!(client.next().await[3], "welcome");
    assert_eq!(client.next().await, json!([null, "o:501", topic, "plain", { "n": 501 }]));
    assert_eq!(client.next().await, ok("1", "2", topic));
    assert_eq!(client.next().await, ok("1", "3", topic));
    assert_eq!(client.next().await[3], "phx_close");
}

#[tokio::test]
async fn who_joins_again_while_it_catches_up_begins_anew() {
    let (gateway, topic) = (start().await, "kept:1");
    let epoch = epoch(&gateway, topic).await;
    for n in 1..=200 {
        publish(&gateway, topic, "plain", n).await;
    }
    let mut client = connect(&gateway).await;
    for reference in ["1", "2", "3"] {
        let recover = json!({ "recover": { "epoch": epoch, "offset": 150 } });
        client.send(json!([reference, reference, topic, "phx_join", recover])).await;
    }
    loop {
        let frame = client.next().await;
        if frame[0] == "3" && frame[3] == "phx_reply" {
            break;
        }
    }
    publish(&gateway, topic, "plain", 201).await;
    let mut since = Vec::new();
    while since.last() != Some(&201) {
        let frame = client.next().await;
        if frame[3] == "plain" {
            since.push(frame[4]["n"].as_u64().unwrap());
        }
    }
    assert!(since.iter().copied().eq(151..=201), "{since:?}");
}

#[tokio::test]
async fn the_last_messages_can_be_read() {
    let (gateway, topic) = (start().await, "kept:1");
    let mut client = connect(&gateway).await;
    join(&mut client, topic, json!({})).await;
    assert_eq!(client.next().await[3], "welcome");
    for (sent, count, expected) in [(0, 3, json!([])), (2, 3, json!([1, 2])), (3, 3, json!([3, 4, 5]))] {
        for n in 0..sent {
            publish(&gateway, topic, "plain", n).await;
            client.next().await;
        }
        client.send(json!(["1", "9", topic, "last", { "count": count }])).await;
        assert_eq!(client.next().await[4]["response"]["offsets"], expected);
    }
}

#[tokio::test]
async fn without_a_place_for_the_answer_or_a_history_nothing_is_recovered() {
    let gateway = start().await;
    publish(&gateway, "kept:list", "plain", 1).await;
    let mut client = connect(&gateway).await;
    assert_eq!(join(&mut client, "kept:list", json!({ "recover": true })).await, json!(["no object"]));
    assert_eq!(client.next().await[3], "welcome");
    let params = json!({ "recover": "the application's own" });
    assert_eq!(join(&mut client, "plain", params.clone()).await, params);
}
