//! Messages of both serializers, as JSON values: refs are echoed as they came.

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vsn {
    V1,
    V2,
}

impl Vsn {
    /// None: refused. Absent means version 1.
    pub(super) fn of_query(query: &str) -> Option<Self> {
        match query.split('&').find_map(|pair| pair.strip_prefix("vsn=")) {
            None | Some("1.0.0") => Some(Self::V1),
            Some("2.0.0") => Some(Self::V2),
            Some(_) => None,
        }
    }
}

pub(super) struct Frame {
    pub(super) join_ref: Value,
    pub(super) reference: Value,
    pub(super) topic: String,
    pub(super) event: String,
    pub(super) payload: Value,
}

impl Frame {
    /// None ends the socket.
    pub(super) fn read(vsn: Vsn, text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let [join_ref, reference, topic, event, payload] = match vsn {
            Vsn::V2 => {
                let parts = value.as_array()?;
                [0, 1, 2, 3, 4].map(|index| parts.get(index))
            }
            Vsn::V1 => {
                let join_ref = Some(value.get("join_ref").unwrap_or(&Value::Null));
                [join_ref, value.get("ref"), value.get("topic"), value.get("event"), value.get("payload")]
            }
        };
        Some(Self {
            join_ref: join_ref?.clone(),
            reference: reference?.clone(),
            topic: topic?.as_str()?.to_owned(),
            event: event?.as_str()?.to_owned(),
            payload: payload?.clone(),
        })
    }
}

/// The text of a message. Version 1 never has a `join_ref` in what the server says.
pub(super) fn text(vsn: Vsn, join_ref: &Value, reference: &Value, topic: &str, event: &str, payload: &Value) -> String {
    match vsn {
        Vsn::V2 => json!([join_ref, reference, topic, event, payload]).to_string(),
        Vsn::V1 => json!({ "topic": topic, "event": event, "payload": payload, "ref": reference }).to_string(),
    }
}
