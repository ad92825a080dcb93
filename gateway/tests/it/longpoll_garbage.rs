//! Long-poll requests that no stock client sends: none of them hurts anybody else, or the pod.

use std::time::Duration;

use gateway::Mount;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, OpenSocket, Poller, TestGateway, metrics, panics, relay_router, request, until};

const WINDOW: Duration = Duration::from_millis(400);
const LINES: &str = "application/x-ndjson";

async fn gateway() -> TestGateway {
    let mount = |path| Mount::new(path, OpenSocket, relay_router()).longpoll(WINDOW).max_frame_size(1024);
    TestGateway::with_mounts([mount("/socket"), mount("/other")]).await
}

/// A session that nothing of this may hurt still answers.
async fn is_unharmed(bystander: &Poller) {
    bystander.send(&[json!([null, "1", "phoenix", "heartbeat", {}])]).await;
    assert_eq!(bystander.messages(1).await[0][1], "1");
    assert_eq!(panics(), 0);
}

#[tokio::test]
async fn tokens_that_this_deployment_has_not_made_are_no_session() {
    let (gateway, elsewhere) = (gateway().await, gateway().await);
    let bystander = Poller::open(gateway.public()).await;
    let foreign = Poller::open(elsewhere.public()).await.token;
    let other_mount = Poller::open_at(gateway.public(), "/other/longpoll", "vsn=2.0.0").await.token;
    let mine = bystander.token.clone();
    let (said, proof) = mine.rsplit_once('.').unwrap();
    let forged = [
        foreign,
        other_mount,
        format!("{said}."),
        format!("{said}.{}", proof.chars().rev().collect::<String>()),
        said.replacen("lp.", "lp.x", 1) + "." + proof,
        "lp.".to_owned() + &".".repeat(4000),
        "%00%ff%0a".to_owned(),
        "lp.%F0%9F%92%A9.a.b".to_owned(),
        "../../etc".to_owned(),
        "a".repeat(20_000),
    ];
    for token in forged {
        let forger = Poller { token: token.clone(), ..bystander.clone() };
        let answer = forger.post(LINES, "[null,\"9\",\"phoenix\",\"heartbeat\",{}]").await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": 410 })), "{token:.40}");
        let answer = forger.get().await;
        assert_eq!(answer.json()["status"], 410, "{token:.40}");
        assert_ne!(answer.json()["token"], token, "a session of its own: {token:.40}");
    }
    is_unharmed(&bystander).await;
}

#[tokio::test]
async fn bodies_that_cannot_be_taken_are_400_and_the_session_lives() {
    let gateway = gateway().await;
    let client = Poller::open(gateway.public()).await;
    client.join("1", "room:1").await;
    let heartbeat = "[null,\"2\",\"phoenix\",\"heartbeat\",{}]";
    let too_large = format!("[null,\"2\",\"room:1\",\"e\",{{\"a\":\"{}\"}}]", "x".repeat(1024));
    let bodies = [
        format!("{heartbeat}\nno base64!"),
        format!("{heartbeat}\n{too_large}"),
        "[]\n".repeat(2000),
        "A".repeat(10_000),
        "\u{0}\u{1}".to_owned(),
    ];
    for body in bodies {
        let answer = client.post(LINES, &body).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{body:.60}");
    }
    // Nothing of them was processed.
    is_unharmed(&client).await;
}

#[tokio::test]
async fn what_is_no_message_ends_its_session_alone() {
    let gateway = gateway().await;
    let bystander = Poller::open(gateway.public()).await;
    for (kind, body) in [
        (LINES, "[]"),
        (LINES, "[1,2]"),
        (LINES, "[null,\"1\",\"t\",\"e\",{]"),
        (LINES, "AAAA"),
        (LINES, "{}"),
        ("application/json", ""),
        ("application/json", "[null,\"1\",\"t\",\"e\",{}]\n[null,\"1\",\"t\",\"e\",{}]"),
        ("application/json", "null"),
    ] {
        let client = Poller::open(gateway.public()).await;
        let answer = client.post(kind, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": 410 })), "{kind} {body}");
        assert_eq!(client.poll().await, (410, vec![]), "{kind} {body}");
    }
    is_unharmed(&bystander).await;
    let page = metrics(gateway.internal()).await;
    assert!(page.contains("gateway_disconnects_total{reason=\"malformed\"} 8\n"), "{page}");
}

/// A body that was answered is processed again when it comes again, as any frame that is sent twice.
#[tokio::test]
async fn a_body_that_is_sent_again_is_taken_again() {
    let gateway = gateway().await;
    let client = Poller::open(gateway.public()).await;
    client.join("1", "room:1").await;
    let say = json!(["1", "2", "room:1", "say", { "n": 1 }]);
    let body = [say];
    client.send(&body).await;
    client.send(&body).await;
    let messages = client.messages(4).await;
    assert_eq!(messages.iter().filter(|message| message[3] == "say").count(), 2, "{messages:?}");
    is_unharmed(&client).await;
}

#[tokio::test]
async fn many_requests_of_one_session_at_once_are_bounded() {
    let gateway = gateway().await;
    let bystander = Poller::open(gateway.public()).await;
    let client = Poller::open(gateway.public()).await;
    client.join("1", "room:1").await;
    let polls = futures_util::future::join_all((0..50).map(|_| client.get()));
    let bodies = futures_util::future::join_all((0..50).map(|n| {
        let body = json!(["1", n.to_string(), "room:1", "say", { "n": n }]).to_string();
        let client = &client;
        async move { client.post(LINES, &body).await }
    }));
    let (polled, posted) = tokio::join!(polls, bodies);
    for answer in &polled {
        assert!([200, 204].contains(&answer.json()["status"].as_u64().unwrap()), "{answer:?}");
    }
    for answer in &posted {
        assert!([200, 408].contains(&answer.json()["status"].as_u64().unwrap()), "{answer:?}");
    }
    is_unharmed(&bystander).await;
}

/// A body that never ends, or comes a byte at a time, holds its connection for a window and nothing else.
#[tokio::test]
async fn a_body_that_dribbles_is_400() {
    let gateway = gateway().await;
    let client = Poller::open(gateway.public()).await;
    let mut stream = TcpStream::connect(gateway.public()).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: {LINES}\r\ncontent-length: 100\r\n\r\n[",
        client.target()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, ""));
    is_unharmed(&client).await;
}

/// Without a good token, bodies are not even read.
#[tokio::test]
async fn a_large_body_for_no_session_is_answered_at_its_head() {
    let gateway = gateway().await;
    let mut stream = TcpStream::connect(gateway.public()).await.unwrap();
    let head =
        "POST /socket/longpoll?token=lp.a.b.c HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 1000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!(answer.body, "{\"status\":410}");
}

/// Bodies that are only announced take the places of their session and no others.
#[tokio::test]
async fn a_session_has_sixteen_bodies_read_at_a_time() {
    let gateway = gateway().await;
    let (client, other) = (Poller::open(gateway.public()).await, Poller::open(gateway.public()).await);
    let head = format!(
        "POST /socket/longpoll?token={} HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 1000\r\n\r\n",
        client.token
    );
    until(async || {
        let mut held = Vec::new();
        for _ in 0..16 {
            let mut stream = TcpStream::connect(gateway.public()).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            held.push(stream);
        }
        let mut stream = TcpStream::connect(gateway.public()).await.unwrap();
        stream.write_all(head.replace("1000", "2").as_bytes()).await.unwrap();
        stream.write_all(b"{}").await.unwrap();
        Answer::read(&mut stream).await.body == "{\"status\":408}"
    })
    .await;
    is_unharmed(&other).await;
}

/// Sessions that are opened and left are gone in time.
#[tokio::test]
async fn abandoned_sessions_leave_nothing_behind() {
    let gateway = gateway().await;
    let mut last = None;
    for _ in 0..50 {
        let client = last.insert(Poller::open(gateway.public()).await);
        client.send(&[json!(["1", "1", "room:1", "phx_join", {}])]).await;
    }
    until(async || {
        let page = metrics(gateway.internal()).await;
        page.contains("\ngateway_connections 0\n") && page.contains("\ngateway_channels_joined 0\n")
    })
    .await;
    assert_eq!(gateway.endpoint().subscribers("room:1"), 0);
    // The token is good, but a body for it is not read.
    let mut stream = TcpStream::connect(gateway.public()).await.unwrap();
    let head = format!(
        "POST /socket/longpoll?token={} HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 1000000000\r\n\r\n",
        last.unwrap().token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.body, "{\"status\":410}");
    let answer = request(gateway.public(), "GET", "/socket/longpoll?vsn=2.0.0", &[], "").await;
    assert_eq!(answer.json()["status"], 410);
}
