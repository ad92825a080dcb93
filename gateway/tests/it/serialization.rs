//! Frames that go through a whole connection (rows 63-92): the layouts themselves are tested, byte by byte, in
//! `src/wire`.

use gateway::{Channel, Context, HandlerResult, JoinContext, JoinResult, Outcome, Payload, Reply, Router};
use serde_json::json;

use crate::support::{RawSocket, TestGateway, frame};

const V1: &str = "/socket/websocket";
const V2: &str = "/socket/websocket?vsn=2.0.0";

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// Answers bytes with bytes, and pushes others.
struct Bytes;

impl Channel for Bytes {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        assert_eq!(payload, Payload::Binary(b"\x01\x02".as_slice().into()));
        cx.push("binary_event", Payload::Binary(b"\x00\x01".as_slice().into()))?;
        Ok(Outcome::Reply(Reply::ok(Payload::Binary(b"\x01\x02\x03\x04".as_slice().into()))))
    }
}

#[tokio::test]
async fn row_073_binary_payloads_go_both_ways() {
    let gateway = TestGateway::with_channels(Router::new().channel("room:bin", || Bytes).unwrap()).await;
    let mut client = gateway.connect().await;
    client.send(json!(["11", "1", "room:bin", "phx_join", {}])).await;
    client.next().await;
    client.send_binary(b"\x00\x02\x01\x08\x0c112room:binbinary_event\x01\x02").await;
    assert_eq!(client.next_binary().await, b"\x00\x02\x08\x0c11room:binbinary_event\x00\x01");
    assert_eq!(client.next_binary().await, b"\x01\x02\x01\x08\x02112room:binok\x01\x02\x03\x04");
}

/// Rows 68, 69, 70, 71, 93, through the relay.
#[tokio::test]
async fn a_binary_push_is_relayed_as_a_binary_broadcast() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect().await;
    client.join("11", "room:café").await;
    client.send_binary(b"\x00\x02\x01\x0a\x04112room:caf\xc3\xa9blob\x00\xff").await;
    assert_eq!(client.next_binary().await, b"\x02\x0a\x04room:caf\xc3\xa9blob\x00\xff"); // rows 70, 71, 93
    // The answer carries no bytes, so it is text.
    assert_eq!(client.next_text().await, r#"["11","2","room:café","phx_reply",{"status":"ok","response":{}}]"#);
}

/// Rows 74, 76, 77, 78, 79, 80 on version 2, 85, 86 on version 1, 92 on both.
#[tokio::test]
async fn row_074_frames_that_are_no_messages_close_the_socket() {
    let gateway = TestGateway::relay().await;
    for (target, kind, payload, code) in [
        (V2, BINARY, &br#"["1","1","room:a","phx_join",{}]"#[..], 1011), // row 74
        (V2, TEXT, br#"["1","1","room:a"]"#, 1011),                      // row 76
        (V2, TEXT, br#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#, 1011), // row 77
        (V2, TEXT, b"nope", 1011),                                       // row 78
        (V2, TEXT, b"", 1011),                                           // row 78
        (V2, BINARY, b"\x01\x01\x01\x06\x0212room:aok", 1011),           // row 79
        (V2, BINARY, b"\x02\x06\x02room:aok", 1011),                     // row 79
        (V2, BINARY, b"\x09\x01\x01\x06\x0212room:aok", 1011),           // row 79
        (V2, BINARY, b"\x00\x01\x01\x06\xff12room:aok", 1011),           // row 80
        (V2, BINARY, b"\x00\x01", 1011),                                 // row 80
        (V2, BINARY, b"", 1011),                                         // row 80
        (V1, TEXT, br#"[null,null,"t","e",{"m":1}]"#, 1011),             // row 85
        (V1, TEXT, br#"{"event":"e","payload":"m","ref":null}"#, 1011),  // row 86
        (V1, TEXT, br#"{"topic":"t","payload":"m","ref":null}"#, 1011),  // row 86
        (V1, TEXT, br#"{"topic":"t","event":"e","ref":null}"#, 1011),    // row 86
        (V1, TEXT, br#"{"topic":"t","event":"e","payload":"m"}"#, 1011), // row 86
        (V1, TEXT, b"\"\xff\"", 1007),                                   // row 92
        (V2, TEXT, b"[null,\"1\",\"phoenix\",\"heartbeat\",{\"\xc3\x28\":1}]", 1007), // row 92
    ] {
        let mut client = RawSocket::connect(gateway.public(), target).await;
        client.send(&frame(kind, payload)).await;
        assert_eq!(client.closed().await, Some(code), "{target} {:?}", String::from_utf8_lossy(payload));
    }
}

/// Rows 63, 64, 66, 75, 90: text on version 2, as it goes out.
#[tokio::test]
async fn row_090_version_2_answers_integers_with_integers_and_takes_more_elements() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect_to(V2).await;
    client.send_text(r#"[0,0,"room:a","phx_join",{}]"#).await;
    assert_eq!(client.next_text().await, r#"[0,0,"room:a","phx_reply",{"status":"ok","response":{}}]"#); // row 90
    client.send_text(r#"[ "1", 2.0, "room:b", "phx_join", {}, "x" ]"#).await;
    assert_eq!(client.next_text().await, r#"["1",2.0,"room:b","phx_reply",{"status":"ok","response":{}}]"#); // row 75
    client.send_text(r#"[0,1,"room:a","e",{"m" : 1}]"#).await;
    assert_eq!(client.next_text().await, r#"[null,null,"room:a","e",{"m" : 1}]"#, "payloads pass through as sent");
    assert_eq!(client.next_text().await, r#"[0,1,"room:a","phx_reply",{"status":"ok","response":{}}]"#);
    // A string is not the integer: the message is stale, and not answered.
    client.send_text(r#"["0","2","room:a","e",{}]"#).await;
    client.assert_nothing_came().await;
}

/// Rows 81, 82, 83, 84, 87, 88, 89, 91: version 1, as it goes out.
#[tokio::test]
async fn row_088_version_1_never_shows_a_join_ref() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect_to(V1).await;
    let joined = r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#;
    client.send_text(r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1","join_ref":"11"}"#).await;
    assert_eq!(client.next_text().await, joined); // rows 82, 88
    client.send_text(r#"{"topic":"room:a","event":"e","payload":{"m":1},"ref":"2","join_ref":"11"}"#).await;
    let broadcast = r#"{"topic":"room:a","event":"e","payload":{"m":1},"ref":null}"#;
    assert_eq!(client.next_text().await, broadcast); // rows 83, 84
    let answer = r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#;
    assert_eq!(client.next_text().await, answer);
    client.send_binary(br#"{"event":"phx_join","topic":"room:b","ref":1,"payload":{}}"#).await;
    let joined = r#"{"topic":"room:b","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":1}"#;
    assert_eq!(client.next_text().await, joined); // rows 87, 89
    client.send_text(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":null}"#).await;
    let heartbeat = r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":null}"#;
    assert_eq!(client.next_text().await, heartbeat); // row 91
}

#[tokio::test]
async fn row_091_a_heartbeat_without_a_reference_is_answered_without_one() {
    let gateway = TestGateway::relay().await;
    let mut client = gateway.connect_to(V2).await;
    client.send_text(r#"[null,null,"phoenix","heartbeat",{}]"#).await;
    assert_eq!(client.next_text().await, r#"[null,null,"phoenix","phx_reply",{"status":"ok","response":{}}]"#);
}

#[tokio::test]
async fn row_092_text_that_is_not_utf_8_is_closed_with_1007_wherever_it_is_cut() {
    let gateway = TestGateway::relay().await;
    for frames in [
        vec![frame(TEXT, b"\xff")],
        // The first half of a character is no text by itself.
        vec![frame(TEXT, b"[\"\xc3")],
        vec![frame(0x01, b"[\"\xc3"), frame(0x80, b"\x28")],
        vec![frame(0x01, b"\xed\xa0\x80")],
    ] {
        let mut client = RawSocket::connect(gateway.public(), V2).await;
        client.send(&frames.concat()).await;
        assert_eq!(client.closed().await, Some(1007), "{frames:?}");
    }
    // A character may be cut by fragments.
    let mut client = RawSocket::connect(gateway.public(), V1).await;
    let heartbeat = r#"{"topic":"phoenix","event":"heartbeat","payload":{"é":1},"ref":"é"}"#.as_bytes();
    let at = heartbeat.iter().position(|&byte| byte == 0xc3).unwrap() + 1;
    client.send(&[frame(0x01, &heartbeat[..at]), frame(0x80, &heartbeat[at..])].concat()).await;
    let answer = client.next().await;
    assert!(matches!(&answer, crate::support::RawFrame::Text(text) if text.contains(r#""ref":"é""#)), "{answer:?}");
}
