//! Version 2, binary: one-byte sizes, then the fields, then the payload as the rest (protocol 2.3).

use bytes::Bytes;

use super::error::{DecodeError, EncodeError};
use super::message::{Message, Opcode};
use super::name::Name;
use super::payload::Payload;
use super::reference::Ref;

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

/// Reads kind 0, the only one that clients send: `00 | sizes of join_ref, ref, topic, event | fields | payload`.
pub(super) fn decode(frame: &Bytes) -> Result<Message, DecodeError> {
    let (&kind, rest) = frame.split_first().ok_or(DecodeError::Truncated)?;
    if kind != PUSH {
        return Err(DecodeError::UnknownKind);
    }
    let (sizes, mut fields) = rest.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
    let mut field = |size: u8| {
        let (field, rest) = fields.split_at_checked(size.into()).ok_or(DecodeError::Truncated)?;
        fields = rest;
        std::str::from_utf8(field).map_err(|_| DecodeError::Malformed)
    };
    let [join_ref, reference, topic, event] = *sizes;
    let (join_ref, reference) = (field(join_ref)?, field(reference)?);
    let (topic, event) = (field(topic)?, field(event)?);
    Ok(Message {
        join_ref: reference_of(join_ref),
        reference: reference_of(reference),
        topic: Name::from(topic),
        event: event.into(),
        payload: Payload::Binary(frame.slice_ref(fields)),
    })
}

/// An empty field is null: some clients have no other way to say so (protocol 2.3).
fn reference_of(text: &str) -> Ref {
    if text.is_empty() { Ref::Null } else { Ref::from(text) }
}

/// Kind 0 towards clients has no ref: `00 | sizes of join_ref, topic, event | fields | payload` (row 68).
pub(super) fn encode_push(
    out: &mut Vec<u8>,
    join_ref: &Ref,
    topic: &str,
    event: &str,
    bytes: &Bytes,
) -> Result<Opcode, EncodeError> {
    fields(out, PUSH, [join_ref.bare(), topic.as_bytes(), event.as_bytes()], bytes)
}

/// Kind 1: `01 | sizes of join_ref, ref, topic, status | fields | payload` (row 69).
pub(super) fn encode_reply(
    out: &mut Vec<u8>,
    join_ref: &Ref,
    reference: &Ref,
    topic: &Name,
    status: &str,
    bytes: &Bytes,
) -> Result<Opcode, EncodeError> {
    fields(out, REPLY, [join_ref.bare(), reference.bare(), topic.bare(), status.as_bytes()], bytes)
}

/// Kind 2: `02 | sizes of topic, event | fields | payload` (row 70).
pub(super) fn encode_broadcast(
    out: &mut Vec<u8>,
    topic: &str,
    event: &str,
    bytes: &Bytes,
) -> Result<Opcode, EncodeError> {
    fields(out, BROADCAST, [topic.as_bytes(), event.as_bytes()], bytes)
}

fn fields<const N: usize>(
    out: &mut Vec<u8>,
    kind: u8,
    fields: [&[u8]; N],
    payload: &Bytes,
) -> Result<Opcode, EncodeError> {
    out.push(kind);
    for field in fields {
        out.push(u8::try_from(field.len()).map_err(|_| EncodeError::TooLong)?);
    }
    for field in fields {
        out.extend_from_slice(field);
    }
    out.extend_from_slice(payload);
    Ok(Opcode::Binary)
}

#[cfg(test)]
mod tests;
