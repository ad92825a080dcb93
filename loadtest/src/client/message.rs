//! Messages in protocol versions 1.0.0 (objects) and 2.0.0 (arrays).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The serializer version that the connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum Vsn {
    /// JSON objects.
    #[value(name = "1.0.0")]
    #[serde(rename = "1.0.0")]
    V1,
    /// JSON arrays.
    #[value(name = "2.0.0")]
    #[serde(rename = "2.0.0")]
    V2,
}

impl Vsn {
    /// As the query says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0.0",
            Self::V2 => "2.0.0",
        }
    }
}

/// A message to write. Refs are strings, as phoenix.js sends them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) join_ref: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    pub(crate) topic: &'a str,
    pub(crate) event: &'a str,
    /// JSON, written as it is.
    pub(crate) payload: &'a str,
}

/// A message that was read.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) join_ref: Option<Cow<'a, str>>,
    pub(crate) reference: Option<Cow<'a, str>>,
    pub(crate) topic: Cow<'a, str>,
    pub(crate) event: Cow<'a, str>,
    pub(crate) payload: &'a RawValue,
}

/// The payload of a `phx_reply`.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(borrow)]
    pub(crate) status: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) response: &'a RawValue,
}

impl<'a> Message<'a> {
    /// The reply in it, if it is one.
    pub(crate) fn reply(&self) -> Option<Reply<'a>> {
        if self.event == "phx_reply" { serde_json::from_str(self.payload.get()).ok() } else { None }
    }

    /// How the server has ended the channel, if it says so: a channel of Phoenix crashes when it does not handle an event.
    pub(crate) fn end(&self) -> Option<String> {
        let ends = matches!(self.event.as_ref(), "phx_error" | "phx_close");
        ends.then(|| format!("{} {}", self.event, self.payload.get()))
    }
}

/// The text of a message.
pub(crate) fn encode(vsn: Vsn, message: Outgoing<'_>) -> String {
    let Outgoing { join_ref, reference, topic, event, payload } = message;
    let (join_ref, reference) = (quoted(join_ref), quoted(reference));
    let (topic, event) = (quoted(Some(topic)), quoted(Some(event)));
    match vsn {
        Vsn::V2 => format!("[{join_ref},{reference},{topic},{event},{payload}]"),
        // A server never writes join_ref in this version, and a client may leave it out.
        Vsn::V1 if join_ref == "null" => {
            format!(r#"{{"topic":{topic},"event":{event},"payload":{payload},"ref":{reference}}}"#)
        }
        Vsn::V1 => format!(
            r#"{{"topic":{topic},"event":{event},"payload":{payload},"ref":{reference},"join_ref":{join_ref}}}"#
        ),
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), |text| serde_json::Value::from(text).to_string())
}

/// Reads a message; `None` if the text is not one of this version.
pub(crate) fn decode(vsn: Vsn, text: &[u8]) -> Option<Message<'_>> {
    match vsn {
        Vsn::V2 => {
            let V2(join_ref, reference, topic, event, payload) = serde_json::from_slice(text).ok()?;
            Some(Message {
                join_ref: join_ref.map(|text| text.0),
                reference: reference.map(|text| text.0),
                topic: topic.0,
                event: event.0,
                payload,
            })
        }
        Vsn::V1 => {
            let V1 { join_ref, reference, topic, event, payload } = serde_json::from_slice(text).ok()?;
            Some(Message { join_ref, reference, topic, event, payload })
        }
    }
}

/// `Cow` alone would copy inside a tuple or an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct V2<'a>(
    #[serde(borrow)] Option<Text<'a>>,
    #[serde(borrow)] Option<Text<'a>>,
    #[serde(borrow)] Text<'a>,
    #[serde(borrow)] Text<'a>,
    #[serde(borrow)] &'a RawValue,
);

#[derive(Deserialize)]
struct V1<'a> {
    #[serde(borrow, default)]
    join_ref: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ref")]
    reference: Option<Cow<'a, str>>,
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOIN: Outgoing<'_> =
        Outgoing { join_ref: Some("1"), reference: Some("1"), topic: "a\"b", event: "phx_join", payload: "{}" };

    #[test]
    fn both_versions_write_what_phoenix_js_writes() {
        assert_eq!(encode(Vsn::V2, JOIN), r#"["1","1","a\"b","phx_join",{}]"#);
        assert_eq!(
            encode(Vsn::V1, JOIN),
            r#"{"topic":"a\"b","event":"phx_join","payload":{},"ref":"1","join_ref":"1"}"#
        );
        let broadcast = Outgoing { join_ref: None, reference: None, ..JOIN };
        assert_eq!(encode(Vsn::V1, broadcast), r#"{"topic":"a\"b","event":"phx_join","payload":{},"ref":null}"#);
    }

    #[test]
    fn a_message_reads_back_in_both_versions() {
        for vsn in [Vsn::V1, Vsn::V2] {
            let text = encode(vsn, JOIN);
            let message = decode(vsn, text.as_bytes()).unwrap();
            assert_eq!((message.topic.as_ref(), message.event.as_ref()), ("a\"b", "phx_join"));
            assert_eq!((message.join_ref.as_deref(), message.reference.as_deref()), (Some("1"), Some("1")));
        }
    }

    #[test]
    fn a_reply_gives_status_and_response() {
        let text = br#"["1","7","t","phx_reply",{"status":"error","response":{"reason":"no"}}]"#;
        let reply = decode(Vsn::V2, text).unwrap().reply().unwrap();
        assert_eq!((reply.status.as_ref(), reply.response.get()), ("error", r#"{"reason":"no"}"#));
        assert!(decode(Vsn::V2, br#"[null,null,"t","e",{}]"#).unwrap().reply().is_none());
        assert!(decode(Vsn::V2, b"{}").is_none());
        let crash = br#"["1","1","t","phx_error",{"reason":"channel_crash"}]"#;
        assert_eq!(decode(Vsn::V2, crash).unwrap().end().unwrap(), r#"phx_error {"reason":"channel_crash"}"#);
    }
}
