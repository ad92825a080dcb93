use bytes::Bytes;

use crate::wire::{DecodeError, EncodeError, Encoding, Message, Name, Opcode, Outgoing, Payload, Ref, Vsn};

fn binary(message: Outgoing<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    assert_eq!(Encoding::from(Vsn::V2).encode(message, &mut out)?, Opcode::Binary);
    Ok(out)
}

fn decode(frame: &[u8]) -> Result<Message, DecodeError> {
    Vsn::V2.decode(Opcode::Binary, &Bytes::copy_from_slice(frame))
}

fn payload() -> Payload {
    Payload::Binary(Bytes::from_static(&[0x65, 0x66, 0x67]))
}

#[test]
fn row_068_a_push_is_kind_0_without_a_ref() {
    let push = |join_ref: &Ref| {
        binary(Outgoing::Push { join_ref, topic: "topic", event: "event", payload: &payload(), offset: None })
    };
    assert_eq!(push(&Ref::from("12")).unwrap(), b"\x00\x02\x05\x0512topicevent\x65\x66\x67");
    assert_eq!(push(&Ref::Null).unwrap(), b"\x00\x00\x05\x05topicevent\x65\x66\x67");
    let number = decode_text_ref("12");
    assert_eq!(push(&number).unwrap(), b"\x00\x02\x05\x0512topicevent\x65\x66\x67", "numbers are decimal");
}

fn decode_text_ref(json: &str) -> Ref {
    let frame = Bytes::from(format!(r#"[{json},null,"t","e",{{}}]"#));
    Vsn::V2.decode(Opcode::Text, &frame).unwrap().join_ref
}

#[test]
fn row_069_a_reply_is_kind_1() {
    let (join_ref, reference, topic) = (&Ref::from("12"), &Ref::from("123"), &Name::from("topic"));
    let reply = Outgoing::Reply { join_ref, reference, topic, status: "ok", response: &payload() };
    assert_eq!(binary(reply).unwrap(), b"\x01\x02\x03\x05\x0212123topicok\x65\x66\x67");
}

#[test]
fn row_070_a_broadcast_is_kind_2() {
    let broadcast = Outgoing::Broadcast { topic: "topic", event: "event", payload: &payload(), offset: None };
    assert_eq!(binary(broadcast).unwrap(), b"\x02\x05\x05topicevent\x65\x66\x67");
}

#[test]
fn row_071_a_clients_push_is_kind_0_with_a_ref() {
    let expected = Message {
        join_ref: Ref::from("12"),
        reference: Ref::from("123"),
        topic: Name::from("topic"),
        event: "event".into(),
        payload: payload(),
    };
    assert_eq!(decode(b"\x00\x02\x03\x05\x0512123topicevent\x65\x66\x67"), Ok(expected));
    // As phoenix.js was seen to send it.
    let seen = decode(b"\x00\x01\x01\x0a\x0335room:lobbybin\x09\x08").unwrap();
    assert_eq!((seen.join_ref, seen.reference), (Ref::from("3"), Ref::from("5")));
    assert_eq!((seen.topic, &*seen.event), (Name::from("room:lobby"), "bin"));
    assert_eq!(seen.payload, Payload::Binary(Bytes::from_static(&[9, 8])));
    // Empty fields are null references, and the payload may be empty too.
    let bare = decode(b"\x00\x00\x00\x01\x01te").unwrap();
    assert_eq!((bare.join_ref, bare.reference), (Ref::Null, Ref::Null));
    assert_eq!(bare.payload, Payload::Binary(Bytes::new()));
}

#[test]
fn row_072_a_field_over_255_bytes_is_the_senders_error() {
    let (short, long) = ("x".repeat(255), "x".repeat(256));
    let payload = &payload();
    let push = |join_ref: &str, topic: &str, event: &str| {
        binary(Outgoing::Push { join_ref: &Ref::from(join_ref), topic, event, payload, offset: None })
    };
    let broadcast = |topic: &str, event: &str| binary(Outgoing::Broadcast { topic, event, payload, offset: None });
    let reply = |join_ref: &str, reference: &str, topic: &str, status: &str| {
        let (join_ref, reference, topic) = (&Ref::from(join_ref), &Ref::from(reference), &Name::from(topic));
        binary(Outgoing::Reply { join_ref, reference, topic, status, response: payload })
    };
    assert_eq!(push(&short, &short, &short).unwrap()[..4], [0, 255, 255, 255]);
    assert_eq!(broadcast(&short, &short).unwrap()[..3], [2, 255, 255]);
    assert_eq!(reply(&short, &short, &short, &short).unwrap()[..5], [1, 255, 255, 255, 255]);
    for refused in [
        push(&long, "t", "e"),
        push("1", &long, "e"),
        push("1", "t", &long),
        broadcast(&long, "e"),
        broadcast("t", &long),
        reply(&long, "1", "t", "ok"),
        reply("1", &long, "t", "ok"),
        reply("1", "1", &long, "ok"),
        reply("1", "1", "t", &long),
    ] {
        assert_eq!(refused, Err(EncodeError::TooLong));
    }
}

/// Rows 74, 79.
#[test]
fn row_079_clients_send_no_other_kind() {
    for kind in (1..=255).map(|kind: u8| [&[kind][..], b"\x01\x01\x01\x0111te"].concat()) {
        assert_eq!(decode(&kind), Err(DecodeError::UnknownKind), "{}", kind[0]);
    }
    // Row 74: a text message in a binary frame.
    assert_eq!(decode(br#"["1","1","room:a","phx_join",{}]"#), Err(DecodeError::UnknownKind));
}

#[test]
fn row_080_sizes_beyond_the_data_are_truncation() {
    let whole = b"\x00\x02\x03\x05\x0512123topicevent";
    assert!(decode(whole).is_ok());
    for len in 0..whole.len() {
        assert_eq!(decode(&whole[..len]), Err(DecodeError::Truncated), "{len}");
    }
    assert_eq!(decode(b"\x00\xff\xff\xff\xff"), Err(DecodeError::Truncated));
    assert_eq!(decode(b"\x00\x01\x01\x01\x01\xff1te"), Err(DecodeError::Malformed), "not UTF-8");
}

#[test]
fn row_093_sizes_count_bytes_of_utf_8() {
    let broadcast = Outgoing::Broadcast { topic: "room:café", event: "é", payload: &payload(), offset: None };
    assert_eq!(binary(broadcast).unwrap(), b"\x02\x0a\x02room:caf\xc3\xa9\xc3\xa9\x65\x66\x67");
    let read = decode(b"\x00\x00\x00\x0a\x02room:caf\xc3\xa9\xc3\xa9").unwrap();
    assert_eq!((read.topic, &*read.event), (Name::from("room:café"), "é"));
}
