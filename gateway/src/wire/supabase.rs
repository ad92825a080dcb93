//! Supabase's use of Phoenix frames (protocol 8.2, 8.4): which frames its clients understand, and what a private topic is
//! called where public topics are, too.

use bytes::Bytes;

use super::error::{DecodeError, EncodeError};
use super::message::{Message, Opcode, Outgoing};
use super::payload::Payload;
use super::user_broadcast::{self, BROADCAST, UserBroadcast};
use super::vsn::Vsn;
use super::{v1, v2};

/// What stands before the name of a private topic everywhere but on the wire: a private and a public topic of one name are
/// two, though clients call them alike. No client of any dialect can join a topic that begins so.
const PRIVATE: &str = "@private:";

/// The name of a private topic among all topics, of its name on the wire.
pub(crate) fn private_topic(name: &str) -> String {
    format!("{PRIVATE}{name}")
}

/// Whether a name is that of a private topic among all topics.
pub(crate) fn is_private_topic(topic: &str) -> bool {
    topic.starts_with(PRIVATE)
}

/// The name of a topic on the wire, private or not.
pub(crate) fn topic_on_the_wire(topic: &str) -> &str {
    topic.strip_prefix(PRIVATE).unwrap_or(topic)
}

pub(super) fn decode(vsn: Vsn, opcode: Opcode, frame: &Bytes) -> Result<Message, DecodeError> {
    match (vsn, opcode) {
        (Vsn::V2, Opcode::Binary) if user_broadcast::is_push(frame) => user_broadcast::decode_push(frame),
        _ => vsn.decode(opcode, frame),
    }
}

/// Writes text, or a binary frame of kind 4 and no other: the decoder of realtime-js throws on all else (row 305). References
/// never tell offsets.
pub(super) fn encode(vsn: Vsn, message: Outgoing<'_>, out: &mut Vec<u8>) -> Result<Opcode, EncodeError> {
    match message {
        Outgoing::Push { topic, event, payload: Payload::Binary(bytes), .. }
        | Outgoing::Broadcast { topic, event, payload: Payload::Binary(bytes), .. } => {
            binary(vsn, topic_on_the_wire(topic), event, bytes, out)
        }
        Outgoing::Reply { response: Payload::Binary(_), .. } => Err(EncodeError::BinaryUnsupported),
        Outgoing::Push { join_ref, topic, event, payload, .. } => {
            let topic = topic_on_the_wire(topic);
            text(vsn, Outgoing::Push { join_ref, topic, event, payload, offset: None }, out)
        }
        Outgoing::Broadcast { topic, event, payload, .. } => {
            let topic = topic_on_the_wire(topic);
            text(vsn, Outgoing::Broadcast { topic, event, payload, offset: None }, out)
        }
        Outgoing::Reply { .. } | Outgoing::Ended { .. } => text(vsn, message, out),
    }
}

fn text(vsn: Vsn, message: Outgoing<'_>, out: &mut Vec<u8>) -> Result<Opcode, EncodeError> {
    match vsn {
        Vsn::V1 => v1::encode(message, out),
        Vsn::V2 => v2::encode(message, out),
    }
}

fn binary(vsn: Vsn, topic: &str, event: &str, bytes: &Bytes, out: &mut Vec<u8>) -> Result<Opcode, EncodeError> {
    let broadcast = UserBroadcast::read(bytes).filter(|_| event == BROADCAST).ok_or(EncodeError::BinaryUnsupported)?;
    match vsn {
        Vsn::V1 => {
            let payload = &broadcast.to_json().ok_or(EncodeError::BinaryUnsupported)?;
            v1::encode(Outgoing::Broadcast { topic, event, payload, offset: None }, out)
        }
        Vsn::V2 => {
            user_broadcast::encode(out, topic, bytes).ok_or(EncodeError::TooLong)?;
            Ok(Opcode::Binary)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::Name;
    use super::super::reference::Ref;
    use super::super::user_broadcast::Content;
    use super::*;

    fn encoded(vsn: Vsn, message: Outgoing<'_>) -> Result<String, EncodeError> {
        let mut out = Vec::new();
        encode(vsn, message, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn broadcast(topic: &'static str, event: &'static str, payload: &Payload) -> [Result<String, EncodeError>; 2] {
        [Vsn::V1, Vsn::V2].map(|vsn| encoded(vsn, Outgoing::Broadcast { topic, event, payload, offset: Some(7) }))
    }

    fn of(content: Content<'_>) -> Payload {
        UserBroadcast { event: "cur", metadata: "", content }.to_payload().unwrap()
    }

    #[test]
    fn row_284_json_is_an_object_to_version_1_and_kind_4_to_version_2() {
        let [v1, v2] = broadcast("realtime:a", "broadcast", &of(Content::Json("{\"y\":2}")));
        let object = r#"{"topic":"realtime:a","event":"broadcast","payload":{"type":"broadcast","event":"cur","payload":{"y":2}},"ref":null}"#;
        assert_eq!(v1.unwrap(), object);
        assert_eq!(v2.unwrap(), "\x04\x0a\x03\0\x01realtime:acur{\"y\":2}");
    }

    #[test]
    fn row_285_version_1_gets_no_bytes() {
        let [v1, v2] = broadcast("realtime:a", "broadcast", &of(Content::Raw(b"raw")));
        assert_eq!(v1, Err(EncodeError::BinaryUnsupported));
        assert_eq!(v2.unwrap(), "\x04\x0a\x03\0\0realtime:acurraw");
    }

    #[test]
    fn row_305_no_binary_frame_but_kind_4_is_ever_written() {
        let stock = &Payload::Binary(Bytes::from_static(b"bytes"));
        for payload in [stock, &of(Content::Raw(b"x"))] {
            assert_eq!(broadcast("realtime:a", "other", payload), [const { Err(EncodeError::BinaryUnsupported) }; 2]);
        }
        assert_eq!(broadcast("realtime:a", "broadcast", stock), [const { Err(EncodeError::BinaryUnsupported) }; 2]);
        let (join_ref, reference, topic) = (&Ref::from("1"), &Ref::from("2"), &Name::from("realtime:a"));
        let reply = Outgoing::Reply { join_ref, reference, topic, status: "ok", response: stock };
        let push = Outgoing::Push { join_ref, topic: "realtime:a", event: "e", payload: stock, offset: None };
        for message in [reply, push] {
            assert_eq!(encoded(Vsn::V2, message), Err(EncodeError::BinaryUnsupported));
        }
    }

    #[test]
    fn a_private_topic_has_its_plain_name_on_the_wire() {
        let topic = "@private:realtime:a";
        assert_eq!(private_topic("realtime:a"), topic);
        assert!(is_private_topic(topic) && !is_private_topic("realtime:a"));
        let [_, text] = broadcast(topic, "broadcast", &Payload::empty());
        assert_eq!(text.unwrap(), r#"[null,null,"realtime:a","broadcast",{}]"#);
        let [_, kind_4] = broadcast(topic, "broadcast", &of(Content::Raw(b"x")));
        assert_eq!(kind_4.unwrap(), "\x04\x0a\x03\0\0realtime:acurx");
        let (join_ref, payload) = (&Ref::from("1"), &Payload::empty());
        let push = Outgoing::Push { join_ref, topic, event: "e", payload, offset: Some(3) };
        assert_eq!(encoded(Vsn::V2, push).unwrap(), r#"["1",null,"realtime:a","e",{}]"#);
    }
}
