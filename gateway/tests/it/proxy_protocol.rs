//! The PROXY protocol on the public listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use gateway::{Mount, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Answer, Handshake, Recorder, TestGateway, connect_from, metrics};

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(10);
const SETTINGS: &str = "[listen]\nproxy_protocol = true\npublic = \"127.0.0.1:0\"\ninternal = \"127.0.0.1:0\"\n\
                        [socket]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";

/// A gateway that records; its settings hold the addresses already.
async fn start(limits: &str, socket: Recorder) -> gateway::Gateway {
    let config =
        gateway::config::Config::from_toml(gateway::config::Mode::Dev, &format!("{SETTINGS}{limits}")).unwrap();
    let mount = Mount::new("/socket", socket, Router::new());
    gateway::Gateway::builder(config).mount(mount).start().await.unwrap()
}

fn version_2(client: Ipv4Addr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(client.octets());
    header.extend([10, 0, 0, 1, 0, 80, 15, 160]);
    header
}

/// Sends a header and a handshake, and returns the answer if there is one.
async fn connect(
    address: SocketAddr,
    source: Ipv4Addr,
    header: &[u8],
    handshake: &Handshake,
) -> (Option<Answer>, TcpStream) {
    let mut stream = connect_from(source, address).await;
    stream.write_all(header).await.unwrap();
    stream.write_all(handshake.request().as_bytes()).await.unwrap();
    let mut first = [0];
    let is_closed = matches!(timeout(PATIENCE, stream.peek(&mut first)).await.expect("nothing came"), Ok(0) | Err(_));
    let answer = if is_closed { None } else { Some(Answer::read(&mut stream).await) };
    (answer, stream)
}

#[tokio::test]
async fn a_trusted_proxy_tells_where_a_client_is() {
    let (socket, mut shown) = Recorder::new();
    let gateway = start("", socket).await;
    let plain = Handshake::to("/socket/websocket");
    let forwarded = plain.clone().header("x-forwarded-for", "8.8.8.8");
    let v2 = version_2(Ipv4Addr::new(203, 0, 113, 9));
    let inner_proxy = version_2(Ipv4Addr::new(10, 1, 2, 3));
    for (header, handshake, expected) in [
        (&b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 4000\r\n"[..], &plain, "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::1 ::1 4711 4000\r\n", &plain, "2001:db8::1"),
        (&v2, &plain, "203.0.113.9"),
        // A health check of the proxy itself.
        (b"PROXY UNKNOWN\r\n", &plain, "127.0.0.1"),
        // Whoever wrote this: the proxy does not tell, so that nobody is believed.
        (b"PROXY UNKNOWN\r\n", &forwarded, "127.0.0.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", &forwarded, "127.0.0.1"),
        // The client claims to be behind a proxy, which it is not.
        (&v2, &forwarded, "203.0.113.9"),
        // A second trusted proxy, which speaks HTTP.
        (&inner_proxy, &forwarded, "8.8.8.8"),
    ] {
        let (answer, _open) = connect(gateway.public_addr(), PROXY, header, handshake).await;
        assert_eq!(answer.map(|answer| answer.status), Some(101), "{header:?}");
        let shown = shown.recv().await.unwrap();
        assert_eq!(shown.client_ip.to_string(), expected, "{header:?}");
        assert_eq!(shown.peer.ip(), PROXY);
    }
}

/// `check_origin = "conn"` compares with what the proxy says, and with nothing that a client says of itself.
#[tokio::test]
async fn the_origin_of_a_request_is_not_believed_without_an_address() {
    let (socket, _shown) = Recorder::new();
    let config = gateway::config::Config::from_toml(gateway::config::Mode::Dev, SETTINGS).unwrap();
    let mount = Mount::new("/socket", socket, Router::new()).check_origin(gateway::CheckOrigin::Conn);
    let gateway = gateway::Gateway::builder(config).mount(mount).start().await.unwrap();
    let handshake = Handshake::to("/socket/websocket")
        .header("origin", "https://evil.test")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil.test");
    let inner_proxy = version_2(Ipv4Addr::new(10, 1, 2, 3));
    for (header, status) in [(&b"PROXY UNKNOWN\r\n"[..], 403), (&inner_proxy, 101)] {
        let (answer, _open) = connect(gateway.public_addr(), PROXY, header, &handshake).await;
        assert_eq!(answer.map(|answer| answer.status), Some(status), "{header:?}");
    }
}

#[tokio::test]
async fn a_stranger_cannot_speak_for_others_and_a_proxy_cannot_be_silent() {
    let (socket, mut shown) = Recorder::new();
    let gateway = start("[limits]\nhandshake_timeout = \"300ms\"\n", socket).await;
    let (public, plain) = (gateway.public_addr(), Handshake::to("/socket/websocket"));
    let header = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 4000\r\n";
    let (answer, _) = connect(public, STRANGER, header, &plain).await;
    assert_eq!(answer.map(|answer| answer.status), Some(400), "it is no HTTP");
    let (answer, _) = connect(public, STRANGER, &version_2(PROXY), &plain).await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
    let (answer, _open) = connect(public, STRANGER, b"", &plain).await;
    assert_eq!(answer.map(|answer| answer.status), Some(101));
    assert_eq!(shown.recv().await.unwrap().client_ip, STRANGER);
    // Without a header, with half of one, and with a broken one.
    let (answer, _) = connect(public, PROXY, b"", &plain).await;
    assert!(answer.is_none(), "{answer:?}");
    let mut half = connect_from(PROXY, public).await;
    half.write_all(&header[..20]).await.unwrap();
    let end = timeout(PATIENCE, half.read(&mut [0; 16])).await.expect("it is not cut");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let (answer, _) = connect(public, PROXY, b"PROXY TCP4 203.0.113.999 127.0.0.1 4711 4000\r\n", &plain).await;
    assert!(answer.is_none(), "{answer:?}");
    let page = metrics(gateway.internal_addr()).await;
    assert!(page.contains("\ngateway_connects_total{result=\"proxy_header\"} 3\n"), "{page}");
    assert!(shown.try_recv().is_err());
}

#[tokio::test]
async fn the_limits_go_by_the_client_of_the_header() {
    let (socket, _shown) = Recorder::new();
    let gateway = start("[limits]\nconnections_per_ip = 1\n", socket).await;
    let (public, plain) = (gateway.public_addr(), Handshake::to("/socket/websocket"));
    let status = async |client: &str| {
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4711 4000\r\n");
        let (answer, open) = connect(public, PROXY, header.as_bytes(), &plain).await;
        (answer.map(|answer| answer.status), open)
    };
    let (first, _held) = status("192.0.2.1").await;
    let (second, _) = status("192.0.2.1").await;
    let (other, _) = status("192.0.2.2").await;
    assert_eq!((first, second, other), (Some(101), Some(429), Some(101)));
}

#[tokio::test]
async fn it_needs_to_be_told_whom_to_trust() {
    let config = gateway::config::Config::from_toml(gateway::config::Mode::Dev, "[listen]\nproxy_protocol = true\n");
    assert!(config.unwrap_err().to_string().contains("`listen.proxy_protocol` needs"));
    // The ordinary listener takes no header from anybody.
    let (socket, _shown) = Recorder::new();
    let gateway = TestGateway::with_mounts([Mount::new("/socket", socket, Router::new())]).await;
    let header = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 4000\r\n";
    let (answer, _) = connect(gateway.public(), PROXY, header, &Handshake::to("/socket/websocket")).await;
    assert_eq!(answer.map(|answer| answer.status), Some(400));
}
