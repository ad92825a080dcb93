//! A stop in its parts: the delay, the batches, what is still answered, and what cannot hold it.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use gateway::{Channel, Context, HandlerResult, JoinContext, JoinResult, Mount, Outcome, Payload, Router};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::{Handshake, Lab, OpenSocket, Pod, RedisServer, Scratch, TestGateway, ok, relay_router, until};

const V2: &str = "/socket/websocket?vsn=2.0.0";

#[tokio::test]
async fn for_the_delay_it_is_unready_and_still_takes_clients() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "[drain]\ndelay = \"2s\"\ntimeout = \"20s\"\n", &[]).await;
    let mut old = pod.connect().await;
    old.join("1", "room:1").await;
    let begun = Instant::now();
    pod.process.signal("-TERM");
    pod.until_readyz(503).await;
    assert_eq!(pod.metric("gateway_draining", "").await, 1.0);
    // A balancer that does not know yet sends one more, who is served like everybody else.
    let mut new = pod.connect().await;
    new.join("1", "room:1").await;
    new.send(json!(["1", "2", "room:1", "say", { "n": 1 }])).await;
    new.expect_broadcast_then_ok("say", "2").await;
    assert_eq!(old.next().await[3], "say");
    assert!(begun.elapsed() < Duration::from_secs(2), "the machine is too slow for this test: {:?}", begun.elapsed());
    for client in [&mut old, &mut new] {
        assert_eq!(client.closed().await, Some(1012));
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    drop((old, new));
    let ended = pod.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn a_second_signal_skips_the_delay() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "[drain]\ndelay = \"60s\"\ntimeout = \"90s\"\n", &[]).await;
    pod.process.signal("-TERM");
    pod.until_readyz(503).await;
    pod.process.signal("-TERM");
    assert_eq!(pod.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn requests_on_connections_that_were_open_are_answered_503() {
    let pod = Pod::dev().await;
    let mut held = pod.connect().await;
    held.join("1", "room:1").await;
    // One that has sent no request yet when the stop begins.
    let mut waiting = TcpStream::connect(pod.public).await.unwrap();
    waiting.writable().await.unwrap();
    let half = Handshake::to(V2).request();
    let (first, second) = half.split_at(20);
    waiting.try_write(first.as_bytes()).unwrap();
    // A request after it is answered after the gateway has taken that connection.
    assert_ne!(Handshake::plain("GET", "/nowhere").send(pod.public).await.status, 503);
    pod.process.signal("-TERM");
    assert_eq!(held.closed().await, Some(1012));
    waiting.try_write(second.as_bytes()).unwrap();
    let answer = crate::support::Answer::read(&mut waiting).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(pod.metric("gateway_connects_total", "draining").await, 1.0);
    drop((held, waiting));
    assert_eq!(pod.process.ended().await.code, Some(0));
}

#[tokio::test]
async fn sockets_are_closed_in_batches() {
    const SOCKETS: usize = 12;
    let settings = "[drain]\nbatch = 3\ninterval = \"200ms\"\ntimeout = \"60s\"\n";
    let mounts = [Mount::new("/socket", OpenSocket, relay_router())];
    let gateway = TestGateway::with_config(settings, mounts).await;
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        clients.push(gateway.connect().await);
    }
    let begun = Instant::now();
    let closed = clients.into_iter().map(async |mut client| {
        assert_eq!(client.closed().await, Some(1012));
        begun.elapsed()
    });
    let (drained, mut closed) = tokio::join!(gateway.shutdown(), futures_util::future::join_all(closed));
    assert!(drained);
    closed.sort();
    // Between four batches are three pauses, each a quarter shorter or longer.
    let pauses: Vec<_> = closed.chunks(3).zip(closed.chunks(3).skip(1)).map(|(one, next)| next[0] - one[0]).collect();
    assert_eq!(pauses.len(), 3, "{closed:?}");
    let least = Duration::from_millis(150 * 3 - 30);
    assert!(pauses.iter().sum::<Duration>() >= least, "{closed:?}");
}

#[tokio::test]
async fn those_who_leave_by_themselves_do_not_hold_the_batches() {
    let settings = "[drain]\nbatch = 1\ninterval = \"400ms\"\ntimeout = \"120s\"\n";
    let mounts = [Mount::new("/socket", OpenSocket, relay_router())];
    let gateway = TestGateway::with_config(settings, mounts).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(gateway.connect().await);
    }
    let begun = Instant::now();
    let (drained, ()) = tokio::join!(gateway.shutdown(), async move { drop(clients) });
    assert!(drained);
    assert!(begun.elapsed() < Duration::from_secs(10), "twenty seconds' worth of pauses: {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_close() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    let Lab { gateway, gate, .. } = lab;
    let (drained, ()) = tokio::join!(gateway.shutdown(), async move {
        // The stop has begun, as nobody new is taken.
        gate.add_permits(1);
        assert_eq!(client.next().await, ok("1", "2", "lab:1"));
        assert_eq!(client.closed().await, Some(1012));
        drop(client);
    });
    assert!(drained);
}

#[tokio::test]
async fn a_join_under_way_is_answered_before_the_close() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["1", "1", "lab:1", "phx_join", { "join": "wait" }])).await;
    lab.waiting().await;
    let Lab { gateway, gate, .. } = lab;
    let (drained, ()) = tokio::join!(gateway.shutdown(), async move {
        gate.add_permits(1);
        assert_eq!(client.next().await, ok("1", "1", "lab:1"));
        assert_eq!(client.closed().await, Some(1012));
        drop(client);
    });
    assert!(drained);
}

/// Keeps its worker thread for itself until it is let go.
#[derive(Clone)]
struct Stuck {
    held: Arc<Semaphore>,
    release: Arc<Barrier>,
}

impl Channel for Stuck {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _event: &str, _payload: Payload, _cx: &mut Context) -> HandlerResult {
        self.held.add_permits(1);
        self.release.wait();
        Ok(Outcome::ok())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_that_never_returns_does_not_hold_the_stop() {
    let (held, release) = (Arc::new(Semaphore::new(0)), Arc::new(Barrier::new(2)));
    let stuck = Stuck { held: held.clone(), release: release.clone() };
    let routes = Router::new().channel("stuck:*", move || stuck.clone()).unwrap();
    let mounts = [Mount::new("/socket", OpenSocket, routes)];
    let gateway = TestGateway::with_config("[drain]\ntimeout = \"1s\"\n", mounts).await;
    let mut client = gateway.connect().await;
    client.join("1", "stuck:1").await;
    client.send(json!(["1", "2", "stuck:1", "hang", {}])).await;
    held.acquire().await.unwrap().forget();
    let begun = Instant::now();
    assert!(!gateway.shutdown().await, "not all ended by itself");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    tokio::task::spawn_blocking(move || release.wait()).await.unwrap();
}

#[tokio::test]
async fn its_lease_is_gone_when_it_has_stopped() {
    let redis = RedisServer::start();
    let (scratch, url) = ([Scratch::new(), Scratch::new()], redis.url());
    let settings = "[drain]\ndelay = \"0s\"\n";
    let stopping = Pod::serve(&scratch[0], settings, &["--redis-url", &url]).await;
    let staying = Pod::serve(&scratch[1], settings, &["--redis-url", &url]).await;
    let nodes = async || staying.get("/api/v1/nodes").await.json()["nodes"].as_array().unwrap().len();
    until(async || nodes().await == 2).await;
    stopping.process.signal("-TERM");
    assert_eq!(stopping.process.ended().await.code, Some(0));
    assert_eq!(nodes().await, 1);
}
