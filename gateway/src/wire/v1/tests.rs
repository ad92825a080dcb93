use bytes::Bytes;
use serde_json::json;

use crate::wire::{DecodeError, EncodeError, Encoding, Message, Name, Opcode, Outgoing, Payload, Ref, Vsn};

fn text(message: Outgoing<'_>) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    assert_eq!(Encoding::from(Vsn::V1).encode(message, &mut out)?, Opcode::Text);
    Ok(String::from_utf8(out).unwrap())
}

fn decode(frame: &str) -> Result<Message, DecodeError> {
    Vsn::V1.decode(Opcode::Text, &Bytes::copy_from_slice(frame.as_bytes()))
}

#[test]
fn row_081_a_push_has_exactly_four_keys() {
    let payload = &Payload::from(json!("m"));
    let push = Outgoing::Push { join_ref: &Ref::from("11"), topic: "t", event: "e", payload, offset: None };
    assert_eq!(text(push).unwrap(), r#"{"topic":"t","event":"e","payload":"m","ref":null}"#);
}

/// Rows 82, 88: no `join_ref`.
#[test]
fn row_082_a_reply_holds_status_and_response_and_no_join_ref() {
    let (join_ref, reference, topic) = (&Ref::from("11"), &Ref::from("12"), &Name::from("t"));
    let response = &Payload::from(json!({ "m": 1 }));
    let reply = Outgoing::Reply { join_ref, reference, topic, status: "ok", response };
    let expected = r#"{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{"m":1}},"ref":"12"}"#;
    assert_eq!(text(reply).unwrap(), expected);
}

#[test]
fn row_083_a_broadcast_has_four_keys_too() {
    let payload = &Payload::from(json!({ "m": 1 }));
    let broadcast = Outgoing::Broadcast { topic: "t", event: "e", payload, offset: None };
    assert_eq!(text(broadcast).unwrap(), r#"{"topic":"t","event":"e","payload":{"m":1},"ref":null}"#);
}

#[test]
fn the_end_of_a_channel_carries_its_join_reference_as_ref() {
    let (join_ref, payload) = (&Ref::from("11"), &Payload::empty());
    let ended = Outgoing::Ended { join_ref, topic: "t", event: "phx_close", payload };
    assert_eq!(text(ended).unwrap(), r#"{"topic":"t","event":"phx_close","payload":{},"ref":"11"}"#);
}

#[test]
fn row_084_decodes_an_object_with_or_without_join_ref() {
    let expected = Message {
        join_ref: Ref::Null,
        reference: Ref::Null,
        topic: Name::from("t"),
        event: "e".into(),
        payload: Payload::Json(Bytes::from_static(br#""m""#)),
    };
    assert_eq!(decode(r#"{"topic":"t","event":"e","payload":"m","ref":null}"#), Ok(expected.clone()));
    // In any order, with spaces, and with keys that mean nothing.
    let odd =
        r#" { "x":[1,{"topic":2}], "ref": null, "payload":"m", "event":"\u0065", "join_ref":null, "topic":"t" } "#;
    assert_eq!(decode(odd), Ok(expected.clone()));
    let joined = decode(r#"{"topic":"t","event":"e","payload":"m","ref":null,"join_ref":"11"}"#);
    assert_eq!(joined, Ok(Message { join_ref: Ref::from("11"), ..expected }));
}

/// Rows 85, 86.
#[test]
fn row_085_an_array_or_an_object_without_a_required_key_is_malformed() {
    for malformed in [
        // Row 85.
        r#"[null,null,"t","e",{"m":1}]"#,
        r#"["t","e",{"m":1},null]"#,
        // Row 86.
        r#"{"event":"e","payload":"m","ref":null}"#,
        r#"{"topic":"t","payload":"m","ref":null}"#,
        r#"{"topic":"t","event":"e","ref":null}"#,
        r#"{"topic":"t","event":"e","payload":"m"}"#,
        "{}",
        "",
        "nope",
        r#"{"topic":"t","event":"e","payload":"m","ref":null"#,
        r#"{"topic":"t","event":"e","payload":"m","ref":null}}"#,
    ] {
        assert_eq!(decode(malformed), Err(DecodeError::Malformed), "{malformed}");
    }
    let deep = format!(r#"{{"topic":"t","event":"e","ref":null,"payload":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    assert!(decode(&deep).is_err());
}

#[test]
fn row_087_json_in_a_binary_frame_is_accepted() {
    let frame = Bytes::from_static(br#"{"topic":"t","event":"e","payload":"m","ref":null}"#);
    assert_eq!(Vsn::V1.decode(Opcode::Binary, &frame), Vsn::V1.decode(Opcode::Text, &frame));
    assert!(Vsn::V1.decode(Opcode::Binary, &frame).is_ok());
    // The frame may hold anything then, so what is not UTF-8 is found here.
    let bad = Bytes::from_static(b"{\"topic\":\"t\",\"event\":\"e\",\"payload\":\"\xff\",\"ref\":null}");
    assert_eq!(Vsn::V1.decode(Opcode::Binary, &bad), Err(DecodeError::Malformed));
}

/// Rows 89, 91.
#[test]
fn row_089_references_are_echoed_with_their_json_type() {
    for reference in ["0", "1", "null", r#""""#, r#""1""#] {
        let message = decode(&format!(r#"{{"event":"phx_join","topic":"room:a","ref":{reference},"payload":{{}}}}"#));
        let Message { reference: read, topic, .. } = message.unwrap();
        let (join_ref, response) = (&Ref::Null, &Payload::empty());
        let reply = Outgoing::Reply { join_ref, reference: &read, topic: &topic, status: "ok", response };
        let expected = r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"#;
        assert_eq!(text(reply).unwrap(), format!("{expected}{reference}}}"));
    }
}

#[test]
fn binary_payloads_cannot_be_sent() {
    let payload = &Payload::Binary(Bytes::from_static(b"x"));
    let (join_ref, reference, topic) = (&Ref::Null, &Ref::Null, &Name::from("t"));
    for message in [
        Outgoing::Push { join_ref, topic: "t", event: "e", payload, offset: None },
        Outgoing::Broadcast { topic: "t", event: "e", payload, offset: None },
        Outgoing::Reply { join_ref, reference, topic, status: "ok", response: payload },
    ] {
        assert_eq!(text(message), Err(EncodeError::BinaryUnsupported));
    }
}
