//! TLS on the public listener, and certificates that are replaced while it serves.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Certificate, Handshake, Pod, Scratch, connect_from, metrics, run, until};

const PATIENCE: Duration = Duration::from_secs(10);

/// Connects by TLS and trusts one certificate.
async fn connect_tls(address: SocketAddr, trusted: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    connect_offering(&[], address, trusted).await
}

/// The same, with protocols that the client would speak.
async fn connect_offering(
    protocols: &[&[u8]],
    address: SocketAddr,
    trusted: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("no TLS handshake")
}

/// A WebSocket over TLS.
struct Secure(WebSocketStream<TlsStream<TcpStream>>);

impl Secure {
    async fn connect(pod: &Pod, trusted: &[u8]) -> Self {
        let stream = connect_tls(pod.public, trusted).await.unwrap();
        let (socket, _) = client_async("wss://localhost/socket/websocket?vsn=2.0.0", stream).await.unwrap();
        Self(socket)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let message = timeout(PATIENCE, self.0.next()).await.expect("nothing came").unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn join(&mut self, topic: &str) {
        self.send(json!(["1", "1", topic, "phx_join", {}])).await;
        assert_eq!(self.next().await[4]["status"], "ok");
    }

    /// A push is answered and comes back.
    async fn is_served(&mut self, topic: &str) {
        self.send(json!(["1", "2", topic, "say", { "ü": 1 }])).await;
        assert_eq!(self.next().await, json!([null, null, topic, "say", { "ü": 1 }]));
        assert_eq!(self.next().await[4]["status"], "ok");
    }
}

/// A gateway with a certificate, and a directory for more of them.
async fn start(settings: &str) -> (Pod, Certificate, Scratch) {
    let scratch = Scratch::new();
    let certificate = Certificate::make(&scratch, "served");
    let settings = format!("idle_timeout = \"30s\"\n{}{settings}", certificate.settings());
    (Pod::serve(&scratch, &settings, &[]).await, certificate, scratch)
}

/// A browser that was offered HTTP/2 might try to carry its WebSockets in it (docs/adr/0007).
#[tokio::test]
async fn browsers_are_never_offered_http_2() {
    let (pod, files, _scratch) = start("").await;
    let trusted = fs::read(&files.certificate).unwrap();
    let stream = connect_offering(&[b"h2", b"http/1.1"], pod.public, &trusted).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(connect_offering(&[b"h2"], pod.public, &trusted).await.is_err());
}

#[tokio::test]
async fn clients_talk_over_tls_and_are_closed_in_order() {
    let (pod, files, _scratch) = start("").await;
    let trusted = fs::read(&files.certificate).unwrap();
    let mut client = Secure::connect(&pod, &trusted).await;
    client.join("room:1").await;
    client.is_served("room:1").await;
    // The internal listener speaks plain HTTP as before.
    pod.until_metric("gateway_connections", "", |count| count == 1.0).await;
    pod.process.signal("-TERM");
    let last = timeout(PATIENCE, client.0.next()).await.expect("nothing came").unwrap().unwrap();
    let Message::Close(Some(frame)) = last else { panic!("{last:?}") };
    assert_eq!(u16::from(frame.code), 1012);
    drop(client);
    assert_eq!(pod.process.ended().await.code, Some(0));
}

/// What TLS itself has taken and not sent yet must follow as soon as the client reads again.
#[tokio::test]
async fn much_at_once_comes_whole_to_a_client_that_reads_late() {
    const COUNT: usize = 40;
    let (pod, files, _scratch) = start("[limits]\noutbox_bytes = \"64MiB\"\n").await;
    let trusted = fs::read(&files.certificate).unwrap();
    let mut client = Secure::connect(&pod, &trusted).await;
    client.join("room:1").await;
    let payload = json!({ "data": "x".repeat(200_000) });
    for _ in 0..COUNT {
        pod.broadcast("room:1", "big", &payload).await;
    }
    for _ in 0..COUNT {
        let frame = client.next().await;
        assert_eq!((&frame[3], &frame[4]), (&json!("big"), &payload));
    }
    client.is_served("room:1").await;
}

#[tokio::test]
async fn a_new_certificate_is_served_and_a_bad_one_is_not() {
    let (pod, files, scratch) = start("").await;
    let old = fs::read(&files.certificate).unwrap();
    let mut before = Secure::connect(&pod, &old).await;
    before.join("room:1").await;
    // A pair that does not belong together: as when only one of the two files has been written yet.
    let next = Certificate::make(&scratch, "next");
    fs::copy(&next.certificate, &files.certificate).unwrap();
    let warning = "the new TLS certificate cannot be used; the old one stays in use";
    until(async || pod.process.stderr().contains(warning)).await;
    assert!(connect_tls(pod.public, &old).await.is_ok());
    // The other file follows.
    fs::copy(&next.key, &files.key).unwrap();
    let new = fs::read(&next.certificate).unwrap();
    until(async || connect_tls(pod.public, &new).await.is_ok()).await;
    assert!(connect_tls(pod.public, &old).await.is_err(), "the old one is not served any more");
    let mut after = Secure::connect(&pod, &new).await;
    after.join("room:2").await;
    before.is_served("room:1").await;
    // Files that are gone, and no certificates at all.
    fs::remove_file(&files.key).unwrap();
    until(async || pod.process.stderr().contains("cannot read")).await;
    fs::write(&files.key, "no key").unwrap();
    until(async || pod.process.stderr().contains("holds no private key in PEM")).await;
    assert!(connect_tls(pod.public, &new).await.is_ok());
    let stderr = pod.process.stderr();
    assert_eq!(stderr.matches(warning).count(), 3, "each bad pair is told of once: {stderr}");
    let key = fs::read_to_string(&next.key).unwrap();
    assert!(!stderr.contains(key.lines().nth(1).unwrap()));
}

#[tokio::test]
async fn a_tls_handshake_has_its_time_and_what_is_none_is_closed() {
    let (pod, files, _scratch) = start("[limits]\nhandshake_timeout = \"400ms\"\nconnections_per_ip = 3\n").await;
    let closed = async |mut stream: TcpStream| {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it stays open");
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP"), "{rest:?}");
        end
    };
    // Silent, dribbling, and plain HTTP.
    let silent = connect_from([127, 0, 0, 1].into(), pod.public).await;
    let mut dribbling = connect_from([127, 0, 0, 1].into(), pod.public).await;
    dribbling.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    let mut plain = connect_from([127, 0, 0, 1].into(), pod.public).await;
    // Nothing else of this address until they are gone: its limit counts what has not shaken hands, too.
    let refused = connect_from([127, 0, 0, 1].into(), pod.public).await;
    let _reset = closed(refused).await;
    plain.write_all(Handshake::to("/socket/websocket").request().as_bytes()).await.unwrap();
    for stream in [silent, dribbling, plain] {
        let _end = closed(stream).await;
    }
    pod.until_metric("gateway_connects_total", "\"tls\"", |count| count == 3.0).await;
    // After its TLS handshake a client has what is left of the time for its request.
    let trusted = fs::read(&files.certificate).unwrap();
    let mut late = connect_tls(pod.public, &trusted).await.unwrap();
    late.write_all(b"GET /socket").await.unwrap();
    let end = timeout(PATIENCE, late.read_to_end(&mut Vec::new())).await.expect("it stays open");
    assert!(end.is_ok() || end.is_err());
    let page = metrics(pod.internal).await;
    assert!(page.contains("\ngateway_connections 0\n"), "{page}");
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_check_and_at_the_start() {
    let scratch = Scratch::new();
    let (one, other) = (Certificate::make(&scratch, "one"), Certificate::make(&scratch, "other"));
    let empty = scratch.file("empty.pem", "");
    for (certificate, key, expected) in [
        (&one.certificate, &other.key, "cannot be used together"),
        (&one.key, &one.key, "holds no certificate in PEM"),
        (&one.certificate, &one.certificate, "holds no private key in PEM"),
        (&empty, &one.key, "holds no certificate in PEM"),
        (&"/nowhere/tls.crt".to_owned(), &one.key, "cannot read /nowhere/tls.crt"),
    ] {
        let mixed = Certificate { certificate: certificate.clone(), key: key.clone() };
        let config = scratch.file("gateway.toml", &Pod::config(&mixed.settings()));
        for command in ["check", "serve"] {
            let addresses = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
            let ended = run(&[&[command, "--config", &config][..], &addresses].concat()).await;
            assert_eq!(ended.code, Some(78), "{ended:?}");
            assert!(ended.stderr.contains(expected) && ended.stderr.contains("listen.tls_cert_file"), "{ended:?}");
            assert!(!ended.stderr.contains("PRIVATE KEY"), "{ended:?}");
        }
    }
    let half = scratch.file("half.toml", &Pod::config("[listen]\ntls_cert_file = \"x\"\n"));
    let ended = run(&["check", "--config", &half]).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("`listen.tls_key_file` is missing"), "{ended:?}");
}
