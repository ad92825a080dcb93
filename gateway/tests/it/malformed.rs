//! Messages that are wrong in every way we could think of: their sender is answered or closed as the protocol says, and
//! nobody else notices.

use serde_json::{Value, json};

use crate::support::{RawFrame, Room, frame, metrics};

const V1: &str = "/socket/websocket";
const V2: &str = "/socket/websocket?vsn=2.0.0";

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

#[tokio::test]
async fn truncated_and_garbled_messages_close_with_1011() {
    let mut room = Room::new().await;
    let binary = b"\x00\x01\x01\x06\x0312room:asay\x01\x02";
    let names = &binary[..binary.len() - 2];
    let text = br#"["1","2","room:a","say",{"a":[1,{"b":null}]}]"#;
    let object = br#"{"topic":"room:a","event":"say","payload":{"a":1},"ref":"1"}"#;
    for (target, kind, whole) in [(V2, BINARY, names), (V2, TEXT, &text[..]), (V1, TEXT, object), (V1, BINARY, object)]
    {
        for len in 0..whole.len() {
            let mut attacker = room.attacker(target).await;
            attacker.send(&frame(kind, &whole[..len])).await;
            assert_eq!(attacker.closed().await, Some(1011), "{target} {len}");
        }
        room.is_unharmed().await;
    }
    room.ends_unharmed().await;
}

#[tokio::test]
async fn random_changes_of_good_frames_never_do_more_than_close_their_socket() {
    let mut room = Room::new().await;
    let good = [
        (V2, frame(TEXT, br#"["1","2","room:a","phx_join",{"a":[1,"\u00e9"]}]"#)),
        (V2, frame(BINARY, b"\x00\x01\x01\x06\x0812room:aphx_join\x01\x02")),
        (V2, [frame(0x01, b"[null,\"1\",\"pho"), frame(0x89, b"ping"), frame(0x80, b"enix\",\"x\",{}]")].concat()),
        (V1, frame(TEXT, br#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#)),
        (V1, frame(0x88, b"\x03\xe8bye")),
    ];
    // Any sequence will do, as long as it is the same each time.
    let mut seed = 0x9e37_79b9_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(seed >> 8).unwrap() % below
    };
    for round in 0..400 {
        let (target, mut bytes) = good[round % good.len()].clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            bytes[at] ^= 1 << random(8);
        }
        let mut attacker = room.attacker(target).await;
        // What follows can be part of a frame that is now longer, or be refused: both are fine.
        let fence = match target {
            V1 => br#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"fence"}"#.to_vec(),
            _ => br#"[null,"fence","phoenix","heartbeat",{}]"#.to_vec(),
        };
        bytes.extend(frame(TEXT, &fence));
        bytes.extend(frame(0x88, b"\x03\xe8"));
        attacker.send(&bytes).await;
        // Where a frame waits for more, the client's end is all that will come.
        attacker.writer.finish().await;
        while let Some(frame) = attacker.reader.next_or_end().await {
            if let RawFrame::Close(code) = frame {
                // One of ours, or the client's own, whatever it has become.
                assert!(code.is_none_or(|code| (1000..5000).contains(&code)), "{round}: {code:?}");
                break;
            }
        }
        if round % 50 == 0 {
            room.is_unharmed().await;
        }
    }
    room.ends_unharmed().await;
}

#[tokio::test]
async fn json_nested_100_000_deep_is_closed_with_1011() {
    let mut room = Room::new().await;
    let arrays = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", r#"{"":"#.repeat(40_000), "}".repeat(40_000));
    for deep in [&arrays, &objects, &arrays[..100_000]] {
        for (target, text) in [
            (V2, format!(r#"["1","2","room:1","say",{deep}]"#)),
            (V2, deep.to_owned()),
            (V1, format!(r#"{{"topic":"room:1","event":"say","payload":{deep},"ref":"1"}}"#)),
        ] {
            let mut attacker = room.attacker(target).await;
            attacker.send(&frame(TEXT, text.as_bytes())).await;
            assert_eq!(attacker.closed().await, Some(1011), "{target} {}", &text[..40]);
        }
        room.is_unharmed().await;
    }
    room.ends_unharmed().await;
}

#[tokio::test]
async fn names_of_256_bytes_are_answered_too_large_and_the_socket_lives() {
    let mut room = Room::new().await;
    let (long, most) = ("x".repeat(256), "x".repeat(255));
    let mut client = room.gateway.connect().await;
    let error = json!({ "status": "error", "response": { "reason": "too_large" } });
    for (frame, reply) in [
        (json!(["1", "1", long, "phx_join", {}]), json!(["1", "1", long, "phx_reply", error])),
        (json!(["1", "1", "room:a", long, {}]), json!(["1", "1", "room:a", "phx_reply", error])),
        (json!(["1", long, "room:a", "phx_join", {}]), json!(["1", null, "room:a", "phx_reply", error])),
        (json!([long, "1", "room:a", "phx_join", {}]), json!([null, "1", "room:a", "phx_reply", error])),
    ] {
        client.send(frame).await;
        assert_eq!(client.next().await, reply);
    }
    client.send(json!([most, most, most, "phx_join", {}])).await;
    let joined = json!([most, most, most, "phx_reply", { "status": "ok", "response": {} }]);
    assert_eq!(client.next().await, joined);
    drop(client);
    let page = metrics(room.gateway.internal()).await;
    assert!(page.contains("gateway_joins_total{result=\"refused\"} 3\n"), "{page}");
    room.is_unharmed().await;

    let mut client = room.gateway.connect_to(V1).await;
    client.send(json!({ "topic": long, "event": "phx_join", "payload": {}, "ref": "1" })).await;
    let reply: Value = json!({ "topic": long, "event": "phx_reply", "payload": error, "ref": "1" });
    assert_eq!(client.next().await, reply);
    client.send(json!({ "topic": "room:a", "event": "phx_join", "payload": {}, "ref": "2" })).await;
    assert_eq!(client.next().await["payload"]["status"], "ok");
    client.close().await;
    room.ends_unharmed().await;
}

#[tokio::test]
async fn the_101st_channel_is_refused_and_affects_nobody() {
    let room = Room::new().await;
    let mut client = room.gateway.connect().await;
    for n in 1..=100 {
        client.join(&n.to_string(), &format!("room:{n}")).await;
    }
    for n in 101..=103 {
        client.send(json!(["x", "y", format!("room:{n}"), "phx_join", {}])).await;
        let reason = json!({ "status": "error", "response": { "reason": "too many channels joined" } });
        assert_eq!(client.next().await, json!(["x", "y", format!("room:{n}"), "phx_reply", reason]));
    }
    client.close().await;
    room.ends_unharmed().await;
}
