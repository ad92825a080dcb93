use bytes::Bytes;
use serde_json::json;

use crate::wire::{DecodeError, EncodeError, Encoding, Message, Name, Opcode, Outgoing, Payload, Ref, Vsn};

fn text(message: Outgoing<'_>) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    assert_eq!(Encoding::from(Vsn::V2).encode(message, &mut out)?, Opcode::Text);
    Ok(String::from_utf8(out).unwrap())
}

fn decode(frame: &str) -> Result<Message, DecodeError> {
    Vsn::V2.decode(Opcode::Text, &Bytes::copy_from_slice(frame.as_bytes()))
}

fn payload() -> Payload {
    Payload::from(json!({ "m": 1 }))
}

#[test]
fn row_063_a_push_is_an_array_of_five() {
    let push = |join_ref| {
        text(Outgoing::Push { join_ref, topic: "t", event: "e", payload: &payload(), offset: None }).unwrap()
    };
    assert_eq!(push(&Ref::Null), r#"[null,null,"t","e",{"m":1}]"#);
    assert_eq!(push(&Ref::from("12")), r#"["12",null,"t","e",{"m":1}]"#);
}

#[test]
fn row_064_a_reply_holds_status_and_response() {
    let (join_ref, reference, topic) = (Ref::from("11"), Ref::from("12"), Name::from("t"));
    let reply = |status, response: &Payload| {
        text(Outgoing::Reply { join_ref: &join_ref, reference: &reference, topic: &topic, status, response }).unwrap()
    };
    assert_eq!(reply("ok", &payload()), r#"["11","12","t","phx_reply",{"status":"ok","response":{"m":1}}]"#);
    // A response need not be an object.
    assert_eq!(
        reply("error", &Payload::from(json!("no"))),
        r#"["11","12","t","phx_reply",{"status":"error","response":"no"}]"#
    );
}

#[test]
fn row_065_decodes_an_array_whose_refs_are_null() {
    let expected = Message {
        join_ref: Ref::Null,
        reference: Ref::Null,
        topic: Name::from("t"),
        event: "e".into(),
        payload: Payload::Json(Bytes::from_static(br#"{"m":1}"#)),
    };
    assert_eq!(decode(r#"[null,null,"t","e",{"m":1}]"#), Ok(expected.clone()));
    assert_eq!(decode(" [ null , null,\n\"t\", \"e\"\t, {\"m\":1} ] "), Ok(expected));
}

#[test]
fn row_066_a_broadcast_has_no_refs() {
    let broadcast = text(Outgoing::Broadcast { topic: "t", event: "e", payload: &payload(), offset: None });
    assert_eq!(broadcast.unwrap(), r#"[null,null,"t","e",{"m":1}]"#);
}

#[test]
fn the_end_of_a_channel_carries_the_join_reference_twice() {
    let join_ref = Ref::from("11");
    let ended = Outgoing::Ended { join_ref: &join_ref, topic: "t", event: "phx_close", payload: &Payload::empty() };
    assert_eq!(text(ended).unwrap(), r#"["11","11","t","phx_close",{}]"#);
}

#[test]
fn row_067_a_push_or_broadcast_that_is_no_object_is_the_senders_error() {
    for invalid in [json!("invalid"), json!(1), json!(null), json!(true), json!([{ "m": 1 }])] {
        let payload = &Payload::from(invalid);
        let broadcast = Outgoing::Broadcast { topic: "t", event: "e", payload, offset: None };
        assert_eq!(text(broadcast), Err(EncodeError::NotAnObject));
        let push = Outgoing::Push { join_ref: &Ref::Null, topic: "t", event: "e", payload, offset: None };
        assert_eq!(text(push), Err(EncodeError::NotAnObject));
    }
}

/// Rows 75, 76, 77, 78.
#[test]
fn row_075_five_elements_or_more_and_nothing_else() {
    // Row 75.
    let join = decode(r#"["1","1","room:a","phx_join",{},"x",[{}],6]"#).unwrap();
    assert_eq!((join.topic, &*join.event, join.payload), (Name::from("room:a"), "phx_join", Payload::empty()));
    for malformed in [
        // Row 76.
        r#"["1","1","room:a"]"#,
        r#"["1","1","room:a","phx_join"]"#,
        "[]",
        // Row 77.
        r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#,
        r#"{"join_ref":"1","reference":"1","topic":"room:a","event":"phx_join","payload":{}}"#,
        // Row 78.
        "nope",
        "",
        "null",
        r#""text""#,
        r#"["1","1","room:a","phx_join",{}"#,
        r#"["1","1","room:a","phx_join",{}]]"#,
        r#"["1","1","room:a","phx_join",{"a":}]"#,
        r#"["1","1","room:a","phx_join",nope]"#,
        r#"["1","1","room:a",{"not":"text"},{}]"#,
        "[\"1\",\"1\",\"room:\0a\",\"phx_join\",{}]",
    ] {
        assert_eq!(decode(malformed), Err(DecodeError::Malformed), "{malformed}");
    }
}

#[test]
fn json_nested_deeper_than_127_is_refused_and_costs_no_stack() {
    let nested = |depth| format!(r#"[null,null,"t","e",{}{}]"#, "[".repeat(depth), "]".repeat(depth));
    for depth in [1, 100, 126, 127] {
        assert!(decode(&nested(depth)).is_ok(), "{depth}");
    }
    for depth in [128, 129, 1_000, 100_000, 1_000_000] {
        assert!(decode(&nested(depth)).is_err(), "{depth}");
    }
    let brackets_in_a_string = format!(r#"[null,null,"t","e",{{"s":"\"{}"}}]"#, "[{".repeat(1000));
    assert!(decode(&brackets_in_a_string).is_ok());
}

/// Rows 89, 90, 91, for version 2.
#[test]
fn row_090_references_are_echoed_with_their_json_type() {
    for reference in
        ["0", "1", "-1", "1.50", "18446744073709551616", "null", r#""""#, r#""0""#, r#""ü\"""#, "true", "[1]"]
    {
        let message = decode(&format!(r#"[{reference},{reference},"room:a","phx_join",{{}}]"#)).unwrap();
        let reply = text(Outgoing::Reply {
            join_ref: &message.join_ref,
            reference: &message.reference,
            topic: &message.topic,
            status: "ok",
            response: &Payload::empty(),
        });
        let expected = format!(r#"[{reference},{reference},"room:a","phx_reply",{{"status":"ok","response":{{}}}}]"#);
        assert_eq!(reply.unwrap(), expected);
    }
}

#[test]
fn references_are_compared_strictly() {
    let refs = ["0", r#""0""#, r#""""#, "null", "1", r#""1""#];
    let refs = refs.map(|it| decode(&format!(r#"[{it},null,"t","e",{{}}]"#)).unwrap().join_ref);
    for (i, a) in refs.iter().enumerate() {
        for (j, b) in refs.iter().enumerate() {
            assert_eq!(a == b, i == j, "{a:?} {b:?}");
        }
    }
}

#[test]
fn names_that_need_escapes_survive() {
    let name = "a\"b\\c\n\u{1}é🌍";
    let out = text(Outgoing::Broadcast { topic: name, event: name, payload: &Payload::empty(), offset: None }).unwrap();
    let message = decode(&out).unwrap();
    assert_eq!((message.topic.as_str(), &*message.event), (Some(name), name));
}

#[test]
fn a_topic_that_is_no_string_is_echoed_as_sent() {
    for topic in ["1", "null", r#"{"a":[1]}"#, "false"] {
        let message = decode(&format!(r#"[null,"1",{topic},"e",{{}}]"#)).unwrap();
        assert_eq!(message.topic.as_str(), None);
        let (join_ref, reference, topic_of) = (&Ref::Null, &message.reference, &message.topic);
        let response = &Payload::empty();
        let reply = Outgoing::Reply { join_ref, reference, topic: topic_of, status: "ok", response };
        let expected = format!(r#"[null,"1",{topic},"phx_reply",{{"status":"ok","response":{{}}}}]"#);
        assert_eq!(text(reply).unwrap(), expected);
    }
}
