//! Broadcasts of Supabase's clients in binary frames: kind 3 from a client, kind 4 to clients (protocol 8.4). Sizes are
//! bytes, fields follow in the order of their sizes, the client's own payload is the rest.
//!
//! Between the two, and between pods, such a broadcast is a binary payload of the event `broadcast`: the frame of kind 4
//! without its topic, `04 | sizes of user_event, metadata | encoding | user_event | metadata | user_payload`.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::error::DecodeError;
use super::json::write_string;
use super::message::Message;
use super::name::Name;
use super::payload::Payload;
use super::reference::Ref;

/// The event that carries them.
pub(crate) const BROADCAST: &str = "broadcast";

const PUSH: u8 = 3;
const USER_BROADCAST: u8 = 4;

const RAW: u8 = 0;
const JSON: u8 = 1;

/// Bytes before the fields: kind, two sizes, encoding.
const HEAD: usize = 4;

/// What a client tells others under an event of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserBroadcast<'a> {
    /// The client's own event.
    pub(crate) event: &'a str,
    /// Nothing, or the text of a JSON object that receivers get as `meta`.
    pub(crate) metadata: &'a str,
    /// What is told.
    pub(crate) content: Content<'a>,
}

/// The payload of a client's own event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// The text of any JSON value.
    Json(&'a str),
    /// Bytes, which version 1 cannot carry.
    Raw(&'a [u8]),
}

impl<'a> UserBroadcast<'a> {
    /// The payload with which it travels. None: the event or the metadata is longer than 255 bytes.
    pub(crate) fn to_payload(self) -> Option<Payload> {
        let size = |text: &str| u8::try_from(text.len()).ok();
        let (encoding, content) = match self.content {
            Content::Json(text) => (JSON, text.as_bytes()),
            Content::Raw(bytes) => (RAW, bytes),
        };
        let mut out = Vec::with_capacity(HEAD + self.event.len() + self.metadata.len() + content.len());
        out.extend([USER_BROADCAST, size(self.event)?, size(self.metadata)?, encoding]);
        out.extend_from_slice(self.event.as_bytes());
        out.extend_from_slice(self.metadata.as_bytes());
        out.extend_from_slice(content);
        Some(Payload::Binary(out.into()))
    }

    /// Reads what [`UserBroadcast::to_payload`] makes. None for other bytes: those of a client of another dialect, which
    /// Supabase's clients could not read.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[kind, event, metadata, encoding], rest) = bytes.split_first_chunk::<HEAD>()?;
        let (event, rest) = rest.split_at_checked(event.into())?;
        let (metadata, content) = rest.split_at_checked(metadata.into())?;
        let metadata = json_text(metadata, true)?;
        let content = match encoding {
            JSON => Content::Json(json_text(content, false)?),
            RAW => Content::Raw(content),
            _ => return None,
        };
        (kind == USER_BROADCAST).then_some(())?;
        Some(Self { event: std::str::from_utf8(event).ok()?, metadata, content })
    }

    /// `{"type":"broadcast","event":…,"payload":…}`, as version 1 and topics with history carry it. None for bytes.
    pub(crate) fn to_json(self) -> Option<Payload> {
        let Content::Json(content) = self.content else { return None };
        let mut out = Vec::with_capacity(64 + self.event.len() + self.metadata.len() + content.len());
        out.extend_from_slice(br#"{"type":"broadcast","event":"#);
        write_string(&mut out, self.event);
        out.extend_from_slice(br#","payload":"#);
        out.extend_from_slice(content.as_bytes());
        if !self.metadata.is_empty() {
            out.extend_from_slice(br#","meta":"#);
            out.extend_from_slice(self.metadata.as_bytes());
        }
        out.push(b'}');
        Some(Payload::Json(out.into()))
    }
}

/// Text that every client can parse. Of metadata: nothing, or an object.
fn json_text(bytes: &[u8], is_metadata: bool) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    if is_metadata && text.is_empty() {
        return Some(text);
    }
    let _valid: &RawValue = serde_json::from_str(text).ok()?;
    let is_object = text.trim_start().starts_with('{');
    (is_object || !is_metadata).then_some(text)
}

/// Reads kind 3: `03 | sizes of join_ref, ref, topic, user_event, metadata | encoding | fields | user_payload`. What the client
/// says in the metadata is for the server alone.
pub(super) fn decode_push(frame: &Bytes) -> Result<Message, DecodeError> {
    let (&[kind, sizes @ .., encoding], mut fields) = frame.split_first_chunk::<7>().ok_or(DecodeError::Truncated)?;
    if kind != PUSH {
        return Err(DecodeError::UnknownKind);
    }
    let mut field = |size: u8| {
        let (field, rest) = fields.split_at_checked(size.into()).ok_or(DecodeError::Truncated)?;
        fields = rest;
        std::str::from_utf8(field).map_err(|_| DecodeError::Malformed)
    };
    let [join_ref, reference, topic, event, metadata] = sizes;
    let (join_ref, reference) = (field(join_ref)?, field(reference)?);
    let (topic, event, _metadata) = (field(topic)?, field(event)?, field(metadata)?);
    let content = match encoding {
        JSON => {
            let text = json_text(fields, false).ok_or(DecodeError::Malformed)?;
            if Payload::Json(frame.slice_ref(fields)).is_too_deep() {
                return Err(DecodeError::TooDeep);
            }
            Content::Json(text)
        }
        RAW => Content::Raw(fields),
        _ => return Err(DecodeError::Malformed),
    };
    let broadcast = UserBroadcast { event, metadata: "", content };
    Ok(Message {
        join_ref: reference_of(join_ref),
        reference: reference_of(reference),
        topic: Name::from(topic),
        event: BROADCAST.into(),
        payload: broadcast.to_payload().ok_or(DecodeError::Malformed)?,
    })
}

/// Whether a frame is of kind 3.
pub(super) fn is_push(frame: &[u8]) -> bool {
    frame.first() == Some(&PUSH)
}

fn reference_of(text: &str) -> Ref {
    if text.is_empty() { Ref::Null } else { Ref::from(text) }
}

/// Writes kind 4: `04 | sizes of topic, user_event, metadata | encoding | topic | user_event | metadata | user_payload`, given
/// the payload of a broadcast that [`UserBroadcast::read`] could read. None: the topic is longer than 255 bytes.
pub(super) fn encode(out: &mut Vec<u8>, topic: &str, payload: &[u8]) -> Option<()> {
    let (head, rest) = payload.split_first_chunk::<HEAD>()?;
    let [kind, sizes @ ..] = head;
    out.extend([*kind, u8::try_from(topic.len()).ok()?]);
    out.extend_from_slice(sizes);
    out.extend_from_slice(topic.as_bytes());
    out.extend_from_slice(rest);
    Some(())
}

#[cfg(test)]
mod tests;
