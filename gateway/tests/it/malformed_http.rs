//! What is no handshake, or none that ends: it is refused or cut, and nobody else notices.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::{Handshake, RawFrame, RawSocket, Room, frame};

const V2: &str = "/socket/websocket?vsn=2.0.0";

const TEXT: u8 = 0x81;

/// Nothing that a test waits for takes so long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_is_no_http_is_refused_and_closed() {
    let mut room = Room::new().await;
    let long_line = format!("GET {V2} HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    let many_lines = format!("GET {V2} HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(100_000));
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello hello hello\r\n\r\n";
    let frames = frame(TEXT, b"[null,\"1\",\"phoenix\",\"heartbeat\",{}]\r\n\r\n");
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        tls,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /socket/websocket HTTP/1.1\r\nno colon\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frames,
        long_line.as_bytes(),
        many_lines.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(room.gateway.public()).await.unwrap();
        // It may be cut while it is being sent.
        let _cut = stream.write_all(garbage).await;
        let mut answer = Vec::new();
        let _reset = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("not closed");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        room.is_unharmed().await;
    }
    // The listener goes on, for those who know what they want.
    assert_eq!(Handshake::to(V2).send(room.gateway.public()).await.status, 101);
    room.ends_unharmed().await;
}

/// Requests that are no handshakes: who sends one after the other, and who sends many and reads no answer, would else hold
/// a connection and its buffers for ever.
#[tokio::test]
async fn who_stays_at_http_is_cut() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nhost: gateway.test\r\n\r\n";
    let room = Room::with_config("[limits]\nhandshake_timeout = \"300ms\"\n").await;
    let mut open = RawSocket::connect(room.gateway.public(), V2).await;
    let busy = async {
        let mut stream = TcpStream::connect(room.gateway.public()).await.unwrap();
        let (begin, mut answer) = (Instant::now(), [0; 1024]);
        // Each is answered before the next is sent, so that no head is late.
        while stream.write_all(REQUEST).await.is_ok() && matches!(stream.read(&mut answer).await, Ok(1..)) {
            tokio::time::sleep(TIMEOUT / 10).await;
        }
        begin.elapsed()
    };
    let deaf = async {
        let mut stream = TcpStream::connect(room.gateway.public()).await.unwrap();
        let begin = Instant::now();
        let many = REQUEST.repeat(1000);
        while stream.write_all(&many).await.is_ok() {}
        begin.elapsed()
    };
    let (busy, deaf) = timeout(PATIENCE, async { tokio::join!(busy, deaf) }).await.expect("not cut");
    assert!(busy >= 2 * TIMEOUT && deaf >= 2 * TIMEOUT, "{busy:?} {deaf:?}");
    // An open WebSocket does not speak HTTP any more: it stays.
    open.send(&frame(TEXT, b"[null,\"1\",\"phoenix\",\"heartbeat\",{}]")).await;
    assert!(matches!(open.next().await, RawFrame::Text(_)));
    drop(open);
    room.ends_unharmed().await;
}

#[tokio::test]
async fn the_head_of_a_handshake_has_a_limit() {
    let room = Room::new().await;
    for (len, status) in [(30_000, "HTTP/1.1 101"), (400_000, "HTTP/1.1 431")] {
        let mut stream = TcpStream::connect(room.gateway.public()).await.unwrap();
        let request = Handshake::to(V2).header("x-long", &"y".repeat(len)).request();
        // It may be cut while it is being sent.
        let _cut = stream.write_all(request.as_bytes()).await;
        let mut answer = [0; 12];
        match timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("no answer") {
            Ok(_) => assert_eq!(String::from_utf8_lossy(&answer), status, "{len}"),
            Err(reset) => assert!(len > 64 * 1024, "{len}: {reset}"),
        }
    }
    room.ends_unharmed().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_after_its_timeout() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let mut room = Room::with_config("[limits]\nhandshake_timeout = \"300ms\"\n").await;
    let address = room.gateway.public();
    let cut = async |first: &str, dribble: bool| {
        let stream = TcpStream::connect(address).await.unwrap();
        let begin = Instant::now();
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(first.as_bytes()).await.unwrap();
        let read = async {
            let mut answer = Vec::new();
            let _reset = timeout(PATIENCE, reader.read_to_end(&mut answer)).await.expect("not cut");
            String::from_utf8(answer).unwrap()
        };
        let dribbling = async {
            while dribble && writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(TIMEOUT / 20).await;
            }
            std::future::pending::<()>().await;
        };
        let answer = tokio::select! {
            answer = read => answer,
            () = dribbling => unreachable!("it never ends"),
        };
        let took = begin.elapsed();
        assert!(took >= TIMEOUT / 2, "{first:?}: {took:?}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    };
    let head = "GET /socket/websocket HTTP/1.1\r\nhost: gateway.test\r\nx-slow: ";
    tokio::join!(cut("", false), cut("GET", false), cut(head, false), cut(head, true), cut("GET /", true));
    room.is_unharmed().await;
    // An open WebSocket is no handshake any more: it stays.
    let mut client = RawSocket::connect(address, V2).await;
    tokio::time::sleep(2 * TIMEOUT).await;
    client.send(&frame(TEXT, b"[null,\"1\",\"phoenix\",\"heartbeat\",{}]")).await;
    assert!(matches!(client.next().await, RawFrame::Text(_)));
    drop(client);
    room.ends_unharmed().await;
}
