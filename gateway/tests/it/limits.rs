//! How many connections a pod and an address may have, and how fast they may come.

use std::net::Ipv4Addr;
use std::time::Duration;

use gateway::{Mount, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{
    Answer, Client, Handshake, OpenSocket, Pod, Recorder, Scratch, TestGateway, connect_from, metrics, until,
};

const V2: &str = "/socket/websocket?vsn=2.0.0";
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(10);

async fn gateway(settings: &str) -> TestGateway {
    TestGateway::with_config(settings, [Mount::new("/socket", OpenSocket, Router::new())]).await
}

async fn open(gateway: &TestGateway, source: Ipv4Addr) -> (Answer, TcpStream) {
    Handshake::to(V2).open(source, gateway.public()).await
}

async fn has_metric(gateway: &TestGateway, line: &str) -> bool {
    metrics(gateway.internal()).await.lines().any(|found| found == line)
}

#[tokio::test]
async fn a_full_pod_answers_503_and_stays_ready() {
    let gateway = gateway("[limits]\nconnections = 2\n").await;
    let (first, held) = open(&gateway, ONE).await;
    let (second, _held_too) = open(&gateway, OTHER).await;
    assert_eq!((first.status, second.status), (101, 101));
    let (refused, _) = open(&gateway, OTHER).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert_eq!(refused.body, "the pod has as many connections as it may");
    assert!(has_metric(&gateway, "gateway_connects_total{result=\"connections\"} 1").await);
    assert_eq!(Handshake::plain("GET", "/readyz").send(gateway.internal()).await.status, 200);
    drop(held);
    until(async || open(&gateway, ONE).await.0.status == 101).await;
}

#[tokio::test]
async fn an_address_has_its_own_number_of_connections() {
    let gateway = gateway("[limits]\nconnections_per_ip = 2\n").await;
    let (first, held) = open(&gateway, ONE).await;
    let (second, _held_too) = open(&gateway, ONE).await;
    assert_eq!((first.status, second.status), (101, 101));
    let (refused, _) = open(&gateway, ONE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("10")));
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(has_metric(&gateway, "gateway_connects_total{result=\"connections_per_ip\"} 1").await);
    let (other, _held_elsewhere) = open(&gateway, OTHER).await;
    assert_eq!(other.status, 101, "another address is not concerned");
    drop(held);
    until(async || open(&gateway, ONE).await.0.status == 101).await;
}

/// Who opens TCP connections and asks for nothing holds them against its own limit, and only for the handshake's time.
#[tokio::test]
async fn connections_without_a_handshake_are_counted() {
    let gateway = gateway("[limits]\nconnections_per_ip = 2\nhandshake_timeout = \"500ms\"\n").await;
    let (_silent, mut dribbling) =
        (connect_from(ONE, gateway.public()).await, connect_from(ONE, gateway.public()).await);
    dribbling.write_all(b"GET /socket").await.unwrap();
    let (refused, _) = open(&gateway, ONE).await;
    assert_eq!(refused.status, 429);
    assert_eq!(open(&gateway, OTHER).await.0.status, 101);
    until(async || open(&gateway, ONE).await.0.status == 101).await;
}

#[tokio::test]
async fn an_address_connects_at_its_own_rate() {
    let (socket, mut shown) = Recorder::new();
    let mount = Mount::new("/socket", socket, Router::new());
    let gateway = TestGateway::with_config("[limits]\nconnects_per_second = 1\n", [mount]).await;
    // What is refused for another reason is an attempt, too.
    let bad = Handshake::to("/socket/websocket?vsn=9.9.9");
    for _ in 0..4 {
        assert_eq!(bad.send(gateway.public()).await.status, 403);
    }
    let (fifth, mut kept) = Handshake::to("/socket/websocket?vsn=9.9.9").open(ONE, gateway.public()).await;
    assert_eq!(fifth.status, 403);
    // Both ways to try once more: a new connection, and a request on an open one.
    let (refused, _) = open(&gateway, ONE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    let again = Handshake::to(V2).send_on(&mut kept).await;
    assert_eq!((again.status, again.header("retry-after")), (429, Some("1")));
    assert!(shown.try_recv().is_err(), "nobody was asked who it is");
    assert!(has_metric(&gateway, "gateway_connects_total{result=\"connects_per_second\"} 2").await);
    assert_eq!(open(&gateway, OTHER).await.0.status, 101);
    shown.recv().await.unwrap();
    // It may again as soon as a second has passed.
    until(async || open(&gateway, ONE).await.0.status == 101).await;
}

/// A flood that does not even ask: few of its connections are answered at a time, the others are closed at once.
#[tokio::test]
async fn a_flood_is_shed() {
    let gateway = gateway("[limits]\nconnections_per_ip = 1\n").await;
    let (_, _held) = open(&gateway, ONE).await;
    let (mut flood, mut ended) = (Vec::new(), 0);
    for _ in 0..200 {
        // Some are reset before this side has seen that they were accepted.
        match TcpStream::connect(gateway.public()).await {
            Ok(stream) => flood.push(stream),
            Err(_reset) => ended += 1,
        }
    }
    // The other client is served while they hang.
    assert_eq!(open(&gateway, OTHER).await.0.status, 101);
    for mut stream in flood {
        // Reset at once, or after a second for those that were waited for.
        let read = timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("it stays open");
        ended += usize::from(matches!(read, Ok(0) | Err(_)));
    }
    assert_eq!(ended, 200);
    let page = metrics(gateway.internal()).await;
    let count = |label: &str| {
        let name = format!("gateway_connects_total{{result=\"{label}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u32>().unwrap()
    };
    let (shed, refused) = (count("shed"), count("connections_per_ip"));
    assert_eq!(shed + refused, 200);
    assert!(shed >= 200 - 2 * 64, "{shed} of 200 were shed");
}

#[tokio::test]
async fn behind_a_proxy_the_limits_go_by_the_client() {
    let settings = "[socket]\ntrusted_proxies = [\"127.0.0.1\"]\n[limits]\nconnections_per_ip = 1\nconnections = 2\n";
    let gateway = gateway(settings).await;
    let through = |client: &str| Handshake::to(V2).header("x-forwarded-for", client);
    let (first, held) = through("192.0.2.1").open(ONE, gateway.public()).await;
    assert_eq!(first.status, 101);
    assert_eq!(through("8.8.8.8, 192.0.2.1").send(gateway.public()).await.status, 429, "it cannot claim another");
    let (second, _held_too) = through("2001:db8::1").open(ONE, gateway.public()).await;
    assert_eq!(second.status, 101);
    assert_eq!(through("2001:db8::2").send(gateway.public()).await.status, 429, "the same /64");
    assert_eq!(through("192.0.2.3").send(gateway.public()).await.status, 503);
    drop(held);
    until(async || through("192.0.2.3").send(gateway.public()).await.status == 101).await;
}

/// One line with counts, however many were refused, and nothing of the clients in it.
#[tokio::test]
async fn the_log_tells_of_refusals_once_in_a_while() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "[limits]\nconnects_per_second = 1\nmessages_per_second = 1\n", &[]).await;
    let mut client = Client::connect(&format!("ws://{}{V2}", pod.public)).await;
    for _ in 0..4 {
        client.send(serde_json::json!([null, null, "room:1", "event", {}])).await;
    }
    let refused = async || Handshake::to(V2).open(OTHER, pod.public).await.0.status == 429;
    until(async || refused().await).await;
    for _ in 0..20 {
        assert!(refused().await);
    }
    let lines = || {
        let stderr = pod.process.stderr();
        stderr.lines().filter(|line| line.contains("the limits refused clients")).map(str::to_owned).collect::<Vec<_>>()
    };
    until(async || !lines().is_empty()).await;
    let line = lines().remove(0);
    assert!(line.contains("WARN") && line.contains("connects_per_second="), "{line}");
    assert!(!line.contains("127.0.0"), "{line}");
    // Later refusals wait for the next line.
    assert!(refused().await || refused().await);
    pod.until_metric("gateway_messages_rate_limited_total", "", |count| count == 3.0).await;
    assert_eq!(lines().len(), 1);
}
