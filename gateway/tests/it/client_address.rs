//! Where a client is, and what it may say about that.

use std::net::{IpAddr, Ipv4Addr};

use gateway::{CheckOrigin, Mount, Router};

use crate::support::{Handshake, OpenSocket, Recorder, TestGateway};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TRUSTED: &str = "[socket]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";

#[tokio::test]
async fn only_a_trusted_proxy_tells_where_a_client_is() {
    let client = "203.0.113.9";
    for (settings, source, forwarded, expected) in [
        (TRUSTED, ONE, &[client][..], client),
        (TRUSTED, ONE, &["203.0.113.9, 10.1.2.3"], client),
        (TRUSTED, ONE, &["203.0.113.9", "10.1.2.3"], client),
        (TRUSTED, ONE, &[], "127.0.0.1"),
        // Spoofed.
        ("", ONE, &[client], "127.0.0.1"),
        (TRUSTED, OTHER, &[client], "127.0.0.2"),
        (TRUSTED, OTHER, &["10.1.2.3"], "127.0.0.2"),
        (TRUSTED, ONE, &["8.8.8.8, 203.0.113.9"], client),
        (TRUSTED, ONE, &["10.9.9.9, 8.8.8.8, 203.0.113.9, 10.1.2.3"], client),
        (TRUSTED, ONE, &["203.0.113.9, nonsense"], "127.0.0.1"),
    ] {
        let (socket, mut shown) = Recorder::new();
        let gateway = TestGateway::with_config(settings, [Mount::new("/socket", socket, Router::new())]).await;
        let mut handshake =
            Handshake::to("/socket/websocket").header("forwarded", "for=8.8.8.8").header("x-real-ip", "8.8.8.8");
        for line in forwarded {
            handshake = handshake.header("x-forwarded-for", line);
        }
        let (answer, _open) = handshake.open(source, gateway.public()).await;
        assert_eq!(answer.status, 101);
        let shown = shown.recv().await.unwrap();
        assert_eq!(shown.client_ip.to_string(), expected, "{settings:?} {source} {forwarded:?}");
        assert_eq!(shown.peer.ip(), IpAddr::V4(source), "the TCP connection is where it is");
    }
}

/// Behind a proxy that ends TLS, `check_origin = "conn"` compares with what the browser asked for.
#[tokio::test]
async fn the_origin_of_a_request_is_believed_from_trusted_proxies() {
    let mount = || Mount::new("/socket", OpenSocket, Router::new()).check_origin(CheckOrigin::Conn);
    let gateway = TestGateway::with_config(TRUSTED, [mount()]).await;
    let proxied = |proto: &str, host: &str| {
        let handshake = Handshake::to("/socket/websocket").header("origin", "https://chat.example");
        handshake.header("x-forwarded-proto", proto).header("x-forwarded-host", host)
    };
    for (source, proto, host, status) in [
        (ONE, "https", "chat.example", 101),
        (ONE, "https", "chat.example:443", 101),
        (ONE, "http, https", "evil.example, chat.example", 101),
        (ONE, "http", "chat.example", 403),
        (ONE, "https", "evil.example", 403),
        (ONE, "https, http", "chat.example", 403),
        // Spoofed: whoever is no proxy is compared with what it really asked for.
        (OTHER, "https", "chat.example", 403),
    ] {
        let (answer, _open) = proxied(proto, host).open(source, gateway.public()).await;
        assert_eq!(answer.status, status, "{source} {proto} {host}");
    }
    // The proxy passes the host on as it came.
    let passed_on = proxied("https", "").instead("x-forwarded-host", None).instead("host", Some("chat.example"));
    assert_eq!(passed_on.send(gateway.public()).await.status, 101);
}
