//! Version 2, text: JSON arrays of five, `[join_ref, ref, topic, event, payload]` (protocol 2.2).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{DecodeError, EncodeError};
use super::json::write_string;
use super::message::{Message, Opcode, Outgoing};
use super::name::Name;
use super::payload::Payload;
use super::reference::Ref;

struct Elements<'a> {
    join_ref: &'a RawValue,
    reference: &'a RawValue,
    topic: &'a RawValue,
    event: Cow<'a, str>,
    payload: &'a RawValue,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of at least five")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
                    seq.next_element()?.ok_or_else(|| A::Error::custom("too short"))
                }
                #[derive(Deserialize)]
                struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
                let elements = Elements {
                    join_ref: next(&mut seq)?,
                    reference: next(&mut seq)?,
                    topic: next(&mut seq)?,
                    event: next::<Text<'de>, A>(&mut seq)?.0,
                    payload: next(&mut seq)?,
                };
                // Further elements are ignored (row 75).
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

pub(super) fn decode(frame: &Bytes) -> Result<Message, DecodeError> {
    let elements: Elements<'_> = serde_json::from_slice(frame).map_err(|_| DecodeError::Malformed)?;
    Ok(Message {
        join_ref: Ref::from_raw(elements.join_ref).ok_or(DecodeError::Malformed)?,
        reference: Ref::from_raw(elements.reference).ok_or(DecodeError::Malformed)?,
        topic: Name::from_raw(elements.topic).ok_or(DecodeError::Malformed)?,
        event: elements.event.into(),
        payload: payload_of(frame, elements.payload)?,
    })
}

/// The payload as a slice of its frame.
pub(super) fn payload_of(frame: &Bytes, raw: &RawValue) -> Result<Payload, DecodeError> {
    let json = raw.get().as_bytes();
    let payload = Payload::Json(frame.slice_ref(json));
    if payload.is_too_deep() { Err(DecodeError::TooDeep) } else { Ok(payload) }
}

pub(super) fn encode(message: Outgoing<'_>, out: &mut Vec<u8>) -> Result<Opcode, EncodeError> {
    let null = &Ref::Null;
    match message {
        Outgoing::Push { payload: Payload::Binary(bytes), join_ref, topic, event, .. } => {
            return super::binary::encode_push(out, join_ref, topic, event, bytes);
        }
        Outgoing::Broadcast { payload: Payload::Binary(bytes), topic, event, .. } => {
            return super::binary::encode_broadcast(out, topic, event, bytes);
        }
        Outgoing::Reply { response: Payload::Binary(bytes), join_ref, reference, topic, status } => {
            return super::binary::encode_reply(out, join_ref, reference, topic, status, bytes);
        }
        Outgoing::Push { join_ref, topic, event, payload, offset } => {
            head(out, join_ref, &Ref::of_offset(offset), |out| write_string(out, topic), event);
            object(out, payload)?;
        }
        Outgoing::Broadcast { topic, event, payload, offset } => {
            head(out, null, &Ref::of_offset(offset), |out| write_string(out, topic), event);
            object(out, payload)?;
        }
        Outgoing::Ended { join_ref, topic, event, payload } => {
            head(out, join_ref, join_ref, |out| write_string(out, topic), event);
            object(out, payload)?;
        }
        Outgoing::Reply { join_ref, reference, topic, status, response } => {
            head(out, join_ref, reference, |out| topic.write_json(out), "phx_reply");
            write_reply_payload(out, status, response.bytes());
        }
    }
    out.push(b']');
    Ok(Opcode::Text)
}

fn head(out: &mut Vec<u8>, join_ref: &Ref, reference: &Ref, topic: impl FnOnce(&mut Vec<u8>), event: &str) {
    out.push(b'[');
    join_ref.write_json(out);
    out.push(b',');
    reference.write_json(out);
    out.push(b',');
    topic(out);
    out.push(b',');
    write_string(out, event);
    out.push(b',');
}

fn object(out: &mut Vec<u8>, payload: &Payload) -> Result<(), EncodeError> {
    if !payload.is_object_or_binary() {
        return Err(EncodeError::NotAnObject);
    }
    out.extend_from_slice(payload.bytes());
    Ok(())
}

/// Appends `{"status":…,"response":…}`.
pub(super) fn write_reply_payload(out: &mut Vec<u8>, status: &str, response: &[u8]) {
    out.extend_from_slice(br#"{"status":"#);
    write_string(out, status);
    out.extend_from_slice(br#","response":"#);
    out.extend_from_slice(response);
    out.push(b'}');
}

#[cfg(test)]
mod tests;
