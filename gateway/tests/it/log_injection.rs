//! Whatever a client sends, a line of the log is one event of the gateway.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::{Handshake, Pod, RawSocket, Scratch, frame};

/// A forged line, colours, a carriage return that hides what stands before it, and line ends that are none in ASCII.
const EVIL: &str =
    "x\n2026-01-01T00:00:00Z ERROR gateway: forged\r\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\u{85}\u{2028}\u{7f}";

/// Percent-encoded, as it can stand in a request line.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Sends evil in all places that a client can write to, at the most talkative level.
async fn attacked(format: &str) -> String {
    let scratch = Scratch::new();
    let log = format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\n");
    // Presence as well, which has more to say.
    let settings = format!("{log}[[channel]]\ntopic = \"p*\"\njoin = \"open\"\npresence = true\n");
    let pod = Pod::serve(&scratch, &settings, &[]).await;
    let target = format!("/socket/websocket?vsn=2.0.0&id={0}&user_id={0}&{0}={0}", encoded(EVIL));
    let mut socket = RawSocket::connect(pod.public, &target).await;
    for topic in [EVIL.to_owned(), format!("p{EVIL}")] {
        for message in [
            json!([EVIL, EVIL, topic, "phx_join", { EVIL: EVIL, "user_id": EVIL }]),
            json!([EVIL, EVIL, topic, EVIL, { EVIL: EVIL }]),
            json!([EVIL, EVIL, topic, "presence", { "event": EVIL, "payload": EVIL }]),
            json!([EVIL, EVIL, topic, "presence", { "event": "track", "payload": { EVIL: EVIL } }]),
            json!([EVIL, EVIL, topic, "phx_leave", {}]),
            json!([EVIL, EVIL, "phoenix", EVIL, {}]),
        ] {
            socket.send(&frame(0x81, message.to_string().as_bytes())).await;
        }
    }
    socket.send(&frame(0x89, EVIL.as_bytes())).await;
    let mut close = 1000_u16.to_be_bytes().to_vec();
    write!(close, "{EVIL}").unwrap();
    socket.send(&frame(0x88, &close)).await;
    while socket.reader.next_or_end().await.is_some() {}
    // Frames that are no messages, and bytes that are no frames.
    for bytes in [frame(0x81, EVIL.as_bytes()), frame(0x82, EVIL.as_bytes()), EVIL.as_bytes().to_vec()] {
        let mut socket = RawSocket::connect(pod.public, &target).await;
        socket.send(&bytes).await;
        socket.writer.finish().await;
        while socket.reader.next_or_end().await.is_some() {}
    }
    // What a header can hold: no line ends, but escapes of a terminal.
    let value = "x\u{9b}31m\u{85}2026 ERROR forged";
    for name in ["user-agent", "origin", "x-forwarded-for", "sec-websocket-protocol", "host", "authorization"] {
        let handshake = Handshake::to(&target.replace("vsn=2.0.0", "vsn=x"));
        assert_ne!(handshake.instead(name, Some(value)).send(pod.public).await.status, 101);
    }
    assert_ne!(Handshake::plain("GET", &format!("/{}", encoded(EVIL))).send(pod.public).await.status, 101);
    let body = json!({ "topic": EVIL, "event": EVIL, "payload": { EVIL: EVIL } });
    pod.post("/api/v1/broadcast", &body.to_string()).await;
    pod.post("/api/v1/disconnect", &json!({ "socket_id": EVIL }).to_string()).await;
    pod.get(&format!("/api/v1/topics/{}/presence", encoded(EVIL))).await;
    pod.process.signal("-TERM");
    let ended = pod.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stderr
}

#[tokio::test]
async fn a_line_of_text_is_one_event() {
    let log = attacked("text").await;
    assert!(log.contains("malformed message") && log.contains("the connection ends"), "{log}");
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap_or_default();
        assert!(time.len() > 20 && time.ends_with('Z'), "forged: {line:?}");
        let level = rest.trim_start().split(' ').next().unwrap();
        assert!(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level), "forged: {line:?}");
        assert!(!line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), "{line:?}");
    }
}

#[tokio::test]
async fn a_line_of_json_is_one_event() {
    let log = attacked("json").await;
    assert!(log.contains("malformed message") && log.contains("the connection ends"), "{log}");
    for line in log.split_terminator('\n') {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(event["timestamp"].is_string() && event["level"].is_string() && event["target"].is_string(), "{line}");
        assert!(!line.chars().any(|c| c.is_ascii_control()), "{line:?}");
    }
}
