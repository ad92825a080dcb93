//! What other programs publish straight to Redis: `{"event": …, "payload": {…}}` (design 2.6).

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::backend::Inbound;
use super::message::names_fit;
use crate::wire::{Payload, is_reserved_event};

#[derive(Deserialize)]
struct Foreign<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Reads a message of another program; none that only pods may send (ruling 9), or that a client could not take.
pub(super) fn decode<'a>(topic: &'a str, message: &'a Bytes) -> Option<Inbound<'a>> {
    let Foreign { event, payload } = serde_json::from_slice(message).ok()?;
    if is_reserved_event(&event) || !names_fit(topic, &event) {
        return None;
    }
    let payload = Payload::Json(message.slice_ref(payload.get().as_bytes()));
    if !payload.is_object_or_binary() || payload.is_too_deep() {
        return None;
    }
    Some(Inbound { topic, event, payload, exclude: None, stamp: None, kept: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(message: &str) -> bool {
        decode("room:1", &Bytes::copy_from_slice(message.as_bytes())).is_some()
    }

    #[test]
    fn an_event_with_an_object_is_accepted() {
        let message = Bytes::from_static(br#" {"payload": {"a": 1}, "event": "new_msg", "more": true}"#);
        let read = decode("room:1", &message).unwrap();
        assert_eq!((read.topic, &*read.event), ("room:1", "new_msg"));
        assert_eq!(read.payload, Payload::Json(Bytes::from_static(br#"{"a": 1}"#)));
        assert_eq!((read.exclude, read.stamp), (None, None));
    }

    #[test]
    fn names_that_only_pods_may_send_are_refused() {
        for event in ["phx_close", "phx_reply", "presence_diff", "presence_state", "disconnect", &"e".repeat(256)] {
            assert!(!accepted(&format!(r#"{{"event":"{event}","payload":{{}}}}"#)), "{event}");
        }
        assert!(accepted(&format!(r#"{{"event":"{}","payload":{{}}}}"#, "e".repeat(255))));
        assert!(accepted(r#"{"event":"presence","payload":{}}"#));
        assert!(!accepted(r#"{"event":"\u0070hx_close","payload":{}}"#));
    }

    #[test]
    fn payloads_that_clients_cannot_take_are_refused() {
        for payload in ["null", "1", "[]", "\"x\"", "{", &format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200))] {
            assert!(!accepted(&format!(r#"{{"event":"e","payload":{payload}}}"#)), "{payload}");
        }
        assert!(!accepted(r#"{"event":"e"}"#));
        assert!(!accepted(r#"{"event":1,"payload":{}}"#));
    }
}
