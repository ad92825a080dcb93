//! Version 1: JSON objects with exactly four keys out, and an optional `join_ref` in (protocol 2.1).

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{DecodeError, EncodeError};
use super::json::write_string;
use super::message::{Message, Opcode, Outgoing};
use super::name::Name;
use super::payload::Payload;
use super::reference::Ref;
use super::v2;

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    join_ref: Option<&'a RawValue>,
    #[serde(borrow)]
    r#ref: &'a RawValue,
    #[serde(borrow)]
    topic: &'a RawValue,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

pub(super) fn decode(frame: &Bytes) -> Result<Message, DecodeError> {
    // An array would deserialize as a struct too: version 1 takes objects only (row 85).
    if frame.trim_ascii_start().first() != Some(&b'{') {
        return Err(DecodeError::Malformed);
    }
    let fields: Fields<'_> = serde_json::from_slice(frame).map_err(|_| DecodeError::Malformed)?;
    let join_ref = fields.join_ref.map_or(Some(Ref::Null), Ref::from_raw);
    Ok(Message {
        join_ref: join_ref.ok_or(DecodeError::Malformed)?,
        reference: Ref::from_raw(fields.r#ref).ok_or(DecodeError::Malformed)?,
        topic: Name::from_raw(fields.topic).ok_or(DecodeError::Malformed)?,
        event: fields.event.into(),
        payload: v2::payload_of(frame, fields.payload)?,
    })
}

pub(super) fn encode(message: Outgoing<'_>, out: &mut Vec<u8>) -> Result<Opcode, EncodeError> {
    match message {
        Outgoing::Push { topic, event, payload, offset, .. }
        | Outgoing::Broadcast { topic, event, payload, offset } => {
            object(out, |out| write_string(out, topic), event, json(payload)?, &Ref::of_offset(offset));
        }
        Outgoing::Ended { join_ref, topic, event, payload } => {
            object(out, |out| write_string(out, topic), event, json(payload)?, join_ref);
        }
        Outgoing::Reply { reference, topic, status, response, .. } => {
            let mut payload = Vec::with_capacity(response.bytes().len() + 32);
            v2::write_reply_payload(&mut payload, status, json(response)?);
            object(out, |out| topic.write_json(out), "phx_reply", &payload, reference);
        }
    }
    Ok(Opcode::Text)
}

fn json(payload: &Payload) -> Result<&[u8], EncodeError> {
    match payload {
        Payload::Json(json) => Ok(json),
        Payload::Binary(_) => Err(EncodeError::BinaryUnsupported),
    }
}

fn object(out: &mut Vec<u8>, topic: impl FnOnce(&mut Vec<u8>), event: &str, payload: &[u8], reference: &Ref) {
    out.extend_from_slice(br#"{"topic":"#);
    topic(out);
    out.extend_from_slice(br#","event":"#);
    write_string(out, event);
    out.extend_from_slice(br#","payload":"#);
    out.extend_from_slice(payload);
    out.extend_from_slice(br#","ref":"#);
    reference.write_json(out);
    out.push(b'}');
}

#[cfg(test)]
mod tests;
