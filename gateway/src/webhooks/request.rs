use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::signature::SigningKey;
use super::visitor::Visitor;
use crate::wire::{Payload, Ref};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What a back end is asked or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Join,
    Event,
    Leave,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Join, Self::Event, Self::Leave];

    /// As it stands in requests and metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Event => "event",
            Self::Leave => "leave",
        }
    }
}

/// Why a client is not in its topic any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LeaveReason {
    /// It left.
    Left,
    /// It joined again; that join has an id of its own.
    Replaced,
    /// The back end ended its channel.
    Stopped,
    /// Its channel failed.
    Crashed,
    /// Its connection is gone.
    SocketClosed,
    /// The back end let it in, but the join did not come about.
    Aborted,
}

/// A request before it is signed: the fields that depend on its kind.
pub(super) enum Message<'a> {
    Join { params: &'a Payload },
    Event { event: &'a str, payload: &'a Payload, reference: &'a Ref },
    Leave { reason: LeaveReason },
}

/// The body. Every field is in docs/openapi/webhooks.json.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    id: &'a str,
    timestamp: u64,
    topic: &'a str,
    #[serde(serialize_with = "as_text")]
    join_id: Uuid,
    socket: Socket<'a>,
    assigns: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#ref: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<LeaveReason>,
}

#[derive(Serialize)]
struct Socket<'a> {
    id: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    uuid: Uuid,
    user: Option<&'a str>,
}

/// A request that can be sent, and sent again: it stays the same.
pub(super) struct Request {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Message<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Join { .. } => Kind::Join,
            Self::Event { .. } => Kind::Event,
            Self::Leave { .. } => Kind::Leave,
        }
    }

    /// Names the request: the same for the same thing, so that a back end can tell what it got before.
    fn id(&self, visitor: &Visitor) -> String {
        let join = visitor.join_id.simple();
        match self {
            Self::Join { .. } => format!("msg_{join}_join"),
            Self::Event { .. } => format!("msg_{join}_{}", visitor.events),
            Self::Leave { .. } => format!("msg_{join}_leave"),
        }
    }

    /// Signs it. None when what the client sent is no JSON.
    pub(super) fn sign(&self, visitor: &Visitor, timestamp: u64, key: &SigningKey) -> Option<Request> {
        let id = self.id(visitor);
        let Visitor { join_id, topic, socket_id, socket_uuid, user, trace, assigns, .. } = visitor;
        let mut body = Body {
            r#type: self.kind().label(),
            id: &id,
            timestamp,
            topic,
            join_id: *join_id,
            socket: Socket { id: socket_id.as_deref(), uuid: *socket_uuid, user: user.as_deref() },
            assigns: assigns.as_deref(),
            params: None,
            event: None,
            payload: None,
            r#ref: None,
            reason: None,
        };
        match self {
            Self::Join { params } => body.params = Some(raw(params)?),
            Self::Event { event, payload, reference } => {
                (body.event, body.payload, body.r#ref) = (Some(*event), Some(raw(payload)?), Some(json(reference)?));
            }
            Self::Leave { reason } => body.reason = Some(*reason),
        }
        let body: Bytes = serde_json::to_vec(&body).ok()?.into();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SIGNATURE, key.sign(&id, timestamp, &body).parse().ok()?);
        headers.insert(ID, id.parse().ok()?);
        headers.insert(TIMESTAMP, timestamp.into());
        if let Some(trace) = trace {
            headers.insert(TRACEPARENT, trace.parent.clone());
            if let Some(state) = &trace.state {
                headers.insert(TRACESTATE, state.clone());
            }
        }
        Some(Request { headers, body })
    }
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn raw(payload: &Payload) -> Option<&RawValue> {
    match payload {
        Payload::Json(json) => serde_json::from_slice(json).ok(),
        Payload::Binary(_) => None,
    }
}

fn json(reference: &Ref) -> Option<Box<RawValue>> {
    match reference {
        Ref::Null => to_raw_value(&()).ok(),
        Ref::Text(text) => to_raw_value(text).ok(),
        Ref::Json(json) => RawValue::from_string(json.to_string()).ok(),
    }
}
