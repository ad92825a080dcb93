use proptest::prelude::*;

use super::*;

fn decode(frame: &[u8]) -> Result<Message, DecodeError> {
    decode_push(&Bytes::copy_from_slice(frame))
}

fn read(payload: &Payload) -> UserBroadcast<'_> {
    UserBroadcast::read(payload.bytes()).unwrap()
}

#[test]
fn row_281_kind_3_with_json_as_it_was_observed() {
    let message = decode(b"\x03\x01\x01\x0e\x03\x00\x0168realtime:room1cur{\"y\":2}").unwrap();
    assert_eq!((&message.join_ref, &message.reference), (&Ref::from("6"), &Ref::from("8")));
    assert_eq!((message.topic.as_str(), &*message.event), (Some("realtime:room1"), "broadcast"));
    let expected = UserBroadcast { event: "cur", metadata: "", content: Content::Json("{\"y\":2}") };
    assert_eq!(read(&message.payload), expected);
    let upstream = decode(b"\x03\x02\x03\x05\x0a\x00\x0112123topicuser_event{\"a\":\"b\"}").unwrap();
    assert_eq!((&upstream.join_ref, &upstream.reference), (&Ref::from("12"), &Ref::from("123")));
    assert_eq!(read(&upstream.payload).event, "user_event");
}

#[test]
fn row_282_bytes_go_out_as_kind_4() {
    let message = decode(b"\x03\x02\x03\x05\x0a\x00\x0012123topicuser_event\x01\xff").unwrap();
    assert_eq!(read(&message.payload).content, Content::Raw(b"\x01\xff"));
    let mut out = Vec::new();
    encode(&mut out, "topic", message.payload.bytes()).unwrap();
    assert_eq!(out, b"\x04\x05\x0a\x00\x00topicuser_event\x01\xff");
}

#[test]
fn row_283_metadata_stands_before_the_payload() {
    let broadcast = UserBroadcast { event: "e", metadata: "{\"id\":\"7\"}", content: Content::Json("[1]") };
    let payload = broadcast.to_payload().unwrap();
    assert_eq!(read(&payload), broadcast);
    let mut out = Vec::new();
    encode(&mut out, "t", payload.bytes()).unwrap();
    assert_eq!(out, b"\x04\x01\x01\x0a\x01te{\"id\":\"7\"}[1]");
    let json =
        Payload::Json(Bytes::from_static(br#"{"type":"broadcast","event":"e","payload":[1],"meta":{"id":"7"}}"#));
    assert_eq!(broadcast.to_json(), Some(json));
    // What a client says there is for the server alone.
    let message = decode(b"\x03\x00\x00\x01\x01\x10\x01te{\"persist\":true}null").unwrap();
    assert_eq!(read(&message.payload), UserBroadcast { event: "e", metadata: "", content: Content::Json("null") });
    assert!(message.join_ref.is_null() && message.reference.is_null());
}

#[test]
fn bytes_have_no_json() {
    assert_eq!(UserBroadcast { event: "e", metadata: "", content: Content::Raw(b"{}") }.to_json(), None);
}

#[test]
fn other_frames_are_refused() {
    for (frame, error) in [
        (&b""[..], DecodeError::Truncated),
        (b"\x03\0\0\0\0\0", DecodeError::Truncated),
        (b"\x03\0\0\x02\0\0\x01t", DecodeError::Truncated),
        (b"\x00\0\0\x01\x01\0\0te", DecodeError::UnknownKind),
        (b"\x04\0\0\x01\x01\0\0te", DecodeError::UnknownKind),
        (b"\x03\0\0\x01\x01\0\x02te", DecodeError::Malformed),
        (b"\x03\0\0\x01\x01\0\x01te", DecodeError::Malformed),
        (b"\x03\0\0\x01\x01\0\x01te{", DecodeError::Malformed),
        (b"\x03\0\0\x01\x01\0\x01te{} {}", DecodeError::Malformed),
        (b"\x03\0\0\x01\x01\0\x01te\"\xff\"", DecodeError::Malformed),
        (b"\x03\0\0\x01\x01\0\0\xffe", DecodeError::Malformed),
    ] {
        assert_eq!(decode(frame), Err(error), "{frame:?}");
    }
    let deep = [&b"\x03\0\0\x01\x01\0\x01te"[..], "[".repeat(128).as_bytes(), "]".repeat(128).as_bytes()].concat();
    assert!(decode(&deep).is_err());
}

#[test]
fn bytes_of_other_dialects_are_none_of_these() {
    for bytes in [&b""[..], b"\x04\0\0", b"\x02\0\0\0", b"\x04\x02\0\0a", b"\x04\x01\0\x01a{", b"\x04\x01\x02\x01a[]1"]
    {
        assert_eq!(UserBroadcast::read(bytes), None, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn is_read_back(event in "\\PC{0,60}", value in "\\PC*", bytes: Vec<u8>, raw: bool, with_metadata: bool) {
        let (json, metadata) = (serde_json::json!({ "v": value }).to_string(), if with_metadata { "{\"id\":1}" } else { "" });
        let content = if raw { Content::Raw(&bytes) } else { Content::Json(&json) };
        let broadcast = UserBroadcast { event: &event, metadata, content };
        let payload = broadcast.to_payload().unwrap();
        prop_assert_eq!(read(&payload), broadcast);
        if let Some(payload) = broadcast.to_json() {
            let value: serde_json::Value = payload.parse().unwrap();
            prop_assert_eq!(value["event"].as_str(), Some(&*event));
            prop_assert_eq!(value["payload"].to_string(), json);
        }
    }

    #[test]
    fn a_push_is_read_back(event in "[a-z]{0,40}", topic in "\\PC{0,60}", bytes: Vec<u8>) {
        let mut frame = vec![3, 1, 2, u8::try_from(topic.len()).unwrap(), u8::try_from(event.len()).unwrap(), 0, 0];
        frame.extend([b"1", &b"22"[..], topic.as_bytes(), event.as_bytes(), &bytes].concat());
        let message = decode(&frame).unwrap();
        prop_assert_eq!(message.topic.as_str(), Some(&*topic));
        prop_assert_eq!(read(&message.payload), UserBroadcast { event: &event, metadata: "", content: Content::Raw(&bytes) });
        for cut in 0..frame.len() - bytes.len() {
            prop_assert!(decode(&frame[..cut]).is_err());
        }
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _either = (decode(&bytes), UserBroadcast::read(&bytes), encode(&mut Vec::new(), "t", &bytes));
    }
}
