//! What travels through Redis between pods: compact, versioned, and told from the JSON of other programs by its first
//! byte.
//!
//! Version 1: `01 | flags | size of node | size of event | sequence, 8 bytes | exclude, 8 bytes if flagged | node | event |
//! payload`, numbers big-endian. Flags: 1 the payload is binary, 2 a subscriber of the node is excluded. Flag 4 alone: a
//! message of a topic with history, see `kept.rs`.
//! An order to all pods: `01 | 01 | socket id` closes the sockets of that id.

use bytes::Bytes;

use super::backend::{Inbound, Stamp};
use super::kept;
use super::message::{Broadcast, Control, SubscriberId};
use super::metrics::Dropped;
use crate::ids::NodeId;
use crate::wire::Payload;

/// Pods write what the oldest of them can read; no JSON text starts with this byte.
const VERSION: u8 = 1;

const BINARY: u8 = 1;
const EXCLUDES: u8 = 2;

const DISCONNECT: u8 = 1;

/// Writes the envelope of a broadcast. Its event is at most 255 bytes.
pub(super) fn encode(node: &NodeId, sequence: u64, broadcast: &Broadcast) -> Vec<u8> {
    let Broadcast { event, payload, exclude, .. } = broadcast;
    let binary = if matches!(payload, Payload::Binary(_)) { BINARY } else { 0 };
    let excludes = if exclude.is_some() { EXCLUDES } else { 0 };
    let size = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
    let mut out = Vec::with_capacity(20 + node.as_str().len() + event.len() + payload.bytes().len());
    out.extend([VERSION, binary | excludes, size(node.as_str()), size(event)]);
    out.extend(sequence.to_be_bytes());
    if let Some(SubscriberId(id)) = exclude {
        out.extend(id.to_be_bytes());
    }
    out.extend(node.as_str().as_bytes());
    out.extend(event.as_bytes());
    out.extend_from_slice(payload.bytes());
    out
}

/// Reads what came on the channel of a topic. What other nodes exclude is none of ours.
///
/// # Errors
/// With the reason to drop it.
pub(super) fn decode<'a>(topic: &'a str, message: &'a Bytes, ours: &NodeId) -> Result<Inbound<'a>, Dropped> {
    if let Some((kept, envelope)) = kept::split(message) {
        let inbound = decode_own(topic, message, envelope, ours).ok_or(Dropped::Malformed)?;
        return Ok(Inbound { kept: Some(kept), ..inbound });
    }
    match message.first() {
        Some(&VERSION) => decode_own(topic, message, message, ours).ok_or(Dropped::Malformed),
        Some(b'{' | b' ' | b'\t' | b'\r' | b'\n') => super::foreign::decode(topic, message).ok_or(Dropped::Foreign),
        Some(_) => Err(Dropped::Version),
        None => Err(Dropped::Malformed),
    }
}

/// `envelope` is a part of `message`.
fn decode_own<'a>(topic: &'a str, message: &'a Bytes, envelope: &'a [u8], ours: &NodeId) -> Option<Inbound<'a>> {
    let (&[version, flags, node, event], rest) = envelope.split_first_chunk::<4>()?;
    if version != VERSION || flags & !(BINARY | EXCLUDES) != 0 {
        return None;
    }
    let (sequence, mut rest) = rest.split_first_chunk::<8>()?;
    let mut exclude = None;
    if flags & EXCLUDES != 0 {
        let (id, after) = rest.split_first_chunk::<8>()?;
        (exclude, rest) = (Some(SubscriberId(u64::from_be_bytes(*id))), after);
    }
    let (node, rest) = rest.split_at_checked(node.into())?;
    let (event, payload) = rest.split_at_checked(event.into())?;
    let node = NodeId::from(std::str::from_utf8(node).ok()?);
    let payload = message.slice_ref(payload);
    let payload = if flags & BINARY != 0 { Payload::Binary(payload) } else { Payload::Json(payload) };
    // Bytes that are no text would end the connections of all who get them.
    if matches!(&payload, Payload::Json(json) if std::str::from_utf8(json).is_err()) || !payload.is_object_or_binary() {
        return None;
    }
    Some(Inbound {
        topic,
        event: std::str::from_utf8(event).ok()?.into(),
        payload,
        exclude: exclude.filter(|_| node == *ours),
        stamp: Some(Stamp { node, sequence: u64::from_be_bytes(*sequence) }),
        kept: None,
    })
}

/// Writes an order.
pub(super) fn encode_control(control: &Control) -> Vec<u8> {
    match control {
        Control::Disconnect { socket_id } => [&[VERSION, DISCONNECT], socket_id.as_bytes()].concat(),
    }
}

/// Reads an order.
///
/// # Errors
/// With the reason to drop it.
pub(super) fn decode_control(message: &[u8]) -> Result<Control, Dropped> {
    match message {
        [VERSION, DISCONNECT, socket_id @ ..] => {
            let socket_id = std::str::from_utf8(socket_id).map_err(|_| Dropped::Malformed)?.into();
            Ok(Control::Disconnect { socket_id })
        }
        [VERSION] | [] => Err(Dropped::Malformed),
        _ => Err(Dropped::Version),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::backend::Kept;
    use super::*;

    fn broadcast(payload: Payload, exclude: Option<u64>) -> Broadcast {
        Broadcast { topic: Arc::from("room:1"), event: "msg".into(), payload, exclude: exclude.map(SubscriberId) }
    }

    #[test]
    fn the_layout_of_version_1() {
        let node = NodeId::from("nd");
        let json = broadcast(Payload::Json(Bytes::from_static(br#"{"a":1}"#)), None);
        assert_eq!(encode(&node, 258, &json), b"\x01\x00\x02\x03\0\0\0\0\0\0\x01\x02ndmsg{\"a\":1}");
        let binary = broadcast(Payload::Binary(Bytes::from_static(b"\xff")), Some(7));
        assert_eq!(encode(&node, 1, &binary), b"\x01\x03\x02\x03\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x07ndmsg\xff");
        let disconnect = Control::Disconnect { socket_id: "user_socket:1".into() };
        assert_eq!(encode_control(&disconnect), b"\x01\x01user_socket:1");
        assert_eq!(decode_control(b"\x01\x01user_socket:1"), Ok(disconnect));
    }

    #[test]
    fn only_the_sender_s_node_leaves_somebody_out() {
        let sender = NodeId::from("nd");
        let message = Bytes::from(encode(&sender, 1, &broadcast(Payload::empty(), Some(7))));
        assert_eq!(decode("t", &message, &sender).unwrap().exclude, Some(SubscriberId(7)));
        assert_eq!(decode("t", &message, &NodeId::from("other")).unwrap().exclude, None);
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let node = NodeId::from("nd");
        let reason = |message: &'static [u8]| decode("t", &Bytes::from_static(message), &node).unwrap_err();
        assert_eq!(reason(b""), Dropped::Malformed);
        assert_eq!(reason(b"\x02whatever"), Dropped::Version);
        assert_eq!(reason(b"hello"), Dropped::Version);
        assert_eq!(reason(b"{}"), Dropped::Foreign);
        assert_eq!(reason(b"\x01\x08\0\0\0\0\0\0\0\0\0\x01{}"), Dropped::Malformed, "an unknown flag");
        assert_eq!(reason(b"\x01\x04\x01e\0\0\0\0\0\0\0\x01{}"), Dropped::Malformed, "no envelope behind its place");
        assert_eq!(reason(b"\x01\0\0\0\0\0\0\0\0\0\0\x01[]"), Dropped::Malformed, "not an object");
        assert_eq!(reason(b"\x01\0\0\0\0\0\0\0\0\0\0\x01{\xff}"), Dropped::Malformed, "not text");
        assert_eq!(decode_control(b""), Err(Dropped::Malformed));
        assert_eq!(decode_control(b"\x01\x02"), Err(Dropped::Version));
        assert_eq!(decode_control(b"{}"), Err(Dropped::Version));
        assert_eq!(decode_control(b"\x01\x01\xff"), Err(Dropped::Malformed));
    }

    proptest! {
        #[test]
        fn is_read_back(
            event in "\\PC{0,60}", sequence: u64, exclude: Option<u64>, bytes: Vec<u8>, text in "\\PC*", binary: bool,
        ) {
            let payload = if binary {
                Payload::Binary(bytes.into())
            } else {
                Payload::json(&serde_json::json!({ "text": text })).unwrap()
            };
            let node = NodeId::random();
            let mut sent = broadcast(payload.clone(), exclude);
            sent.event = event.into();
            let message = Bytes::from(encode(&node, sequence, &sent));
            let read = decode("room:1", &message, &node).unwrap();
            prop_assert_eq!(&*read.event, &*sent.event);
            prop_assert_eq!(read.payload, payload);
            prop_assert_eq!(read.exclude, sent.exclude);
            prop_assert_eq!(read.stamp, Some(Stamp { node: node.clone(), sequence }));
            // Whatever is cut off, nothing panics, and nothing is read past the end.
            for cut in 0..message.len() {
                let _ = decode("room:1", &message.slice(..cut), &node);
            }
        }

        #[test]
        fn a_kept_one_says_where_it_stands(offset: u64, binary: bool, cut in 0..60_usize) {
            let node = NodeId::from("nd");
            let payload = if binary { Payload::Binary(Bytes::from_static(b"raw")) } else { Payload::empty() };
            let envelope = encode(&node, 7, &broadcast(payload.clone(), None));
            let message = Bytes::from(kept::join(Kept { epoch: "epoch", offset }, &envelope));
            let read = decode("t", &message, &node).unwrap();
            prop_assert_eq!(read.kept, Some(Kept { epoch: "epoch", offset }));
            prop_assert_eq!(read.payload, payload);
            prop_assert_eq!(read.stamp.map(|stamp| stamp.sequence), Some(7));
            let _ = decode("t", &message.slice(..cut.min(message.len())), &node);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, version: bool) {
            let mut bytes = bytes;
            if version && !bytes.is_empty() {
                bytes[0] = VERSION;
            }
            let _ = decode_control(&bytes);
            let _ = decode("t", &Bytes::from(bytes), &NodeId::from("n"));
        }
    }
}
