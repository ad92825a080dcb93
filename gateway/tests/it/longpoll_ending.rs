//! How requests and sessions of long-poll clients end (rows 149, 219-222).

use std::time::Duration;

use gateway::Ended;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Lab, Poller, metrics, ok, phx_error, request, until};

const WINDOW: Duration = Duration::from_secs(9);

async fn lab(window: Duration) -> Lab {
    Lab::with("", |mount| mount.longpoll(window)).await
}

/// Waits until the page of metrics has a line.
async fn until_metric(lab: &Lab, line: &str) {
    until(async || metrics(lab.gateway.internal()).await.lines().any(|other| other == line)).await;
}

#[tokio::test]
async fn row_219_what_is_not_processed_within_the_window_is_408() {
    let mut lab = lab(Duration::from_millis(500)).await;
    let client = Poller::open(lab.gateway.public()).await;
    let lines = [
        json!(["1", "1", "lab:1", "phx_join", { "join": "wait" }]).to_string(),
        json!(["1", "2", "lab:1", "ok", {}]).to_string(),
    ];
    assert_eq!(client.lines(&lines).await, 408);
    lab.waiting().await;
    lab.open_gate();
    // The rest of that body is dropped; what comes later is not.
    client.send(&[json!(["1", "3", "lab:1", "ok", {}])]).await;
    assert_eq!(client.messages(2).await, [ok("1", "1", "lab:1"), ok("1", "3", "lab:1")]);
}

#[tokio::test]
async fn row_220_a_session_that_nobody_polls_ends() {
    const WINDOW: Duration = Duration::from_millis(200);
    let mut lab = lab(WINDOW).await;
    let began = Instant::now();
    let client = Poller::open(lab.gateway.public()).await;
    let (join, heartbeat) =
        (json!(["1", "1", "lab:1", "phx_join", {}]), json!([null, "2", "phoenix", "heartbeat", {}]));
    client.send(&[join]).await;
    until_metric(&lab, "gateway_connections 1").await;
    // Bodies do not keep it.
    let beating = async { while client.lines(&[heartbeat.to_string()]).await == 200 {} };
    let ended = async { lab.ended().await };
    assert_eq!(tokio::join!(beating, ended).1, ("lab:1".to_owned(), Ended::SocketClosed));
    assert!(began.elapsed() >= WINDOW * 3 / 2, "not while a client may be about to poll: {:?}", began.elapsed());
    assert_eq!(client.post("application/json", &heartbeat.to_string()).await.json(), json!({ "status": 410 }));
    until_metric(&lab, "gateway_connections 0").await;
    until_metric(&lab, "gateway_disconnects_total{reason=\"idle_timeout\"} 1").await;
}

#[tokio::test]
async fn a_session_that_is_polled_goes_on() {
    let lab = lab(Duration::from_millis(200)).await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    for _ in 0..6 {
        assert_eq!(client.poll().await, (204, vec![]));
    }
    client.send(&[json!(["1", "2", "lab:1", "ok", {}])]).await;
    assert_eq!(client.messages(1).await, [ok("1", "2", "lab:1")]);
}

/// Rows 149, 221.
#[tokio::test]
async fn row_221_a_poll_of_a_session_that_has_ended_opens_a_new_one() {
    let mut lab = lab(WINDOW).await;
    let client = Poller::open_at(lab.gateway.public(), "/socket/longpoll", "vsn=2.0.0&id=alice").await;
    client.join("1", "lab:1").await;
    lab.gateway.endpoint().disconnect("alice").await.unwrap();
    assert_eq!(lab.ended().await, ("lab:1".to_owned(), Ended::SocketClosed));
    let body = client.get().await.json();
    assert_eq!((&body["status"], &body["messages"]), (&json!(410), &json!([])));
    let token = body["token"].as_str().unwrap().to_owned();
    assert_ne!(token, client.token);
    Poller { token, ..client }.join("2", "lab:1").await;
}

#[tokio::test]
async fn row_149_a_disconnect_ends_the_session_and_the_poll_that_waits() {
    let mut lab = lab(WINDOW).await;
    let client = Poller::open_at(lab.gateway.public(), "/socket/longpoll", "vsn=2.0.0&id=alice").await;
    client.join("1", "lab:1").await;
    let began = Instant::now();
    let disconnected = async {
        lab.gateway.endpoint().disconnect("alice").await.unwrap();
        lab.ended().await
    };
    let (answer, ended) = tokio::join!(client.poll(), disconnected);
    assert_eq!((answer, ended.1), ((410, vec![]), Ended::SocketClosed));
    assert!(began.elapsed() < WINDOW);
}

#[tokio::test]
async fn row_222_a_crash_is_seen_as_phx_error() {
    let lab = lab(WINDOW).await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    client.send(&[json!(["1", "2", "lab:1", "fail", {}])]).await;
    assert_eq!(client.messages(1).await, [phx_error("1", "lab:1")]);
}

/// What a session still has to say is polled before it is gone.
#[tokio::test]
async fn the_last_messages_can_be_polled() {
    let mut lab = lab(WINDOW).await;
    let client = Poller::open_at(lab.gateway.public(), "/socket/longpoll", "vsn=2.0.0&id=alice").await;
    client.join("1", "lab:1").await;
    client.send(&[json!(["1", "2", "lab:1", "push", { "last": true }])]).await;
    lab.gateway.endpoint().disconnect("alice").await.unwrap();
    lab.ended().await;
    assert_eq!(client.poll().await, (200, vec![json!(["1", null, "lab:1", "pushed", { "last": true }])]));
    assert_eq!(client.poll().await.0, 410);
}

#[tokio::test]
async fn a_stop_answers_the_polls_that_wait() {
    let lab = lab(WINDOW).await;
    let clients = [Poller::open(lab.gateway.public()).await, Poller::open(lab.gateway.public()).await];
    clients[0].join("1", "lab:1").await;
    clients[1].join("1", "lab:1").await;
    let waiting = clients.iter().map(|client| client.get());
    let polls = futures_util::future::join_all(waiting);
    let stop = async {
        // By the time that a third one is through, the two wait.
        Poller::open(lab.gateway.public()).await.join("1", "lab:2").await;
        lab.gateway.shutdown().await
    };
    let began = Instant::now();
    let (answers, stopped) = tokio::join!(polls, stop);
    assert!(stopped && began.elapsed() < WINDOW, "{:?}", began.elapsed());
    for answer in answers {
        assert_eq!(answer.json()["status"], 410, "{answer:?}");
    }
}

/// Nobody waits for a client that does not fetch what comes.
#[tokio::test]
async fn a_client_that_polls_too_slowly_loses_its_session() {
    let lab = Lab::with("[limits]\noutbox_bytes = \"4KiB\"", |mount| mount.max_frame_size(1024).longpoll(WINDOW)).await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    for n in 0..100 {
        lab.gateway.endpoint().broadcast("lab:1", "shout", json!({ "n": n, "text": "x".repeat(100) })).await.unwrap();
    }
    until_metric(&lab, "gateway_outbox_overflows_total 1").await;
    assert_eq!(client.poll().await, (410, vec![]));
}

/// A client that fetches in time gets everything, in order, however much it is.
#[tokio::test]
async fn more_than_one_answer_holds_is_in_the_next_ones() {
    let lab = lab(WINDOW).await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    let text = "x".repeat(200 * 1024);
    for n in 0..4 {
        lab.gateway.endpoint().broadcast("lab:1", "shout", json!({ "n": n, "text": text })).await.unwrap();
    }
    let (status, first) = client.poll().await;
    assert_eq!((status, first.len()), (200, 2));
    let rest: Vec<Value> = client.messages(2).await.iter().map(|message| message[4]["n"].clone()).collect();
    assert_eq!(rest, [2, 3]);
}

/// Two polls at once: the newer gets the messages, the older nothing.
#[tokio::test]
async fn a_newer_poll_takes_the_place_of_the_one_that_waits() {
    let lab = lab(Duration::from_millis(500)).await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    for n in 0..5 {
        let send = async {
            Poller::open(lab.gateway.public()).await;
            lab.gateway.endpoint().broadcast("lab:1", "shout", json!({ "n": n })).await.unwrap();
        };
        let (one, other, ()) = tokio::join!(client.poll(), client.poll(), send);
        let mut got: Vec<Value> = one.1.into_iter().chain(other.1).collect();
        if got.is_empty() {
            got = client.messages(1).await;
        }
        assert_eq!(got, [json!([null, null, "lab:1", "shout", { "n": n }])], "once, and not twice");
    }
}

#[tokio::test]
async fn connections_and_bytes_are_counted() {
    let lab = lab(Duration::from_millis(100)).await;
    let client = Poller::open(lab.gateway.public()).await;
    client.join("1", "lab:1").await;
    let page = metrics(lab.gateway.internal()).await;
    let value = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.split(' ').next_back().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!((value("gateway_connections"), value("gateway_messages_received_total")), (1.0, 1.0));
    assert!(value("gateway_bytes_received_total") > 20.0 && value("gateway_bytes_sent_total") > 100.0, "{page}");
    let stale = request(lab.gateway.public(), "POST", "/socket/longpoll", &[], "x").await;
    assert_eq!(stale.json(), json!({ "status": 410 }));
}
