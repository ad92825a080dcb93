use bytes::Bytes;
use serde_json::value::RawValue;

use super::answer::{BLANK, INVALID, Refused, TOO_LONG};
use super::body::Kind;
use super::publish::{Message, frame};
use crate::supabase::Audience;
use crate::wire::{Content, Payload};

/// The message whose topic and event stand in the path, and whose payload is the body.
///
/// # Errors
/// When it cannot be sent.
pub(super) fn message(
    topic: &str,
    event: &str,
    query: Option<&str>,
    kind: Kind,
    body: &Bytes,
) -> Result<Message, Refused> {
    if topic.is_empty() || event.is_empty() {
        return Err(Refused::invalid(if topic.is_empty() { "topic" } else { "event" }, BLANK));
    }
    let audience = Audience::of(topic, is_private(query)).ok_or_else(|| Refused::invalid("topic", TOO_LONG))?;
    let content = match kind {
        Kind::Bytes => Content::Raw(body),
        Kind::Json => Content::Json(json(body)?),
    };
    let payload = frame(event, content).ok_or_else(|| Refused::invalid("event", TOO_LONG))?;
    Ok(Message { audience, event: event.to_owned(), payload })
}

/// Whether the query says so. Clients add what the socket's own address has, and newer ones more.
fn is_private(query: Option<&str>) -> bool {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "private" && value == "true")
}

/// The text of any JSON value that clients can read.
fn json(body: &Bytes) -> Result<&str, Refused> {
    let invalid = || Refused::invalid("payload", INVALID);
    let text = std::str::from_utf8(body).map_err(|_| invalid())?;
    let _valid: &RawValue = serde_json::from_str(text).map_err(|_| invalid())?;
    if Payload::Json(body.clone()).is_too_deep() {
        return Err(Refused::invalid("payload", "is nested too deeply"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(topic: &str, event: &str, query: &str, kind: Kind, body: &'static str) -> Result<Message, Refused> {
        message(topic, event, Some(query), kind, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn row_302_the_body_is_the_payload_as_it_stands() {
        let json = read("room1", "ev", "apikey=k&vsn=2.0.0", Kind::Json, "{ \"z\" : 1 }").unwrap();
        assert_eq!((&*json.audience.topic, &*json.event), ("realtime:room1", "ev"));
        assert_eq!(json.payload, Payload::Binary(Bytes::from_static(b"\x04\x02\0\x01ev{ \"z\" : 1 }")));
        let raw = read("room1", "ev", "private=true", Kind::Bytes, "{").unwrap();
        assert_eq!(raw.audience.topic, "@private:realtime:room1");
        assert_eq!(raw.payload, Payload::Binary(Bytes::from_static(b"\x04\x02\0\0ev{")));
        assert!(read("t", "e", "", Kind::Json, "7").is_ok());
        for query in ["private=false", "private", "persist=true", ""] {
            assert_eq!(read("t", "e", query, Kind::Json, "{}").unwrap().audience.topic, "realtime:t", "{query}");
        }
    }

    #[test]
    fn row_302_what_no_client_could_read_is_refused() {
        let long = "x".repeat(256);
        for (topic, event, body, wrong) in [
            ("", "e", "{}", Refused::invalid("topic", BLANK)),
            ("t", "", "{}", Refused::invalid("event", BLANK)),
            (&long, "e", "{}", Refused::invalid("topic", TOO_LONG)),
            ("t", &long, "{}", Refused::invalid("event", TOO_LONG)),
            ("t", "e", "", Refused::invalid("payload", INVALID)),
            ("t", "e", "{}{}", Refused::invalid("payload", INVALID)),
        ] {
            assert_eq!(read(topic, event, "", Kind::Json, body), Err(wrong));
        }
        let deep = Bytes::from("[".repeat(128) + &"]".repeat(128));
        let refused = message("t", "e", None, Kind::Json, &deep);
        assert_eq!(refused, Err(Refused::invalid("payload", "is nested too deeply")));
        let bytes = Bytes::from_static(b"\xff");
        assert_eq!(message("t", "e", None, Kind::Json, &bytes), Err(Refused::invalid("payload", INVALID)));
        assert!(message("t", "e", None, Kind::Bytes, &bytes).is_ok());
    }
}
