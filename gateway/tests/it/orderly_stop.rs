use std::time::{Duration, Instant};

use gateway::{Channel, Context, Ended, JoinContext, JoinResult, Mount, Payload, Router};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{OpenSocket, Pod, RedisServer, Scratch, TestGateway, relay_router, request};

/// A time within which a gateway with well-behaved clients has stopped for sure.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test]
async fn row_060_every_socket_is_closed_with_1012_and_the_exit_code_is_0() {
    let pod = Pod::dev().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = pod.connect().await;
        client.join("1", "room:1").await;
        clients.push(client);
    }
    let begun = Instant::now();
    pod.process.signal("-TERM");
    for client in &mut clients {
        assert_eq!(client.closed().await, Some(1012));
    }
    drop(clients);
    let public = pod.public;
    let ended = pod.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(TcpStream::connect(public).await.is_err());
}

#[tokio::test]
async fn while_it_stops_it_is_unready_and_takes_nobody_new() {
    let pod = Pod::dev().await;
    let mut held = pod.connect().await;
    held.join("1", "room:1").await;
    pod.process.signal("-TERM");
    // The close frame is out, and is not answered before this test goes on: the stop waits for that.
    assert_eq!(held.closed().await, Some(1012));
    assert_eq!(pod.get("/readyz").await.status, 503);
    assert_eq!(pod.get("/livez").await.status, 200);
    assert!(TcpStream::connect(pod.public).await.is_err(), "new connections are refused");
    drop(held);
    assert_eq!(pod.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_client_that_never_answers_the_close_does_not_hold_the_stop() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "[drain]\ntimeout = \"1s\"\n", &[]).await;
    let silent = pod.connect().await;
    // Nor does one that has only opened a connection, or has sent half a request.
    let _idle = TcpStream::connect(pod.public).await.unwrap();
    let half = TcpStream::connect(pod.public).await.unwrap();
    half.writable().await.unwrap();
    half.try_write(b"GET /socket/websocket HTTP/1.1\r\nhost:").unwrap();
    let begun = Instant::now();
    pod.process.signal("-TERM");
    let ended = pod.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    drop(silent);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let pod = Pod::dev().await;
    let mut silent = pod.connect().await;
    silent.join("1", "room:1").await;
    pod.process.signal("-TERM");
    assert_eq!(silent.closed().await, Some(1012));
    let begun = Instant::now();
    pod.process.signal("-INT");
    let ended = pod.process.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_open_stream_of_events_does_not_hold_the_stop() {
    let pod = Pod::dev().await;
    let mut tail = TcpStream::connect(pod.internal).await.unwrap();
    let head = format!("GET /api/v1/topics/t/events HTTP/1.1\r\nhost: {}\r\n\r\n", pod.internal);
    tokio::io::AsyncWriteExt::write_all(&mut tail, head.as_bytes()).await.unwrap();
    tail.readable().await.unwrap();
    let begun = Instant::now();
    pod.process.signal("-TERM");
    assert_eq!(pod.process.ended().await.code, Some(0));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// Says goodbye to its topic.
#[derive(Default)]
struct Polite;

impl Channel for Polite {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn terminate(&mut self, _reason: Ended, cx: &mut Context) {
        cx.broadcast("left", Payload::empty()).await.unwrap();
    }
}

#[tokio::test]
async fn channels_can_still_broadcast_while_they_end() {
    let redis = RedisServer::start();
    let start = async || {
        let settings = format!("[redis]\nurl = \"{}\"\n", redis.url());
        let routes = Router::new().channel("room:*", || Polite).unwrap();
        TestGateway::with_config(&settings, [Mount::new("/socket", OpenSocket, routes)]).await
    };
    let (ending, staying) = (start().await, start().await);
    let mut alice = ending.connect().await;
    alice.join("1", "room:1").await;
    let mut bob = staying.connect().await;
    bob.join("1", "room:1").await;
    let (drained, ()) = tokio::join!(ending.shutdown(), async move {
        assert_eq!(alice.closed().await, Some(1012));
        drop(alice);
    });
    assert!(drained);
    assert_eq!(bob.next().await, json!([null, null, "room:1", "left", {}]));
    assert_eq!(request(staying.internal(), "GET", "/readyz", &[], "").await.status, 200);
    drop(bob);
    assert!(staying.shutdown().await);
}

#[tokio::test]
async fn row_061_how_long_a_drain_may_take_is_a_setting_and_0s_waits_for_nobody() {
    for (timeout, waited) in [("0s", false), ("30s", true)] {
        let mounts = [Mount::new("/socket", OpenSocket, relay_router())];
        let gateway = TestGateway::with_config(&format!("[drain]\ntimeout = \"{timeout}\"\n"), mounts).await;
        let mut client = gateway.connect().await;
        client.join("1", "room:1").await;
        assert_eq!(gateway.shutdown().await, waited, "{timeout}");
    }
}
