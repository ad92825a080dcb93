use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use super::replay::numbered;
use crate::wire::{Content, Payload, Reason, UserBroadcast};

/// What a client tells others: its own event, and the payload of `broadcast` that travels.
pub(super) struct Spoken {
    pub(super) event: Box<str>,
    pub(super) payload: Payload,
}

/// What becomes of broadcasts in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// They pass.
    Nothing,
    /// The topic keeps a history, and takes JSON only.
    Json,
    /// And who joins may hear them again, so that each has an id.
    Numbered,
}

/// The fields of a text broadcast that are looked at; all else passes through.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    ids: Ids,
}

/// Whether there is such a field, whatever it holds.
#[derive(Default)]
struct Ids(bool);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

impl Spoken {
    /// Reads what a client pushed as `broadcast`.
    ///
    /// # Errors
    /// With the reason why nobody may be told that.
    pub(super) fn read(payload: &Payload, keeping: Keeping) -> Result<Self, Reason> {
        match payload {
            Payload::Json(json) => {
                let is_object = payload.is_object_or_binary();
                let text: Text<'_> = serde_json::from_slice(json).map_err(|_| Reason::InvalidPayload)?;
                // Stock clients take a message with such a field for a Postgres change, and fail.
                if !is_object || text.ids.0 {
                    return Err(Reason::InvalidPayload);
                }
                let event = name(text.event).ok_or(Reason::InvalidPayload)?;
                let payload = match keeping {
                    Keeping::Numbered => numbered(&event, text.payload.map_or("{}", RawValue::get)),
                    Keeping::Nothing | Keeping::Json => Some(payload.clone()),
                };
                Ok(Self { payload: payload.ok_or(Reason::InvalidPayload)?, event: event.into() })
            }
            Payload::Binary(bytes) => {
                let broadcast = UserBroadcast::read(bytes).ok_or(Reason::InvalidPayload)?;
                // By a frame of stock kind a client can say what a kind 3 would not have let through.
                let is_too_deep = matches!(broadcast.content, Content::Json(text)
                    if Payload::Json(bytes.slice_ref(text.as_bytes())).is_too_deep());
                if is_too_deep || !broadcast.metadata.is_empty() {
                    return Err(Reason::InvalidPayload);
                }
                let payload = match (keeping, broadcast.content) {
                    (Keeping::Nothing, _) => Some(payload.clone()),
                    (Keeping::Json, _) => broadcast.to_json(),
                    (Keeping::Numbered, Content::Json(text)) => numbered(broadcast.event, text),
                    (Keeping::Numbered, Content::Raw(_)) => None,
                };
                Ok(Self { event: broadcast.event.into(), payload: payload.ok_or(Reason::BinaryNotSupported)? })
            }
        }
    }
}

/// Without an event it is none of those that a configuration can name. None: it is no text, on which stock clients fail.
fn name(event: Option<&RawValue>) -> Option<Cow<'_, str>> {
    match event.map(RawValue::get) {
        None | Some("null") => Some(Cow::default()),
        Some(event) => serde_json::from_str::<String>(event).ok().map(Cow::from),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(json: &'static str) -> Result<(Box<str>, Payload), Reason> {
        Spoken::read(&Payload::Json(Bytes::from_static(json.as_bytes())), Keeping::Nothing)
            .map(|spoken| (spoken.event, spoken.payload))
    }

    #[test]
    fn text_passes_as_it_is() {
        let json = r#"{"type":"broadcast","event":"cur","payload":{"ids":[1]},"more":1}"#;
        assert_eq!(text(json).unwrap(), ("cur".into(), Payload::Json(Bytes::from_static(json.as_bytes()))));
        assert_eq!(&*text("{}").unwrap().0, "");
        assert_eq!(&*text(r#"{"event":null}"#).unwrap().0, "");
    }

    #[test]
    fn what_would_break_stock_clients_is_refused() {
        let events = [r#"{"event":7}"#, r#"{"event":["e"]}"#, r#"{"event":{}}"#, r#"{"event":true}"#];
        let fields =
            [r#"{"ids":null}"#, r#"{"ids":[1],"event":"e"}"#, r#"{"\u0069ds":1}"#, "[]", "7", "null", r#""x""#];
        for json in events.into_iter().chain(fields) {
            assert_eq!(text(json).unwrap_err(), Reason::InvalidPayload, "{json}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        for (metadata, json) in [("", deep.as_str()), (r#"{"id":"mine"}"#, "{}")] {
            let content = Content::Json(json);
            let frame = UserBroadcast { event: "cur", metadata, content }.to_payload().unwrap();
            assert!(matches!(Spoken::read(&frame, Keeping::Nothing), Err(Reason::InvalidPayload)));
        }
        let stock = Payload::Binary(Bytes::from_static(b"bytes"));
        assert!(matches!(Spoken::read(&stock, Keeping::Nothing), Err(Reason::InvalidPayload)));
    }

    #[test]
    fn topics_with_history_carry_json_only() {
        let payload = |content| UserBroadcast { event: "cur", metadata: "", content }.to_payload().unwrap();
        let (json, raw) = (payload(Content::Json("[1]")), payload(Content::Raw(b"\xff")));
        assert_eq!(Spoken::read(&json, Keeping::Nothing).unwrap().payload, json);
        let kept = Spoken::read(&json, Keeping::Json).unwrap();
        let as_text = Bytes::from_static(br#"{"type":"broadcast","event":"cur","payload":[1]}"#);
        assert_eq!((&*kept.event, kept.payload), ("cur", Payload::Json(as_text)));
        assert!(matches!(Spoken::read(&raw, Keeping::Json), Err(Reason::BinaryNotSupported)));
        assert_eq!(Spoken::read(&raw, Keeping::Nothing).unwrap().payload, raw);
        assert!(matches!(Spoken::read(&raw, Keeping::Numbered), Err(Reason::BinaryNotSupported)));
        let text = Payload::Json(Bytes::from_static(br#"{"event":"cur","payload":[1],"meta":{"id":"mine"}}"#));
        for payload in [&json, &text] {
            let numbered: serde_json::Value =
                Spoken::read(payload, Keeping::Numbered).unwrap().payload.parse().unwrap();
            assert_eq!((&numbered["event"], &numbered["payload"]), (&"cur".into(), &serde_json::json!([1])));
            assert_eq!(numbered["meta"]["id"].as_str().map(str::len), Some(36), "whatever the client says");
        }
    }
}
