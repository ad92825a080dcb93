//! Long polling: sessions, polls and bodies (protocol section 6, rows 205-218).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{Mount, Transport};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Lab, OpenSocket, Poller, TestGateway, ok, relay_router, request, unmatched};

/// Long enough that nothing in a test waits for its end by accident.
const WINDOW: Duration = Duration::from_secs(9);

async fn relay(window: Duration) -> TestGateway {
    TestGateway::with_mounts([Mount::new("/socket", OpenSocket, relay_router()).longpoll(window)]).await
}

async fn lab() -> Lab {
    Lab::with("", |mount| mount.longpoll(WINDOW)).await
}

/// Rows 205, 211.
#[tokio::test]
async fn row_205_the_first_get_opens_a_session() {
    let gateway = relay(WINDOW).await;
    let answer = request(gateway.public(), "GET", "/socket/longpoll?a=1&vsn=2.0.0&", &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let body = answer.json();
    assert_eq!((&body["status"], &body["messages"]), (&json!(410), &json!([])), "{body}");
    assert!(body["token"].as_str().unwrap().len() > 40, "{body}");
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
}

#[tokio::test]
async fn row_211_no_answer_may_be_cached() {
    let gateway = relay(Duration::from_millis(50)).await;
    let client = Poller::open(gateway.public()).await;
    let stale = request(gateway.public(), "POST", "/socket/longpoll?token=lp.a.b.c", &[], "[]").await;
    for answer in [client.get().await, client.post("application/json", "[null,\"1\",\"t\",\"e\",{}]").await, stale] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
}

/// Without the switch there is no such path.
#[tokio::test]
async fn long_polling_is_off_by_default() {
    let gateway = TestGateway::relay().await;
    let answer = request(gateway.public(), "GET", "/socket/longpoll?vsn=2.0.0", &[], "").await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test]
async fn row_206_a_join_by_post_is_answered_by_get_in_order() {
    let lab = lab().await;
    let client = Poller::open(lab.gateway.public()).await;
    client.send(&[json!(["1", "1", "lab:1", "phx_join", { "after_join": "push" }])]).await;
    client.send(&[json!(["1", "2", "lab:1", "push_and_reply", { "n": 1 }])]).await;
    let mut messages = client.messages(4).await;
    let after_join = messages.remove(1);
    assert_eq!(after_join[0], "1", "{after_join}");
    assert_eq!(
        messages,
        [ok("1", "1", "lab:1"), json!(["1", null, "lab:1", "pushed", { "n": 1 }]), ok("1", "2", "lab:1")]
    );
}

#[tokio::test]
async fn row_207_an_empty_poll_ends_with_the_window() {
    let gateway = relay(Duration::from_millis(300)).await;
    let client = Poller::open(gateway.public()).await;
    let began = Instant::now();
    assert_eq!(client.poll().await, (204, vec![]));
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(client.poll().await, (204, vec![]), "the session goes on");
}

#[tokio::test]
async fn row_208_a_message_wakes_the_poll_that_waits() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    client.join("1", "room:1").await;
    let began = Instant::now();
    let (polled, ()) = tokio::join!(client.poll(), async {
        // By the time that another one is through, it waits.
        Poller::open(gateway.public()).await.join("1", "room:2").await;
        gateway.endpoint().broadcast("room:1", "say", json!({ "n": 1 })).await.unwrap();
    });
    assert_eq!(polled, (200, vec![json!([null, null, "room:1", "say", { "n": 1 }])]));
    assert!(began.elapsed() < WINDOW, "{:?}", began.elapsed());
}

#[tokio::test]
async fn row_209_the_token_is_in_the_query_of_both_methods() {
    let gateway = relay(WINDOW).await;
    // The connect params may hold a `token` too: then the last is the session's.
    for query in ["vsn=2.0.0", "token=mine&vsn=2.0.0"] {
        let client = Poller::open_at(gateway.public(), "/socket/longpoll", query).await;
        client.join("1", "room:1").await;
    }
}

#[tokio::test]
async fn row_210_the_token_in_the_header_wins() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    let header = [("x-phoenix-longpoll-token", client.token.as_str()), ("content-type", "application/x-ndjson")];
    let join = json!(["1", "1", "room:1", "phx_join", {}]).to_string();
    for target in ["/socket/longpoll?vsn=2.0.0", "/socket/longpoll?vsn=2.0.0&token=lp.bogus.bogus.bogus"] {
        let posted = request(gateway.public(), "POST", target, &header, &join).await;
        assert_eq!(posted.json(), json!({ "status": 200 }), "{target}");
        let polled = request(gateway.public(), "GET", target, &header, "").await;
        assert_eq!(polled.json()["status"], 200, "{target}");
    }
    let bogus = [("x-phoenix-longpoll-token", "lp.bogus.bogus.bogus")];
    let posted = request(gateway.public(), "POST", &client.target(), &bogus, &join).await;
    assert_eq!(posted.json(), json!({ "status": 410 }), "it wins over a good one, too");
}

#[tokio::test]
async fn row_213_a_push_is_broadcast() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    let mut other = gateway.connect().await;
    other.join("1", "room:1").await;
    client.join("1", "room:1").await;
    client.send(&[json!(["1", "2", "room:1", "new_msg", { "body": "hi!" }])]).await;
    let message = json!([null, null, "room:1", "new_msg", { "body": "hi!" }]);
    assert_eq!(client.messages(2).await, [message.clone(), ok("1", "2", "room:1")]);
    assert_eq!(other.next().await, message);
}

#[tokio::test]
async fn row_214_a_push_to_a_topic_that_is_not_joined_is_answered_by_the_poll() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    client.send(&[json!([null, "12300", "room:1", "new_msg", { "body": "hi!" }])]).await;
    assert_eq!(client.messages(1).await, [unmatched("12300", "room:1")]);
}

#[tokio::test]
async fn row_215_the_lines_of_a_body_are_frames() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    client.join("123", "room:1").await;
    let push = |join_ref: &str, n: u32| json!([join_ref, n.to_string(), "room:1", "new_msg", { "n": n }]);
    client.send(&[push("123", 1), push("1", 2), push("123", 3)]).await;
    let messages = client.messages(4).await;
    let numbers: Vec<&Value> = messages.iter().filter(|message| message[3] == "new_msg").map(|m| &m[4]["n"]).collect();
    assert_eq!(numbers, [1, 3], "what belongs to an older join is dropped");
}

#[tokio::test]
async fn row_216_a_binary_frame_is_a_line_of_base64() {
    let lab = lab().await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    // Kind 0, lengths of four names, the names, the payload: answered without looking at it.
    let frame = b"\x00\x01\x01\x05\x0212lab:1ok\x01\x02\x03";
    let text = json!(["1", "3", "lab:1", "ok", {}]).to_string();
    assert_eq!(client.lines(&[STANDARD.encode(frame), text]).await, 200);
    assert_eq!(client.messages(2).await, [ok("1", "2", "lab:1"), ok("1", "3", "lab:1")]);
    // What comes back binary has no form here: the others go on.
    let echo = b"\x00\x01\x01\x05\x0414lab:1echo\x01\x02\x03";
    let text = json!(["1", "5", "lab:1", "ok", {}]).to_string();
    assert_eq!(client.lines(&[STANDARD.encode(echo), text]).await, 200);
    assert_eq!(client.messages(1).await, [ok("1", "5", "lab:1")]);
}

#[tokio::test]
async fn row_216_its_bytes_reach_those_who_can_read_them() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    let mut other = gateway.connect().await;
    other.join("1", "room:1").await;
    client.join("1", "room:1").await;
    // Kind 0, lengths of four names, the names, the payload; `+` and `/` are in its base64.
    let push = STANDARD.encode(b"\x00\x01\x01\x06\x0512room:1bytes\xfb\xff\xfe\x00");
    assert!(push.contains('+') && push.contains('/'), "{push}");
    assert_eq!(client.lines(&[push]).await, 200);
    assert_eq!(other.next_binary().await, b"\x02\x06\x05room:1bytes\xfb\xff\xfe\x00");
    assert_eq!(client.messages(1).await, [ok("1", "2", "room:1")]);
}

#[tokio::test]
async fn row_217_the_hundred_and_first_line_is_dropped() {
    let lab = lab().await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    let pushes: Vec<Value> = (0..101).map(|n| json!(["1", n.to_string(), "lab:1", "ok", {}])).collect();
    client.send(&pushes).await;
    client.send(&[json!(["1", "last", "lab:1", "ok", {}])]).await;
    let answered: Vec<Value> = client.messages(101).await.iter().map(|message| message[1].clone()).collect();
    let expected: Vec<Value> = (0..100).map(|n| json!(n.to_string())).chain([json!("last")]).collect();
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn row_218_a_body_of_any_other_type_is_one_frame() {
    let gateway = relay(WINDOW).await;
    for content_type in ["", "application/json", "text/plain; charset=utf-8"] {
        let client = Poller::open(gateway.public()).await;
        let join = json!(["1", "1", "room:1", "phx_join", {}]);
        let answer = client.post(content_type, &format!("{join:#}")).await;
        assert_eq!(answer.json(), json!({ "status": 200 }), "{content_type}");
        assert_eq!(client.messages(1).await, [ok("1", "1", "room:1")]);
    }
    // Version 1 is an object, and so are its answers.
    let client = Poller::open_at(gateway.public(), "/socket/longpoll", "vsn=1.0.0").await;
    let join = json!({ "topic": "room:1", "event": "phx_join", "payload": {}, "ref": "1" });
    assert_eq!(client.post("application/json", &join.to_string()).await.json(), json!({ "status": 200 }));
    let reply = json!({ "topic": "room:1", "event": "phx_reply", "ref": "1",
        "payload": { "status": "ok", "response": {} } });
    assert_eq!(client.messages(1).await, [reply]);
}

#[tokio::test]
async fn heartbeats_are_answered() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    client.send(&[json!([null, "7", "phoenix", "heartbeat", {}])]).await;
    assert_eq!(
        client.messages(1).await,
        [json!([null, "7", "phoenix", "phx_reply", { "status": "ok", "response": {} }])]
    );
}

#[tokio::test]
async fn a_channel_knows_that_its_client_polls() {
    let lab = lab().await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    lab.gateway.endpoint().broadcast("lab:1", "out", json!({})).await.unwrap();
    let messages = client.messages(1).await;
    assert_eq!(messages[0][4]["transport"], format!(":{}", Transport::LongPoll.name()));
}

#[tokio::test]
async fn row_106_the_101st_join_of_a_poller_is_refused() {
    let gateway = relay(WINDOW).await;
    let client = Poller::open(gateway.public()).await;
    let join = |n: u32| json!([n.to_string(), n.to_string(), format!("room:{n}"), "phx_join", {}]);
    let joins: Vec<Value> = (1..=100).map(join).collect();
    client.send(&joins).await;
    client.send(&[join(101)]).await;
    let answers = client.messages(101).await;
    assert!(answers[..100].iter().all(|answer| answer[4]["status"] == "ok"));
    assert_eq!(answers[100][4], json!({ "status": "error", "response": { "reason": "too many channels joined" } }));
}
