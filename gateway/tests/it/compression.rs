//! permessage-deflate (protocol 1.9, `compress`; RFC 7692): what is agreed on, and what is compressed both ways.

use std::net::{Ipv4Addr, SocketAddr};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use gateway::Mount;
use serde_json::{Value, json};

use crate::support::{
    Answer, Handshake, OpenSocket, RawFrame, RawSocket, TestGateway, frame, metrics, ok, panics, relay_router,
};

const V2: &str = "/socket/websocket?vsn=2.0.0";
const OFFER: &str = "permessage-deflate; client_max_window_bits";
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const TEXT: u8 = 0x81;
const COMPRESSED_TEXT: u8 = 0xc1;
const COMPRESSED_BINARY: u8 = 0xc2;

/// Open relays behind a socket that compresses, and behind one that does not.
async fn gateway() -> TestGateway {
    let compressing = Mount::new("/socket", OpenSocket, relay_router()).compress(true);
    TestGateway::with_mounts([compressing, Mount::new("/plain", OpenSocket, relay_router())]).await
}

async fn offer(address: SocketAddr, target: &str, offers: &[&str]) -> (Answer, RawSocket) {
    let offers =
        offers.iter().fold(Handshake::to(target), |request, offer| request.header("sec-websocket-extensions", offer));
    let (answer, stream) = offers.open(Ipv4Addr::LOCALHOST, address).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    (answer, RawSocket::over(stream))
}

/// A client that negotiated compression.
async fn compressing(gateway: &TestGateway, target: &str) -> RawSocket {
    let (answer, socket) = offer(gateway.public(), target, &[OFFER]).await;
    assert_eq!(answer.header("sec-websocket-extensions"), Some(ANSWER));
    socket
}

fn deflate(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * message.len() + 64);
    Compress::new(Compression::default(), false).compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    out.strip_suffix(b"\x00\x00\xff\xff").unwrap().to_vec()
}

fn inflate(compressed: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let input = [compressed, b"\x00\x00\xff\xff"].concat();
    Decompress::new(false).decompress_vec(&input, &mut out, FlushDecompress::Sync).unwrap();
    out
}

async fn send(socket: &mut RawSocket, message: &Value) {
    socket.send(&frame(COMPRESSED_TEXT, &deflate(message.to_string().as_bytes()))).await;
}

/// The next message, which must be compressed text.
async fn next_compressed(socket: &mut RawSocket) -> Value {
    match socket.next().await {
        RawFrame::Other(COMPRESSED_TEXT, payload) => serde_json::from_slice(&inflate(&payload)).unwrap(),
        other => panic!("not compressed text: {other:?}"),
    }
}

/// The next message, which must be plain text.
async fn next_plain(socket: &mut RawSocket) -> Value {
    match socket.next().await {
        RawFrame::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("not plain text: {other:?}"),
    }
}

async fn join(socket: &mut RawSocket, topic: &str) {
    send(socket, &json!(["1", "1", topic, "phx_join", {}])).await;
    assert_eq!(next_plain(socket).await, ok("1", "1", topic));
}

fn long() -> Value {
    json!({ "body": "so that there is something to shorten, it is said twice. ".repeat(2), "n": 1 })
}

#[tokio::test]
async fn compress_is_off_unless_the_mount_says_otherwise() {
    let gateway = gateway().await;
    let (answer, mut socket) = offer(gateway.public(), "/plain/websocket?vsn=2.0.0", &[OFFER]).await;
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    socket.send(&frame(COMPRESSED_TEXT, &deflate(b"[]"))).await;
    assert_eq!(socket.closed().await, Some(1002));

    let configured = TestGateway::configured("[socket]\n[[mount]]\npath = \"/small\"\ncompress = true").await;
    let (off, _) = offer(configured.public(), V2, &[OFFER]).await;
    let (on, _) = offer(configured.public(), "/small/websocket?vsn=2.0.0", &[OFFER]).await;
    assert_eq!(off.header("sec-websocket-extensions"), None);
    assert_eq!(on.header("sec-websocket-extensions"), Some(ANSWER));
}

#[tokio::test]
async fn compress_is_negotiated_only_if_it_is_offered_and_can_be_kept() {
    let gateway = gateway().await;
    for (offers, more) in [
        (&[][..], None),
        (&["x-webkit-deflate-frame"], None),
        (&["permessage-deflate; unknown"], None),
        (&["permessage-deflate; server_max_window_bits=8"], None),
        (&["permessage-deflate"], Some("")),
        (&["permessage-deflate; server_max_window_bits=10"], Some("; server_max_window_bits=9")),
        (
            &["permessage-deflate; unknown, permessage-deflate; server_max_window_bits=15"],
            Some("; server_max_window_bits=15"),
        ),
        (&["permessage-deflate; unknown", "foo, permessage-deflate"], Some("")),
    ] {
        let (answer, mut socket) = offer(gateway.public(), V2, offers).await;
        let expected = more.map(|more| format!("{ANSWER}{more}"));
        assert_eq!(answer.header("sec-websocket-extensions"), expected.as_deref(), "{offers:?}");
        // Without compression, too, the connection works.
        socket.send(&frame(TEXT, br#"[null,"1","phoenix","heartbeat",{}]"#)).await;
        assert_eq!(next_plain(&mut socket).await[1], "1");
    }
}

#[tokio::test]
async fn compress_a_broadcast_is_the_same_message_for_all_and_the_same_bytes_for_those_who_compress() {
    let gateway = gateway().await;
    let mut plain = gateway.connect().await;
    plain.join("1", "room:1").await;
    let mut pair = [compressing(&gateway, V2).await, compressing(&gateway, V2).await];
    let mut small = offer(gateway.public(), V2, &["permessage-deflate; server_max_window_bits=9"]).await.1;
    for socket in pair.iter_mut().chain([&mut small]) {
        join(socket, "room:1").await;
    }
    let mut v1 = compressing(&gateway, "/socket/websocket?vsn=1.0.0").await;
    send(&mut v1, &json!({ "topic": "room:1", "event": "phx_join", "payload": {}, "ref": "1" })).await;
    assert_eq!(next_plain(&mut v1).await["payload"]["status"], "ok");

    send(&mut pair[0], &json!(["1", "2", "room:1", "say", long()])).await;
    let broadcast = json!([null, null, "room:1", "say", long()]);
    assert_eq!(plain.next().await, broadcast);
    assert_eq!(next_compressed(&mut small).await, broadcast);
    let in_v1 = json!({ "topic": "room:1", "event": "say", "payload": long(), "ref": null });
    assert_eq!(next_compressed(&mut v1).await, in_v1);
    let frames = [pair[0].next().await, pair[1].next().await];
    assert_eq!(frames[0], frames[1]);
    let RawFrame::Other(COMPRESSED_TEXT, payload) = &frames[0] else { panic!("not compressed: {frames:?}") };
    assert_eq!(serde_json::from_slice::<Value>(&inflate(payload)).unwrap(), broadcast);
    assert_eq!(next_plain(&mut pair[0]).await, ok("1", "2", "room:1"), "a small reply is not compressed");

    // What is small goes as it is, to those who compress too.
    send(&mut pair[0], &json!(["1", "3", "room:1", "say", {}])).await;
    for socket in pair.iter_mut().chain([&mut small]) {
        assert_eq!(next_plain(socket).await, json!([null, null, "room:1", "say", {}]));
    }

    // Each was sent to three who compress.
    let page = metrics(gateway.internal()).await;
    let value = |name: &str| -> usize {
        let line = page.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let before = 3 * broadcast.to_string().len() + in_v1.to_string().len();
    assert_eq!(value("gateway_compression_input_bytes_total "), before);
    let after = value("gateway_compression_output_bytes_total ");
    assert!(after > 0 && after < before * 3 / 4, "{after} of {before}");
}

#[tokio::test]
async fn compress_binary_messages_and_fragments() {
    let gateway = gateway().await;
    let mut socket = compressing(&gateway, V2).await;
    join(&mut socket, "room:1").await;
    // A binary push (protocol 2.3): kind 0, four lengths, their texts, the payload.
    let push = [&b"\x00\x01\x01\x06\x0312room:1bin"[..], &[7; 300]].concat();
    let compressed = deflate(&push);
    let (one, two) = compressed.split_at(5);
    let frames = [frame(0x42, one), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, two)].concat();
    socket.send(&frames).await;
    assert_eq!(socket.next().await, RawFrame::Other(0x8a, b"ping".to_vec()));
    let RawFrame::Other(COMPRESSED_BINARY, payload) = socket.next().await else { panic!("not compressed") };
    assert_eq!(inflate(&payload), [&b"\x02\x06\x03room:1bin"[..], &[7; 300]].concat());
    assert_eq!(next_plain(&mut socket).await, ok("1", "2", "room:1"));
}

#[tokio::test]
async fn compress_inflating_too_much_is_1009_and_what_is_not_deflate_is_1007() {
    assert_eq!(panics(), 0);
    let gateway = gateway().await;
    let mut neighbour = compressing(&gateway, V2).await;
    join(&mut neighbour, "room:1").await;
    let text = |bytes: &[u8]| frame(COMPRESSED_TEXT, bytes);
    let spaces = |len: usize| deflate(&vec![b' '; len]);
    for (what, bytes, code) in [
        ("10 MB", text(&spaces(10_000_000)), 1009),
        ("a little over max_frame_size", text(&spaces(256 * 1024 + 1)), 1009),
        ("in fragments", [frame(0x41, &spaces(300_000)[..9]), frame(0x80, &spaces(300_000)[9..])].concat(), 1009),
        ("a block of no type", text(b"\x07"), 1007),
        ("half of it", text(&deflate(long().to_string().as_bytes())[..40]), 1007),
        ("bad UTF-8", text(&deflate(b"[\"\xc3\x28\"]")), 1007),
        ("the bit on a ping", frame(0xc9, b""), 1002),
        ("the bit on a fragment", [frame(0x41, b"\x00"), frame(0xc0, b"\x00")].concat(), 1002),
        ("another reserved bit", frame(0xa1, b"[]"), 1002),
    ] {
        let mut attacker = compressing(&gateway, V2).await;
        attacker.send(&bytes).await;
        assert_eq!(attacker.closed().await, Some(code), "{what}");
        send(&mut neighbour, &json!(["1", "9", "room:1", "say", {}])).await;
        assert_eq!(next_plain(&mut neighbour).await[3], "say");
        assert_eq!(next_plain(&mut neighbour).await, ok("1", "9", "room:1"));
    }
    // Many equal characters are no attack.
    let mut client = compressing(&gateway, V2).await;
    join(&mut client, "room:2").await;
    send(&mut client, &json!(["1", "2", "room:2", "say", { "body": "a".repeat(200_000) }])).await;
    assert_eq!(next_compressed(&mut client).await[4]["body"].as_str().map(str::len), Some(200_000));
    assert_eq!(panics(), 0);
}
